#include "common/math/math.h"

#include <cmath>
#include <span>

#include "common/base/check.h"

namespace cf::math {
namespace {

/// high + low, with |low| at most half an ulp of high.
struct DoubleDouble {
  double high;
  double low;
};

/// Requires: |a| >= |b|.
DoubleDouble QuickSum(double a, double b) {
  const double sum = a + b;
  return {sum, b - (sum - a)};
}

DoubleDouble Multiply(DoubleDouble a, DoubleDouble b) {
  const double product = a.high * b.high;
  if (!std::isfinite(product)) return {product, 0.0};
  const double error = std::fma(a.high, b.high, -product);
  return QuickSum(product, error + std::fma(a.high, b.low, a.low * b.high));
}

/// log(x) to about 2^-59 of its size. Requires: x is positive, finite and not denormal.
DoubleDouble PreciseLog(double x) {
  const internal::Split split = internal::SplitOf(x);
  const double f = split.mantissa - 1.0;  // Exact.
  const DoubleDouble divisor = QuickSum(2.0, f);
  const double s = f / divisor.high;
  const double s_low =
      (std::fma(-s, divisor.high, f) - s * divisor.low) / divisor.high;  // f / (2 + f) - s.
  const auto k = static_cast<double>(split.exponent);
  const double rest =
      std::fma(s, internal::LogTail(s), std::fma(2.0, s_low, k * internal::kLn2Low));
  // Where k is not 0, k ln 2 is at least twice as large as 2s.
  const DoubleDouble sum =
      k == 0.0 ? DoubleDouble{2.0 * s, 0.0} : QuickSum(k * internal::kLn2High, 2.0 * s);
  return QuickSum(sum.high, sum.low + rest);
}

/// Coefficients from the constant on.
double Polynomial(std::span<const double> coefficients, double x) {
  double value = 0.0;
  for (std::size_t i = coefficients.size(); i-- > 0;) value = std::fma(value, x, coefficients[i]);
  return value;
}

// The Taylor series of cos(y) in y^2, and of (sin(y) - y) / y^3. What is cut off is below 2^-58
// where |y| <= pi / 4.
constexpr double kCos[] = {1.0,
                           -1.0 / 2,
                           1.0 / 24,
                           -1.0 / 720,
                           1.0 / 40320,
                           -1.0 / 3628800,
                           1.0 / 479001600,
                           -1.0 / 87178291200,
                           1.0 / 20922789888000};
constexpr double kSinTail[] = {
    -1.0 / 6,        1.0 / 120,        -1.0 / 5040,          1.0 / 362880,
    -1.0 / 39916800, 1.0 / 6227020800, -1.0 / 1307674368000, 1.0 / 355687428096000};

// Wichura, Algorithm AS 241: The percentage points of the normal distribution, Applied Statistics
// 37 (1988), PPND16: numerators and denominators for the middle, the shoulders and the tails.
constexpr double kMiddleAbove[] = {3.3871328727963666080e0,  1.3314166789178437745e+2,
                                   1.9715909503065514427e+3, 1.3731693765509461125e+4,
                                   4.5921953931549871457e+4, 6.7265770927008700853e+4,
                                   3.3430575583588128105e+4, 2.5090809287301226727e+3};
constexpr double kMiddleBelow[] = {1.0,
                                   4.2313330701600911252e+1,
                                   6.8718700749205790830e+2,
                                   5.3941960214247511077e+3,
                                   2.1213794301586595867e+4,
                                   3.9307895800092710610e+4,
                                   2.8729085735721942674e+4,
                                   5.2264952788528545610e+3};
constexpr double kShoulderAbove[] = {1.42343711074968357734e0,  4.63033784615654529590e0,
                                     5.76949722146069140550e0,  3.64784832476320460504e0,
                                     1.27045825245236838258e0,  2.41780725177450611770e-1,
                                     2.27238449892691845833e-2, 7.74545014278341407640e-4};
constexpr double kShoulderBelow[] = {1.0,
                                     2.05319162663775882187e0,
                                     1.67638483018380384940e0,
                                     6.89767334985100004550e-1,
                                     1.48103976427480074590e-1,
                                     1.51986665636164571966e-2,
                                     5.47593808499534494600e-4,
                                     1.05075007164441684324e-9};
constexpr double kTailAbove[] = {6.65790464350110377720e0,  5.46378491116411436990e0,
                                 1.78482653991729133580e0,  2.96560571828504891230e-1,
                                 2.65321895265761230930e-2, 1.24266094738807843860e-3,
                                 2.71155556874348757815e-5, 2.01033439929228813265e-7};
constexpr double kTailBelow[] = {1.0,
                                 5.99832206555887937690e-1,
                                 1.36929880922735805310e-1,
                                 1.48753612908506148525e-2,
                                 7.86869131145613259100e-4,
                                 1.84631831751005468180e-5,
                                 1.42151175831644588870e-7,
                                 2.04426310338993978564e-15};

double Ratio(std::span<const double> above, std::span<const double> below, double x) {
  return Polynomial(above, x) / Polynomial(below, x);
}

}  // namespace

double Pow(double base, double exponent) {
  Check(base >= std::numeric_limits<double>::min() && base < kInfinity && std::isfinite(exponent),
        "Pow takes a positive base and a finite exponent");
  const DoubleDouble log = PreciseLog(base);
  const double high = exponent * log.high;
  if (!(std::abs(high) < 746.0)) return high > 0 ? kInfinity : 0.0;
  const double low = std::fma(exponent, log.high, -high) + exponent * log.low;
  const double power = Exp(high);
  return power == kInfinity ? power : std::fma(power, low, power);
}

double PowInt(double base, std::uint64_t exponent) {
  DoubleDouble result{1.0, 0.0};
  DoubleDouble square{base, 0.0};
  for (; exponent != 0; exponent >>= 1) {
    if ((exponent & 1U) != 0) result = Multiply(result, square);
    square = Multiply(square, square);
  }
  return result.high;
}

double CosPi(double x) {
  Check(std::isfinite(x), "CosPi takes a finite number");
  constexpr double kPi = 0x1.921fb54442d18p1;
  double turn = std::abs(x);
  turn -= 2.0 * std::floor(0.5 * turn);  // Exact, in [0, 2); so are the next two.
  if (turn > 1.0) turn = 2.0 - turn;
  const double sign = turn > 0.5 ? -1.0 : 1.0;
  if (turn > 0.5) turn = 1.0 - turn;
  if (turn <= 0.25) {
    const double y = kPi * turn;
    return sign * Polynomial(kCos, y * y);
  }
  const double y = kPi * (0.5 - turn);
  const double square = y * y;
  return sign * std::fma(y * square, Polynomial(kSinTail, square), y);
}

double InverseNormalCdf(double p) {
  Check(p >= 0.0 && p <= 1.0, "a probability is in [0, 1]");
  const double q = p - 0.5;
  if (std::abs(q) <= 0.425) {
    return q * Ratio(kMiddleAbove, kMiddleBelow, 0.180625 - q * q);  // 0.425^2 - q^2.
  }
  const double tail = q < 0 ? p : 1.0 - p;
  if (tail == 0.0) return q < 0 ? -kInfinity : kInfinity;
  const double r = std::sqrt(-Log(tail));
  const double x = r <= 5.0 ? Ratio(kShoulderAbove, kShoulderBelow, r - 1.6)
                            : Ratio(kTailAbove, kTailBelow, r - 5.0);
  return q < 0 ? -x : x;
}

}  // namespace cf::math
