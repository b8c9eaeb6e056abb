#pragma once

#include <string>
#include <vector>

#include "common/base/check.h"
#include "common/config/config.h"
#include "run/run_view.h"

namespace cf {

/// A run whose validation errors by epoch are `errors`, as its folder would tell: each epoch takes
/// two seconds at 1,000 samples/s.
inline RunView MakeRunView(const std::string& path, const std::vector<double>& errors,
                           const std::vector<std::string>& assignments = {}) {
  RunView view;
  view.path = path;
  view.state = RunState::kFinished;
  view.generation = 1;
  Job job;
  Check(SetField(job, "model.matrix_factorization={}").ok(), "the field exists");
  Check(SetField(job, "split.random={}").ok(), "the field exists");
  for (const std::string& assignment : assignments) {
    Check(SetField(job, assignment).ok(), "the field exists");
  }
  FillDefaults(job);
  for (const double error : errors) {
    const auto epoch = static_cast<std::uint32_t>(view.history.size() + 1);
    view.history.push_back({.epoch = epoch,
                            .step = epoch * 10,
                            .figures = {{"train_loss", error * error / 2},
                                        {"train_rmse", error / 2},
                                        {"val_loss", error * error},
                                        {"val_rmse", error},
                                        {"val_mae", error * 0.75},
                                        {"samples_per_second", 1000},
                                        {"seconds", 2}}});
  }
  Manifest manifest;
  manifest.mutable_data()->set_name("ml-test");
  manifest.mutable_data()->set_digest("0123456789abcdef");
  manifest.mutable_data()->set_split("random .1, seed 42");
  *manifest.mutable_job() = job;
  view.snapshot = manifest;
  view.job = job;
  return view;
}

}  // namespace cf
