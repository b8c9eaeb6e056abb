#include <cstdio>
#include <string>

#include <absl/status/statusor.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>

#include "coordinator/evaluate.h"
#include "launch/snapshot_commands.h"

namespace cf {

absl::Status Evaluate(const EvaluateFlags& flags) {
  const absl::StatusOr<Evaluation> evaluation =
      EvaluateSnapshot({.snapshot = flags.model.snapshot,
                        .data = flags.model.data,
                        .training_samples = flags.training_samples,
                        .metrics = flags.metrics});
  if (!evaluation.ok()) return evaluation.status();
  const Measured& measured = evaluation->measured;
  const Figures& figures = measured.figures;
  const char* samples = flags.training_samples ? "train" : "val";
  const bool errors = evaluation->has_errors;
  if (flags.model.format == TableFormat::kCsv) {
    // All digits, as in history.csv.
    std::string header = "split,samples,count,loss";
    std::string row = absl::StrFormat("\"%s\",%s,%d,%.17g", evaluation->split, samples,
                                      figures.samples, figures.loss);
    if (errors) {
      header += ",rmse,mae";
      absl::StrAppendFormat(&row, ",%.17g,%.17g", figures.rmse, figures.mae);
    }
    for (const NamedFigure& other : measured.others) {
      absl::StrAppend(&header, ",", other.name);
      absl::StrAppendFormat(&row, ",%.17g", other.value);
    }
    std::printf("%s\n%s\n", header.c_str(), row.c_str());
    return absl::OkStatus();
  }
  std::string text = absl::StrFormat("%s_loss %.4f", samples, figures.loss);
  if (errors) {
    absl::StrAppendFormat(&text, " %s_rmse %.4f %s_mae %.4f", samples, figures.rmse, samples,
                          figures.mae);
  }
  for (const NamedFigure& other : measured.others) {
    absl::StrAppendFormat(&text, " %s %.4f", other.name, other.value);
  }
  absl::StrAppendFormat(&text, " (%d samples of split %s)", figures.samples, evaluation->split);
  std::printf("%s\n", text.c_str());
  if (!measured.ranked.empty()) std::printf("%s\n", measured.ranked.c_str());
  return absl::OkStatus();
}

}  // namespace cf
