// cfdata: makes data sets out of text files, describes them, and writes their splits for other
// tools.

#include <algorithm>
#include <cstdio>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>

#include <CLI/CLI.hpp>
#include <absl/status/status.h>
#include <absl/strings/str_cat.h>

#include "common/base/check.h"
#include "common/base/status.h"
#include "common/dataset/dataset.h"
#include "common/dataset/export_split.h"
#include "common/dataset/import.h"
#include "common/dataset/item_key.h"
#include "common/dataset/split.h"
#include "common/dataset/statistics.h"
#include "common/text/numbers.h"
#include "launch/cfdata_progress.h"
#include "launch/program.h"
#include "launch/synth_command.h"

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
const std::map<std::string, Encoding> kEncodings = {
    {"auto", Encoding::kAutomatic}, {"utf-8", Encoding::kUtf8}, {"latin-1", Encoding::kLatin1}};
const std::map<std::string, Duplicates> kDuplicates = {{"last", Duplicates::kLast},
                                                       {"first", Duplicates::kFirst},
                                                       {"mean", Duplicates::kMean},
                                                       {"sum", Duplicates::kSum}};
const std::map<std::string, ItemKey> kItemKeys = {{"id", ItemKey::kId}, {"title", ItemKey::kTitle}};
const std::map<std::string, CfdataProgress::Mode> kModes = {
    {"auto", CfdataProgress::Mode::kAuto},
    {"bar", CfdataProgress::Mode::kBar},
    {"lines", CfdataProgress::Mode::kLines}};

/// A flag whose values are words; others are refused with the words there are.
template <class T>
CLI::Option* AddChoice(CLI::App* command, const std::string& flag, T* value,
                       const std::map<std::string, T>& words, const std::string& description) {
  std::string names;
  for (const auto& [name, unused] : words) absl::StrAppend(&names, names.empty() ? "" : "|", name);
  return command
      ->add_option_function<std::string>(
          flag, [value, &words](const std::string& word) { *value = words.at(word); }, description)
      ->check([&words, names](const std::string& word) {
        return words.contains(word) ? std::string()
                                    : absl::StrCat("\"", word, "\", expected ", names);
      })
      ->type_name(names);
}

/// The word that a flag has for `value`.
template <class T>
const char* WordOf(const std::map<std::string, T>& words, T value) {
  const auto found = std::find_if(words.begin(), words.end(),
                                  [value](const auto& word) { return word.second == value; });
  Check(found != words.end(), "every value has a word");
  return found->first.c_str();
}

absl::Status PrintStatistics(const std::string& folder) {
  const absl::StatusOr<Dataset> data = Dataset::Open(folder);
  if (!data.ok()) return data.status();
  std::fputs(FormatStatistics(*data, ComputeStatistics(*data)).c_str(), stdout);
  return absl::OkStatus();
}

void PrintSummary(const ImportOptions& options, const ImportSummary& summary) {
  const auto count = [](std::uint64_t number) { return WithThousands(number); };
  if (summary.bad_lines.count > 0) {
    std::printf("%s malformed lines skipped, the first: %s\n",
                count(summary.bad_lines.count).c_str(), summary.bad_lines.first.c_str());
  }
  if (summary.written.duplicates > 0) {
    std::printf("%s repeated ratings of a pair merged (--duplicates %s)\n",
                count(summary.written.duplicates).c_str(), WordOf(kDuplicates, options.duplicates));
  }
  if (!options.validation.empty()) {
    std::printf("%s given validation samples\n", count(summary.written.validation).c_str());
  }
  if (summary.written.leaks > 0) {
    std::printf("%s training samples left out, for they are in the validation file too\n",
                count(summary.written.leaks).c_str());
  }
  if (!options.titles.empty()) {
    std::printf("%s titles, %s of them without ratings\n", count(summary.titles).c_str(),
                count(summary.titles_without_ratings).c_str());
  }
}

using Command = std::function<absl::Status()>;

void AddImport(CLI::App* app, CfdataProgress::Mode* mode, Command* chosen) {
  struct Flags {
    ImportOptions options;
    std::string columns;
  };
  const auto flags = std::make_shared<Flags>();
  ImportOptions& options = flags->options;
  options.threads = std::clamp(std::thread::hardware_concurrency(), 1U, 8U);
  CLI::App* const command = app->add_subcommand("import", "Makes a data set out of text files");
  command->add_option("--ratings", options.ratings, "File of ratings or interactions")->required();
  command->add_option("--validation", options.validation,
                      "File of given validation samples, as u1.test");
  command->add_option("--titles", options.titles, "File of titles: movies.csv, u.item, movies.dat");
  command->add_option("--genres", options.genres,
                      "What names the flags of u.item (u.genre beside it)");
  command->add_option("--out", options.out, "Folder to make")->required();
  command->add_option("--name", options.name, "Name of the data set (the folder's)");
  AddChoice(command, "--format", &options.records.format, kFormats, "Of the ratings (by the first line)");
  AddChoice(command, "--titles-format", &options.titles_format, kTitleFormats,
            "Of the titles (by the first line)");
  AddChoice(command, "--encoding", &options.records.encoding, kEncodings,
            "Of the text (UTF-8 for CSV; elsewhere latin-1 where it is not UTF-8)");
  command->add_option(
      "--columns", flags->columns,
      "user=NAME,item=NAME[,rating=NAME][,timestamp=NAME], by the header's names, or "
      "by numbers from 1 for a file without a header");
  AddChoice(command, "--item-key", &options.item_key, kItemKeys,
            "What identifies an item (id); title makes one of those with equal titles");
  AddChoice(command, "--duplicates", &options.duplicates, kDuplicates,
            "Which rating of a repeated pair counts (last)");
  command->add_flag("--skip-bad-lines", options.skip_bad_lines,
                    "Count malformed lines instead of stopping at the first");
  command->add_flag("--overwrite", options.overwrite, "Replace an existing data set");
  command->add_option("--threads", options.threads, "Threads (one for each core)")
      ->check(CLI::Range(1, 64));
  AddChoice(command, "--progress", mode, kModes, "How to show how far it is");
  command->callback([flags, mode, chosen] {
    *chosen = [flags, mode]() -> absl::Status {
      ImportOptions& chosen_options = flags->options;
      if (!flags->columns.empty()) {
        absl::StatusOr<ColumnChoice> columns = ParseColumnChoice(flags->columns);
        if (!columns.ok()) return columns.status();
        chosen_options.records.columns = *std::move(columns);
      }
      CfdataProgress progress(*mode);
      chosen_options.progress = [&progress](const std::string& doing, std::uint64_t done,
                                            std::uint64_t total) {
        progress.Show(doing, done, total);
      };
      const absl::StatusOr<ImportSummary> summary = Import(chosen_options);
      progress.Clear();
      if (!summary.ok()) return summary.status();
      PrintSummary(chosen_options, *summary);
      absl::Status printed = PrintStatistics(chosen_options.out);
      if (printed.ok()) std::printf("-> %s\n", chosen_options.out.c_str());
      return printed;
    };
  });
}

void AddStatistics(CLI::App* app, Command* chosen) {
  struct Flags {
    std::string folder;
    bool verify = false;
  };
  const auto flags = std::make_shared<Flags>();
  CLI::App* const command = app->add_subcommand("stats", "Describes a data set");
  command->add_option("DATA", flags->folder, "Folder of the data set")->required();
  command->add_flag("--verify", flags->verify, "Read every column and compare with the digest");
  command->callback([flags, chosen] {
    *chosen = [flags]() -> absl::Status {
      const absl::StatusOr<Dataset> data = Dataset::Open(flags->folder);
      if (!data.ok()) return data.status();
      if (flags->verify) {
        absl::Status verified = data->VerifyDigest();
        if (!verified.ok()) return verified;
      }
      std::printf("%s, digest %s\n", data->name().c_str(), data->digest().c_str());
      return PrintStatistics(flags->folder);
    };
  });
}

void AddExportSplit(CLI::App* app, Command* chosen) {
  enum class Kind { kRandom, kGiven, kLeaveLastOut, kLeaveOneOut, kGlobalTime };
  static const std::map<std::string, Kind> kKinds = {{"random", Kind::kRandom},
                                                     {"given", Kind::kGiven},
                                                     {"leave-last-out", Kind::kLeaveLastOut},
                                                     {"leave-one-out", Kind::kLeaveOneOut},
                                                     {"global-time", Kind::kGlobalTime}};
  struct Flags {
    std::string folder;
    std::string out;
    Kind kind = Kind::kRandom;
    double fraction = 0.1;
    std::uint64_t seed = 42;
    bool overwrite = false;
  };
  const auto flags = std::make_shared<Flags>();
  CLI::App* const command =
      app->add_subcommand("export-split", "Writes train.csv and val.csv for other tools");
  command->add_option("DATA", flags->folder, "Folder of the data set")->required();
  command->add_option("--out", flags->out, "Folder for the two files")->required();
  AddChoice(command, "--split", &flags->kind, kKinds, "Which samples validate (random)");
  command->add_option("--fraction", flags->fraction, "Their share (.1)");
  command->add_option("--seed", flags->seed, "Of the random and the leave-one-out split (42)");
  command->add_flag("--overwrite", flags->overwrite, "Replace files that are there already");
  command->callback([flags, chosen] {
    *chosen = [flags]() -> absl::Status {
      Split config;
      switch (flags->kind) {
        case Kind::kRandom:
          config.mutable_random()->set_fraction(flags->fraction);
          config.mutable_random()->set_seed(flags->seed);
          break;
        case Kind::kGiven:
          config.mutable_given();
          break;
        case Kind::kLeaveLastOut:
          config.mutable_leave_last_out();
          break;
        case Kind::kLeaveOneOut:
          config.mutable_leave_one_out()->set_seed(flags->seed);
          break;
        case Kind::kGlobalTime:
          config.mutable_global_time()->set_fraction(flags->fraction);
          break;
      }
      const absl::StatusOr<Dataset> data = Dataset::Open(flags->folder);
      if (!data.ok()) return data.status();
      const absl::StatusOr<DataSplit> split = DataSplit::Make(*data, config);
      if (!split.ok()) return split.status();
      absl::Status exported = ExportSplit(*data, *split, flags->out, flags->overwrite);
      if (!exported.ok()) return exported;
      std::printf("%s training and %s validation samples (%s) -> %s\n",
                  WithThousands(split->training_count()).c_str(),
                  WithThousands(split->validation_count()).c_str(), split->name().c_str(),
                  flags->out.c_str());
      return absl::OkStatus();
    };
  });
}

/// CLI11 throws; nothing beyond this function hears of it.
absl::StatusOr<ExitCode> Run(int argc, char** argv) {
  CLI::App app("Makes and describes data sets");
  app.require_subcommand(1);
  CfdataProgress::Mode mode = CfdataProgress::Mode::kAuto;
  Command chosen;
  AddImport(&app, &mode, &chosen);
  AddStatistics(&app, &chosen);
  AddExportSplit(&app, &chosen);
  AddSynth(&app, &mode, &chosen);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help) {
    return app.exit(help) == 0 ? kExitFinished : kExitUserInput;
  } catch (const CLI::ParseError& error) {
    std::fprintf(stderr, "cfdata: %s (cfdata --help says more)\n", error.what());
    return kExitUserInput;
  }
  const absl::Status status = chosen();
  return status.ok() ? absl::StatusOr<ExitCode>(kExitFinished) : status;
}

}  // namespace
}  // namespace cf

int main(int argc, char** argv) {
  cf::BeginProgram();
  return cf::EndProgram("", cf::Run(argc, argv));
}
