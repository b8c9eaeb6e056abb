#include "serving/exports/row_names.h"

#include <algorithm>
#include <cstdint>
#include <string>

#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>

#include "common/text/csv.h"

namespace cf {
namespace {

absl::Status WriteUsers(const Catalogue& catalogue, ExportFiles& files) {
  absl::StatusOr<ExportFile> file = files.Create("users.csv");
  if (!file.ok()) return file.status();
  file->Write("row,user,training_ratings\n");
  for (std::uint32_t row = 0; row < catalogue.data().users(); ++row) {
    const RowId user{row};
    file->Write(absl::StrCat(row, ",", CsvField(catalogue.data().user_raw_id(user)), ",",
                             catalogue.UserTrainingRatings(user), "\n"));
  }
  return file->Close();
}

absl::Status WriteItems(const Catalogue& catalogue, ExportFiles& files) {
  absl::StatusOr<ExportFile> file = files.Create("items.csv");
  if (!file.ok()) return file.status();
  const Dataset& data = catalogue.data();
  file->Write("row,item,title,genres,training_ratings\n");
  for (std::uint32_t row = 0; row < data.items(); ++row) {
    const RowId item{row};
    file->Write(absl::StrCat(row, ",", CsvField(data.item_raw_id(item)), ",",
                             CsvField(data.title(item)), ",", CsvField(data.genres(item)), ",",
                             catalogue.ItemTrainingRatings(item), "\n"));
  }
  return file->Close();
}

}  // namespace

absl::Status WriteRowNames(const Catalogue& catalogue, ExportFiles& files) {
  if (absl::Status written = WriteUsers(catalogue, files); !written.ok()) return written;
  return WriteItems(catalogue, files);
}

bool AllAreIntegers(const std::vector<std::string>& raw_ids) {
  return std::ranges::all_of(raw_ids, [](const std::string& text) {
    std::int64_t id = 0;
    return absl::SimpleAtoi(text, &id) && absl::StrCat(id) == text;
  });
}

std::optional<std::vector<std::int64_t>> IntegerItemIds(const Catalogue& catalogue) {
  std::vector<std::string> raw_ids;
  for (std::uint32_t row = 0; row < catalogue.data().items(); ++row) {
    raw_ids.push_back(catalogue.data().item_raw_id(RowId{row}));
  }
  if (!AllAreIntegers(raw_ids)) return std::nullopt;
  std::vector<std::int64_t> ids;
  for (const std::string& text : raw_ids) ids.push_back(std::stoll(text));
  return ids;
}

}  // namespace cf
