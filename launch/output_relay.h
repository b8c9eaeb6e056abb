#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <sys/types.h>

#include <absl/status/statusor.h>

namespace cf {

/// Bytes of a stream, parted.
struct Sifted {
  std::string passed{};
  std::string kept{};
};

/// Takes the next bytes of a stream and parts them; what it does not know yet it may hold back until
/// more has come, or the `last` of them.
using Sieve = std::function<Sifted(std::string_view bytes, bool last)>;

/// Carries what a child process writes to a descriptor of this process, such as standard output.
/// Where nobody reads that any more (`cfrun ... | head`), or a disk is full, the rest is read and
/// dropped: the child never hears of it, for to mpirun a broken pipe is the end of the job. What a
/// sieve keeps is not carried: it can be asked for.
///
/// Owner:   the call that runs the child.
/// Threads: none, but a process of its own that ends with this one: the kernel tells a child of the
///   death of each thread of its parent, and mpirun crashes at the second such signal.
/// Bounds:  a pipe and 64 KiB.
class OutputRelay {
 public:
  /// Opens the pipe and begins to carry what `sieve` passes on; all of it without one.
  static absl::StatusOr<OutputRelay> Open(int to, Sieve sieve = {});

  OutputRelay(OutputRelay&& other) noexcept;
  OutputRelay(const OutputRelay&) = delete;
  ~OutputRelay();

  /// The end that the child writes to, until CloseWriter.
  int writer() const { return writer_; }

  /// The other end, for the child to hold, too: while it does, it hears of no broken pipe even where
  /// this process is killed.
  int reader() const { return reader_; }

  /// To be called when the child has its end.
  void CloseWriter();

  /// Carries what is in the pipe, without waiting for those who still hold its other end, and ends.
  /// errno of what could not be written; 0 where nothing was lost, or only because
  /// nobody reads it.
  int Finish();

  /// What the sieve has kept until now; all of it once Finish was called.
  std::string kept() const;

 private:
  OutputRelay(int to, int reader, int writer, int wake, int kept)
      : to_(to), reader_(reader), writer_(writer), wake_(wake), kept_(kept) {}
  int Carry(const Sieve& sieve) const;
  int Pass(const Sifted& sifted, bool wanted) const;

  int to_;
  int reader_;
  int writer_;
  int wake_;  ///< An event: what is there now is all that is wanted.
  int kept_;  ///< A file in memory.
  int error_ = 0;
  pid_t process_ = -1;  ///< That carries.
};

/// Whether `descriptor` is a pipe, or the like, whose other end nobody holds any more.
bool IsReaderGone(int descriptor);

}  // namespace cf
