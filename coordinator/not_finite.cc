#include "coordinator/not_finite.h"

#include <algorithm>
#include <map>
#include <vector>

#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>

#include "coordinator/lasting_error.h"

namespace cf {
namespace {

/// The first row that is not finite of each table, by TableId.
std::map<std::uint32_t, std::uint32_t> FirstRows(std::span<const Reply> replies) {
  std::map<std::uint32_t, std::uint32_t> first_by_table;
  for (const Reply& reply : replies) {
    for (const NotFiniteRow& found : reply.not_finite()) {
      const auto [first, is_new] = first_by_table.emplace(found.table(), found.row());
      if (!is_new) first->second = std::min(first->second, found.row());
    }
  }
  return first_by_table;
}

}  // namespace

absl::Status CheckFinite(const std::string& figure, std::span<const Reply> replies,
                         const TrainingData& data, std::uint64_t step, bool has_snapshot) {
  std::vector<std::string> what;
  if (!figure.empty()) what.push_back(figure);
  const std::vector<TableSpec> tables = data.Tables();
  for (const auto& [table, row] : FirstRows(replies)) {
    if (table >= tables.size()) return absl::DataLossError("a row of a table that is not there");
    what.push_back(absl::StrCat("row ", row, " of table ", tables[table].shape.name));
  }
  if (what.empty()) return absl::OkStatus();
  return LastingError(absl::StrCat(
      "not finite by step ", step, ": ", absl::StrJoin(what, ", "), "; lower the learning rate (",
      has_snapshot ? "the last snapshot stays" : "no snapshot yet", ")"));
}

}  // namespace cf
