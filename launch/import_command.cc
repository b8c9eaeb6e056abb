#include "launch/import_command.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include <absl/strings/str_cat.h>

#include "common/dataset/import.h"
#include "common/dataset/statistics.h"
#include "common/text/numbers.h"
#include "launch/command_line.h"
#include "launch/record_flags.h"
#include "launch/word_flags.h"

namespace cf {
namespace {

const std::map<std::string, FileFormat> kFormats = {{"auto", FileFormat::kAutomatic},
                                                    {"csv", FileFormat::kCsv},
                                                    {"tsv", FileFormat::kTsv},
                                                    {"u.data", FileFormat::kTabs},
                                                    {"dat", FileFormat::kDoubleColons}};
const std::map<std::string, FileFormat> kTitleFormats = {{"auto", FileFormat::kAutomatic},
                                                         {"csv", FileFormat::kCsv},
                                                         {"tsv", FileFormat::kTsv},
                                                         {"u.item", FileFormat::kPipes},
                                                         {"dat", FileFormat::kDoubleColons}};
const std::map<std::string, Duplicates> kDuplicates = {
    {"last", Duplicates::kLast}, {"first", Duplicates::kFirst},   {"mean", Duplicates::kMean},
    {"sum", Duplicates::kSum},   {"newest", Duplicates::kNewest}, {"oldest", Duplicates::kOldest}};
const std::map<std::string, ItemKey> kItemKeys = {{"id", ItemKey::kId}, {"title", ItemKey::kTitle}};
const std::map<std::string, CfdataProgress::Mode> kModes = {
    {"auto", CfdataProgress::Mode::kAuto},
    {"bar", CfdataProgress::Mode::kBar},
    {"lines", CfdataProgress::Mode::kLines}};

/// "1 sample", "10,084 samples".
std::string Counted(std::uint64_t count, const std::string& noun) {
  return absl::StrCat(WithThousands(count), " ", noun, count == 1 ? "" : "s");
}

/// "0.5", "983,264".
std::string NumberText(double number) {
  const bool whole = number == std::floor(number) && std::abs(number) < 1e15;
  if (!whole) return FloatText(static_cast<float>(number));
  return (number < 0 ? "-" : "") + WithThousands(static_cast<std::uint64_t>(std::abs(number)));
}

void Say(const std::string& line) {
  std::printf("%s\n", line.c_str());
}

void PrintMerged(const ImportOptions& options, const ImportSummary& summary) {
  if (summary.written.duplicates == 0) return;
  const bool by_place =
      options.duplicates == Duplicates::kLast || options.duplicates == Duplicates::kFirst;
  const bool timed = summary.readings.front().format.timestamp >= 0;
  Say(absl::StrCat(
      Counted(summary.written.duplicates, "repeated rating"), " of a pair merged (--duplicates ",
      WordOf(kDuplicates, options.duplicates),
      by_place && timed ? ", by the place in the file; newest and oldest go by time" : "", ")"));
}

void PrintTwins(const Twins& twins, const std::string& noun) {
  if (twins.count == 0) return;
  Say(absl::StrCat(Counted(twins.count, noun), twins.count == 1 ? " is" : " are",
                   " written as another but for case, zeros or blanks (", twins.hint, ")"));
}

void PrintJoins(const ImportOptions& options, const ImportSummary& summary) {
  if (summary.validation.has_value()) {
    const auto& [users, items] = *summary.validation;
    Say(Counted(summary.written.validation, "given validation sample"));
    if (users.missing() > 0) {
      Say(MissingText(users, users.all == 1 ? "validation user" : "validation users",
                      "no training sample"));
    }
    if (items.missing() > 0) {
      Say(MissingText(items, items.all == 1 ? "validation item" : "validation items",
                      "no training sample"));
    }
  }
  // Where the files' ids do not join, that has been said.
  if (!summary.validation || summary.validation->users.hint.empty()) {
    PrintTwins(summary.user_twins, "user");
  }
  if (!summary.validation || summary.validation->items.hint.empty()) {
    PrintTwins(summary.item_twins, "item");
  }
  if (summary.written.leaks > 0) {
    Say(Counted(summary.written.leaks, "training sample") +
        " left out, for the validation file has the same pair");
  }
  if (options.titles.empty()) return;
  if (!summary.titles_note.empty()) Say(summary.titles_note);
  const JoinCount& titled = summary.titled;
  Say(absl::StrCat(Counted(summary.titles, "title"), ", ",
                   WithThousands(summary.titles_without_ratings), " of them without ratings"));
  Say(absl::StrCat(WithThousands(titled.joined), " of ", Counted(titled.all, "rated item"),
                   titled.joined == 1 ? " has a title" : " have a title",
                   titled.hint.empty() ? "" : absl::StrCat(" (", titled.hint, ")")));
}

/// What to know about the data before how the files were read: few lines, and mostly none.
void PrintNotes(const ImportOptions& options, const ImportSummary& summary) {
  if (summary.bad_lines.count > 0) {
    Say(absl::StrCat(Counted(summary.bad_lines.count, "malformed line"),
                     " skipped, the first: ", summary.bad_lines.first));
  }
  if (summary.dropped > 0) {
    Say(Counted(summary.dropped, "sample") + " left out for their ratings");
  }
  PrintMerged(options, summary);
  PrintJoins(options, summary);
}

void PrintReadings(const ImportOptions& options, const ImportSummary& summary) {
  for (const Reading& reading : summary.readings) {
    std::fputs(Describe(reading).c_str(), stdout);
    if (options.dry_run) std::fputs(FirstRecords(reading).c_str(), stdout);
  }
  std::fputs(summary.titles_reading.c_str(), stdout);
}

/// A note where the ratings are such that a loss of squares sees the largest only.
void PrintRange(const DatasetStatistics& statistics) {
  constexpr double kWide = 1000;
  const double low = statistics.ratings.min;
  const double high = statistics.ratings.max;
  if (!statistics.has_ratings || high - low < kWide) return;
  Say(absl::StrCat("note: ratings span ", NumberText(low), " to ", NumberText(high),
                   ": a loss of squares sees the largest only; scale ratings, as docs/data.md says "
                   "of counts"));
}

absl::Status RunImport(ImportOptions options, CfdataProgress::Mode mode) {
  if (options.out.empty() && !options.dry_run) {
    return absl::InvalidArgumentError("import writes nothing without --out; --dry-run only reads");
  }
  CfdataProgress progress(mode);
  options.progress = [&progress](const std::string& doing, std::uint64_t done,
                                 std::uint64_t total) { progress.Show(doing, done, total); };
  const absl::StatusOr<ImportSummary> summary = Import(options);
  progress.Clear();
  if (!summary.ok()) return summary.status();
  if (options.dry_run) {
    PrintNotes(options, *summary);
    PrintReadings(options, *summary);
    Say(Counted(summary->samples, "sample") + " read, nothing written (--dry-run)");
    return absl::OkStatus();
  }
  PrintNotes(options, *summary);
  PrintRange(summary->written.statistics);
  PrintReadings(options, *summary);
  std::fputs(FormatStatistics(summary->written.statistics).c_str(), stdout);
  Say("-> " + options.out);
  return absl::OkStatus();
}

struct ImportFlags {
  ImportOptions options;
  RecordFlags records;
  std::string title_columns;
};

void AddFileFlags(ArgumentParser* command, ImportFlags* flags) {
  ImportOptions& options = flags->options;
  command
      ->Option("--ratings", options.ratings,
               "File of ratings or interactions, or several; - is standard input")
      .Required();
  command->Option("--validation", options.validation,
                  "File of given validation samples, as u1.test");
  command->Option("--titles", options.titles, "File of titles: movies.csv, u.item, movies.dat");
  command->Option("--genres", options.genres, "What names the flags of u.item (u.genre beside it)");
  command->Option("--out", options.out, "Folder to make");
  command->Option("--name", options.name, "Name of the data set (the folder's)");
  AddChoice(command, "--format", &flags->records.options.format, kFormats,
            "Of the ratings (by the first lines)");
  AddChoice(command, "--titles-format", &options.titles_format, kTitleFormats,
            "Of the titles (by the first lines)");
  AddRecordFlags(command, &flags->records);
  command->Option("--title-columns", flags->title_columns,
                  "item=NAME,title=NAME[,genres=NAME] of the titles' header");
}

}  // namespace

void AddImport(ArgumentParser* app, CfdataProgress::Mode* mode,
               std::function<absl::Status()>* chosen) {
  const auto flags = std::make_shared<ImportFlags>();
  ImportOptions& options = flags->options;
  options.threads = std::clamp(std::thread::hardware_concurrency(), 1U, 8U);
  ArgumentParser* const command = app->AddCommand("import", "Makes a data set out of text files");
  AddFileFlags(command, flags.get());
  AddChoice(command, "--item-key", &options.item_key, kItemKeys,
            "What identifies an item (id); title makes one of those with equal titles");
  AddChoice(command, "--duplicates", &options.duplicates, kDuplicates,
            "Which rating of a repeated pair counts (last): by the place in the file, or by time");
  command->Option("--drop-ratings", options.drop_ratings,
                  "Ratings that mean that there is none, as -1 or 0: left out");
  command->Option("--min-rating", options.min_rating, "Leaves lower ratings out");
  command->Switch("--skip-bad-lines", options.skip_bad_lines,
                  "Count malformed lines instead of stopping at the first");
  command->Switch("--overwrite", options.overwrite, "Replace an existing data set");
  command->Switch("--dry-run", options.dry_run,
                  "Say how the files are read, with a few rows, and write nothing");
  command->Option("--threads", options.threads, "Threads (one for each core)").Between(1, 64);
  AddChoice(command, "--progress", mode, kModes, "How to show how far it is");
  command->Footer(UsualNamesHelp());
  command->OnChosen([flags, mode, chosen] {
    *chosen = [flags, mode]() -> absl::Status {
      absl::Status read = ReadRecordFlags(&flags->records);
      if (!read.ok()) return read;
      flags->options.records = flags->records.options;
      flags->options.records.ask_for_rating = true;
      if (!flags->title_columns.empty()) {
        absl::StatusOr<TitleColumns> columns = ParseTitleColumns(flags->title_columns);
        if (!columns.ok()) return columns.status();
        flags->options.title_columns = *std::move(columns);
      }
      return RunImport(flags->options, *mode);
    };
  });
}

}  // namespace cf
