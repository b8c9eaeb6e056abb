#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "common/kernels/kernels.h"
#include "common/kernels/network.h"
#include "common/model/tables.h"

namespace cf {

/// Rows in memory of any kind, as scores need them: vectors padded with zeros to a multiple of
/// kLanes, one every `stride` floats, and perhaps biases. A stride of 0 has the same row in every
/// place. Borrowed.
struct RowsView {
  const float* vectors = nullptr;
  std::size_t stride = 0;
  const float* biases = nullptr;  ///< Null: none.
  std::size_t bias_stride = 0;

  const float* vector(std::size_t k) const { return vectors + k * stride; }

  /// The rows from number `first` on.
  RowsView From(std::size_t first) const {
    return {.vectors = vector(first),
            .stride = stride,
            .biases = biases == nullptr ? nullptr : biases + first * bias_stride,
            .bias_stride = bias_stride};
  }
  /// Row number `k` in every place.
  RowsView Only(std::size_t k) const {
    RowsView one = From(k);
    one.stride = one.bias_stride = 0;
    return one;
  }
};

/// The vectors that a feature gives pairs: those of rows, or where `each` is not null, of each pair
/// what it points at.
struct FeatureView {
  RowsView rows;
  const float* const* each = nullptr;

  const float* vector(std::size_t k) const { return each != nullptr ? each[k] : rows.vector(k); }
};

/// What a model makes of users and items: the numbers that evaluation ranks by, and those that
/// predictions are made of. Rows become vectors (through towers, where the model has them), and
/// pairs of vectors become scores.
///
/// Owner:   Evaluator, ServedModel.
/// Threads: any, once the layers are set; each thread that scores has a workspace of its own and
///          has called SetFloatMode().
/// Bounds:  the model's networks.
/// Invariants: a score has the same bits whatever is scored beside it, so that equal pairs tie.
class Scorer {
 public:
  /// What one thread scores in.
  class Workspace {
   public:
    virtual ~Workspace() = default;
  };

  virtual ~Scorer() = default;

  /// How many dense layers the model has, in the order of its tables, and the row of one of them.
  std::size_t layers() const;
  void SetLayer(std::size_t l, const float* row);

  /// The model's networks, in the order of ModelSpec::networks().
  std::span<const Network> networks() const { return networks_; }

  /// What the rows of users (kUser) or items (kItem) go through before they are scored; null where
  /// they are scored as they are.
  const Network* tower(NetworkRole role) const;

  virtual std::unique_ptr<Workspace> MakeWorkspace() const { return std::make_unique<Workspace>(); }

  /// scores[k] = the raw sum of user number k with item number k. Evaluation leaves out what is the
  /// same for all items of a user, its bias and the mean, and so has what differs in full.
  /// Requires: the layers are set; the rows have gone through their towers; `features` are those
  /// that stand beside users and items, in the order of the model; of users and items one is
  /// `Only` one row.
  virtual void Score(const RowsView& users, const RowsView& items,
                     std::span<const FeatureView> features, Workspace& workspace,
                     std::span<float> scores) const = 0;

 protected:
  Scorer(std::span<const NetworkSpec> networks, const KernelSet& kernels);

 private:
  std::vector<NetworkRole> roles_;  // By network.
  std::vector<Network> networks_;
};

/// Puts `count` rows through a tower: the vector of row k goes to `to + k * to_stride`, padded with
/// zeros to a multiple of kLanes.
void RunTower(const Network& tower, const RowsView& rows, std::size_t count, float* to,
              std::size_t to_stride);

}  // namespace cf
