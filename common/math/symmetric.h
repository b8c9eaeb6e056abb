#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

namespace cf {

/// A dense matrix of doubles by rows. A row takes a multiple of kBlock doubles, with zeros behind
/// its last column, so that loops over it have whole registers.
///
/// Owner:   a value.
/// Threads: any that do not change it.
/// Bounds:  rows * stride() doubles.
class DenseRows {
 public:
  static constexpr std::size_t kBlock = 8;

  DenseRows() = default;
  DenseRows(std::size_t rows, std::size_t columns)
      : rows_(rows),
        columns_(columns),
        stride_((columns + kBlock - 1) / kBlock * kBlock),
        values_(rows * stride_) {}

  std::size_t rows() const { return rows_; }
  std::size_t columns() const { return columns_; }
  std::size_t stride() const { return stride_; }
  std::span<double> row(std::size_t r) { return std::span(values_).subspan(r * stride_, columns_); }
  std::span<const double> row(std::size_t r) const {
    return std::span(values_).subspan(r * stride_, columns_);
  }
  double* data(std::size_t r) { return values_.data() + r * stride_; }
  const double* data(std::size_t r) const { return values_.data() + r * stride_; }

 private:
  std::size_t rows_ = 0;
  std::size_t columns_ = 0;
  std::size_t stride_ = 0;
  std::vector<double> values_;
};

/// A symmetric matrix, of which the part up to the diagonal is kept: element (i, j) for j <= i. What
/// stands behind the diagonal of a row means nothing.
///
/// Owner:   a value.
/// Threads: any that do not change it.
/// Bounds:  n * n doubles, rounded up to whole rows.
class SymmetricMatrix {
 public:
  explicit SymmetricMatrix(std::size_t n = 0) : rows_(n, n) {}

  std::size_t size() const { return rows_.rows(); }
  double at(std::size_t i, std::size_t j) const { return i >= j ? lower(i, j) : lower(j, i); }
  void AddToDiagonal(std::size_t i, double value) { rows_.data(i)[i] += value; }

  /// Adds factor * other. Requires: of one size.
  void Add(double factor, const SymmetricMatrix& other);
  /// Adds the sum of weights[s] * x_s x_s' over the rows x_s. Each element's sum is made in the order
  /// of the rows. Requires: a weight for each row; rows of this size.
  void AddProducts(std::span<const double> weights, const DenseRows& rows);
  void Scale(double factor);
  /// y = A x. Requires: both of this size.
  void Multiply(std::span<const double> x, std::span<double> y) const;

 private:
  friend class Cholesky;
  double lower(std::size_t i, std::size_t j) const { return rows_.data(i)[j]; }

  DenseRows rows_;
};

/// The factor L of a positive definite matrix A = L L'. Its sums are chains in the order of columns,
/// those of solutions in eight lanes, whatever the machine: the same matrix has the same factor
/// everywhere.
///
/// Owner:   a value.
/// Threads: any; constant.
/// Bounds:  n * n doubles.
class Cholesky {
 public:
  /// Nothing if a pivot is not above 0, or not a number: the matrix is not positive definite.
  static std::optional<Cholesky> Of(const SymmetricMatrix& matrix);
  /// The same of a matrix that would be positive definite without rounding, as a sum of very
  /// different ones is: where it is not, each element of its diagonal grows by as little as it takes,
  /// a share of 1e-14, 1e-12 and so on. Nothing if no share below 1 is enough.
  static std::optional<Cholesky> OfNearly(const SymmetricMatrix& matrix);

  std::size_t size() const { return lower_.rows(); }
  /// b becomes the x with A x = b. Requires: of this size.
  void Solve(std::span<double> b) const;
  /// The inverse of A.
  SymmetricMatrix Inverse() const;

 private:
  explicit Cholesky(std::size_t n) : lower_(n, n), upper_(n, n) {}
  bool FactorPanel(std::size_t first);

  DenseRows lower_;  // Zeros behind the diagonal.
  DenseRows upper_;  // Its transpose, so that solving backwards reads rows, too.
};

}  // namespace cf
