#include "common/dataset/vocabulary.h"

#include <charconv>

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

std::string Vocabulary::Text(std::uint32_t code) const {
  return numeric_ ? std::to_string(numbers_[code]) : strings_[code];
}

}  // namespace cf
