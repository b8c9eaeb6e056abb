#pragma once

#include <optional>
#include <string>

#include "common/base/check.h"
#include "common/base/files.h"
#include "common/config/config.h"
#include "run/history.h"
#include "run/run_folder.h"
#include "run/run_view.h"
#include "tests/unit/serving/test_model.h"

namespace cf {

/// A finished run of three epochs, the first the best, on the data set of test_model.h: 60 users,
/// 90 items with titles, a model nobody has trained.
class ReportedFolder {
 public:
  ReportedFolder() {
    WriteTestData(data());
    const Dataset dataset = Dataset::Open(data()).value();
    WriteTestSnapshot(run(), dataset);
    folder_.emplace(RunFolder::Create(run()).value());
    Job job = ViewRun(run()).value().snapshot->job();
    FillDefaults(job);
    job.mutable_data()->set_path(data());
    job.mutable_optimizer()->mutable_adam()->set_learning_rate(0.003);
    Check(WriteFileAtomically(folder().job_path(), PrintJob(job)).ok(), "the test can write");
    History history = History::Open(folder().history_path()).value();
    for (std::uint32_t epoch = 1; epoch <= 3; ++epoch) {
      const double error = epoch == 1 ? 0.875 : 1 + 0.1 * epoch;  // The manifest's best is epoch 1.
      Check(history
                .Append({.epoch = epoch,
                         .step = epoch * 100,
                         .figures = {{"train_loss", 1.0 / epoch},
                                     {"train_rmse", 0.9 / epoch},
                                     {"l2_penalty", 0.01 * epoch},
                                     {"val_loss", error * error},
                                     {"val_rmse", error},
                                     {"val_mae", error / 2},
                                     {"learning_rate", 0.003},
                                     {"samples_per_second", 12345.0 * epoch},
                                     {"seconds", 2}}})
                .ok(),
            "the test can write");
    }
    End({.exit_code = kExitFinished,
         .cause = EndCause::kFinished,
         .text = "best epoch 1: val_rmse 0.8750 -> run/snapshots/best",
         .snapshot = "snapshots/best"});
    RunStatus status;
    status.set_monitor("val_rmse");
    status.add_hosts("n0");
    status.add_hosts("n1");
    status.set_threads(4);
    status.set_started_seconds(1'700'000'000);
    Check(WriteStatus(folder(), status).ok(), "the test can write");
  }

  void End(const Verdict& verdict) const {
    Check(folder().WriteVerdict(verdict).ok(), "the test can write");
  }

  std::string run() const { return files_.At("run"); }
  std::string data() const { return files_.At("data"); }
  std::string Beside(const std::string& name) const { return files_.At(name); }
  const RunFolder& folder() const { return *folder_; }
  RunView View() const { return ViewRun(run()).value(); }

 private:
  TestFolder files_;
  std::optional<RunFolder> folder_;
};

}  // namespace cf
