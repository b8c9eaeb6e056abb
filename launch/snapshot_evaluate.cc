#include <string>

#include <absl/status/statusor.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>

#include "coordinator/evaluate.h"
#include "launch/snapshot_commands.h"

namespace cf {
namespace {

/// The usual figures go without "val_", which the column `samples` says of the whole line.
std::string ColumnOf(const std::string& figure, const std::string& samples) {
  for (const char* usual : {"loss", "rmse", "mae"}) {
    if (figure == absl::StrCat(samples, "_", usual)) return usual;
  }
  return figure;
}

}  // namespace

absl::Status Evaluate(const EvaluateFlags& flags) {
  absl::StatusOr<Output> output = Output::Open(flags.output);
  if (!output.ok()) return output.status();
  const absl::StatusOr<Snapshot> snapshot = Snapshot::Open(flags.model.snapshot);
  if (!snapshot.ok()) return snapshot.status();
  const absl::StatusOr<Evaluation> evaluation =
      EvaluateSnapshot({.snapshot = flags.model.snapshot,
                        .data = DataFolderOf(snapshot->manifest(), flags.model.data),
                        .training_samples = flags.training_samples,
                        .metrics = flags.metrics});
  if (!evaluation.ok()) return evaluation.status();
  const char* samples = flags.training_samples ? "train" : "val";
  if (!output->for_people()) {
    // All digits, as in history.csv.
    std::string header = "split,samples,count";
    std::string row =
        absl::StrFormat("\"%s\",%s,%d", evaluation->split, samples, evaluation->samples);
    for (const Figure& figure : evaluation->figures) {
      absl::StrAppend(&header, ",", ColumnOf(figure.name, samples));
      absl::StrAppendFormat(&row, ",%.17g", figure.value);
    }
    return output->Deliver(absl::StrCat(header, "\n", row, "\n"));
  }
  std::string text;
  for (const Figure& figure : evaluation->figures) {
    absl::StrAppendFormat(&text, "%s %.4f ", figure.name, figure.value);
  }
  absl::StrAppend(&text, "(", Counted(evaluation->samples, "sample"), " of split ",
                  evaluation->split, ")\n");
  if (!evaluation->ranked.empty()) absl::StrAppend(&text, evaluation->ranked, "\n");
  return output->Deliver(text);
}

}  // namespace cf
