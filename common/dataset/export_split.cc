#include "common/dataset/export_split.h"

#include <charconv>
#include <filesystem>
#include <vector>

#include <absl/strings/str_cat.h>

#include "common/base/check.h"
#include "common/base/output_file.h"
#include "common/base/status.h"
#include "common/text/csv.h"

namespace cf {
namespace {

/// The shortest text that reads back as the same float.
absl::string_view Shortest(float value, char (&buffer)[32]) {
  const auto [end, error] = std::to_chars(buffer, buffer + sizeof buffer, value);
  Check(error == std::errc(), "a float fits 32 characters");
  return {buffer, static_cast<std::size_t>(end - buffer)};
}

// What the disk says is said at the end, by Finish.
void WriteSamples(const Dataset& data, const DataSplit& split, OutputFile& training,
                  OutputFile& validation) {
  const bool timed = !data.timestamps().empty();
  const char* const header = timed ? "user,item,rating,timestamp\n" : "user,item,rating\n";
  for (OutputFile* const file : {&training, &validation}) file->Write(header);
  std::vector<std::string> items;
  for (std::uint32_t item = 0; item < data.items(); ++item) {
    items.push_back(CsvField(data.item_raw_id(RowId{item})));
  }
  char buffer[32];
  std::string line;
  for (std::uint32_t user = 0; user < data.users(); ++user) {
    if (!training.status().ok() || !validation.status().ok()) return;
    const std::string raw_id = CsvField(data.user_raw_id(RowId{user}));
    for (std::uint64_t k = data.user_offsets()[user]; k < data.user_offsets()[user + 1]; ++k) {
      const std::string& item = items[Index(data.item_column()[k])];
      line = absl::StrCat(raw_id, ",", item, ",", Shortest(data.ratings()[k], buffer));
      if (timed) absl::StrAppend(&line, ",", data.timestamps()[k]);
      line += "\n";
      (split.is_validation(k) ? validation : training).Write(line);
    }
  }
}

}  // namespace

absl::Status ExportSplit(const Dataset& data, const DataSplit& split, const std::string& folder,
                         bool overwrite) {
  Check(split.samples() == data.samples(), "the split was made from this data set");
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return ErrnoError(error.value(), folder);
  absl::StatusOr<OutputFile> training =
      OutputFile::Create(folder + "/train.csv", {.overwrite = overwrite});
  if (!training.ok()) return training.status();
  absl::StatusOr<OutputFile> validation =
      OutputFile::Create(folder + "/val.csv", {.overwrite = overwrite});
  if (!validation.ok()) return validation.status();
  WriteSamples(data, split, *training, *validation);
  absl::Status status = training->Finish();
  if (status.ok()) status = validation->Finish();
  if (status.ok()) status = training->Close();
  return status.ok() ? validation->Close() : status;
}

}  // namespace cf
