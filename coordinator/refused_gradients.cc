#include "coordinator/refused_gradients.h"

#include <optional>
#include <tuple>
#include <vector>

#include <absl/strings/str_cat.h>

#include "common/dataset/row_names.h"
#include "coordinator/lasting_error.h"

namespace cf {
namespace {

// Whether `a` came before `b`; in one step, by table and row, so that the ranks have no say in it.
bool IsBefore(const RefusedGradients& a, const RefusedGradients& b) {
  const auto key = [](const RefusedGradients& refused) {
    return std::tuple(refused.step(), refused.table(), refused.row());
  };
  return key(a) < key(b);
}

std::string Describe(std::size_t rank, const RefusedGradients& refused, const std::string& table,
                     const Job& job, const Dataset& data) {
  const std::optional<RowName> name = RowNameOf(data, table, RowId{refused.row()});
  const bool has_limit = job.optimizer().gradient_norm_max() > 0;
  return absl::StrCat("rank ", rank, " refused the gradient of row ", refused.row(), " of table ",
                      table, name.has_value() ? absl::StrCat(" (raw id ", name->raw_id, ")") : "",
                      " in step ", refused.step() + 1,
                      has_limit ? ", which is longer than optimizer.gradient_norm_max or not finite"
                                : ", which is not finite");
}

}  // namespace

absl::StatusOr<RefusedInSegment> SumOfRefused(std::span<const Reply> replies, const Job& job,
                                              const TrainingData& data) {
  RefusedInSegment sum;
  const RefusedGradients* first = nullptr;
  std::size_t first_rank = 0;
  for (std::size_t rank = 0; rank < replies.size(); ++rank) {
    for (const RefusedGradients& refused : replies[rank].refused()) {
      sum.count += refused.count();
      if (first != nullptr && !IsBefore(refused, *first)) continue;
      first = &refused;
      first_rank = rank;
    }
  }
  if (first == nullptr) return sum;
  const std::vector<TableSpec> tables = data.Tables();
  if (first->table() >= tables.size()) {
    return absl::DataLossError("a gradient of a table that is not there");
  }
  sum.first = Describe(first_rank, *first, tables[first->table()].shape.name, job, data.data);
  return sum;
}

absl::Status EndedBy(const RefusedInSegment& refused, bool has_snapshot) {
  return LastingError(absl::StrCat(
      refused.first, "; lower the learning rate, or set optimizer.on_bad_gradient=SKIP (",
      has_snapshot ? "the last snapshot stays" : "no snapshot yet", ")"));
}

}  // namespace cf
