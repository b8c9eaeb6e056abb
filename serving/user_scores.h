#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "common/base/ids.h"
#include "common/kernels/network.h"
#include "common/math/symmetric.h"
#include "common/model/tables.h"
#include "serving/served_model.h"

namespace cf {

/// The table of the model's users: whether it has biases, and what regularises it.
TableSpec UserTableOf(const ModelSpec& spec);

/// Numbers of a row of one user: the vector that training learns, and the bias where there is one.
std::size_t RowSize(const ServedModel& model);

/// Layers as they are outside training.
NetworkShape WithoutDropout(NetworkShape shape);

/// The raw sums of one user with some items, as functions of the user's row.
///
/// Owner:   whoever minimises a loss; the model outlives it.
/// Threads: one.
/// Bounds:  a row of derivatives for each item.
class UserScores {
 public:
  /// `beside` is what else the user's sums are made of: added to the row, or features beside it.
  /// Borrows it.
  static std::unique_ptr<UserScores> Of(const ServedModel& model, std::vector<RowId> items,
                                        const UserRow& beside);

  virtual ~UserScores() = default;

  /// Computes raw[s] for item s, and derivatives() where they are wanted.
  virtual void At(std::span<const double> row, bool derivatives, std::span<double> raw) = 0;

  /// By item: the derivatives of its raw sum by the row, where At last computed them.
  const DenseRows& derivatives() const { return derivatives_; }

 protected:
  UserScores(std::size_t items, std::size_t size) : derivatives_(items, size) {}
  DenseRows& mutable_derivatives() { return derivatives_; }

 private:
  DenseRows derivatives_;
};

}  // namespace cf
