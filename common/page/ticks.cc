#include "common/page/ticks.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>

#include "common/base/check.h"
#include "common/math/math.h"

namespace cf {
namespace {

// A tick may lie outside by this share of the step: bounds are seldom exact multiples in binary.
constexpr double kSlack = 1e-9;

/// count * leading * 10^exponent. Division by an exact power gives 0.3, where 3 * 0.1 is not.
double Scaled(double count, int exponent) {
  const double power = math::PowInt(10, static_cast<std::uint64_t>(std::abs(exponent)));
  return exponent < 0 ? count / power : count * power;
}

/// The exponent of the largest power of ten that is not above `number`. The library's log10 guesses,
/// and whatever it says in the last bit, two comparisons decide: a page has the same bytes on every
/// machine. Requires: number > 0 and finite.
int DecimalExponent(double number) {
  int exponent = static_cast<int>(std::floor(std::log10(number)));
  while (Scaled(1, exponent) > number) --exponent;
  while (Scaled(1, exponent + 1) <= number) ++exponent;
  return exponent;
}

std::vector<double> Multiples(AxisRange range, double leading, int exponent) {
  const double step = Scaled(leading, exponent);
  const double last = std::floor(range.high / step + kSlack);
  std::vector<double> ticks;
  // Whole numbers, which a double counts exactly, and no int has the largest of.
  // NOLINTNEXTLINE(clang-analyzer-security.FloatLoopCounter)
  for (double k = std::ceil(range.low / step - kSlack); k <= last; ++k) {
    ticks.push_back(Scaled(k * leading, exponent));
  }
  return ticks;
}

/// Numbers from `from` are shown in multiples of `size`.
struct Unit {
  double from;
  double size;
  const char* letter;
};
constexpr Unit kUnits[] = {{1e9, 1e9, "G"}, {1e6, 1e6, "M"}, {1e4, 1e3, "k"}};

/// Decimals that show ascending numbers exactly, as seen from their distance; up to six, -1 where
/// that is not enough.
int DecimalsOf(const std::vector<double>& numbers) {
  double distance = numbers.empty() ? 0 : std::abs(numbers.back());
  for (std::size_t k = 1; k < numbers.size(); ++k) {
    distance = std::min(distance, numbers[k] - numbers[k - 1]);
  }
  double power = 1;
  for (int decimals = 0; decimals <= 6; ++decimals, power *= 10) {
    const bool exact = std::all_of(numbers.begin(), numbers.end(), [&](double number) {
      const double scaled = number * power;
      return std::abs(scaled - std::round(scaled)) <= 1e-3 * std::min(distance * power, 1.0);
    });
    if (exact) return decimals;
  }
  return -1;
}

}  // namespace

std::vector<double> LinearTicks(AxisRange range, std::size_t count_max, bool whole) {
  Check(range.low < range.high && count_max >= 2, "an axis has a length and two ticks or more");
  const double raw = (range.high - range.low) / static_cast<double>(count_max);
  int exponent = DecimalExponent(raw);
  if (whole) exponent = std::max(exponent, 0);
  for (;; ++exponent) {
    for (const double leading : {1.0, 2.0, 5.0}) {
      // Before any tick is made: a fine step in a wide range would make too many to hold.
      if (Scaled(leading, exponent) < raw * 0.5) continue;
      std::vector<double> ticks = Multiples(range, leading, exponent);
      if (ticks.size() <= count_max) return ticks;
    }
  }
}

std::vector<double> LogTicks(AxisRange range, std::size_t count_max) {
  Check(range.low > 0 && range.low < range.high, "a logarithmic axis is above zero");
  const int first = DecimalExponent(range.low);
  const int last = DecimalExponent(range.high) + 1;
  const auto collect = [&](int every, const std::vector<double>& leadings) {
    std::vector<double> ticks;
    for (int exponent = first; exponent <= last; exponent += every) {
      for (const double leading : leadings) {
        const double tick = Scaled(leading, exponent);
        if (tick >= range.low * (1 - kSlack) && tick <= range.high * (1 + kSlack)) {
          ticks.push_back(tick);
        }
      }
    }
    return ticks;
  };
  std::vector<double> ticks = collect(1, {1, 2, 5});
  if (ticks.size() < 3) return LinearTicks(range, count_max);
  for (int every = 1; ticks.size() > count_max; ++every) ticks = collect(every, {1});
  return ticks;
}

std::vector<std::string> TickTexts(const std::vector<double>& ticks) {
  double largest = 0;
  for (const double tick : ticks) largest = std::max(largest, std::abs(tick));
  Unit unit = {0, 1, ""};
  for (const Unit& candidate : kUnits) {
    if (largest >= candidate.from && largest < 1e15) {
      unit = candidate;
      break;
    }
  }
  std::vector<double> numbers;
  for (const double tick : ticks) numbers.push_back(tick / unit.size);
  const bool small = largest > 0 && largest < 1e-4;
  const int decimals = small || largest >= 1e15 ? -1 : DecimalsOf(numbers);
  std::vector<std::string> texts;
  for (std::size_t k = 0; k < ticks.size(); ++k) {
    if (decimals < 0) {
      texts.push_back(absl::StrFormat("%.10g", ticks[k]));
    } else if (numbers[k] == 0) {
      texts.emplace_back("0");
    } else {
      texts.push_back(absl::StrCat(absl::StrFormat("%.*f", decimals, numbers[k]), unit.letter));
    }
  }
  return texts;
}

std::string FigureText(double value) {
  return absl::StrFormat("%.6g", value);
}

}  // namespace cf
