// The MPI program: every rank of a training job. Rank 0 prepares the run and coordinates it.
#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <absl/strings/match.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>

#include "common/base/check.h"
#include "common/base/files.h"
#include "common/base/status.h"
#include "common/config/config.h"
#include "common/dataset/dataset.h"
#include "common/kernels/kernels.h"
#include "common/snapshot/snapshot.h"
#include "common/snapshot/snapshot_store.h"
#include "coordinator/control_link.h"
#include "coordinator/generation.h"
#include "launch/allocation.h"
#include "launch/rendezvous.h"
#include "launch/resources.h"
#include "report/report.h"
#include "run/finished_verdict.h"
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
  int width = 80;
  std::uint32_t cores = 0;
  std::uint64_t memory_mib = 0;
  bool profile = false;
  bool print_config = false;
};

// Set by the first SIGUSR1, SIGTERM or SIGINT: a snapshot and a clean end are asked for. The one
// mutable global of the program, since a signal handler can reach nothing else.
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
  const std::string parent = absl::StrCat("/proc/", ::getppid());
  const absl::StatusOr<std::string> name = ReadFile(parent + "/comm");
  if (!name.ok() || (*name != "mpirun\n" && *name != "orterun\n" && *name != "mpiexec\n"))
    return false;
  std::error_code error;
  const std::string target = std::filesystem::read_symlink(parent + "/fd/1", error).string();
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
  FillDefaults(*job);
  absl::Status valid = ValidateJob(*job);
  if (!valid.ok()) return valid;
  return job;
}

// What rank 0 has in hand for the whole run.
struct Preparation {
  std::optional<RunFolder> folder;
  GenerationNote note;
  std::optional<Verdict> finished;
};

// Which snapshot to go on from, as --resume says; empty for a new model.
absl::StatusOr<std::string> FindSnapshot(const Flags& flags, const RunFolder& folder) {
  if (flags.resume != "auto" && flags.resume != "never") return flags.resume;
  if (!std::filesystem::exists(folder.snapshots_path())) return std::string();
  absl::StatusOr<SnapshotStore> store = SnapshotStore::View(folder.snapshots_path());
  if (!store.ok()) return store.status();
  const absl::StatusOr<Manifest> latest = store->Latest();
  if (absl::IsNotFound(latest.status())) return std::string();
  if (!latest.ok()) return latest.status();
  if (flags.resume == "never") {
    return absl::FailedPreconditionError(absl::StrCat(
        flags.run,
        " has snapshots, which --resume never would leave behind: choose another --run"));
  }
  return store->PathOf(latest->name());
}

absl::StatusOr<Preparation> Prepare(const Flags& flags) {
  absl::StatusOr<Job> job = MakeJob(flags);
  if (!job.ok()) return job.status();
  if (job->data().path().empty()) {
    return absl::InvalidArgumentError(
        "no data set: give --data DIR, or data.path in the configuration");
  }
  absl::StatusOr<Dataset> data = Dataset::Open(job->data().path());
  if (!data.ok()) return data.status();
  std::error_code error;
  job->mutable_data()->set_path(
      std::filesystem::absolute(job->data().path(), error).lexically_normal().string());

  absl::StatusOr<RunFolder> folder = RunFolder::Create(flags.run);
  if (!folder.ok()) return folder.status();
  absl::StatusOr<std::uint64_t> generation = folder->ClaimGeneration();
  if (!generation.ok()) return generation.status();
  absl::StatusOr<std::string> snapshot = FindSnapshot(flags, *folder);
  if (!snapshot.ok()) return snapshot.status();

  Preparation preparation;
  if (!snapshot->empty()) {
    absl::StatusOr<Snapshot> opened = Snapshot::Open(*snapshot);
    if (!opened.ok()) return opened.status();
    const Manifest& manifest = opened->manifest();
    absl::Status same = CheckSameResult(manifest.job(), *job, flags.run);
    if (!same.ok()) return same;
    if (manifest.data().digest() != data->digest()) {
      return absl::FailedPreconditionError(absl::StrCat(
          flags.run, " was trained with data set ", manifest.data().name(), " of digest ",
          manifest.data().digest(), ", not ", data->digest(), ": choose another --run"));
    }
    if (manifest.arithmetic_version() != kArithmeticVersion) {
      return absl::FailedPreconditionError(absl::StrCat(
          flags.run, " was trained with arithmetic version ", manifest.arithmetic_version(),
          "; this program has ", kArithmeticVersion, ": choose another --run"));
    }
    preparation.finished = FinishedVerdict(manifest, *job, flags.run);
  }
  preparation.note.set_run_folder(
      std::filesystem::absolute(flags.run, error).lexically_normal().string());
  preparation.note.set_nonce(folder->nonce());
  preparation.note.set_generation(*generation);
  preparation.note.set_snapshot(
      snapshot->empty() ? ""
                        : std::filesystem::absolute(*snapshot, error).lexically_normal().string());
  preparation.note.set_dataset_digest(data->digest());
  preparation.note.set_finished(preparation.finished.has_value());
  *preparation.note.mutable_job() = *std::move(job);
  preparation.folder = *std::move(folder);
  return preparation;
}

absl::Status CheckNote(const std::string& text) {
  GenerationNote note;
  if (!note.ParseFromString(text))
    return absl::InternalError("rank 0's note does not parse: are all ranks of one build?");
  return RunFolder::CheckVisible(note.run_folder(), note.nonce());
}

absl::StatusOr<std::unique_ptr<Console>> OpenConsole(const Flags& flags, const LaunchPlace& place,
                                                     const RunFolder& folder) {
  const bool bar = flags.progress == "bar" || (flags.progress == "auto" && WritesToTerminal(place));
  return Console::Open({.mode = bar ? Console::Mode::kBar : Console::Mode::kLines,
                        .width = flags.width,
                        .log_path = folder.log_path()});
}

// From here on what the run's files say is about this life of the job.
absl::Status Begin(const Preparation& preparation) {
  absl::Status begun = preparation.folder->Begin();
  if (!begun.ok()) return begun;
  return WriteFileAtomically(preparation.folder->job_path(), PrintJob(preparation.note.job()));
}

// How a job ended that ended with an error: what is lost may be started again.
Verdict VerdictOf(const absl::Status& error) {
  return {.exit_code = ExitCodeOf(error),
          .cause = absl::IsUnavailable(error) ? EndCause::kLost : EndCause::kFailed,
          .text = std::string(error.message()),
          .lost_host = LostHost(error)};
}

// Plays this process's part; returns how the job ended.
absl::StatusOr<Verdict> RunRank(const Flags& flags) {
  absl::StatusOr<LaunchPlace> place = FindLaunchPlace();
  if (!place.ok()) return place.status();
  const bool first = place->rank == 0;
  absl::StatusOr<Preparation> preparation = first ? Prepare(flags) : Preparation();
  RendezvousOptions meeting;
  meeting.ready = preparation.status();
  meeting.check = CheckNote;
  if (preparation.ok()) {
    meeting.note = preparation->note.SerializeAsString();
    meeting.interface = preparation->note.job().cluster().interface();
  }
  absl::StatusOr<Rendezvous> met = MeetOverMpi(meeting);
  if (!met.ok()) return met.status();

  GenerationOptions options;
  Check(options.note.ParseFromString(met->note), "a note that was checked parses");
  if (options.note.finished()) {
    if (!first) return Verdict{.exit_code = kExitFinished, .cause = EndCause::kFinished};
    const Verdict verdict = *preparation->finished;
    std::printf("%s is finished: %s\n", flags.run.c_str(), verdict.text.c_str());
    absl::Status written = preparation->folder->WriteVerdict(verdict);
    if (!written.ok()) return written;
    return verdict;
  }
  if (first) {
    if (absl::Status begun = Begin(*preparation); !begun.ok()) return begun;
  }
  ListenToSignals();
  options.rank = met->place.rank;
  options.hosts = met->hosts;
  options.endpoints = met->endpoints;
  options.listener = std::move(met->listener);
  options.key = met->key;
  const HostResources host = ResourcesOfThisHost();
  const auto ranks_here = static_cast<std::uint32_t>(met->place.ranks_on_host);
  options.cores = flags.cores > 0 ? flags.cores : std::max(1U, host.cores / ranks_here);
  options.memory = flags.memory_mib > 0 ? flags.memory_mib << 20 : host.memory / ranks_here;
  options.stop_requested = [] { return stop_requested.load(); };
  if (!first) return RunGeneration(std::move(options));

  absl::StatusOr<std::unique_ptr<Console>> console =
      OpenConsole(flags, met->place, *preparation->folder);
  if (!console.ok()) return console.status();
  options.console = console->get();
  const absl::StatusOr<std::optional<Allocation>> allocation = FindAllocation();
  if (allocation.ok() && allocation->has_value()) {
    options.batch.emplace();
    options.batch->set_id((*allocation)->name);
    options.batch->set_handle((*allocation)->id);
    options.batch->set_restarts((*allocation)->restarts);
  }
  options.folder = &*preparation->folder;
  options.profile = flags.profile;
  if (!options.note.snapshot().empty()) {
    (*console)->Line(absl::StrCat("resuming from ", options.note.snapshot()));
  }
  absl::StatusOr<Verdict> verdict = RunGeneration(std::move(options));
  absl::Status written =
      preparation->folder->WriteVerdict(verdict.ok() ? *verdict : VerdictOf(verdict.status()));
  if (verdict.ok() && !written.ok()) return written;
  // After the verdict: whatever becomes of the page, the run has ended as it has.
  if (absl::Status reported = WriteReport(*preparation->folder); !reported.ok()) {
    (*console)->Line(std::string(Because(reported, "report.html was not written").message()));
  }
  return verdict;
}

int Main(int argc, char** argv) {
  Flags flags;
  CLI::App app{
      "Trains a collaborative-filtering model: one rank of the cluster that mpirun starts, or the "
      "whole of it alone.\n"
      "Exit codes: 0 finished, 2 the input is wrong, 75 a snapshot was taken and the job is to be "
      "continued, 1 else."};
  app.name("cfworker");
  app.add_option("config", flags.config, "The job, a textproto (see configs/)")->required();
  app.add_option("--data", flags.data, "Folder of the data set (cfdata import)");
  app.add_option("--run", flags.run, "Run folder; made, or resumed");
  app.add_option("--set", flags.set, "FIELD=VALUE, such as train.epochs=3; may be repeated")
      ->allow_extra_args(false);
  app.add_option("--threads", flags.threads, "Compute threads of a rank, or auto");
  app.add_option("--resume", flags.resume, "auto, never, or a snapshot to go on from")
      ->capture_default_str();
  app.add_option("--progress", flags.progress, "auto, bar or lines")
      ->capture_default_str()
      ->check(CLI::IsMember({"auto", "bar", "lines"}));
  app.add_option("--width", flags.width, "Columns of the terminal, for the bar")
      ->capture_default_str();
  app.add_option("--cores", flags.cores,
                 "Cores that each rank may use, where they are fewer than it sees");
  app.add_option(
      "--memory", flags.memory_mib,
      "MiB of memory that each rank may use, where it is less than its share of the host's");
  app.add_flag("--profile", flags.profile,
               "Show where the time went: a table at the end, and one for each epoch in log.txt");
  app.add_flag("--print-config", flags.print_config, "Print the whole configuration and end");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kExitFinished : kExitUserInput;
  }
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  if (flags.print_config) {
    const absl::StatusOr<Job> job = MakeJob(flags);
    if (job.ok()) {
      std::fputs(PrintJob(*job).c_str(), stdout);
    } else {
      std::fprintf(stderr, "cfworker: %s\n", std::string(job.status().message()).c_str());
    }
    return ExitCodeOf(job.status());
  }
  if (flags.run.empty()) {
    std::fputs("cfworker: --run is missing: name the folder of this run, such as runs/first\n",
               stderr);
    return kExitUserInput;
  }
  const absl::StatusOr<Verdict> verdict = RunRank(flags);
  if (verdict.ok()) return verdict->exit_code;
  // The rank whose error it is says so and brings the exit code. mpirun ends the job at the first
  // rank that fails, so another that failed silently would cut off the line before it is read.
  if (verdict.status().message().empty()) return kExitFinished;
  std::fprintf(stderr, "cfworker: %s\n", std::string(verdict.status().message()).c_str());
  return ExitCodeOf(verdict.status());
}

}  // namespace
}  // namespace cf

int main(int argc, char** argv) {
  return cf::Main(argc, argv);
}
