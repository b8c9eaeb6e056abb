#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "run/verdict.h"

namespace cf {

/// How far the beginning of a life has come.
enum class LifeStage {
  kNone,     ///< Nobody has claimed a generation.
  kClaimed,  ///< Rank 0 has, and the ranks are meeting.
  kBegun,    ///< All ranks have met.
};

/// The folder of one run: everything that outlives its processes, and the arbiter between them.
///
/// Owner:   the coordinator's process while it trains; anybody may open it to read.
/// Threads: any for the paths; claiming and the verdict belong to one thread.
/// Bounds:  one small file a generation; nothing else here grows. What others left in the folder is
///          let alone.
/// Invariants: at most one process on any host that shares the folder holds the claim. The claim is
///   a lock of the kernel, not the presence of a file, so that the death of its holder frees it.
///   A generation is claimed once, ever: numbers only grow.
class RunFolder {
 public:
  /// Opens `path`, making it and its folders where they are missing. PermissionDenied or
  /// InvalidArgument (a file is in the way) name the path.
  static absl::StatusOr<RunFolder> Create(const std::string& path);

  /// Opens `path` to read. NotFound where there is no run.
  static absl::StatusOr<RunFolder> Open(const std::string& path);

  RunFolder(RunFolder&& other) noexcept;
  RunFolder& operator=(RunFolder&& other) noexcept;
  ~RunFolder();

  /// Takes the run for this process and makes its next generation, whose number is returned; the
  /// first is 1. The claim holds as long as the object, or until the process ends in any way.
  /// `launch` is what whoever started this process calls that start: the generation and its verdict
  /// carry it, so that he knows them from those of anybody else. May be empty.
  /// FailedPrecondition names the host, the process and the time of a job that is alive here.
  /// Whoever has the claim makes the generation after his own, and nobody can come between.
  absl::StatusOr<std::uint64_t> ClaimGeneration(const std::string& launch = "");

  /// Takes the run for work on its files that makes no generation; no job begins here meanwhile. Holds,
  /// and is refused, as the claim of a generation. What a life before had not finished writing goes.
  /// Requires: not claimed yet.
  absl::Status Hold();

  /// Of a job that is refused before it trains: removes what it has made here, folders included, where
  /// this object made a run of what was none. What is anybody else's stays, with its folder.
  void Discard() const;

  /// The claimed generation goes to work: removes the verdict, the status and the request to stop
  /// of the life before, and what it had not finished writing, and notes in the claim that it has
  /// begun. What is no file where one of ours should be is moved aside, each with a line that is
  /// returned. Until then a job that is refused leaves no trace in them.
  absl::StatusOr<std::vector<std::string>> Begin() const;

  /// The claimed generation goes on with the files of the one before, in the same processes: only what a
  /// leader that died had not finished writing goes, and the verdict of a life before, if it is there still.
  absl::Status Continue() const;

  /// The claimed generation does not follow a loss, but a change of its roster.
  absl::Status NoteResized() const;

  /// How many generations after number `since`, up to `last`, have followed a loss.
  std::uint64_t LossesBetween(std::uint64_t since, std::uint64_t last) const;

  /// Removes what lives before had not finished writing, and what processes that died had in
  /// ScratchPathIn; Begin and Continue do so, too.
  /// Requires: claimed.
  void RemoveLeftovers() const;

  /// Names this claim; other ranks prove with it that they see the same folder.
  /// Requires: claimed.
  const std::string& nonce() const;

  /// OK where the folder `path`, as this process sees it, is the one whose claim has `nonce`;
  /// FailedPrecondition says that the run folder must be shared by all hosts.
  static absl::Status CheckVisible(const std::string& path, const std::string& nonce);

  /// Replaces the verdict as one step, with the `launch` of the claim that this object has.
  absl::Status WriteVerdict(const Verdict& verdict) const;

  /// The last verdict. NotFound where the job has not ended, or was killed.
  absl::StatusOr<Verdict> ReadVerdict() const;

  /// Asks the job that is alive here for a snapshot and a clean end.
  absl::Status RequestStop() const;

  /// Whether somebody has, since Begin.
  bool StopRequested() const;

  /// Asks the job that is alive here to go on with so many ranks, and what was asked for last, since
  /// Begin.
  absl::Status AskForRanks(std::uint32_t ranks) const;
  std::optional<std::uint32_t> RanksAskedFor() const;

  /// How far a generation after number `since` has come that was claimed for `launch`.
  LifeStage StageOf(const std::string& launch, std::uint64_t since) const;

  /// The number of the last generation; 0 before the first.
  absl::StatusOr<std::uint64_t> LastGeneration() const;

  /// Who holds the claim now, in words ("process 4711 on host a since 2026-11-21 22:00:00 UTC");
  /// empty where nobody does.
  absl::StatusOr<std::string> Holder() const;

  /// Whether who holds the claim, or held it last, is or was on this host, where its lock is seen.
  bool IsLockOfThisHost() const;

  const std::string& path() const { return path_; }
  std::string job_path() const { return path_ + "/job.textproto"; }
  std::string history_path() const { return path_ + "/history.csv"; }
  std::string log_path() const { return path_ + "/log.txt"; }
  std::string verdict_path() const { return path_ + "/verdict"; }
  std::string status_path() const { return path_ + "/status"; }
  std::string report_path() const { return path_ + "/report.html"; }
  /// How a process finds those whom it wants to join, while they let it.
  std::string join_path() const { return path_ + "/cluster.join"; }
  std::string snapshots_path() const { return path_ + "/snapshots"; }
  std::string generations_path() const { return path_ + "/generation"; }
  /// Where the ranks of the run `path` have rows and samples that do not fit in memory, unless their
  /// configuration names another folder.
  static std::string ScratchPathIn(const std::string& path) { return path + "/scratch"; }

 private:
  explicit RunFolder(std::string path) : path_(std::move(path)) {}

  /// The open file that carries the claim, in which `who` is written.
  absl::StatusOr<int> Lock(const std::string& who) const;

  std::string lock_path() const { return path_ + "/lock"; }
  std::string stop_path() const { return path_ + "/stop"; }
  std::string resize_path() const { return path_ + "/resize"; }
  /// The files directly in the folder that a life writes.
  std::vector<std::string> files() const {
    return {job_path(),    history_path(), log_path(),  verdict_path(), status_path(),
            report_path(), stop_path(),    join_path(), resize_path()};
  }
  void LookAnew() const;
  absl::Status AddToClaim(const std::string& line) const;

  std::string path_;
  std::string made_ = {};  ///< The outermost folder that Create made; empty: all were there.
  bool is_new_ = false;    ///< Whether Create made a run of what was none.
  int lock_ = -1;          ///< The open file that carries the claim; -1: none.
  std::string nonce_;
  std::string launch_;
  std::string claim_path_;  ///< The generation's file.
};

/// A verdict as its file has it: a line for each field.
std::string PrintVerdict(const Verdict& verdict);

/// Reads that back; `name` stands for the file in errors. DataLoss: there is no exit code.
absl::StatusOr<Verdict> ParseVerdict(const std::string& text, const std::string& name);

}  // namespace cf
