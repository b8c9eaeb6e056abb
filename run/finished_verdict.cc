#include "run/finished_verdict.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>

#include "common/snapshot/kept_figures.h"
#include "common/snapshot/manifest.h"
#include "common/text/numbers.h"
#include "run/early_stopping.h"

namespace cf {
namespace {

/// "val_rmse 0.8375".
std::string MonitoredText(const Job& job, const EpochFigures& epoch) {
  const std::string& name = MonitorOf(job);
  const std::optional<double> value = epoch.figures.Find(name);
  return value.has_value() ? absl::StrCat(name, " ", FixedText(*value, 4))
                           : absl::StrCat(name, " not measured");
}

}  // namespace

std::optional<Verdict> FinishedVerdict(const Manifest& last, const Job& job,
                                       const std::string& folder) {
  StoppingRule stopping(job.early_stopping());
  stopping.Restore(StoppingStateOf(last));
  const bool ended = last.position().epoch() >= job.train().epochs() || stopping.ShouldStop();
  if (!ended || InMidEpoch(last.position())) return std::nullopt;
  const bool best = job.early_stopping().restore_best() && last.has_best_metrics();
  const EpochFigures result = FiguresOf(best ? last.best_metrics() : last.last_metrics());
  const std::string snapshot = best ? "snapshots/best" : "snapshots/latest";
  return Verdict{
      .exit_code = kExitFinished,
      .cause = EndCause::kFinished,
      .text = absl::StrFormat("%s epoch %d: %s -> %s/%s", best ? "best" : "last", result.epoch,
                              MonitoredText(job, result), folder, snapshot),
      .snapshot = snapshot};
}

}  // namespace cf
