#include "common/math/symmetric.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "common/base/check.h"

namespace cf {
namespace {

constexpr std::size_t kBlock = DenseRows::kBlock;

// Four doubles, for which the compiler has registers: it makes none of loops of any length.
using Doubles = double __attribute__((vector_size(kBlock / 2 * sizeof(double))));
constexpr std::size_t kWidth = kBlock / 2;

Doubles Load(const double* from) {
  Doubles values;
  std::memcpy(&values, from, sizeof values);
  return values;
}

void Store(const Doubles& values, double* to) {
  std::memcpy(to, &values, sizeof values);
}

// Requires: n is a multiple of kBlock.
double Dot(const double* a, const double* b, std::size_t n) {
  Doubles low{};
  Doubles high{};
  for (std::size_t k = 0; k < n; k += kBlock) {
    low += Load(a + k) * Load(b + k);
    high += Load(a + k + kWidth) * Load(b + k + kWidth);
  }
  const Doubles sum = low + high;
  return (sum[0] + sum[2]) + (sum[1] + sum[3]);
}

// `columns` rounded up to whole blocks.
std::size_t Whole(std::size_t columns) {
  return (columns + kBlock - 1) / kBlock * kBlock;
}

// to[k] += factor * x[k] for whole blocks.
void AddRow(double factor, const double* x, std::size_t n, double* to) {
  for (std::size_t k = 0; k < n; k += kWidth) Store(Load(to + k) + factor * Load(x + k), to + k);
}

// The same of four rows, one after the other, with one passage through `to`.
void AddFourRows(const double* factors, const double* const* x, std::size_t n, double* to) {
  for (std::size_t k = 0; k < n; k += kWidth) {
    Doubles sum = Load(to + k);
    for (std::size_t s = 0; s < 4; ++s) sum += factors[s] * Load(x[s] + k);
    Store(sum, to + k);
  }
}

}  // namespace

void SymmetricMatrix::Add(double factor, const SymmetricMatrix& other) {
  Check(other.size() == size(), "matrices that are added are of one size");
  for (std::size_t i = 0; i < size(); ++i) {
    AddRow(factor, other.rows_.data(i), Whole(i + 1), rows_.data(i));
  }
}

void SymmetricMatrix::AddProducts(std::span<const double> weights, const DenseRows& rows) {
  Check(weights.size() <= rows.rows() && rows.columns() == size(),
        "there is a row of the matrix's size for each weight");
  std::size_t s = 0;
  for (; s + 4 <= weights.size(); s += 4) {
    const double* const x[] = {rows.data(s), rows.data(s + 1), rows.data(s + 2), rows.data(s + 3)};
    for (std::size_t i = 0; i < size(); ++i) {
      const double factors[] = {weights[s] * x[0][i], weights[s + 1] * x[1][i],
                                weights[s + 2] * x[2][i], weights[s + 3] * x[3][i]};
      AddFourRows(factors, x, Whole(i + 1), rows_.data(i));
    }
  }
  for (; s < weights.size(); ++s) {
    const double* const x = rows.data(s);
    for (std::size_t i = 0; i < size(); ++i) {
      AddRow(weights[s] * x[i], x, Whole(i + 1), rows_.data(i));
    }
  }
}

void SymmetricMatrix::Scale(double factor) {
  for (std::size_t i = 0; i < size(); ++i) {
    for (double& value : rows_.row(i)) value *= factor;
  }
}

void SymmetricMatrix::Multiply(std::span<const double> x, std::span<double> y) const {
  std::fill(y.begin(), y.end(), 0.0);
  for (std::size_t i = 0; i < size(); ++i) {
    const double* const row = rows_.data(i);
    double sum = 0;
    for (std::size_t j = 0; j < i; ++j) {
      sum += row[j] * x[j];
      y[j] += row[j] * x[i];
    }
    y[i] += sum + row[i] * x[i];
  }
}

std::optional<Cholesky> Cholesky::Of(const SymmetricMatrix& matrix) {
  const std::size_t n = matrix.size();
  Cholesky factor(n);
  for (std::size_t i = 0; i < n; ++i) {
    double* const row = factor.lower_.data(i);
    const double* const from = matrix.rows_.data(i);
    // What of a row is yet to come is 0 there, so that dot products may run over whole blocks.
    for (std::size_t j = 0; j < i; ++j) {
      const double* const other = factor.lower_.data(j);
      row[j] = (from[j] - Dot(row, other, Whole(j))) / other[j];
    }
    const double pivot = from[i] - Dot(row, row, Whole(i));
    if (!(pivot > 0) || !std::isfinite(pivot)) return std::nullopt;
    row[i] = std::sqrt(pivot);
  }
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j <= i; ++j) factor.upper_.data(j)[i] = factor.lower_.data(i)[j];
  }
  return factor;
}

std::optional<Cholesky> Cholesky::OfNearly(const SymmetricMatrix& matrix) {
  std::optional<Cholesky> factor = Of(matrix);
  for (double share = 1e-14; !factor.has_value() && share < 1; share *= 100) {
    SymmetricMatrix grown = matrix;
    for (std::size_t i = 0; i < matrix.size(); ++i) grown.AddToDiagonal(i, share * matrix.at(i, i));
    factor = Of(grown);
  }
  return factor;
}

void Cholesky::Solve(std::span<double> b) const {
  const std::size_t n = size();
  Check(b.size() == n, "the right side is as long as the matrix");
  std::vector<double> x(lower_.stride());  // With zeros behind the end, and where nothing is yet.
  for (std::size_t i = 0; i < n; ++i) {
    x[i] = (b[i] - Dot(lower_.data(i), x.data(), Whole(i))) / lower_.data(i)[i];
  }
  std::vector<double> y(lower_.stride());
  for (std::size_t i = n; i-- > 0;) {
    const std::size_t first = i / kBlock * kBlock;
    const double later = Dot(upper_.data(i) + first, y.data() + first, upper_.stride() - first);
    y[i] = (x[i] - later) / upper_.data(i)[i];
  }
  std::copy_n(y.begin(), n, b.begin());
}

SymmetricMatrix Cholesky::Inverse() const {
  const std::size_t n = size();
  SymmetricMatrix inverse(n);
  std::vector<double> column(n);
  for (std::size_t j = 0; j < n; ++j) {
    std::fill(column.begin(), column.end(), 0.0);
    column[j] = 1;
    Solve(column);
    for (std::size_t i = j; i < n; ++i) inverse.rows_.data(i)[j] = column[i];
  }
  return inverse;
}

}  // namespace cf
