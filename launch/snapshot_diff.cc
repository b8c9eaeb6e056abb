#include "common/snapshot/snapshot_diff.h"

#include <optional>
#include <string>
#include <vector>

#include <absl/status/statusor.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>

#include "common/dataset/row_names.h"
#include "common/text/numbers.h"
#include "launch/snapshot_commands.h"
#include "launch/snapshot_source.h"

namespace cf {
namespace {

std::string CountText(std::uint64_t count, TableFormat format) {
  return format == TableFormat::kCsv ? absl::StrCat(count) : WithThousands(count);
}

// For programs all digits of the number.
std::string NormText(double norm, TableFormat format) {
  return format == TableFormat::kCsv ? absl::StrFormat("%.17g", norm)
                                     : absl::StrFormat("%.6g", norm);
}

void AddPart(const std::string& name, const TableDifference& table, const PartDifference& part,
             TableFormat format, TextTable& into) {
  into.AddRow({table.name, name, CountText(part.rows_changed, format),
               CountText(table.rows, format), NormText(part.norm_of_difference, format),
               NormText(part.norm_a, format), NormText(part.norm_b, format)});
}

// A row for each part of each table.
std::string PartsText(const std::vector<TableDifference>& tables, TableFormat format) {
  TextTable text({{.name = "table"},
                  {.name = "part"},
                  {.name = "changed", .right = true},
                  {.name = "rows", .right = true},
                  {.name = "norm_difference", .right = true},
                  {.name = "norm_a", .right = true},
                  {.name = "norm_b", .right = true}});
  for (const TableDifference& table : tables) {
    text.AddRow({table.name, "record", CountText(table.rows_changed, format),
                 CountText(table.rows, format), "", "", ""});
    AddPart("weights", table, table.weights, format, text);
    for (std::size_t k = 0; k < table.moments.size(); ++k) {
      AddPart(absl::StrCat("moment_", k + 1), table, table.moments[k], format, text);
    }
    if (!table.last_steps) continue;
    text.AddRow({table.name, "last_step", CountText(table.last_steps_changed, format),
                 CountText(table.rows, format), "", "", ""});
  }
  return text.Format(format);
}

// A row for each of the largest changes of weights.
std::string ChangesText(const std::vector<TableDifference>& tables, const Dataset* data,
                        TableFormat format) {
  TextTable text({{.name = "table"},
                  {.name = "id", .right = true},
                  {.name = "raw_id", .right = true},
                  {.name = "title", .words = true},
                  {.name = "norm_difference", .right = true},
                  {.name = "norm_a", .right = true},
                  {.name = "norm_b", .right = true}});
  for (const TableDifference& table : tables) {
    for (const RowChange& change : table.largest_changes) {
      RowName name;
      if (data != nullptr) name = RowNameOf(*data, table.name, change.id).value_or(RowName{});
      text.AddRow({table.name, absl::StrCat(Index(change.id)), name.raw_id, name.title,
                   NormText(change.norm_of_difference, format), NormText(change.norm_a, format),
                   NormText(change.norm_b, format)});
    }
  }
  return text.Format(format);
}

std::string TitleOf(const Manifest& manifest) {
  return absl::StrCat(manifest.name(), " (epoch ", manifest.position().epoch(), ", step ",
                      WithThousands(manifest.position().step()), ")");
}

// The data set of both, for raw ids; nothing, and a note, where it is not there.
absl::StatusOr<std::optional<Dataset>> OpenData(const Manifest& manifest,
                                                const std::string& folder) {
  absl::StatusOr<Dataset> data = Dataset::Open(DataFolderOf(manifest, folder));
  if (data.ok() && data->digest() == manifest.data().digest()) return *std::move(data);
  if (!folder.empty()) {
    return data.ok() ? absl::FailedPreconditionError(absl::StrCat(
                           folder, ": not the data set that the snapshots were trained on"))
                     : data.status();
  }
  Note("the data set is not where it was, so that rows have no raw ids (--data DIR says where)");
  return std::nullopt;
}

}  // namespace

absl::Status PrintDifference(const DiffFlags& flags) {
  absl::StatusOr<Output> output = Output::Open(flags.output);
  if (!output.ok()) return output.status();
  const absl::StatusOr<Snapshot> a = OpenSnapshot(flags.a);
  if (!a.ok()) return a.status();
  const absl::StatusOr<Snapshot> b = OpenSnapshot(flags.b);
  if (!b.ok()) return b.status();
  const absl::StatusOr<std::vector<TableDifference>> tables =
      DifferenceOf(*a, *b, flags.top.value_or(kLargestChangesShown));
  if (!tables.ok()) return tables.status();

  const TableFormat format = output->table_format();
  const bool changes = output->for_people() || flags.top.has_value();
  std::optional<Dataset> data;
  if (changes) {
    absl::StatusOr<std::optional<Dataset>> opened = OpenData(a->manifest(), flags.data);
    if (!opened.ok()) return opened.status();
    data = *std::move(opened);
  }
  const Dataset* const known = data.has_value() ? &*data : nullptr;
  if (!output->for_people()) {
    return output->Deliver(changes ? ChangesText(*tables, known, format)
                                   : PartsText(*tables, format));
  }
  return output->Deliver(
      absl::StrCat("a: ", TitleOf(a->manifest()), "\nb: ", TitleOf(b->manifest()), "\n\n",
                   PartsText(*tables, format), "\nThe largest changes of weights:\n",
                   ChangesText(*tables, known, format)));
}

}  // namespace cf
