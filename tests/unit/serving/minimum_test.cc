#include "serving/minimum.h"

#include <cmath>

#include <gtest/gtest.h>

namespace cf::minimum_test {
namespace {

Cholesky Identity(std::size_t n) {
  SymmetricMatrix matrix(n);
  for (std::size_t k = 0; k < n; ++k) matrix.AddToDiagonal(k, 1);
  return *Cholesky::Of(matrix);
}

TEST(Minimum, IsThatOfABadlyScaledQuadratic) {
  const auto quadratic = [](std::span<const double> x, std::span<double> gradient) {
    double value = 0;
    for (std::size_t k = 0; k < x.size(); ++k) {
      const double scale = std::pow(4.0, static_cast<double>(k));
      const double away = x[k] - static_cast<double>(k);
      value += scale * away * away;
      gradient[k] = 2 * scale * away;
    }
    return value;
  };
  const std::vector<double> found = Minimum(quadratic, std::vector<double>(6, 9.0), Identity(6));
  for (std::size_t k = 0; k < 6; ++k) EXPECT_NEAR(found[k], static_cast<double>(k), 1e-3);
}

TEST(Minimum, IsWhereTheSlopesOfAConvexFunctionVanish) {
  // log(e^x + e^-2x) + y^2 - y + log cosh(x + y): no step of the identity's fits it.
  const auto function = [](std::span<const double> at, std::span<double> gradient) {
    const double a = std::exp(at[0]);
    const double b = std::exp(-2 * at[0]);
    const double both = std::tanh(at[0] + at[1]);
    gradient[0] = (a - 2 * b) / (a + b) + both;
    gradient[1] = 2 * at[1] - 1 + both;
    return std::log(a + b) + at[1] * at[1] - at[1] + std::log(std::cosh(at[0] + at[1]));
  };
  const std::vector<double> found = Minimum(function, {5.0, -7.0}, Identity(2));
  std::vector<double> gradient(2);
  function(found, gradient);
  EXPECT_NEAR(gradient[0], 0, 1e-3);
  EXPECT_NEAR(gradient[1], 0, 1e-3);
}

TEST(Minimum, StaysWhereItIs) {
  const auto flat = [](std::span<const double>, std::span<double> gradient) {
    gradient[0] = 0;
    return 3.0;
  };
  EXPECT_EQ(Minimum(flat, {1.5}, Identity(1)), std::vector<double>{1.5});
  // A function that says that it falls, and does not.
  const auto lying = [](std::span<const double> x, std::span<double> gradient) {
    gradient[0] = 1;
    return std::abs(x[0]);
  };
  EXPECT_EQ(Minimum(lying, {0.0}, Identity(1)), std::vector<double>{0.0});
}

}  // namespace
}  // namespace cf::minimum_test
