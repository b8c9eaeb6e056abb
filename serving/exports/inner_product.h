#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <absl/status/status.h>

#include "serving/exports/format.h"

namespace cf {

/// The items of a model whose scores are inner products, as an index of vectors has them: with the
/// item's bias behind the vector, against queries with a 1 there. An inner product is then the raw
/// sum but for what is the same for all items of a user (docs/exports.md).
///
/// Owner:   the format that writes the index; the subject that it is of outlives it.
/// Threads: any.
/// Bounds:  16 bytes an item.
class InnerProductItems {
 public:
  /// FailedPrecondition: the model's scores are no inner products; says so in a line.
  static absl::Status Check(const ExportSubject& subject, const std::string& format);

  /// Items of which the model has learned nothing are left out: an index cannot. Requires: Check.
  explicit InnerProductItems(const ExportSubject& subject);

  std::size_t size() const { return rows_.size(); }
  /// Of a vector with its bias, which is there where any item has one.
  std::uint32_t dim() const { return dim_; }
  /// Whether ids are raw ids, all of them integers from 0 on; else they are rows.
  bool has_raw_ids() const { return has_raw_ids_; }
  const std::vector<std::int64_t>& ids() const { return ids_; }
  /// Puts the vector of item number k < size() to dim() floats.
  void CopyVector(std::size_t k, float* to) const;

  /// Says in model.json what the index is.
  void Describe(const std::string& file, const std::string& kind, ExportedModel& model) const;

  /// Writes what stands beside an index: queries.npy, what is added to inner products
  /// (user_constants.npy), whom it holds for, and what each user has seen.
  absl::Status WriteQueries(ExportFiles& files) const;

 private:
  const ExportSubject subject_;
  bool biases_ = false;
  std::uint32_t dim_ = 0;
  bool has_raw_ids_ = false;
  std::vector<RowId> rows_;
  std::vector<std::int64_t> ids_;
};

}  // namespace cf
