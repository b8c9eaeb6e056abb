#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cf {

/// The number a raw id stands for, if it is one: an int64 as a program would print it, so that the
/// text can be had back ("7" is a number, "007", "+7" and "7.0" are strings).
std::optional<std::int64_t> NumberOf(std::string_view raw);

/// The raw ids of users or of items by code, a number given in any order of the caller's choice.
/// Either all raw ids are numbers, or all are strings.
///
/// Owner:   whoever fills a DatasetWriter.
/// Threads: not thread-safe.
class Vocabulary {
 public:
  Vocabulary() = default;
  explicit Vocabulary(std::vector<std::int64_t> numbers);
  explicit Vocabulary(std::vector<std::string> strings);

  bool numeric() const { return numeric_; }
  std::size_t size() const { return numeric_ ? numbers_.size() : strings_.size(); }

  /// Requires: numeric().
  std::int64_t number(std::uint32_t code) const { return numbers_[code]; }
  /// Requires: !numeric().
  const std::string& string(std::uint32_t code) const { return strings_[code]; }

  /// The raw id as text, of either kind.
  std::string Text(std::uint32_t code) const;

  /// The order of raw ids: of numbers if all are numbers, else of bytes.
  bool Less(std::uint32_t a, std::uint32_t b) const {
    if (ascending_) return a < b;
    return numeric_ ? numbers_[a] < numbers_[b] : strings_[a] < strings_[b];
  }

 private:
  bool numeric_ = true;
  bool ascending_ = true;  // Whether the codes are in the order of the raw ids.
  std::vector<std::int64_t> numbers_;
  std::vector<std::string> strings_;
};

}  // namespace cf
