#include "common/dataset/export_split.h"

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <unistd.h>
#include <vector>

#include <absl/strings/str_cat.h>

#include "common/base/check.h"
#include "common/base/files.h"
#include "common/base/status.h"
#include "common/dataset/column_file.h"
#include "common/text/csv.h"

namespace cf {
namespace {

/// A CSV file under a temporary name until Publish; removed if that is not reached.
/// Owner: one call of ExportSplit. Bounds: a mebibyte of text.
class CsvWriter {
 public:
  explicit CsvWriter(std::string path)
      : path_(std::move(path)),
        temporary_(absl::StrCat(path_, ".tmp.", ::getpid())),
        file_(temporary_) {}
  CsvWriter(const CsvWriter&) = delete;
  CsvWriter& operator=(const CsvWriter&) = delete;
  ~CsvWriter() { ::unlink(temporary_.c_str()); }

  absl::Status Open() {
    ::unlink(temporary_.c_str());
    return file_.Open();
  }

  template <class... Parts>
  absl::Status Append(const Parts&... parts) {
    absl::StrAppend(&text_, parts...);
    return text_.size() < kFlushBytes ? absl::OkStatus() : Flush();
  }

  absl::Status Finish() {
    absl::Status status = Flush();
    return status.ok() ? file_.Sync() : status;
  }

  absl::Status Publish() {
    return std::rename(temporary_.c_str(), path_.c_str()) == 0 ? absl::OkStatus()
                                                               : ErrnoError(errno, path_);
  }

 private:
  static constexpr std::size_t kFlushBytes = 1 << 20;

  absl::Status Flush() {
    absl::Status status = file_.WriteAt<char>(written_, text_);
    written_ += text_.size();
    text_.clear();
    return status;
  }

  std::string path_;
  std::string temporary_;
  ColumnFile file_;
  std::uint64_t written_ = 0;
  std::string text_;
};

/// The shortest text that reads back as the same float.
absl::string_view Shortest(float value, char (&buffer)[32]) {
  const auto [end, error] = std::to_chars(buffer, buffer + sizeof buffer, value);
  Check(error == std::errc(), "a float fits 32 characters");
  return {buffer, static_cast<std::size_t>(end - buffer)};
}

absl::Status WriteSamples(const Dataset& data, const DataSplit& split, CsvWriter* training,
                          CsvWriter* validation) {
  const bool timed = !data.timestamps().empty();
  const char* const header = timed ? "user,item,rating,timestamp\n" : "user,item,rating\n";
  for (CsvWriter* file : {training, validation}) {
    absl::Status status = file->Append(header);
    if (!status.ok()) return status;
  }
  std::vector<std::string> items;
  for (std::uint32_t item = 0; item < data.items(); ++item) {
    items.push_back(CsvField(data.item_raw_id(RowId{item})));
  }
  char buffer[32];
  for (std::uint32_t user = 0; user < data.users(); ++user) {
    const std::string raw_id = CsvField(data.user_raw_id(RowId{user}));
    for (std::uint64_t k = data.user_offsets()[user]; k < data.user_offsets()[user + 1]; ++k) {
      CsvWriter* const file = split.is_validation(k) ? validation : training;
      const std::string& item = items[Index(data.item_column()[k])];
      const absl::string_view rating = Shortest(data.ratings()[k], buffer);
      absl::Status status =
          timed ? file->Append(raw_id, ",", item, ",", rating, ",", data.timestamps()[k], "\n")
                : file->Append(raw_id, ",", item, ",", rating, "\n");
      if (!status.ok()) return status;
    }
  }
  absl::Status status = training->Finish();
  return status.ok() ? validation->Finish() : status;
}

}  // namespace

absl::Status ExportSplit(const Dataset& data, const DataSplit& split, const std::string& folder) {
  Check(split.samples() == data.samples(), "the split was made from this data set");
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return ErrnoError(error.value(), folder);
  CsvWriter training(folder + "/train.csv");
  CsvWriter validation(folder + "/val.csv");
  absl::Status status = training.Open();
  if (status.ok()) status = validation.Open();
  if (status.ok()) status = WriteSamples(data, split, &training, &validation);
  if (status.ok()) status = training.Publish();
  if (status.ok()) status = validation.Publish();
  return status.ok() ? SyncPath(folder) : status;
}

}  // namespace cf
