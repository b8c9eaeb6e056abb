#pragma once

#include <chrono>
#include <csignal>
#include <functional>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

#include <absl/status/statusor.h>

namespace cf {

/// How a supervised mpirun ended.
struct JobEnd {
  int exit_code = 0;            ///< Its own, or 128 plus the signal that it died of.
  int signal = 0;               ///< That signal; 0: none.
  bool by_stop_signal = false;  ///< It, or a rank, died of the request: nothing was ready to hear.
  bool killed = false;          ///< By the user's second signal.
  bool given_up = false;        ///< As nothing could come of it any more (JobWatch).
  std::string map = {};         ///< What mpirun says of where the ranks are (HostsByRank).
  std::string errors = {};      ///< What mpirun says of what went wrong (ExplanationIn, FindDeath).
};

/// What is looked at some times a second while a job runs.
struct JobWatch {
  /// Called before the others. May be empty.
  std::function<void()> look = {};
  /// Whether the job has ended, so that mpirun is about to.
  std::function<bool()> is_over;
  /// Whether nothing will come of it any more, so that mpirun is to be ended at once.
  std::function<bool()> is_hopeless;
};

/// Runs mpiruns one after another and stands between them and whoever wants them to end. SIGINT,
/// SIGTERM, SIGHUP and SIGUSR1 that reach this process ask the job, the first time, for a snapshot
/// and a clean end (SIGUSR1, which mpirun forwards to the ranks). Of what follows, SIGUSR1 is the
/// same request again, and so is another signal within five seconds of the first, for systems send
/// several; the second of the others ends mpirun, which kills the ranks within two seconds, and the
/// third, or three seconds, kills mpirun outright. Where ranks have no snapshot to take (OnRequest),
/// the first ends mpirun. What this process was told to ignore stays ignored.
///
/// Owner:   the program, one.
/// Threads: the main thread, before there is another: the constructor blocks these signals for
///          good, and makes the process the parent of what its children leave behind.
/// Bounds:  one job at a time.
/// Invariants: mpirun has a process group of its own, so that Ctrl-C at a terminal comes from here
///   alone, and ends with this process, however that dies. No process of it is left on this host
///   when Run returns. What it prints passes through here: a reader that goes ends nothing. An mpirun
///   that somebody stops is woken, as are keepers of ranks (StoppedKeepers).
class Supervisor {
 public:
  /// What comes of the first request.
  enum class OnRequest { kAskTheJob, kEndMpirun };

  explicit Supervisor(OnRequest on_request = OnRequest::kAskTheJob);
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

  /// Runs `command` (an mpirun and its arguments, found on the PATH) and waits for it. Once
  /// `watch.is_over` holds, mpirun has some seconds to end by itself and is then ended: it can wait
  /// for ever for a host that was lost. What it prints itself is not passed on, but in the JobEnd.
  /// NotFound where the command is not installed.
  absl::StatusOr<JobEnd> Run(const std::vector<std::string>& command, const JobWatch& watch);

  /// Starts what is to help the job that runs, and ends with it at the latest; it has this process's
  /// standard output and error. To be called from the watch's functions. NotFound as above.
  absl::Status Spawn(const std::vector<std::string>& command);

  /// Waits until `holds`, `limit` at most and not once an end was asked for; whether it holds.
  bool WaitUntil(const std::function<bool()>& holds, std::chrono::seconds limit);

  /// errno where some of what the jobs printed could not be written, other than because nobody reads
  /// it; else 0.
  int output_error() const { return output_error_; }

  /// Whether a signal has asked for the end.
  bool end_asked() const { return requests_ > 0; }

  /// How long ago the first one did; nothing where none has.
  std::optional<std::chrono::steady_clock::duration> since_asked() const;

 private:
  /// How far mpirun was made to end.
  struct Ending;

  void Hear(int signal, pid_t job);
  bool Escalate(const JobWatch& watch, pid_t job, Ending& ending) const;

  /// What the requests have come to: 1 asks the job, 2 ends mpirun, and more kill it.
  int step() const {
    return requests_ + (on_request_ == OnRequest::kEndMpirun && requests_ > 0 ? 1 : 0);
  }

  const OnRequest on_request_;
  std::vector<pid_t> spawned_;  // In this Run.
  sigset_t signals_;            // That are heard.
  sigset_t inherited_;          // The mask that children get back.
  int requests_ = 0;
  int first_signal_ = 0;                          // Of the requests.
  std::chrono::steady_clock::time_point asked_;   // When the first request came,
  std::chrono::steady_clock::time_point killed_;  // and the one that ends mpirun.
  int output_error_ = 0;
};

}  // namespace cf
