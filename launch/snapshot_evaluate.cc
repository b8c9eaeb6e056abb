#include <cstdio>
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
  const absl::StatusOr<Evaluation> evaluation =
      EvaluateSnapshot({.snapshot = flags.model.snapshot,
                        .data = flags.model.data,
                        .training_samples = flags.training_samples,
                        .metrics = flags.metrics});
  if (!evaluation.ok()) return evaluation.status();
  const char* samples = flags.training_samples ? "train" : "val";
  if (flags.model.format == TableFormat::kCsv) {
    // All digits, as in history.csv.
    std::string header = "split,samples,count";
    std::string row =
        absl::StrFormat("\"%s\",%s,%d", evaluation->split, samples, evaluation->samples);
    for (const Figure& figure : evaluation->figures) {
      absl::StrAppend(&header, ",", ColumnOf(figure.name, samples));
      absl::StrAppendFormat(&row, ",%.17g", figure.value);
    }
    std::printf("%s\n%s\n", header.c_str(), row.c_str());
    return absl::OkStatus();
  }
  std::string text;
  for (const Figure& figure : evaluation->figures) {
    absl::StrAppendFormat(&text, "%s %.4f ", figure.name, figure.value);
  }
  absl::StrAppendFormat(&text, "(%d samples of split %s)", evaluation->samples, evaluation->split);
  std::printf("%s\n", text.c_str());
  if (!evaluation->ranked.empty()) std::printf("%s\n", evaluation->ranked.c_str());
  return absl::OkStatus();
}

}  // namespace cf
