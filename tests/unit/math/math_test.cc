#include "common/math/math.h"

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <functional>
#include <vector>

#include <gtest/gtest.h>

#include "common/math/random.h"
#include "common/math/softplus.h"

namespace cf::math {
namespace {

/// How far `value` is from the truth, in units of the last place of a double at the truth.
double UlpError(double value, long double truth) {
  if (truth == 0.0L) return value == 0.0 ? 0.0 : 1e9;
  int exponent = 0;
  std::frexp(truth, &exponent);
  const long double ulp = std::ldexp(1.0L, std::max(exponent - 53, -1074));
  return static_cast<double>(std::abs(static_cast<long double>(value) - truth) / ulp);
}

/// The largest error of `ours` at a hundred thousand random places of [from, to).
double WorstUlp(double from, double to, const std::function<double(double)>& ours,
                const std::function<long double(long double)>& truth) {
  const CounterRandom random(17, Purpose::kFault);
  double worst = 0.0;
  for (std::uint64_t n = 0; n < 100'000; ++n) {
    const double x = from + (to - from) * random.UniformDouble(n);
    worst = std::max(worst, UlpError(ours(x), truth(x)));
  }
  return worst;
}

TEST(Math, ExpIsWithinAnUlp) {
  const auto truth = [](long double x) { return std::exp(x); };
  EXPECT_LT(WorstUlp(-1, 1, Exp, truth), 1.0);
  EXPECT_LT(WorstUlp(-708, 709.7, Exp, truth), 1.0);
  EXPECT_LT(WorstUlp(-745, -708, Exp, truth), 2.0);  // Denormal results.
}

TEST(Math, ExpAtTheEnds) {
  EXPECT_EQ(Exp(0.0), 1.0);
  EXPECT_EQ(Exp(-0.0), 1.0);
  EXPECT_EQ(Exp(709.0) < kInfinity, true);
  EXPECT_EQ(Exp(709.79), kInfinity);
  EXPECT_EQ(Exp(1e300), kInfinity);
  EXPECT_EQ(Exp(kInfinity), kInfinity);
  EXPECT_EQ(Exp(-745.2), 0.0);
  EXPECT_EQ(Exp(-kInfinity), 0.0);
  EXPECT_TRUE(std::isnan(Exp(std::nan(""))));
}

TEST(Math, LogIsWithinAnUlp) {
  const auto truth = [](long double x) { return std::log(x); };
  EXPECT_LT(WorstUlp(0.5, 2, Log, truth), 1.0);
  EXPECT_LT(WorstUlp(0.999, 1.001, Log, truth), 1.0);
  EXPECT_LT(WorstUlp(1e-300, 1e-290, Log, truth), 1.0);
  EXPECT_LT(WorstUlp(1, 1e300, Log, truth), 1.0);
  EXPECT_LT(WorstUlp(1e-320, 1e-308, Log, truth), 1.0);
}

TEST(Math, LogAtTheEnds) {
  EXPECT_EQ(Log(1.0), 0.0);
  EXPECT_EQ(Log(0.0), -kInfinity);
  EXPECT_EQ(Log(kInfinity), kInfinity);
  EXPECT_TRUE(std::isnan(Log(-1.0)));
  EXPECT_TRUE(std::isnan(Log(std::nan(""))));
}

TEST(Math, SoftplusIsWithinTwoUlp) {
  const auto truth = [](long double x) { return std::log1p(std::exp(x)); };
  EXPECT_LT(WorstUlp(-1.5, 1.5, Softplus, truth), 2.0);
  EXPECT_LT(WorstUlp(-700, 700, Softplus, truth), 2.0);
  EXPECT_EQ(Softplus(1e6), 1e6);
  EXPECT_EQ(Softplus(-1e6), 0.0);
  EXPECT_EQ(Softplus(kInfinity), kInfinity);
  EXPECT_TRUE(std::isnan(Softplus(std::nan(""))));
}

TEST(Math, SigmoidIsWithinThreeUlp) {
  const auto truth = [](long double x) { return 1.0L / (1.0L + std::exp(-x)); };
  EXPECT_LT(WorstUlp(-5, 5, Sigmoid, truth), 3.0);
  EXPECT_LT(WorstUlp(-700, 700, Sigmoid, truth), 3.0);
  EXPECT_EQ(Sigmoid(0.0), 0.5);
  EXPECT_EQ(Sigmoid(kInfinity), 1.0);
  EXPECT_EQ(Sigmoid(-kInfinity), 0.0);
  EXPECT_TRUE(std::isnan(Sigmoid(std::nan(""))));
}

// Goal: many at once have the bits of one at a time, at any length and beyond all ends.
TEST(Math, SoftplusOfManyHasTheBitsOfEach) {
  const CounterRandom random(2, Purpose::kSynth);
  std::vector<double> x = {0, -0.0, 1e6, -1e6, kInfinity, -kInfinity, std::nan(""), 699.9, -700.1};
  for (std::uint64_t k = 0; k < 3000; ++k) {
    x.push_back((random.UniformDouble(k) - 0.5) * (k % 3 == 0 ? 2 : k % 3 == 1 ? 60 : 1500));
  }
  for (const std::size_t n :
       {std::size_t{0}, std::size_t{1}, std::size_t{7}, std::size_t{13}, x.size()}) {
    const std::vector<double> some(x.end() - static_cast<std::ptrdiff_t>(n), x.end());
    std::vector<double> values(n);
    std::vector<double> slopes(n);
    SoftplusOf(some, values, slopes);
    for (std::size_t k = 0; k < n; ++k) {
      if (std::isnan(some[k])) {
        EXPECT_TRUE(std::isnan(values[k]) && std::isnan(slopes[k]));
        continue;
      }
      EXPECT_EQ(std::bit_cast<std::uint64_t>(values[k]),
                std::bit_cast<std::uint64_t>(Softplus(some[k])))
          << some[k];
      EXPECT_EQ(std::bit_cast<std::uint64_t>(slopes[k]),
                std::bit_cast<std::uint64_t>(Sigmoid(some[k])))
          << some[k];
    }
  }
}

TEST(Math, PowIsWithinTwoUlpWhereSchedulesUseIt) {
  for (const double exponent : {0.25, 0.5, 1.0, 3.0, 7.3, -2.7, 19.99}) {
    const auto ours = [=](double x) { return Pow(x, exponent); };
    const auto truth = [=](long double x) {
      return std::pow(x, static_cast<long double>(exponent));
    };
    EXPECT_LT(WorstUlp(0.25, 4, ours, truth), 2.0) << exponent;
    EXPECT_LT(WorstUlp(1e-9, 1e-5, ours, truth), 16.0) << exponent;
  }
  EXPECT_EQ(Pow(0.7, 0.0), 1.0);
  EXPECT_EQ(Pow(1.0, 1e300), 1.0);
  EXPECT_EQ(Pow(2.0, 10.0), 1024.0);
  EXPECT_EQ(Pow(2.0, 1e9), kInfinity);
  EXPECT_EQ(Pow(0.5, 1e9), 0.0);
}

TEST(Math, PowIntLosesNothingOverManySteps) {
  for (const double base : {0.9, 0.999, 0.99999, -0.9, 1.0001}) {
    for (const std::uint64_t exponent : {0U, 1U, 2U, 3U, 10U, 1000U, 6543U, 100'000U}) {
      const long double truth =
          std::pow(static_cast<long double>(base), static_cast<long double>(exponent));
      if (std::abs(truth) < 1e-290L) continue;  // The low half underflows there.
      EXPECT_LT(UlpError(PowInt(base, exponent), truth), 1.0) << base << "^" << exponent;
    }
  }
  EXPECT_EQ(PowInt(0.9, 1'000'000'000), 0.0);
  EXPECT_EQ(PowInt(3.0, 1'000'000'000), kInfinity);
  EXPECT_EQ(PowInt(0.0, 0), 1.0);
}

TEST(Math, CosPiIsWithinTwoUlp) {
  const auto truth = [](long double x) {
    // Away from the zeros of the cosine, reduced exactly before libm sees it.
    const long double turn = std::abs(std::remainder(x, 2.0L));
    return std::sin(3.14159265358979323846264338L * (0.5L - turn));
  };
  EXPECT_LT(WorstUlp(-1, 1, CosPi, truth), 2.0);
  EXPECT_LT(WorstUlp(-1e6, 1e6, CosPi, truth), 2.0);
  EXPECT_EQ(CosPi(0.0), 1.0);
  EXPECT_EQ(CosPi(1.0), -1.0);
  EXPECT_EQ(CosPi(0.5), 0.0);
  EXPECT_EQ(CosPi(-7.5), 0.0);
  EXPECT_EQ(CosPi(1e300), 1.0);
}

/// The p with InverseNormalCdf(p) = x, by libm.
long double NormalCdf(long double x) {
  return 0.5L * std::erfc(-x / std::sqrt(2.0L));
}

TEST(Math, InverseNormalCdfInvertsTheNormalCdf) {
  const CounterRandom random(17, Purpose::kFault);
  double worst = 0.0;
  for (std::uint64_t n = 0; n < 100'000; ++n) {
    const double p = n % 2 == 0 ? random.UniformDouble(n) : Exp(-700.0 * random.UniformDouble(n));
    if (p <= 0.0 || p >= 0.5) continue;  // Above one half, 1 - p decides: see the symmetry below.
    const double x = InverseNormalCdf(p);
    // One Newton step from x gives the truth to the precision of a long double.
    const long double density =
        std::exp(-0.5L * x * x) / std::sqrt(2.0L * 3.14159265358979323846264338L);
    worst = std::max(worst, UlpError(x, x - (NormalCdf(x) - p) / density));
  }
  EXPECT_LT(worst, 6.0);
  for (const double p : {0.25, 0.0625, 0x1p-20, 0x1p-40}) {
    EXPECT_EQ(InverseNormalCdf(1.0 - p), -InverseNormalCdf(p));
  }
  EXPECT_EQ(InverseNormalCdf(0.5), 0.0);
  EXPECT_EQ(InverseNormalCdf(0.0), -kInfinity);
  EXPECT_EQ(InverseNormalCdf(1.0), kInfinity);
}

// Goal: a change of any bit of any function is noticed: these decide the digests of models.
TEST(Math, GoldenBits) {
  const CounterRandom random(1, Purpose::kFault);
  std::array<std::uint64_t, 8> sums{};
  for (std::uint64_t n = 0; n < 10'000; ++n) {
    const double u = random.UniformDouble(n);
    const double x = 40.0 * (u - 0.5);
    const std::array<double, 8> values = {Exp(x),     Log(u + 0x1p-60),   Softplus(x),
                                          Sigmoid(x), Pow(u + 0.1, x),    PowInt(u, n % 100),
                                          CosPi(x),   InverseNormalCdf(u)};
    for (std::size_t i = 0; i < values.size(); ++i) {
      sums[i] = sums[i] * 0x9e3779b97f4a7c15U + std::bit_cast<std::uint64_t>(values[i]);
    }
  }
  const std::array<std::uint64_t, 8> golden = {
      0x7de162bdd60f0eb2U, 0x79cbd0262c4cad22U, 0x3396ffdab7009c03U, 0x051d859ab6902643U,
      0xc3fee4439479ac14U, 0xee206855a711358aU, 0x718cf357b3615602U, 0x650bd37ddd538b6cU};
  EXPECT_EQ(sums, golden);
}

}  // namespace
}  // namespace cf::math
