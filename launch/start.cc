#include "launch/start.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <optional>
#include <unistd.h>
#include <utility>

#include <absl/status/status.h>
#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>

#include "common/base/check.h"
#include "common/base/host.h"
#include "common/base/scratch_folder.h"
#include "common/config/config.h"
#include "common/snapshot/manifest.h"
#include "common/snapshot/snapshot_store.h"
#include "launch/allocation.h"
#include "launch/death.h"
#include "launch/job_life.h"
#include "launch/joiners.h"
#include "launch/leader_watch.h"
#include "launch/mpirun_command.h"
#include "launch/mpirun_text.h"
#include "launch/requeue.h"
#include "launch/resources.h"
#include "run/run_folder.h"

namespace cf {
namespace {

using Clock = std::chrono::steady_clock;

// What a life before may take to end: as long as a rank that is cut off waits for its peers, or a
// file server for the lock of a host that died.
constexpr std::chrono::seconds kFolderLimit(180);
// How long Slurm is asked again that does not answer: its controller may be taken over by another.
constexpr std::chrono::seconds kSlurmLimit(300);
// What more than the ranks' time to meet may pass before a start is given up: processes have to start.
constexpr std::chrono::seconds kMeetingGrace(2);
// What a job may take to end that was asked to before its ranks had met: nothing is lost with it.
constexpr std::chrono::seconds kUnmetStopLimit(5);
// From when on a rank that was killed for want of memory is missed by those who would meet it.
constexpr std::chrono::seconds kUnmetKillLimit(5);

std::string LineOf(const std::string& text) {
  return absl::StrCat("cfrun: ", text, absl::EndsWith(text, "\n") ? "" : "\n");
}

void Say(const std::string& text) {
  std::fputs(LineOf(text).c_str(), stderr);
}

/// Where the run stands: the newest snapshot, whole or not; empty before there is one.
std::string NewestSnapshot(const std::string& run) {
  const absl::StatusOr<SnapshotStore> store = SnapshotStore::View(run + "/snapshots");
  if (!store.ok()) return "";
  return store->NewestName().value_or(std::nullopt).value_or("");
}

bool Contains(const std::vector<std::string>& hosts, const std::string& host) {
  return std::find(hosts.begin(), hosts.end(), host) != hosts.end();
}

/// One job under `cfrun start`: its lives, until it ends for good.
class JobRunner {
 public:
  JobRunner(const StartOptions& options, Supervisor& supervisor)
      : options_(options),
        supervisor_(supervisor),
        run_(FindFlag(options.worker, "--run")),
        ranks_(options.ranks) {}

  absl::StatusOr<ExitCode> Run();

 private:
  /// What became of one life.
  struct Outcome {
    ExitCode code = kExitFailed;
    bool died = false;       ///< By itself, so that another life may end better.
    bool resumable = false;  ///< 75, and not because the user wanted it to end here.
    std::string why = {};    ///< What is to be said of it; of a death its cause.
    std::string lost_host = {};
    std::string said = {};  ///< By mpirun, of why no rank could start: lines.
  };

  /// The end of a job that was asked to end while its ranks were starting, or that a batch system
  /// ended along with this process: there is no new snapshot.
  static Outcome CutShort() {
    return {.code = kExitContinue,
            .resumable = true,
            .why = "ended without a new snapshot; the same command continues from the last one"};
  }

  absl::Status Prepare();
  absl::StatusOr<RankPlan> Plan() const;
  // Outside of a batch system: those of the hosts on which ranks are, and those that are kept for when
  // another is lost.
  std::vector<std::string> UsedHosts() const;
  std::vector<std::string> SpareHosts() const;
  absl::StatusOr<Outcome> LiveOnce(bool again);
  Outcome Judge(const JobEnd& end, const JobLife& life, const MemoryKills& memory,
                bool again) const;
  Outcome JudgeWithoutVerdict(const JobEnd& end, const JobLife& life, const MemoryKills& memory,
                              bool again) const;
  bool IsHopeless(bool has_begun, Clock::duration time, const MemoryKills& memory) const;
  void Tell(const std::string& text) const;
  void RemoveScratch() const;
  void WaitForFolder();
  // Losses of ranks that the coming life may survive without a new snapshot.
  std::uint32_t survivable_losses() const {
    if (!options_.survival || options_.ranks == 1 || options_.restarts <= deaths_) return 0;
    return options_.restarts - deaths_;
  }
  // Those since the newest snapshot, or all of the last life.
  std::uint32_t DeathsOfLife() const;
  void LookForHosts();
  bool MayRestart(const Outcome& death);
  std::string WhyNoRestart();
  std::string WhyNotHere();
  ExitCode End(const Outcome& outcome) const;

  const StartOptions& options_;
  Supervisor& supervisor_;
  const std::string run_;
  std::vector<std::string> flags_;
  std::optional<ScratchFolder> session_;  // Open MPI's, of a job on one host.
  std::optional<Allocation> allocation_;
  std::vector<std::string> hosts_;  // Outside of a batch system: given, or where ranks have been.
  std::vector<std::string> lost_hosts_;

  std::uint32_t ranks_;                  // As given, or asked for since.
  bool claimed_ = false;                 // By ranks of the last life, which took the run for it.
  std::uint32_t deaths_ = 0;             // Since the last new snapshot.
  std::uint64_t generation_before_ = 0;  // The life that runs.
  std::string progress_;
  Clock::time_point progress_time_ = Clock::now();
};

absl::StatusOr<ExitCode> JobRunner::Run() {
  if (absl::Status prepared = Prepare(); !prepared.ok()) return prepared;
  progress_ = NewestSnapshot(run_);
  bool again = allocation_.has_value() && allocation_->restarts > 0;
  bool accepted = false;  // By a life before.
  for (;;) {
    absl::StatusOr<Outcome> outcome = LiveOnce(again);
    if (!outcome.ok()) return outcome.status();
    if (outcome->code == kExitUserInput && !lost_hosts_.empty()) {
      Say("it does not fit the hosts that are left");
      return End({.code = kExitContinue, .resumable = true});
    }
    // What was accepted once is what the user wrote; the machine has made something else of it.
    if (outcome->code == kExitUserInput && accepted) {
      *outcome = {.died = true, .why = "what was accepted before is refused now"};
    }
    if (!outcome->said.empty()) Tell("Open MPI could not start the ranks:\n" + outcome->said);
    if (!outcome->died) {
      if (!outcome->why.empty()) Tell(outcome->why);
      return End(*outcome);
    }
    if (!MayRestart(*outcome)) return kExitFailed;
    if (allocation_.has_value()) SetUpOpenMpiForRestart();
    again = true;
    accepted = accepted || claimed_;
  }
}

// Says it, and leaves it in the run's log, which is read when this screen is gone.
void JobRunner::Tell(const std::string& text) const {
  Say(text);
  const absl::StatusOr<RunFolder> folder = RunFolder::Open(run_);
  if (!folder.ok()) return;
  // Not to wait for the reader of a pipe that somebody has put there.
  const int log = ::open(folder->log_path().c_str(),
                         O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_CLOEXEC, 0644);
  if (log < 0) return;
  const std::string line = LineOf(text);
  if (::write(log, line.data(), line.size()) < 0) Say("the run's log cannot be written to");
  ::close(log);
}

absl::Status JobRunner::Prepare() {
  absl::StatusOr<std::optional<Allocation>> allocation = FindAllocation();
  if (!allocation.ok()) return allocation.status();
  allocation_ = *std::move(allocation);
  if (absl::Status named = CheckHostName(); !named.ok()) return named;
  Check(options_.ranks > 0 || allocation_.has_value() || !options_.hosts.empty(),
        "there is a number of ranks");
  flags_ = options_.worker;
  if (options_.servers > 0) {
    flags_.insert(flags_.end(), {"--set", absl::StrCat("cluster.servers=", options_.servers)});
  }
  if (FindFlag(flags_, "--threads").empty()) flags_.insert(flags_.end(), {"--threads", "auto"});
  if (options_.meeting_seconds != StartOptions().meeting_seconds) {
    flags_.insert(flags_.end(), {"--meeting-seconds", absl::StrCat(options_.meeting_seconds)});
  }
  TellAboutTerminal(flags_);
  const auto variable = [](const char* name) -> const char* { return std::getenv(name); };
  const bool on_one_host = allocation_.has_value() ? allocation_->nodes() == 1
                           : options_.hosts.empty()
                               ? !NamesOtherHosts(variable)
                               : options_.hosts == std::vector<std::string>{HostName()};
  hosts_ = options_.hosts;
  SetUpOpenMpi(on_one_host);
  if (!on_one_host) return absl::OkStatus();
  absl::StatusOr<std::optional<ScratchFolder>> session = MakeSessionFolder();
  if (!session.ok()) return session.status();
  session_ = *std::move(session);
  return absl::OkStatus();
}

absl::StatusOr<RankPlan> JobRunner::Plan() const {
  if (!allocation_.has_value() && options_.hosts.empty() && lost_hosts_.empty()) {
    return RankPlan{.groups = {{ranks_, {}}}};
  }
  if (!allocation_.has_value()) {
    return PlanOnHosts(UsedHosts(), {.ranks = ranks_, .servers = options_.servers});
  }
  std::vector<std::string> hosts;
  if (options_.servers > 0 || !lost_hosts_.empty()) {
    absl::StatusOr<std::vector<std::string>> named = HostsOf(*allocation_);
    if (!named.ok()) return named.status();
    hosts = *std::move(named);
  }
  return PlanRanks(*allocation_, hosts,
                   {.ranks = options_.ranks, .servers = options_.servers, .without = lost_hosts_});
}

std::vector<std::string> JobRunner::UsedHosts() const {
  std::vector<std::string> used = hosts_;
  std::erase_if(used, [this](const std::string& host) { return Contains(lost_hosts_, host); });
  const std::size_t spares = options_.hosts.empty() ? 0 : options_.spares;
  used.resize(std::min<std::size_t>(used.size(), hosts_.size() - spares));
  return used;
}

std::vector<std::string> JobRunner::SpareHosts() const {
  if (options_.hosts.empty()) return std::vector<std::string>(options_.spares, HostName());
  std::vector<std::string> spare = hosts_;
  const std::vector<std::string> used = UsedHosts();
  std::erase_if(spare, [&](const std::string& host) {
    return Contains(lost_hosts_, host) || Contains(used, host);
  });
  return spare;
}

absl::StatusOr<JobRunner::Outcome> JobRunner::LiveOnce(bool again) {
  if (again) WaitForFolder();
  if (again && !allocation_.has_value()) LookForHosts();
  if (supervisor_.end_asked()) return Outcome{.code = kExitContinue, .resumable = true};
  const absl::StatusOr<RankPlan> plan = Plan();
  if (!plan.ok()) return plan.status();
  const JobLife life(run_, static_cast<int>(plan->ranks()));
  std::vector<std::string> flags = flags_;
  if (survivable_losses() > 0) {
    flags.insert(flags.end(), {"--survive", absl::StrCat(survivable_losses())});
  }
  const absl::StatusOr<std::vector<std::string>> command =
      MpirunCommand(*plan, session_.has_value() ? session_->path() : "", life.name(), flags);
  if (!command.ok()) return command.status();
  const absl::StatusOr<RunFolder> before = RunFolder::Open(run_);
  generation_before_ = before.ok() ? before->LastGeneration().value_or(0) : 0;
  LeaderWatch watch(run_);
  // Slurm alone starts processes in its allocations.
  Joiners joiners(
      {.run = run_,
       .spare_hosts = allocation_.has_value() ? std::vector<std::string>() : SpareHosts(),
       .hosts = UsedHosts()},
      supervisor_);
  const auto look = [&] {
    if (survivable_losses() > 0 && !allocation_.has_value()) joiners.Look();
  };
  const MemoryKills memory;
  const Clock::time_point begin = Clock::now();
  bool has_begun = false;  // Looked for in the run folder until it has.
  const auto is_hopeless = [&] {
    has_begun = has_begun || life.stage() == LifeStage::kBegun;
    return IsHopeless(has_begun, Clock::now() - begin, memory);
  };
  const auto is_over = [&] {
    return life.verdict().has_value() ||
           (survivable_losses() > 0 && has_begun && watch.NobodyLeads());
  };
  const absl::StatusOr<JobEnd> end =
      supervisor_.Run(*command, {.look = look, .is_over = is_over, .is_hopeless = is_hopeless});
  if (!end.ok()) return end.status();
  ranks_ = joiners.ranks_asked().value_or(ranks_);
  for (const std::string& host : HostsByRank(end->map)) {
    const bool is_new = !host.empty() && !Contains(hosts_, host);
    if (options_.hosts.empty() && is_new) hosts_.push_back(host);
  }
  RemoveScratch();
  claimed_ = life.stage() != LifeStage::kNone;
  Outcome outcome = Judge(*end, life, memory, again);
  // Whoever looks at the run later reads what is said here.
  if (!outcome.why.empty()) {
    life.Settle({.exit_code = outcome.code,
                 .cause = outcome.code == kExitContinue ? EndCause::kSignal : EndCause::kLost,
                 .text = outcome.why,
                 .lost_host = outcome.lost_host});
  }
  return outcome;
}

JobRunner::Outcome JobRunner::Judge(const JobEnd& end, const JobLife& life,
                                    const MemoryKills& memory, bool again) const {
  const std::optional<Verdict> verdict = life.verdict();
  // mpirun ends all ranks where it has lost a host, or what it started was killed or has failed, by a
  // signal that they take for a request.
  if (verdict.has_value() && verdict->cause == EndCause::kSignal && !supervisor_.end_asked()) {
    if (HasLostHost(end.errors)) {
      return {.died = true, .why = "mpirun lost a host, and with it ended the ranks"};
    }
    const int failure = FindFailure(end.errors).value_or(kExitContinue);
    if (FindDeath(end.errors).has_value() || failure != kExitContinue) {
      Death death = ExplainDeath(end, std::nullopt, memory);
      return {.died = death.again, .why = std::move(death.why)};
    }
  }
  // What the job has come to counts, however often its end was asked for meanwhile.
  if (verdict.has_value() && verdict->cause != EndCause::kLost) {
    return {
        .code = verdict->exit_code,
        .resumable = verdict->exit_code == kExitContinue && verdict->cause != EndCause::kRequest};
  }
  if (end.killed) return {.why = "killed on request; the same command continues"};
  if (!verdict.has_value()) return JudgeWithoutVerdict(end, life, memory, again);
  if (supervisor_.end_asked()) return CutShort();
  Death death = ExplainDeath(end, verdict, memory);
  return {.code = verdict->exit_code,
          .died = death.again,
          .why = std::move(death.why),
          .lost_host = verdict->lost_host};
}

// Whether a job is to be ended by force: its ranks do not meet, or it does not end.
bool JobRunner::IsHopeless(bool has_begun, Clock::duration time, const MemoryKills& memory) const {
  if (const std::optional<Clock::duration> asked = supervisor_.since_asked(); asked.has_value()) {
    return *asked > std::chrono::seconds(options_.stop_seconds) ||
           (!has_begun && *asked > kUnmetStopLimit);
  }
  if (has_begun) return false;
  return time > std::chrono::seconds(options_.meeting_seconds) + kMeetingGrace ||
         (time > kUnmetKillLimit && !memory.Since().empty());
}

JobRunner::Outcome JobRunner::JudgeWithoutVerdict(const JobEnd& end, const JobLife& life,
                                                  const MemoryKills& memory, bool again) const {
  const LifeStage stage = life.stage();
  if (!end.given_up) {
    // Of ranks whose losses are survived mpirun does not tell; a good end has a verdict.
    const bool all_died =
        end.exit_code == kExitFinished && survivable_losses() > 0 && stage == LifeStage::kBegun;
    if (all_died && !supervisor_.end_asked()) return {.died = true, .why = "no rank is left"};
    if (!all_died && (end.exit_code == kExitFinished || end.exit_code == kExitUserInput)) {
      return {.code = static_cast<ExitCode>(end.exit_code)};
    }
    if (end.exit_code == kExitContinue) return {.code = kExitContinue, .resumable = true};
  }
  if (supervisor_.end_asked()) {
    return end.given_up || end.by_stop_signal || stage != LifeStage::kNone ? CutShort() : Outcome{};
  }
  if (end.given_up && memory.Since().empty()) {
    Death death = ExplainNoMeeting(end, {.run = run_,
                                         .name = life.name(),
                                         .ranks = life.ranks(),
                                         .seconds = options_.meeting_seconds});
    return {.died = true, .why = std::move(death.why), .said = std::move(death.said)};
  }
  Death death = ExplainDeath(end, std::nullopt, memory);
  // Where the ranks have never met, what kept them from it would again, unless one was lost: mpirun
  // does not die of its own, and says with its exit code alone that a rank has, which was gone too soon.
  const bool lost_one = FindDeath(end.errors).has_value() || HasLostRank(end.errors) ||
                        end.exit_code == 128 + SIGKILL;
  const bool may_pass = again || stage == LifeStage::kBegun || end.signal == SIGKILL ||
                        (stage == LifeStage::kClaimed && lost_one);
  return {
      .died = may_pass && death.again, .why = std::move(death.why), .said = std::move(death.said)};
}

// What ranks had on disk that were killed, perhaps when there was nothing left to do and nobody else
// would ever look; of other hosts as far as this one shares it with them.
void JobRunner::RemoveScratch() const {
  const absl::StatusOr<RunFolder> folder = RunFolder::Open(run_);
  if (!folder.ok()) return;
  const absl::StatusOr<Job> job = LoadJob(folder->job_path());
  const std::string own = job.ok() ? job->storage().directory() : "";
  ScratchFolder::RemoveDead(own.empty() ? RunFolder::ScratchPathIn(run_) : own);
}

// Leaves out the hosts on which nothing can be started now, beside the one that was just lost.
void JobRunner::LookForHosts() {
  std::vector<std::string> silent;
  for (const std::string& host : hosts_) {
    if (!Contains(lost_hosts_, host) && !Answers(host)) silent.push_back(host);
  }
  // Where none answers, asking them was of no use.
  if (silent.size() + lost_hosts_.size() >= hosts_.size()) return;
  for (std::string& host : silent) {
    Tell(absl::StrCat("left out, as it does not answer: ", host));
    lost_hosts_.push_back(std::move(host));
  }
}

void JobRunner::WaitForFolder() {
  const auto is_free = [this] {
    const absl::StatusOr<RunFolder> folder = RunFolder::Open(run_);
    return !folder.ok() || folder->Holder().value_or("").empty();
  };
  if (run_.empty() || is_free()) return;
  const absl::StatusOr<RunFolder> folder = RunFolder::Open(run_);
  Say(absl::StrCat("waiting for the end of ", folder.ok() ? folder->Holder().value_or("") : "",
                   ", which has ", run_));
  supervisor_.WaitUntil(is_free, kFolderLimit);
}

bool JobRunner::MayRestart(const Outcome& death) {
  if (std::string progress = NewestSnapshot(run_); progress != progress_) {
    progress_ = std::move(progress);
    progress_time_ = Clock::now();
    deaths_ = 0;
  }
  deaths_ += DeathsOfLife();
  if (const std::string reason = WhyNoRestart(); !reason.empty()) {
    Tell(absl::StrCat(death.why, "; ", reason, ": the same command continues"));
    return false;
  }
  std::string how = progress_.empty() ? "starting again" : "starting again from the last snapshot";
  if (!allocation_.has_value()) lost_hosts_.clear();  // Those that come back are used again.
  // A host that is the only one is tried again.
  if (!death.lost_host.empty() && (allocation_.has_value() || hosts_.size() > 1)) {
    lost_hosts_.push_back(death.lost_host);
    absl::StrAppend(&how, " without ", death.lost_host);
  }
  Tell(absl::StrCat(death.why, "; ", how, " (", deaths_, " of ", options_.restarts, ")"));
  return true;
}

std::uint32_t JobRunner::DeathsOfLife() const {
  const absl::StatusOr<RunFolder> folder = RunFolder::Open(run_);
  const std::uint64_t last = folder.ok() ? folder->LastGeneration().value_or(0) : 0;
  const std::optional<SnapshotTime> newest = TimeOfName(progress_);
  const std::uint64_t since =
      std::max(generation_before_ + 1, newest.has_value() ? newest->generation : 0);
  // Each loss that was survived has made a generation; the last death ended the last.
  return folder.ok() ? static_cast<std::uint32_t>(folder->LossesBetween(since, last)) + 1 : 1;
}

std::string JobRunner::WhyNoRestart() {
  if (options_.restarts == 0) return "not started again";
  const absl::StatusOr<RunFolder> folder = RunFolder::Open(run_);
  if (folder.ok() && folder->StopRequested()) return "not started again, as it was asked to stop";
  if (deaths_ > options_.restarts) {
    return absl::StrCat("giving up after ", options_.restarts, " restarts without a new snapshot");
  }
  if (Clock::now() - progress_time_ > std::chrono::minutes(options_.restart_minutes)) {
    return absl::StrCat("giving up after ", options_.restart_minutes,
                        " minutes without a new snapshot");
  }
  return allocation_.has_value() ? WhyNotHere() : "";
}

ExitCode JobRunner::End(const Outcome& outcome) const {
  if (outcome.resumable && options_.requeue && allocation_.has_value()) {
    Say(RequeueIfWanted(*allocation_));
  }
  return outcome.code;
}

// A host that is cut off must not go on while Slurm starts the job elsewhere. Where Slurm does not
// answer, its controller may be away for a while, and the allocation lives as long as its processes.
std::string JobRunner::WhyNotHere() {
  absl::StatusOr<BatchState> state = AskSlurm(allocation_->id);
  const auto is_known = [&state] { return state.ok() || absl::IsNotFound(state.status()); };
  if (!is_known()) {
    Say(absl::StrCat("whether the allocation still lives is not known (",
                     std::string(state.status().message()), "); asking again for ",
                     kSlurmLimit.count(), " s at most"));
    supervisor_.WaitUntil(
        [&] {
          state = AskSlurm(allocation_->id);
          return is_known();
        },
        kSlurmLimit);
    if (supervisor_.end_asked()) return "not started again, as it was asked to end";
    if (!is_known()) {
      Say("Slurm still does not answer; the allocation is taken to live, as this process does");
      return "";
    }
  }
  const bool lives =
      state.ok() && state->state == "RUNNING" && state->restarts == allocation_->restarts;
  return lives ? "" : "not started again here, as Slurm has ended the allocation";
}

}  // namespace

absl::StatusOr<ExitCode> StartJob(const StartOptions& options, Supervisor& supervisor) {
  return JobRunner(options, supervisor).Run();
}

}  // namespace cf
