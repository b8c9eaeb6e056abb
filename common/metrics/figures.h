#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cf {

/// A number that says how a model does or how its training goes, by the name of its column in
/// history.csv: "val_ndcg_10".
struct Figure {
  std::string name;
  double value = 0;

  bool operator==(const Figure&) const = default;
};

/// Figures of one thing, in the order in which they came. What was not measured is not there. From
/// the sums of the replies to history, manifest, status, page and export there is no other type.
///
/// Owner:      whoever has it: it is a value.
/// Threads:    not thread-safe.
/// Bounds:     some dozens; they are searched one after the other.
/// Invariants: no two have the same name.
class Figures {
 public:
  // The names by which algorithms look for the types of a container.
  // NOLINTBEGIN(readability-identifier-naming)
  using value_type = Figure;
  using const_iterator = std::vector<Figure>::const_iterator;
  // NOLINTEND(readability-identifier-naming)

  Figures() = default;
  Figures(std::initializer_list<Figure> figures);

  /// Puts a new figure behind the others; one that is there keeps its place.
  void Set(const std::string& name, double value);
  /// Sets all of `others`, in their order.
  void SetAll(const Figures& others);

  std::optional<double> Find(std::string_view name) const;

  const_iterator begin() const { return figures_.begin(); }
  const_iterator end() const { return figures_.end(); }
  std::size_t size() const { return figures_.size(); }
  bool empty() const { return figures_.empty(); }

  bool operator==(const Figures&) const = default;

 private:
  std::vector<Figure> figures_;
};

/// What an epoch came to: a line of history.csv.
struct EpochFigures {
  std::uint32_t epoch = 0;  ///< Counted from 1; 0: the model before the first step.
  std::uint64_t step = 0;   ///< Global steps so far.
  Figures figures = {};

  bool operator==(const EpochFigures&) const = default;
};

/// The figures that every history has a column for, in the order of the columns.
inline constexpr const char* kUsualFigures[] = {
    "train_loss", "train_rmse",    "l2_penalty",         "val_loss", "val_rmse",
    "val_mae",    "learning_rate", "samples_per_second", "seconds",  "pause_seconds"};

/// Whether it is one of kUsualFigures; the others are those that a job asks for.
bool IsUsual(std::string_view name);

/// The figures of validation among them.
Figures ValidationOf(const Figures& figures);

/// The names of the figures by which epochs are judged that one of them has: val_rmse, val_loss,
/// val_mae, train_rmse and train_loss as far as they are there, then the others in their order.
std::vector<std::string> JudgingNamesOf(std::span<const EpochFigures> epochs);

}  // namespace cf
