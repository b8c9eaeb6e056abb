#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <absl/status/statusor.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>

#include "common/text/numbers.h"
#include "coordinator/evaluate.h"
#include "launch/snapshot_commands.h"
#include "launch/snapshot_source.h"
#include "serving/pair_figures.h"
#include "serving/pair_file.h"

namespace cf {
namespace {

/// The usual figures go without "val_", which the column `samples` says of the whole line.
std::string ColumnOf(const std::string& figure, const std::string& samples) {
  for (const char* usual : {"loss", "rmse", "mae"}) {
    if (figure == absl::StrCat(samples, "_", usual)) return usual;
  }
  return figure;
}

absl::Status Print(const Evaluation& evaluation, const std::string& samples, const std::string& of,
                   Output& output) {
  if (!output.for_people()) {
    // All digits, as in history.csv.
    std::string header = "split,samples,count";
    std::string row =
        absl::StrFormat("\"%s\",%s,%d", evaluation.split, samples, evaluation.samples);
    for (const Figure& figure : evaluation.figures) {
      absl::StrAppend(&header, ",", ColumnOf(figure.name, samples));
      absl::StrAppendFormat(&row, ",%.17g", figure.value);
    }
    return output.Deliver(absl::StrCat(header, "\n", row, "\n"));
  }
  std::string text;
  for (const Figure& figure : evaluation.figures) {
    absl::StrAppend(&text, figure.name, " ", FixedText(figure.value, 4), " ");
  }
  absl::StrAppend(&text, "(", Counted(evaluation.samples, "sample"), " of ", of, ")\n");
  if (!evaluation.ranked.empty()) absl::StrAppend(&text, evaluation.ranked, "\n");
  return output.Deliver(text);
}

// The pairs of the file that the model knows, in order, each once.
RankedPairs RankedOf(const PairFile& file, Mask mask) {
  RankedPairs ranked = {
      .pairs = {}, .masks_training = mask != Mask::kNone, .masks_validation = mask == Mask::kAll};
  for (const NamedPair& pair : file.pairs()) {
    if (pair.known()) ranked.pairs.push_back({.user = *pair.user, .item = *pair.item});
  }
  std::sort(ranked.pairs.begin(), ranked.pairs.end());
  ranked.pairs.erase(std::unique(ranked.pairs.begin(), ranked.pairs.end()), ranked.pairs.end());
  return ranked;
}

// How many pairs the model was trained on: figures of these say nothing of others.
std::uint64_t TrainedIn(const PairFile& file, const Catalogue& catalogue) {
  const auto trained = [&catalogue](const NamedPair& pair) {
    return pair.known() && catalogue.IsMasked(*pair.user, *pair.item, Mask::kTrain);
  };
  return static_cast<std::uint64_t>(
      std::count_if(file.pairs().begin(), file.pairs().end(), trained));
}

// The errors of what is predicted for the pairs with a rating; none where there are none to measure.
Figures ErrorsIn(const PairFile& file, const OpenModel& open) {
  if (!open.model().spec().predicts_ratings()) return {};
  std::vector<RatedPair> rated;
  for (const NamedPair& pair : file.pairs()) {
    if (!pair.known() || !pair.rating.has_value()) continue;
    rated.push_back({.pair = {.user = *pair.user, .item = *pair.item}, .rating = *pair.rating});
  }
  return ErrorsOf(open.model(), open.manifest().partitions(), "test_", std::move(rated));
}

// A folder for users that there is no memory for.
std::string ScratchFor(const Manifest& manifest) {
  const std::string& directory = manifest.job().storage().directory();
  return directory.empty() ? std::filesystem::temp_directory_path().string() : directory;
}

absl::Status EvaluateFile(const EvaluateFlags& flags, Output& output) {
  if (absl::Status is = CheckIsSnapshot(flags.model.snapshot); !is.ok()) return is;
  // The model is there for the errors, and its rows for the ranks.
  OpenModel::Options half = flags.model;
  if (half.memory > 0) half.memory = std::max<std::uint64_t>(1, half.memory / 2);
  const absl::StatusOr<std::unique_ptr<OpenModel>> open = OpenModel::Open(half);
  if (!open.ok()) return open.status();
  const absl::StatusOr<PairFile> file =
      PairFile::Read(flags.samples, {.records = flags.records.options}, (*open)->data());
  if (!file.ok()) return file.status();
  RankedPairs ranked = RankedOf(*file, flags.mask);
  if (ranked.pairs.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(flags.samples, ": none of its ", Counted(file->pairs().size(), "pair"),
                     " has both a user and an item of the data set ", (*open)->data().name()));
  }
  Evaluation evaluation;
  evaluation.figures = ErrorsIn(*file, **open);
  absl::StatusOr<Evaluation> ranks =
      EvaluateSnapshot({.snapshot = flags.model.snapshot,
                        .data = DataFolderOf((*open)->manifest(), flags.model.data),
                        .metrics = flags.metrics,
                        .pairs = std::move(ranked),
                        .memory = half.memory,
                        .directory = ScratchFor((*open)->manifest())});
  if (!ranks.ok()) return ranks.status();
  evaluation.figures.SetAll(ranks->figures);
  if (evaluation.figures.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        flags.samples,
        (*open)->model().spec().predicts_ratings() ? " has no ratings to compare predictions with"
                                                   : ": the model predicts no ratings",
        ": --metrics names figures of ranking, such as ndcg_10"));
  }
  evaluation.ranked = ranks->ranked;
  evaluation.split = flags.samples;
  evaluation.samples = file->pairs().size() - file->unknown();
  if (file->unknown() > 0) {
    Note(absl::StrCat("of ", Counted(file->pairs().size(), "pair"), " ",
                      WithThousands(file->unknown()), file->unknown() == 1 ? " has" : " have",
                      " a user or an item that is not in the data set, and counts nowhere"));
  }
  const std::uint64_t trained = TrainedIn(*file, (*open)->catalogue());
  if (trained > 0) {
    Note(absl::StrCat("of ", Counted(file->pairs().size(), "pair"), " ", WithThousands(trained),
                      trained == 1 ? " is a training sample" : " are training samples",
                      ", which the model has seen"));
  }
  return Print(evaluation, "test", flags.samples, output);
}

}  // namespace

absl::Status Evaluate(const EvaluateFlags& flags) {
  absl::StatusOr<Output> output = Output::Open(flags.output);
  if (!output.ok()) return output.status();
  if (!flags.samples.empty()) return EvaluateFile(flags, *output);
  const absl::StatusOr<Snapshot> snapshot = OpenSnapshot(flags.model.snapshot);
  if (!snapshot.ok()) return snapshot.status();
  const absl::StatusOr<Evaluation> evaluation =
      EvaluateSnapshot({.snapshot = flags.model.snapshot,
                        .data = DataFolderOf(snapshot->manifest(), flags.model.data),
                        .training_samples = flags.training_samples,
                        .metrics = flags.metrics,
                        .memory = flags.model.memory,
                        .directory = ScratchFor(snapshot->manifest())});
  if (!evaluation.ok()) return evaluation.status();
  return Print(*evaluation, flags.training_samples ? "train" : "val", "split " + evaluation->split,
               *output);
}

}  // namespace cf
