#include "common/dataset/vocabulary.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace cf {

std::optional<std::int64_t> NumberOf(std::string_view raw) {
  const bool negative = raw.starts_with('-');
  const std::string_view digits = raw.substr(negative ? 1 : 0);
  if (digits.empty() || (digits[0] == '0' && (digits.size() > 1 || negative))) return std::nullopt;
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(raw.data(), raw.data() + raw.size(), value);
  if (error != std::errc() || end != raw.data() + raw.size()) return std::nullopt;
  return value;
}

Vocabulary::Vocabulary(std::vector<std::int64_t> numbers)
    : ascending_(std::is_sorted(numbers.begin(), numbers.end())), numbers_(std::move(numbers)) {
}

Vocabulary::Vocabulary(std::vector<std::string> strings)
    : numeric_(false),
      ascending_(std::is_sorted(strings.begin(), strings.end())),
      strings_(std::move(strings)) {
}

std::string Vocabulary::Text(std::uint32_t code) const {
  return numeric_ ? std::to_string(numbers_[code]) : strings_[code];
}

}  // namespace cf
