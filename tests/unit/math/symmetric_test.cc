// Goal: products, factors and solutions are those of the definitions, whatever the size beside the
// blocks that loops take.

#include "common/math/symmetric.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "common/math/random.h"

namespace cf::symmetric_test {
namespace {

constexpr std::size_t kSizes[] = {1, 2, 7, 8, 9, 16, 33, 65};

DenseRows RandomRows(std::size_t rows, std::size_t columns) {
  const CounterRandom random(5, Purpose::kSynth);
  DenseRows made(rows, columns);
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t c = 0; c < columns; ++c) {
      made.row(r)[c] = static_cast<double>(random.UniformFloat(r * columns + c)) - 0.5;
    }
  }
  return made;
}

// The identity and a weighted sum of products: positive definite.
SymmetricMatrix Positive(const DenseRows& rows, std::span<const double> weights) {
  SymmetricMatrix matrix(rows.columns());
  for (std::size_t i = 0; i < rows.columns(); ++i) matrix.AddToDiagonal(i, 1);
  matrix.AddProducts(weights, rows);
  return matrix;
}

TEST(Symmetric, ProductsAreTheSumsOfTheDefinition) {
  for (const std::size_t n : kSizes) {
    for (const std::size_t count : {0UL, 1UL, 4UL, 7UL, 30UL}) {
      const DenseRows rows = RandomRows(count, n);
      std::vector<double> weights(count);
      for (std::size_t s = 0; s < count; ++s) weights[s] = static_cast<double>(s) - 1.5;
      SymmetricMatrix matrix(n);
      matrix.AddProducts(weights, rows);
      matrix.Scale(2);
      for (std::size_t i = 0; i < n; ++i) {
        for (std::size_t j = 0; j < n; ++j) {
          double sum = 0;
          for (std::size_t s = 0; s < count; ++s) {
            sum += 2 * weights[s] * rows.row(s)[i] * rows.row(s)[j];
          }
          EXPECT_NEAR(matrix.at(i, j), sum, 1e-12) << n << " " << count;
        }
      }
    }
  }
}

TEST(Symmetric, SolutionsAndInversesSatisfyTheirEquations) {
  for (const std::size_t n : kSizes) {
    const DenseRows rows = RandomRows(2 * n, n);
    const std::vector<double> weights(2 * n, 3.0);
    const SymmetricMatrix matrix = Positive(rows, weights);
    const std::optional<Cholesky> factor = Cholesky::Of(matrix);
    ASSERT_TRUE(factor.has_value());
    std::vector<double> right(n);
    for (std::size_t i = 0; i < n; ++i) right[i] = 1.0 + static_cast<double>(i % 5);
    std::vector<double> x = right;
    factor->Solve(x);
    std::vector<double> back(n);
    matrix.Multiply(x, back);
    for (std::size_t i = 0; i < n; ++i) EXPECT_NEAR(back[i], right[i], 1e-11) << n;

    const SymmetricMatrix inverse = factor->Inverse();
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < n; ++j) {
        double sum = 0;
        for (std::size_t k = 0; k < n; ++k) sum += matrix.at(i, k) * inverse.at(k, j);
        EXPECT_NEAR(sum, i == j ? 1.0 : 0.0, 1e-11) << n;
      }
    }
  }
}

TEST(Symmetric, SumsOfMatricesAreByElement) {
  const DenseRows rows = RandomRows(12, 9);
  const std::vector<double> weights(12, 1.0);
  SymmetricMatrix sum = Positive(rows, weights);
  const SymmetricMatrix one = sum;
  sum.Add(-0.25, one);
  for (std::size_t i = 0; i < 9; ++i) {
    for (std::size_t j = 0; j < 9; ++j) EXPECT_DOUBLE_EQ(sum.at(i, j), 0.75 * one.at(i, j));
  }
}

TEST(Symmetric, WhatIsNotPositiveDefiniteHasNoFactor) {
  SymmetricMatrix zero(3);
  EXPECT_FALSE(Cholesky::Of(zero).has_value());
  SymmetricMatrix negative(2);
  negative.AddToDiagonal(0, 1);
  negative.AddToDiagonal(1, -1);
  EXPECT_FALSE(Cholesky::Of(negative).has_value());
  SymmetricMatrix infinite(1);
  infinite.AddToDiagonal(0, std::numeric_limits<double>::infinity());
  EXPECT_FALSE(Cholesky::Of(infinite).has_value());
  SymmetricMatrix nan(1);
  nan.AddToDiagonal(0, std::numeric_limits<double>::quiet_NaN());
  EXPECT_FALSE(Cholesky::Of(nan).has_value());
  EXPECT_TRUE(Cholesky::Of(SymmetricMatrix(0)).has_value());
  EXPECT_FALSE(Cholesky::OfNearly(zero).has_value());
  EXPECT_FALSE(Cholesky::OfNearly(negative).has_value());
  EXPECT_FALSE(Cholesky::OfNearly(infinite).has_value());
  EXPECT_FALSE(Cholesky::OfNearly(nan).has_value());
}

// Goal: what rounding took from a sum comes back. Method: one direction that outweighs the others by
// more than a double has digits.
TEST(Symmetric, ASumThatRoundingMadeIndefiniteHasNearlyAFactor) {
  constexpr std::size_t kSize = 20;
  const DenseRows rows = RandomRows(1, kSize);
  SymmetricMatrix matrix(kSize);
  for (std::size_t i = 0; i < kSize; ++i) matrix.AddToDiagonal(i, 1e-12);
  matrix.AddProducts(std::vector<double>{1e9}, rows);
  ASSERT_FALSE(Cholesky::Of(matrix).has_value());
  const std::optional<Cholesky> factor = Cholesky::OfNearly(matrix);
  ASSERT_TRUE(factor.has_value());
  std::vector<double> x(rows.row(0).begin(), rows.row(0).end());
  std::vector<double> right(kSize);
  matrix.Multiply(x, right);
  factor->Solve(right);
  std::vector<double> back(kSize);
  matrix.Multiply(right, back);
  matrix.Multiply(x, right);
  for (std::size_t i = 0; i < kSize; ++i) EXPECT_NEAR(back[i], right[i], 1e-6 * 1e9);
  // Nothing is added to what has a factor.
  const SymmetricMatrix sound = Positive(RandomRows(40, kSize), std::vector<double>(40, 1.0));
  std::vector<double> as_is(kSize, 1.0);
  std::vector<double> nearly = as_is;
  Cholesky::Of(sound)->Solve(as_is);
  Cholesky::OfNearly(sound)->Solve(nearly);
  EXPECT_EQ(as_is, nearly);
}

}  // namespace
}  // namespace cf::symmetric_test
