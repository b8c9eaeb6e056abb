// cfdata: makes data sets out of text files, describes them, and writes their splits for other
// tools.

#include <cstdio>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

#include <absl/status/status.h>
#include <absl/strings/str_cat.h>

#include "common/base/status.h"
#include "common/dataset/dataset.h"
#include "common/dataset/export_split.h"
#include "common/dataset/split.h"
#include "common/dataset/statistics.h"
#include "common/text/display.h"
#include "common/text/numbers.h"
#include "launch/cfdata_progress.h"
#include "launch/command_line.h"
#include "launch/head_command.h"
#include "launch/import_command.h"
#include "launch/program.h"
#include "launch/synth_command.h"
#include "launch/word_flags.h"

namespace cf {
namespace {

using Command = std::function<absl::Status()>;

void AddStatistics(ArgumentParser* app, Command* chosen) {
  struct Flags {
    std::string folder;
    bool verify = false;
  };
  const auto flags = std::make_shared<Flags>();
  ArgumentParser* const command = app->AddCommand("stats", "Describes a data set");
  command->Option("DATA", flags->folder, "Folder of the data set").Required();
  command->Switch("--verify", flags->verify, "Read every column and compare with its checksums");
  command->OnChosen([flags, chosen] {
    *chosen = [flags]() -> absl::Status {
      const absl::StatusOr<Dataset> data = Dataset::Open(flags->folder);
      if (!data.ok()) return data.status();
      if (flags->verify) {
        absl::Status verified = data->Verify();
        if (!verified.ok()) return verified;
      }
      std::printf("%s, digest %s\n", data->name().c_str(), data->digest().c_str());
      std::fputs(FormatStatistics(ComputeStatistics(*data)).c_str(), stdout);
      return absl::OkStatus();
    };
  });
}

void AddExportSplit(ArgumentParser* app, Command* chosen) {
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
  ArgumentParser* const command =
      app->AddCommand("export-split", "Writes train.csv and val.csv for other tools");
  command->Option("DATA", flags->folder, "Folder of the data set").Required();
  command->Option("--out", flags->out, "Folder for the two files").Required();
  AddChoice(command, "--split", &flags->kind, kKinds, "Which samples validate (random)");
  const Flag fraction = command->Option("--fraction", flags->fraction, "Their share (.1)");
  const Flag seed =
      command->Option("--seed", flags->seed, "Of the random and the leave-one-out split (42)");
  command->Switch("--overwrite", flags->overwrite, "Replace files that are there already");
  command->OnChosen([flags, fraction, seed, chosen] {
    *chosen = [flags, fraction, seed]() -> absl::Status {
      const bool has_seed = flags->kind == Kind::kRandom || flags->kind == Kind::kLeaveOneOut;
      const bool has_share = flags->kind == Kind::kRandom || flags->kind == Kind::kGlobalTime;
      for (const auto& [flag, used] : {std::pair{fraction, has_share}, {seed, has_seed}}) {
        if (used || !flag.given()) continue;
        return absl::InvalidArgumentError(absl::StrCat(flag.name(), " has no effect with ",
                                                       "--split ", WordOf(kKinds, flags->kind)));
      }
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
      const std::string line =
          absl::StrCat(WithThousands(split->training_count()), " training and ",
                       WithThousands(split->validation_count()), " validation samples (",
                       split->name(), ") -> ", flags->out, "\n");
      std::fputs(FitToWidth(line, TerminalWidth(STDOUT_FILENO)).c_str(), stdout);
      return absl::OkStatus();
    };
  });
}

absl::StatusOr<ExitCode> Run(const std::vector<std::string>& words) {
  ArgumentParser app("cfdata", "Makes and describes data sets");
  app.RequireCommand();
  CfdataProgress::Mode mode = CfdataProgress::Mode::kAuto;
  Command chosen;
  AddImport(&app, &mode, &chosen);
  AddHead(&app, &chosen);
  AddStatistics(&app, &chosen);
  AddExportSplit(&app, &chosen);
  AddSynth(&app, &mode, &chosen);
  if (const std::optional<ExitCode> ended = ParseWords(app, words)) return *ended;
  const absl::Status status = chosen();
  return status.ok() ? absl::StatusOr<ExitCode>(kExitFinished) : status;
}

}  // namespace
}  // namespace cf

int main(int argc, char** argv) {
  cf::BeginProgram();
  return cf::EndProgram("", cf::Run({argv + 1, argv + argc}));
}
