#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <stop_token>
#include <thread>

#include "run/run_folder.h"

namespace cf {

/// Has a verdict in the run folder as soon as a signal asks for the end, before the last snapshot is
/// taken: who ends the processes of a job may leave them no time for that, as mpirun, which kills them a
/// second after it has asked. Where there is time, the verdict of the job's end takes its place.
///
/// Owner:   RunGeneration, where this process leads and nobody takes a verdict for the end of the job.
/// Threads: made and destroyed on one; a thread of its own looks and writes.
/// Bounds:  twenty looks a second, one small file.
/// Invariants: nothing is written once the object is gone.
class EarlyVerdict {
 public:
  /// `claim` is borrowed; `stop_requested` is called on another thread.
  EarlyVerdict(const RunFolder& claim, std::function<bool()> stop_requested);

 private:
  void Look(const std::stop_token& over);

  const RunFolder& claim_;
  const std::function<bool()> stop_requested_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::jthread thread_;
};

}  // namespace cf
