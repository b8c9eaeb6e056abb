#include "serving/exports/csv.h"

#include <charconv>
#include <cstdint>
#include <string>
#include <vector>

#include <absl/strings/str_cat.h>

#include "common/text/csv.h"
#include "serving/exports/arrays.h"
#include "serving/exports/row_names.h"

namespace cf {
namespace {

// As few digits as give the same float again.
void AppendNumber(float value, std::string& text) {
  char digits[32];
  text.append(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
}

// What the first column is called, and its value in a row.
const char* OwnerColumn(const ModelArray& array) {
  switch (array.rows_of) {
    case RowsOf::kUser:
      return "user";
    case RowsOf::kItem:
      return "item";
    case RowsOf::kOther:
      return "row";
  }
  return "";
}

std::string OwnerOf(const ModelArray& array, const Dataset& data, std::uint32_t row) {
  switch (array.rows_of) {
    case RowsOf::kUser:
      return CsvField(data.user_raw_id(RowId{row}));
    case RowsOf::kItem:
      return CsvField(data.item_raw_id(RowId{row}));
    case RowsOf::kOther:
      break;
  }
  return absl::StrCat(row);
}

absl::Status WriteTable(const ModelArray& array, const Dataset& data, ExportFiles& files) {
  absl::StatusOr<ExportFile> file = files.Create(array.name + ".csv");
  if (!file.ok()) return file.status();
  const std::size_t columns = array.shape.size() > 1 ? array.shape[1] : 1;
  std::string line = OwnerColumn(array);
  for (std::size_t k = 0; k < columns; ++k) {
    absl::StrAppend(&line, ",", array.shape.size() > 1 ? absl::StrCat(k) : "value");
  }
  line += "\n";
  file->Write(line);
  // Pieces hold whole elements, and rows or parts of them.
  std::uint32_t row = 0;
  std::size_t column = 0;
  const auto add = [&](const std::string& number) {
    if (column == 0) line = OwnerOf(array, data, row);
    absl::StrAppend(&line, ",", number);
    if (++column < columns) return;
    line += "\n";
    file->Write(line);
    column = 0;
    ++row;
  };
  std::string number;
  absl::Status visited = array.visit([&](const void* elements, std::size_t bytes) {
    if (array.type == ElementType::kBool) {
      const auto* flags = static_cast<const std::uint8_t*>(elements);
      for (std::size_t k = 0; k < bytes; ++k) add(flags[k] != 0 ? "1" : "0");
    } else {
      const auto* floats = static_cast<const float*>(elements);
      for (std::size_t k = 0; k < bytes / sizeof(float); ++k) {
        number.clear();
        AppendNumber(floats[k], number);
        add(number);
      }
    }
    return file->status();
  });
  if (!visited.ok()) return visited;
  // A table of popularity has rows without a number.
  for (; columns == 0 && row < array.shape[0]; ++row) {
    file->Write(OwnerOf(array, data, row) + "\n");
  }
  return file->Close();
}

// In place of the arrays with offsets: a line for each rating in the data set.
absl::Status WriteSeen(const Catalogue& catalogue, ExportFiles& files) {
  absl::StatusOr<ExportFile> file = files.Create("seen.csv");
  if (!file.ok()) return file.status();
  const Dataset& data = catalogue.data();
  file->Write("user,item,in_training\n");
  for (std::uint32_t user = 0; user < data.users() && file->status().ok(); ++user) {
    const std::string user_id = CsvField(data.user_raw_id(RowId{user}));
    for (std::uint64_t s = data.user_offsets()[user]; s < data.user_offsets()[user + 1]; ++s) {
      file->Write(absl::StrCat(user_id, ",", CsvField(data.item_raw_id(data.item_column()[s])), ",",
                               catalogue.split().is_validation(s) ? 0 : 1, "\n"));
    }
  }
  return file->Close();
}

absl::Status CarriesCsv(const ExportSubject&, const ExportOptions&) {
  return absl::OkStatus();
}

absl::Status WriteCsv(const ExportSubject& subject, const ExportOptions&, ExportFiles& files,
                      ExportedModel&) {
  for (const ModelArray& array : ArraysOf(subject)) {
    if (array.type != ElementType::kFloat32 && array.type != ElementType::kBool) continue;
    if (array.name == "seen_in_training") continue;
    absl::Status written = WriteTable(array, subject.catalogue.data(), files);
    if (!written.ok()) return written;
  }
  if (absl::Status seen = WriteSeen(subject.catalogue, files); !seen.ok()) return seen;
  return WriteRowNames(subject.catalogue, files);
}

}  // namespace

ExportFormat CsvFormat() {
  return {.name = "csv", .what = "ids and numbers as text", .check = CarriesCsv, .write = WriteCsv};
}

}  // namespace cf
