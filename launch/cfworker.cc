// The MPI program: every rank of a training job. One of them prepares the run and leads it.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

#include <absl/strings/match.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>

#include "common/base/check.h"
#include "common/base/fault_point.h"
#include "common/base/status.h"
#include "common/config/config.h"
#include "common/text/display.h"
#include "common/text/memory_size.h"
#include "coordinator/join_file.h"
#include "coordinator/preparation.h"
#include "coordinator/roster.h"
#include "coordinator/storage_plan.h"
#include "coordinator/training_data.h"
#include "launch/allocation.h"
#include "launch/command_line.h"
#include "launch/doctor.h"
#include "launch/dry_run.h"
#include "launch/host_examination.h"
#include "launch/join_run.h"
#include "launch/lingering_mpirun.h"
#include "launch/meeting.h"
#include "launch/model_summary.h"
#include "launch/program.h"
#include "launch/rank_keeper.h"
#include "launch/rank_life.h"
#include "launch/rendezvous.h"
#include "launch/resources.h"
#include "report/report.h"
#include "run/run_folder.h"

namespace cf {
namespace {

struct Flags {
  std::string config;
  std::string data;
  std::string run;
  std::vector<std::string> set;
  std::string threads;
  std::string resume = "auto";
  std::string progress = "auto";
  int width = 0;
  std::uint32_t cores = 0;
  std::string memory;
  std::uint32_t survive = 0;
  bool profile = false;
  std::uint32_t meeting_seconds = 120;
  bool print_config = false;
  bool summary = false;
  bool dry_run = false;
  bool examine = false;
  std::string join;
  bool spare = false;
};

// Set by the first SIGUSR1, SIGTERM or SIGINT: a snapshot and a clean end are asked for. The one
// mutable global of the program, since a signal handler can reach nothing else.
// NOLINTNEXTLINE(cppcoreguidelines-avoid-non-const-global-variables)
std::atomic<bool> stop_requested = false;
static_assert(std::atomic<bool>::is_always_lock_free);

void ListenToSignals() {
  struct sigaction action = {};
  action.sa_handler = [](int) { stop_requested.store(true); };
  ::sigaction(SIGUSR1, &action, nullptr);
  action.sa_flags = SA_RESETHAND;  // The second one kills.
  ::sigaction(SIGTERM, &action, nullptr);
  ::sigaction(SIGINT, &action, nullptr);
}

// A rank's own stdout is a pty even where mpirun's goes to a file, so mpirun's is looked at.
bool WritesToTerminal(const LaunchPlace& place) {
  if (!place.by_mpirun) return ::isatty(STDOUT_FILENO) == 1;
  if (!IsMpirun(::getppid())) return false;
  std::error_code error;
  const std::string target =
      std::filesystem::read_symlink(absl::StrCat("/proc/", ::getppid(), "/fd/1"), error).string();
  return !error && (absl::StartsWith(target, "/dev/pts/") || absl::StartsWith(target, "/dev/tty"));
}

absl::StatusOr<Job> MakeJob(const Flags& flags) {
  absl::StatusOr<Job> job = LoadJob(flags.config);
  if (!job.ok()) return job;
  for (const std::string& assignment : flags.set) {
    absl::Status set = SetField(*job, assignment);
    if (!set.ok()) return Because(set, "--set");
  }
  if (!flags.data.empty()) job->mutable_data()->set_path(flags.data);
  if (flags.threads == "auto") {
    job->mutable_cluster()->set_threads(0);
  } else if (!flags.threads.empty()) {
    std::uint32_t threads = 0;
    if (!absl::SimpleAtoi(flags.threads, &threads) || threads == 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("--threads ", flags.threads, ": expected a positive number or auto"));
    }
    job->mutable_cluster()->set_threads(threads);
  }
  if (!flags.memory.empty()) {
    const absl::StatusOr<std::uint64_t> bytes = ParseMemorySize(flags.memory);
    if (!bytes.ok()) return Because(bytes.status(), "--memory");
    const std::uint64_t named = MemoryBudget(*job) >> 20;
    const std::uint64_t mib = *bytes >> 20;
    job->mutable_storage()->set_memory_budget_mib(named > 0 ? std::min(named, mib) : mib);
  }
  FillDefaults(*job);
  absl::Status valid = ValidateJob(*job);
  if (!valid.ok()) return valid;
  return job;
}

// What the model is made of, which the data set has a part in, without training it.
absl::Status Summarise(const Flags& flags) {
  const absl::StatusOr<Job> job = MakeJob(flags);
  if (!job.ok()) return job.status();
  const absl::StatusOr<TrainingData> data = TrainingData::Open(*job);
  if (!data.ok()) return data.status();
  std::fputs(SummaryText(*data->model, data->Tables(), TableFormat::kText).c_str(), stdout);
  return absl::OkStatus();
}

Console::Options DisplayFor(const Flags& flags, const LaunchPlace& place) {
  // A rank's own terminal is none that anybody sees, so mpirun's is believed to be as most are.
  constexpr int kUsual = 80;
  const int usual = place.by_mpirun ? kUsual : static_cast<int>(TerminalWidth(STDOUT_FILENO));
  const bool terminal = WritesToTerminal(place);
  const bool bar = flags.progress == "bar" || (flags.progress == "auto" && terminal);
  const int width = flags.width > 0 ? flags.width : usual;
  return {.mode = bar ? Console::Mode::kBar : Console::Mode::kLines,
          .width = width,
          .line_width = bar || terminal || flags.width > 0 ? width : 0,
          .log_path = ""};
}

MemberResources ResourcesFor(const Flags& flags, const LaunchPlace& place) {
  const HostResources host = ResourcesOfThisHost();
  const auto ranks_here = static_cast<std::uint32_t>(place.ranks_on_host);
  MemberResources resources;
  resources.set_cores(flags.cores > 0 ? flags.cores : std::max(1U, host.cores / ranks_here));
  resources.set_memory(host.memory / ranks_here);
  return resources;
}

DryRunOptions DryRunOptionsFor(const Flags& flags, const LaunchPlace& place, const Job& job) {
  const MemberResources resources = ResourcesFor(flags, place);
  DryRunOptions options = {.job = job,
                           .ranks = static_cast<std::uint32_t>(place.ranks),
                           .ranks_on_host = static_cast<std::uint32_t>(place.ranks_on_host),
                           .cores = resources.cores(),
                           .memory = resources.memory(),
                           .disk = job.storage().directory()};
  // The run folder is not made: what is there of the way to it is on the same disk.
  if (options.disk.empty() && !flags.run.empty()) options.disk = NearestFolder(flags.run);
  return options;
}

// What the job would take, which nobody trains.
absl::Status TryDry(const Flags& flags, const LaunchPlace& place) {
  const absl::StatusOr<Job> job = MakeJob(flags);
  if (!job.ok()) return job.status();
  return DryRun(DryRunOptionsFor(flags, place, *job));
}

// Whether the job, or any, could begin here.
absl::StatusOr<ExitCode> ExamineFor(const Flags& flags, const LaunchPlace& place) {
  DoctorOptions options{.place = place, .run = flags.run};
  if (flags.width > 0) options.width = static_cast<std::size_t>(flags.width);
  if (place.rank == 0 && !flags.config.empty()) {
    const absl::StatusOr<Job> job = MakeJob(flags);
    options.ready = job.status();
    if (job.ok()) options.job = DryRunOptionsFor(flags, place, *job);
  }
  return Examine(options);
}

std::optional<BatchJob> FindBatchJob() {
  const absl::StatusOr<std::optional<Allocation>> allocation = FindAllocation();
  if (!allocation.ok() || !allocation->has_value()) return std::nullopt;
  BatchJob batch;
  batch.set_id((*allocation)->name);
  batch.set_handle((*allocation)->id);
  batch.set_restarts((*allocation)->restarts);
  return batch;
}

// What the leader of the job has in hand, and what the others do not need.
absl::StatusOr<Preparation> Prepare(const Flags& flags, const LaunchPlace& place) {
  absl::StatusOr<Job> job = MakeJob(flags);
  if (!job.ok()) return job.status();
  return PrepareGeneration(
      {.job = *std::move(job), .run = flags.run, .resume = flags.resume, .launch = place.launch});
}

absl::StatusOr<Rendezvous> Meet(const Flags& flags, const LaunchPlace& place, int leader,
                                const absl::StatusOr<std::optional<Preparation>>& preparation) {
  RendezvousOptions meeting;
  meeting.leader = leader;
  meeting.ready = preparation.status();
  if (preparation.ok() && preparation->has_value()) {
    meeting.note = (*preparation)->note.SerializeAsString();
  }
  meeting.introduction = ResourcesFor(flags, place).SerializeAsString();
  meeting.check = CheckNote;
  meeting.later_meetings = flags.survive > 0;
  meeting.interface = [](const std::string& text) {
    GenerationNote note;
    Check(note.ParseFromString(text), "a note that was checked parses");
    return note.job().cluster().interface();
  };
  return MeetOverMpi(meeting);
}

absl::StatusOr<Roster> RosterOf(const Rendezvous& met, const Job& job) {
  std::vector<RosterMember> members;
  for (std::size_t rank = 0; rank < met.hosts.size(); ++rank) {
    MemberResources resources;
    if (!resources.ParseFromString(met.introductions[rank])) {
      return absl::InternalError(absl::StrCat("rank ", rank, "'s introduction does not parse"));
    }
    members.push_back({.id = MemberId{static_cast<std::uint32_t>(rank)},
                       .host = met.hosts[rank],
                       .endpoint = met.endpoints.empty() ? Endpoint() : met.endpoints[rank],
                       .door = met.doors.empty() ? Endpoint() : met.doors[rank],
                       .threads = ThreadsOf(job, resources),
                       .memory = resources.memory()});
  }
  return Roster::Make(std::move(members), MemberId{static_cast<std::uint32_t>(met.leader)});
}

// The end of a job of which there is nothing left to do; `preparation` is the leader's.
absl::StatusOr<ExitCode> TellFinished(const Flags& flags, std::optional<Preparation>& preparation) {
  if (!preparation.has_value()) return kExitFinished;
  ListenToSignals();
  const RunFolder& folder = preparation->folder;
  const absl::StatusOr<Verdict> before = folder.ReadVerdict();
  const absl::StatusOr<std::vector<std::string>> lines =
      EndFinishedLife(*preparation, [] { return stop_requested.load(); });
  if (!lines.ok()) return lines.status();
  for (const std::string& line : *lines) std::fprintf(stderr, "cfworker: %s\n", line.c_str());
  const Verdict& verdict = *preparation->finished;
  std::printf("%s is finished: %s\n", flags.run.c_str(), verdict.text.c_str());
  // Its report says what the life before has come to, if there is one.
  if (!before.ok() || before->cause != verdict.cause) {
    if (const absl::Status reported = WriteReport(folder); !reported.ok()) {
      const std::string why(reported.message());
      std::fprintf(stderr, "cfworker: report.html was not written: %s\n", why.c_str());
    }
  }
  return verdict.exit_code;
}

// A snapshot that the user names is not the newest of the run, and who starts ranks that only serve
// has chosen their number.
std::uint32_t LossesToSurvive(const Flags& flags, const Job& job) {
  const bool own = flags.resume == "auto" || flags.resume == "never";
  return own && job.cluster().servers() == 0 ? flags.survive : 0;
}

// Plays this process's part; returns its exit code. An error without a message is another rank's,
// which tells it.
absl::StatusOr<ExitCode> RunRank(const Flags& flags) {
  const absl::StatusOr<LaunchPlace> place = FindLaunchPlace();
  if (!place.ok()) return place.status();
  std::optional<RankKeeper> keeper;
  if (flags.survive > 0 && place->ranks > 1) {
    absl::StatusOr<RankKeeper> forked = RankKeeper::Fork();
    if (!forked.ok()) return forked.status();
    keeper.emplace(*std::move(forked));
  }
  std::optional<MeetingWatch> watch;
  if (place->by_mpirun) {
    watch.emplace(MeetingWatch::Options{.run = flags.run,
                                        .name = place->launch.empty() ? place->job : place->launch,
                                        .rank = place->rank,
                                        .ranks = place->ranks,
                                        .limit = std::chrono::seconds(flags.meeting_seconds),
                                        .is_looked_after = !place->launch.empty()});
  }
  // Before anybody has met, somebody must begin: after that, the roster says who leads.
  constexpr int kFirstLeader = 0;
  const auto prepare = [&]() -> absl::StatusOr<std::optional<Preparation>> {
    if (place->rank != kFirstLeader) return std::optional<Preparation>();
    absl::StatusOr<Preparation> prepared = Prepare(flags, *place);
    FaultAt("start.prepared");
    return prepared;
  };
  absl::StatusOr<std::optional<Preparation>> preparation = prepare();
  if (watch.has_value()) watch->Arrive();
  absl::StatusOr<Rendezvous> met = Meet(flags, *place, kFirstLeader, preparation);
  watch.reset();
  if (!met.ok()) return met.status();
  FaultAt("start.met");
  GenerationNote note;
  Check(note.ParseFromString(met->note), "a note that was checked parses");
  if (note.finished()) return TellFinished(flags, *preparation);
  if (preparation->has_value()) {
    const absl::StatusOr<std::vector<std::string>> begun = BeginLife(**preparation);
    if (!begun.ok()) return begun.status();
    for (const std::string& line : *begun) std::fprintf(stderr, "cfworker: %s\n", line.c_str());
  }
  ListenToSignals();
  absl::StatusOr<Roster> roster = RosterOf(*met, note.job());
  if (!roster.ok()) return roster.status();
  const std::uint32_t losses_max = LossesToSurvive(flags, note.job());
  RankLifeOptions life{.note = std::move(note),
                       .roster = *std::move(roster),
                       .rank = met->place.rank,
                       .listener = std::move(met->listener),
                       .door = std::move(met->door),
                       .keeper = std::move(keeper),
                       .key = met->key,
                       .launch = place->launch,
                       .losses_max = losses_max,
                       .console = DisplayFor(flags, met->place),
                       .batch = FindBatchJob(),
                       .stop_requested = [] { return stop_requested.load(); },
                       .profile = flags.profile,
                       // cfrun sees to it itself.
                       .ends_mpirun = place->by_mpirun && place->launch.empty(),
                       .program = JoinProgram(VersionText("cfworker")),
                       .ranks_wanted = static_cast<std::uint32_t>(place->ranks)};
  if (preparation->has_value()) life.claim = std::move((*preparation)->folder);
  return LiveAsRank(std::move(life));
}

absl::StatusOr<ExitCode> Join(const Flags& flags, const ArgumentParser& app) {
  if (flags.join.empty()) return absl::InvalidArgumentError("--spare goes with --join RUN");
  for (const char* const flag :
       {"CONFIG", "--data", "--run", "--set", "--threads", "--resume", "--memory", "--survive",
        "--profile", "--summary", "--dry-run", "--examine", "--print-config"}) {
    if (!app.Given(flag)) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("--join takes part in a job as it is: leave ", flag, " out"));
  }
  const absl::StatusOr<LaunchPlace> place = FindLaunchPlace();
  if (!place.ok() || place->by_mpirun) {
    return absl::InvalidArgumentError("--join is for one process, which mpirun does not start");
  }
  return JoinRun({.run = flags.join, .spare = flags.spare, .cores = flags.cores});
}

absl::StatusOr<ExitCode> Main(int argc, char** argv) {
  Flags flags;
  ArgumentParser app(
      "cfworker",
      "Trains a collaborative-filtering model: one rank of the cluster that mpirun starts, or the "
      "whole of it alone.\n"
      "Exit codes: 0 finished, 2 the input is wrong, 75 a snapshot was taken and the job is to be "
      "continued, 1 else.");
  app.Option("CONFIG", flags.config, "The job, a textproto (see configs/)");
  app.Option("--data", flags.data, "Folder of the data set (cfdata import)");
  app.Option("--run", flags.run, "Run folder; made, or resumed");
  app.Option("--set", flags.set, "FIELD=VALUE, such as train.epochs=3; may be repeated")
      .OneValueEach();
  app.Option("--threads", flags.threads, "Compute threads of a rank, or auto");
  app.Option("--resume", flags.resume, "auto, never, or a snapshot to go on from").ShowDefault();
  app.Option("--progress", flags.progress, "auto, bar or lines")
      .ShowDefault()
      .OneOf({"auto", "bar", "lines"});
  app.Option("--width", flags.width, "Columns of the bar and of lines (the terminal's)")
      .Between(20, 10000);
  app.Option("--cores", flags.cores,
             "Cores that each rank may use, where they are fewer than it sees");
  app.Option(
      "--memory", flags.memory,
      "Memory that each rank may fill, such as 2GiB (a bare number is MiB); with BLOCKS users "
      "beyond it are on disk");
  app.Option("--survive", flags.survive,
             "Losses of ranks without a new snapshot in between after which the others go on in "
             "place; cfrun says it");
  app.Switch("--profile", flags.profile,
             "Show where the time went: a table at the end, and one for each epoch in log.txt");
  app.Option("--meeting-seconds", flags.meeting_seconds,
             "What the ranks may take to meet before the start is given up")
      .ShowDefault()
      .Between(1, 1 << 20);
  app.Switch("--summary", flags.summary,
             "Print the model's layers, shapes and parameters for the data set, and end");
  app.Switch(
      "--dry-run", flags.dry_run,
      "Print what the job takes of memory, disk, traffic and time, measured in a moment, and "
      "end");
  app.Switch("--examine", flags.examine,
             "What `cfrun doctor` has every rank do; CONFIG may be missing");
  app.Option("--join", flags.join,
             "RUN: take part in the job that runs there under cfrun, as a rank more, from its next "
             "snapshot on");
  app.Switch("--spare", flags.spare, "With --join: only in the place of a rank that is lost");
  app.Switch("--print-config", flags.print_config, "Print the whole configuration and end");
  // Of the ranks of a job, one speaks.
  const absl::StatusOr<LaunchPlace> place = FindLaunchPlace();
  const bool speaks = !place.ok() || place->rank == 0;
  absl::StatusOr<std::optional<ExitCode>> ended = ReadWords(app, {argv + 1, argv + argc});
  if (ended.ok() && !ended->has_value() && (!flags.join.empty() || flags.spare)) {
    return Join(flags, app);
  }
  const bool trains = !flags.print_config && !flags.summary && !flags.dry_run && !flags.examine;
  if (ended.ok() && !ended->has_value() && !flags.examine && flags.config.empty()) {
    ended = absl::InvalidArgumentError("CONFIG is missing (try cfworker --help)");
  }
  if (ended.ok() && !ended->has_value() && trains && flags.run.empty()) {
    ended = absl::InvalidArgumentError(
        "--run is missing: name the folder of this run, such as runs/first");
  }
  if (!speaks && (!ended.ok() || !(trains || flags.examine))) return kExitFinished;
  if (!ended.ok()) return ended.status();
  if (ended->has_value()) return **ended;
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  if (flags.print_config) {
    const absl::StatusOr<Job> job = MakeJob(flags);
    if (!job.ok()) return job.status();
    std::fputs(PrintJob(*job).c_str(), stdout);
    return kExitFinished;
  }
  if (flags.summary) {
    const absl::Status summarised = Summarise(flags);
    if (!summarised.ok()) return summarised;
    return kExitFinished;
  }
  if (flags.dry_run) {
    const absl::Status tried = place.ok() ? TryDry(flags, *place) : place.status();
    if (!tried.ok()) return tried;
    return kExitFinished;
  }
  const auto play = [&]() -> absl::StatusOr<ExitCode> {
    if (!flags.examine) return RunRank(flags);
    if (!place.ok()) return place.status();
    return ExamineFor(flags, *place);
  };
  absl::StatusOr<ExitCode> code = play();
  if (!code.ok() && code.status().message().empty()) return kExitFinished;
  return code;
}

}  // namespace
}  // namespace cf

int main(int argc, char** argv) {
  cf::BeginProgram();
  return cf::EndProgram("cfworker", cf::Main(argc, argv));
}
