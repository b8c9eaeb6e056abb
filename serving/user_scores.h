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
/// Bounds:  a few numbers for each item; of a network a row of derivatives.
class UserScores {
 public:
  /// `beside` is what else the user's sums are made of: added to the row, or features beside it.
  /// Borrows it.
  static std::unique_ptr<UserScores> Of(const ServedModel& model, std::vector<RowId> items,
                                        const UserRow& beside);

  virtual ~UserScores() = default;

  /// Computes raw[s] for item s.
  virtual void At(std::span<const double> row, std::span<double> raw) = 0;

  /// With d_s the derivatives of item s's raw sum by the row, where At last was: adds the sum of
  /// slopes[s] d_s to `to`, which is as long as the row, or of weights[s] d_s d_s' to `to`.
  virtual void AddSlopes(std::span<const double> slopes, std::span<double> to) const = 0;
  virtual void AddProducts(std::span<const double> weights, SymmetricMatrix& to) const = 0;
};

}  // namespace cf
