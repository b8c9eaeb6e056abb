#pragma once

#include <atomic>
#include <thread>

#include <absl/status/statusor.h>

namespace cf {

/// Carries what a child process writes to a descriptor of this process, such as standard output.
/// Where nobody reads that any more (`cfrun ... | head`), or a disk is full, the rest is read and
/// dropped: the child never hears of it, for to mpirun a broken pipe is the end of the job.
///
/// Owner:   the call that runs the child.
/// Threads: one of its own; the object belongs to the thread that made it.
/// Bounds:  a pipe and 64 KiB.
class OutputRelay {
 public:
  /// Opens the pipe. No thread runs yet, so that the process may still fork.
  static absl::StatusOr<OutputRelay> Open(int to);

  OutputRelay(OutputRelay&& other) noexcept;
  OutputRelay(const OutputRelay&) = delete;
  ~OutputRelay();

  /// The end that the child writes to; this process closes its own in Begin.
  int writer() const { return writer_; }

  /// To be called once, when the child has its end.
  void Begin();

  /// Carries what is in the pipe, without waiting for those who still hold its other end, and ends
  /// the thread. errno of what could not be written; 0 where nothing was lost, or only because
  /// nobody reads it.
  int Finish();

 private:
  OutputRelay(int to, int reader, int writer, int wake)
      : to_(to), reader_(reader), writer_(writer), wake_(wake) {}
  void Carry();

  int to_;
  int reader_;
  int writer_;
  int wake_;       ///< An event: what is there now is all that is wanted.
  int error_ = 0;  ///< The thread's, until it has ended.
  std::thread thread_ = {};
};

/// Whether `descriptor` is a pipe, or the like, whose other end nobody holds any more.
bool IsReaderGone(int descriptor);

}  // namespace cf
