#include <cstdio>

#include <absl/status/statusor.h>
#include <absl/strings/str_format.h>

#include "coordinator/evaluate.h"
#include "launch/snapshot_commands.h"

namespace cf {

absl::Status Evaluate(const EvaluateFlags& flags) {
  const absl::StatusOr<Evaluation> evaluation =
      EvaluateSnapshot({.snapshot = flags.model.snapshot,
                        .data = flags.model.data,
                        .training_samples = flags.training_samples});
  if (!evaluation.ok()) return evaluation.status();
  const Figures& figures = evaluation->figures;
  const char* samples = flags.training_samples ? "train" : "val";
  if (flags.model.format == TableFormat::kCsv) {
    // All digits, as in history.csv.
    std::printf("split,samples,count,loss,rmse,mae\n%s\n",
                absl::StrFormat("\"%s\",%s,%d,%.17g,%.17g,%.17g", evaluation->split, samples,
                                figures.samples, figures.loss, figures.rmse, figures.mae)
                    .c_str());
    return absl::OkStatus();
  }
  std::printf("%s\n",
              absl::StrFormat("%s_loss %.4f %s_rmse %.4f %s_mae %.4f (%d samples of split %s)",
                              samples, figures.loss, samples, figures.rmse, samples, figures.mae,
                              figures.samples, evaluation->split)
                  .c_str());
  return absl::OkStatus();
}

}  // namespace cf
