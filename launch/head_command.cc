#include "launch/head_command.h"

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <absl/strings/str_cat.h>

#include "common/dataset/dataset.h"
#include "common/dataset/reading.h"
#include "common/dataset/record_source.h"
#include "common/text/numbers.h"
#include "common/text/text_table.h"
#include "launch/record_flags.h"

namespace cf {
namespace {

struct HeadFlags {
  std::string path;
  std::size_t rows = 5;
  RecordFlags records;
};

absl::Status HeadOfFile(const HeadFlags& flags) {
  RecordSource source;
  absl::Status opened = source.Open(flags.path);
  if (!opened.ok()) return opened;
  const absl::StatusOr<RecordFormat> format =
      DetectRecordFormat(source.sample(), source.whole(), flags.records.options);
  if (!format.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(source.name(), ":1: ", format.status().message()));
  }
  const Reading reading =
      ReadFirst(source.name(), source.sample(), source.whole(), *format, flags.rows);
  std::fputs(Describe(reading).c_str(), stdout);
  std::fputs(FirstRecords(reading).c_str(), stdout);
  return reading.bad.empty() ? absl::OkStatus() : absl::InvalidArgumentError(reading.bad);
}

absl::Status HeadOfDataset(const HeadFlags& flags) {
  if (!flags.records.columns.empty() || !flags.records.separator.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--columns and --separator are for files, ", flags.path, " is a data set"));
  }
  const absl::StatusOr<Dataset> data = Dataset::Open(flags.path);
  if (!data.ok()) return data.status();
  const bool timed = !data->timestamps().empty();
  std::printf("%s: %s users, %s items, %s %s%s\n", data->name().c_str(),
              WithThousands(data->users()).c_str(), WithThousands(data->items()).c_str(),
              WithThousands(data->samples()).c_str(),
              data->has_ratings() ? "ratings" : "interactions", timed ? ", timestamps" : "");
  for (const std::string& from : data->sources()) std::printf("  from %s\n", from.c_str());
  std::vector<TextTable::Column> columns = {{.name = "user", .right = true},
                                            {.name = "item", .right = true},
                                            {.name = "rating", .right = true}};
  if (timed) columns.push_back({.name = "timestamp"});
  if (data->has_titles()) columns.push_back({.name = "title"});
  TextTable table(columns);
  std::uint64_t shown = 0;
  for (std::uint32_t user = 0; user < data->users() && shown < flags.rows; ++user) {
    for (std::uint64_t k = data->user_offsets()[user];
         k < data->user_offsets()[user + 1] && shown < flags.rows; ++k, ++shown) {
      const RowId item = data->item_column()[k];
      std::vector<std::string> cells = {data->user_raw_id(RowId{user}), data->item_raw_id(item),
                                        FloatText(data->ratings()[k])};
      if (timed) cells.push_back(FormatTimestamp(data->timestamps()[k]));
      if (data->has_titles()) cells.push_back(data->title(item));
      table.AddRow(std::move(cells));
    }
  }
  std::fputs(table.Format(TableFormat::kText).c_str(), stdout);
  return absl::OkStatus();
}

}  // namespace

void AddHead(ArgumentParser* app, std::function<absl::Status()>* chosen) {
  const auto flags = std::make_shared<HeadFlags>();
  ArgumentParser* const command = app->AddCommand(
      "head", "Shows how a file of ratings is read, or what a data set has, with a few rows");
  command->Option("FILE", flags->path, "File of ratings (- is standard input), or a data set")
      .Required();
  command->Option("--rows", flags->rows, "How many (5)").Between(1, 1000);
  AddRecordFlags(command, &flags->records);
  command->Footer(UsualNamesHelp());
  command->OnChosen([flags, chosen] {
    *chosen = [flags]() -> absl::Status {
      absl::Status read = ReadRecordFlags(&flags->records);
      if (!read.ok()) return read;
      flags->records.options.ask_for_rating = true;
      std::error_code error;
      return std::filesystem::is_directory(flags->path, error) ? HeadOfDataset(*flags)
                                                               : HeadOfFile(*flags);
    };
  });
}

}  // namespace cf
