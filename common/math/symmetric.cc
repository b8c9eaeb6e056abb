#include "common/math/symmetric.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "common/base/check.h"
#include "common/math/double_product.h"

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

// Rows whose products are added at once: with their weighted copies they stay in the first cache.
constexpr std::size_t kRowsAtOnce = 32;

// The columns of a panel of the factor.
constexpr std::size_t kPanel = DoubleProduct::kBlock;
static_assert(kPanel == kBlock);

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
  DenseRows weighted(std::min(kRowsAtOnce, weights.size()), size());
  for (std::size_t first = 0; first < weights.size(); first += kRowsAtOnce) {
    const std::size_t count = std::min(kRowsAtOnce, weights.size() - first);
    for (std::size_t s = 0; s < count; ++s) {
      const double* const x = rows.data(first + s);
      double* const to = weighted.data(s);
      for (std::size_t i = 0; i < size(); ++i) to[i] = weights[first + s] * x[i];
    }
    // Blocks of rows, as far as their diagonal.
    for (std::size_t i = 0; i < size(); i += kBlock) {
      AddProduct({.a = weighted.data(0) + i,
                  .a_row = 1,
                  .a_step = weighted.stride(),
                  .b = rows.data(first),
                  .b_stride = rows.stride(),
                  .c = rows_.data(i),
                  .c_stride = rows_.stride(),
                  .rows = std::min(kBlock, size() - i),
                  .steps = count,
                  .columns = i + kBlock});
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

// The rows from `first` on of a panel's columns are what is left of the matrix there; they become those
// of the factor, and of its transpose. False: a pivot is not above 0.
bool Cholesky::FactorPanel(std::size_t first) {
  const std::size_t n = size();
  const std::size_t end = std::min(first + kPanel, n);
  double inverses[kPanel] = {};
  for (std::size_t i = first; i < n; ++i) {
    double* const row = lower_.data(i) + first;
    const std::size_t columns = std::min(i, end) - first;  // Before the diagonal.
    for (std::size_t t = 0; t < columns; ++t) {
      const double factor = row[t] * inverses[t];
      double* const other = upper_.data(first + t);
      other[i] = factor;
      AddRow(-factor, other + first, kPanel, row);
      row[t] = factor;
    }
    if (i >= end) continue;
    const double pivot = row[columns];
    if (!(pivot > 0) || !std::isfinite(pivot)) return false;
    row[columns] = std::sqrt(pivot);
    inverses[columns] = 1 / row[columns];
    upper_.data(i)[i] = row[columns];
    std::fill(row + columns + 1, row + kPanel, 0.0);
  }
  return true;
}

std::optional<Cholesky> Cholesky::Of(const SymmetricMatrix& matrix) {
  const std::size_t n = matrix.size();
  Cholesky factor(n);
  for (std::size_t i = 0; i < n; ++i)
    std::copy_n(matrix.rows_.data(i), i + 1, factor.lower_.data(i));
  for (std::size_t first = 0; first < n; first += kPanel) {
    SubtractProduct({.a = factor.lower_.data(first),
                     .a_row = factor.lower_.stride(),
                     .a_step = 1,
                     .b = factor.upper_.data(0) + first,
                     .b_stride = factor.upper_.stride(),
                     .c = factor.lower_.data(first) + first,
                     .c_stride = factor.lower_.stride(),
                     .rows = n - first,
                     .steps = first,
                     .columns = kPanel});
    if (!factor.FactorPanel(first)) return std::nullopt;
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
