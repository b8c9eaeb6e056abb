#include "launch/synth_command.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include <absl/status/statusor.h>
#include <absl/strings/str_cat.h>

#include "common/dataset/statistics.h"
#include "common/dataset/synth.h"
#include "common/dataset/writer.h"
#include "launch/command_line.h"

namespace cf {
namespace {

/// What the user gave; what is absent comes from the preset, or from the defaults.
struct SynthFlags {
  std::string preset;
  std::optional<std::uint32_t> users;
  std::optional<std::uint32_t> items;
  std::optional<std::uint64_t> ratings;
  std::optional<std::uint32_t> dim;
  std::optional<double> noise;
  std::uint64_t seed = 42;
  std::string out;
  std::string csv;
  std::string name;
  bool overwrite = false;
  unsigned threads = std::clamp(std::thread::hardware_concurrency(), 1U, 8U);
};

absl::StatusOr<SynthOptions> OptionsOf(const SynthFlags& flags) {
  SynthOptions options;
  if (!flags.preset.empty()) {
    absl::StatusOr<SynthOptions> preset = SynthPreset(flags.preset);
    if (!preset.ok()) return preset.status();
    options = *std::move(preset);
  }
  if (flags.users || flags.items || flags.ratings) {
    // The preset's figures per user and per item belong to its own sizes.
    options.user_max = 0;
    options.item_max = 0;
  }
  options.users = flags.users.value_or(options.users);
  options.items = flags.items.value_or(options.items);
  options.ratings = flags.ratings.value_or(options.ratings);
  options.dim = flags.dim.value_or(options.dim);
  options.noise = flags.noise.value_or(options.noise);
  options.seed = flags.seed;
  return options;
}

absl::Status WriteDataset(const SynthFlags& flags, const SynthOptions& options,
                          DatasetWriter writer, SynthData data, CfdataProgress* progress) {
  for (SampleChunk& chunk : data.chunks) writer.Append(std::move(chunk));
  writer.SetUsers(std::move(data.users));
  writer.SetItems(std::move(data.items));
  writer.SetItemTexts(std::move(data.texts));
  const absl::StatusOr<WriteSummary> written = writer.Finish();
  progress->Clear();
  if (!written.ok()) return written.status();
  std::fputs(FormatStatistics(written->statistics).c_str(), stdout);
  std::printf("generated with seed %llu -> %s\n", static_cast<unsigned long long>(options.seed),
              flags.out.c_str());
  return absl::OkStatus();
}

absl::Status RunSynth(const SynthFlags& flags, CfdataProgress::Mode mode) {
  if (flags.out.empty() && flags.csv.empty()) {
    return absl::InvalidArgumentError("synth writes nothing without --out or --csv");
  }
  if (flags.out.empty() && !flags.name.empty()) {
    return absl::InvalidArgumentError("--name has no effect without --out");
  }
  const absl::StatusOr<SynthOptions> options = OptionsOf(flags);
  if (!options.ok()) return options.status();
  CfdataProgress progress(mode);
  const ProgressFunction show = [&progress](const std::string& doing, std::uint64_t done,
                                            std::uint64_t total) {
    progress.Show(doing, done, total);
  };

  // Whether it may write is asked before the work, not after it.
  std::optional<DatasetWriter> writer;
  if (!flags.out.empty()) {
    absl::StatusOr<DatasetWriter> created = DatasetWriter::Create(
        {.folder = flags.out,
         .name = flags.name,
         .sources = {absl::StrCat("synth ", options->name, ": ", options->users, " users, ",
                                  options->items, " items, ", options->ratings, " ratings, dim ",
                                  options->dim, ", noise ", options->noise, ", seed ",
                                  options->seed)},
         .has_timestamps = true,
         .overwrite = flags.overwrite,
         .threads = flags.threads,
         .progress = show});
    if (!created.ok()) return created.status();
    writer.emplace(*std::move(created));
  }

  absl::StatusOr<SynthData> data = Synthesize(*options, flags.threads, show);
  if (!data.ok()) return data.status();
  if (!flags.csv.empty()) {
    absl::Status status = WriteSynthCsv(*data, flags.csv, flags.overwrite);
    progress.Clear();  // Before anything is printed.
    if (!status.ok()) return status;
    std::printf("ratings.csv and movies.csv -> %s\n", flags.csv.c_str());
  }
  if (!writer) return absl::OkStatus();
  return WriteDataset(flags, *options, *std::move(writer), *std::move(data), &progress);
}

}  // namespace

void AddSynth(ArgumentParser* app, CfdataProgress::Mode* mode,
              std::function<absl::Status()>* chosen) {
  static const std::map<std::string, CfdataProgress::Mode> kModes = {
      {"auto", CfdataProgress::Mode::kAuto},
      {"bar", CfdataProgress::Mode::kBar},
      {"lines", CfdataProgress::Mode::kLines}};
  const auto flags = std::make_shared<SynthFlags>();
  ArgumentParser* const command =
      app->AddCommand("synth", "Makes a data set of ratings generated from a known truth");
  command->Option("--preset", flags->preset,
                  "Shape of a known data set: ml-100k, ml-1m, ml-latest-small, ml-20m");
  command->Option("--users", flags->users, "Users (10,000, or the preset's)");
  command->Option("--items", flags->items, "Items (2,000, or the preset's)");
  command->Option("--ratings", flags->ratings, "Ratings (1,000,000, or the preset's)");
  command->Option("--dim", flags->dim, "Length of the truth's vectors");
  command->Option("--noise", flags->noise, "Deviation of what no model can learn");
  command->Option("--seed", flags->seed, "The same seed gives the same bytes (42)");
  command->Option("--out", flags->out, "Folder of the data set to make");
  command->Option("--csv", flags->csv, "Folder for ratings.csv and movies.csv");
  command->Option("--name", flags->name, "Name of the data set (the folder's)");
  command->Switch("--overwrite", flags->overwrite,
                  "Replace an existing data set, or the files of --csv");
  command->Option("--threads", flags->threads, "Threads (one for each core)").Between(1, 64);
  command
      ->OptionBy(
          "--progress", [mode](const std::string& word) { *mode = kModes.at(word); },
          "How to show how far it is")
      .OneOf({"auto", "bar", "lines"})
      .TypeName("auto|bar|lines");
  command->OnChosen(
      [flags, mode, chosen] { *chosen = [flags, mode] { return RunSynth(*flags, *mode); }; });
}

}  // namespace cf
