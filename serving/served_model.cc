#include "serving/served_model.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <string>
#include <utility>

#include <absl/status/status.h>
#include <absl/strings/str_cat.h>

#include "common/base/check.h"
#include "common/base/status.h"
#include "common/rows/tables.h"

namespace cf {
namespace {

constexpr std::size_t kAlignment = 64;  // A cache line, and the widest register.

absl::Status CheckTables(const Manifest& manifest) {
  if (manifest.tables_size() != 2) {
    return absl::FailedPreconditionError("the model is not one of users and items");
  }
  const SnapshotTable& users = manifest.tables(0);
  const SnapshotTable& items = manifest.tables(1);
  if (users.dim() != items.dim() || users.bias() != items.bias()) {
    return absl::FailedPreconditionError("the vectors of users and items are of different forms");
  }
  return absl::OkStatus();
}

}  // namespace

WeightTable::Floats WeightTable::Zeros(std::size_t count) {
  const std::size_t bytes = (count * sizeof(float) + kAlignment - 1) / kAlignment * kAlignment;
  void* memory = std::aligned_alloc(kAlignment, std::max(bytes, kAlignment));
  Check(memory != nullptr, "there is memory for the weights");
  auto* floats = static_cast<float*>(memory);
  std::fill_n(floats, count, 0.0F);
  return Floats(floats);
}

WeightTable::WeightTable(std::uint32_t rows, std::uint32_t dim)
    : rows_(rows),
      dim_(dim),
      padded_dim_(PaddedDim(dim)),
      vectors_(Zeros(rows * padded_dim_)),
      biases_(Zeros(rows)) {
}

absl::StatusOr<ServedModel> ServedModel::Make(WeightTable users, WeightTable items,
                                              const Objective& objective) {
  Check(users.dim() == items.dim(), "the vectors of users and items are equally long");
  const absl::StatusOr<const KernelSet*> kernels = KernelsFor(KernelTarget::kBest);
  if (!kernels.ok()) return kernels.status();
  ServedModel model;
  model.users_ = std::move(users);
  model.items_ = std::move(items);
  model.objective_ = objective;
  model.kernels_ = *kernels;
  return model;
}

absl::StatusOr<ServedModel> ServedModel::Load(const Snapshot& snapshot) {
  const Manifest& manifest = snapshot.manifest();
  if (!manifest.job().model().has_matrix_factorization()) {
    return absl::FailedPreconditionError(
        "the snapshot's model is not a matrix factorisation, the only kind served so far");
  }
  const SnapshotStatistics& statistics = manifest.statistics();
  const Objective objective =
      ObjectiveOf(manifest.job(), statistics.mean(), static_cast<float>(statistics.min()),
                  static_cast<float>(statistics.max()));
  if (absl::Status tables = CheckTables(manifest); !tables.ok()) return tables;
  if (manifest.arithmetic_version() != kArithmeticVersion) {
    return absl::FailedPreconditionError(
        absl::StrCat("the snapshot was computed by version ", manifest.arithmetic_version(),
                     " of the arithmetic; this program has version ", kArithmeticVersion));
  }

  const std::uint32_t dim = manifest.tables(0).dim();
  const bool has_bias = manifest.tables(0).bias();
  WeightTable weights[] = {WeightTable(manifest.tables(0).rows(), dim),
                           WeightTable(manifest.tables(1).rows(), dim)};
  const auto take = [&](TableId table, RowId id, std::span<const float> record) -> absl::Status {
    const std::span<const float> row = record.first(dim + (has_bias ? 1 : 0));
    if (!std::all_of(row.begin(), row.end(), [](float w) { return std::isfinite(w); })) {
      return absl::FailedPreconditionError(
          absl::StrCat("table ", manifest.tables(static_cast<int>(Index(table))).name(), ", id ",
                       Index(id), " has a weight that is not a finite number: training diverged"));
    }
    WeightTable& target = weights[Index(table)];
    std::copy_n(row.begin(), dim, target.mutable_vector(id));
    if (has_bias) target.mutable_bias(id) = row.back();
    return absl::OkStatus();
  };
  for (std::uint32_t p = 0; p < manifest.partitions(); ++p) {
    if (absl::Status read = snapshot.ReadPartition(PartitionId{p}, take); !read.ok()) return read;
  }
  return Make(std::move(weights[0]), std::move(weights[1]), objective);
}

float ServedModel::RawScore(RowId user, RowId item) const {
  const float dot = kernels_->dot(users_.vector(user), items_.vector(item), users_.padded_dim());
  return RawSum(objective_, users_.bias(user), items_.bias(item), dot);
}

}  // namespace cf
