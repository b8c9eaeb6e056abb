#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/config/job.pb.h"
#include "common/snapshot/manifest.pb.h"

namespace cf {

/// The figure that decides which epoch of a job is the best: "val_rmse".
inline const std::string& MonitorOf(const Job& job) {
  return job.early_stopping().monitor();
}

/// What a StoppingRule knows; a snapshot carries it, so that a resumed run stops where the other
/// would have.
struct StoppingState {
  std::uint32_t last_epoch = 0;  ///< The last epoch observed; 0 before the first.
  std::uint32_t best_epoch = 0;  ///< 0 while none was better than nothing.
  double best_value = 0;         ///< The monitored figure of `best_epoch`; 0 while that is 0.
  std::optional<double> start_value = {};  ///< Of the model before the first step, where measured.

  bool operator==(const StoppingState&) const = default;
};

/// The state that a snapshot carries.
StoppingState StoppingStateOf(const Manifest& manifest);

/// Decides which epoch is the best so far and when training ends for want of a better one, as
/// Keras's EarlyStopping does.
///
/// The model before the first step may be the best of all ("epoch 0"). It does not count for
/// patience: training goes on as if nobody had looked at it.
///
/// Owner:      the coordinator, one for a run.
/// Threads:    not thread-safe.
/// Invariants: a value improves if it is better than the best by more than min_delta; NaN never
///             does. The run stops exactly `patience` epochs after the best one that was trained.
class StoppingRule {
 public:
  /// Requires: a job that ValidateJob accepts, with its defaults filled in.
  explicit StoppingRule(const EarlyStopping& options);

  /// Takes the monitored figure of the model before the first step; returns whether it is one to be
  /// beaten. Requires: called at most once, before any epoch is observed.
  bool ObserveStart(double value);

  /// Takes the monitored figure of `epoch`, counted from 1; returns whether it is the best so far.
  /// Requires: epochs come in order, each once.
  bool Observe(std::uint32_t epoch, double value);

  /// Passes over an epoch that was not validated; it counts for patience. Requires: as Observe.
  void Skip(std::uint32_t epoch);

  bool ShouldStop() const;

  const StoppingState& state() const { return state_; }

  /// Goes on from a state that was saved.
  void Restore(const StoppingState& state) { state_ = state; }

 private:
  bool Improves(double value) const;
  bool IsBetter(double value, double than) const;  // By more than min_delta.

  const bool larger_is_better_;
  const double min_delta_;
  const std::uint32_t patience_;
  StoppingState state_;
};

}  // namespace cf
