#include "common/text/memory_size.h"

#include <cmath>
#include <string_view>

#include <absl/strings/ascii.h>
#include <absl/strings/match.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>

namespace cf {
namespace {

constexpr double kMost = 0x1p50;
constexpr double kLeastBytes = 0x1p20;

/// Bytes of a unit; 0 for what is none.
double BytesOf(std::string unit) {
  if (unit.empty()) return 0x1p20;
  unit = absl::AsciiStrToUpper(unit);
  const std::string_view letters = "KMGT";
  const std::size_t power = letters.find(unit.front());
  if (power == std::string_view::npos) return 0;
  const std::string_view rest = std::string_view(unit).substr(1);
  if (rest.empty() || rest == "IB") return std::pow(1024.0, static_cast<double>(power + 1));
  return rest == "B" ? std::pow(1000.0, static_cast<double>(power + 1)) : 0;
}

}  // namespace

absl::StatusOr<std::uint64_t> ParseMemorySize(const std::string& text) {
  const std::size_t end = text.find_first_not_of("0123456789.");
  const std::size_t digits = end == std::string::npos ? text.size() : end;
  double number = 0;
  const bool is_number = absl::SimpleAtod(text.substr(0, digits), &number);
  const double bytes = number * BytesOf(text.substr(digits));
  if (!is_number || !(bytes >= kLeastBytes) || bytes > kMost) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", text, "\": expected a size of memory, such as 2GiB or 800 (MiB)"));
  }
  return static_cast<std::uint64_t>(bytes);
}

}  // namespace cf
