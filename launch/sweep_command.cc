#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <memory>
#include <optional>
#include <system_error>
#include <unistd.h>
#include <utility>

#include <absl/cleanup/cleanup.h>
#include <absl/status/status.h>
#include <absl/strings/str_cat.h>

#include "common/base/files.h"
#include "common/config/config.h"
#include "common/dataset/dataset.h"
#include "launch/allocation.h"
#include "launch/run_commands.h"
#include "launch/start.h"
#include "launch/supervisor.h"
#include "launch/sweep_slice.h"
#include "run/run_folder.h"
#include "run/sweep_file.h"
#include "run/sweep_flags.h"
#include "run/sweep_make.h"
#include "run/sweep_table.h"

namespace cf {
namespace {

absl::StatusOr<Job> LoadBase(const SweepFlags& flags) {
  absl::StatusOr<Job> job = LoadJob(flags.config);
  if (!job.ok()) return job;
  for (const std::string& assignment : flags.set) {
    absl::Status set = SetField(*job, assignment);
    if (!set.ok()) return Because(set, "--set");
  }
  return job;
}

void Say(const std::string& line) {
  std::printf("%s\n", line.c_str());
  std::fflush(stdout);  // mpirun's ranks write to the same place.
}

absl::StatusOr<ExitCode> MakeFile(const SweepFlags& flags) {
  const absl::StatusOr<Job> base = LoadBase(flags);
  if (!base.ok()) return base.status();
  const absl::StatusOr<std::string> text = MakeSweep(flags.make, flags.jobs, *base);
  if (!text.ok()) return text.status();
  absl::Status written = WriteNewFile(flags.jobs, *text);
  if (!written.ok()) return written;
  // A comment and the header come before the jobs.
  const auto lines = std::count(text->begin(), text->end(), '\n');
  Say(absl::StrCat(lines - 2, " jobs -> ", flags.jobs));
  return kExitFinished;
}

/// One call of `cfrun sweep`: runs this process' share of the jobs and writes the table of all.
///
/// Owner:   SweepCommand. Threads: the main one.
/// Bounds:  one job at a time.
class SweepRun {
 public:
  static absl::StatusOr<SweepRun> Open(const SweepFlags& flags) {
    const absl::StatusOr<Job> base = LoadBase(flags);
    if (!base.ok()) return base.status();
    absl::StatusOr<Sweep> sweep = ReadSweep(flags.jobs, *base);
    if (!sweep.ok()) return sweep.status();
    absl::Status flags_fit = CheckFlags(flags, *sweep);
    if (!flags_fit.ok()) return flags_fit;

    const std::string data_path = flags.data.empty() ? base->data().path() : flags.data;
    if (data_path.empty()) {
      return absl::InvalidArgumentError(
          "no data set: give --data DIR, or data.path in the configuration");
    }
    const absl::StatusOr<Dataset> data = Dataset::Open(data_path);
    if (!data.ok()) return data.status();
    const absl::StatusOr<SweepSlice> slice =
        FindSweepSlice([](const char* name) { return std::getenv(name); });
    if (!slice.ok()) return slice.status();
    const absl::StatusOr<std::optional<Allocation>> allocation = FindAllocation();
    if (!allocation.ok()) return allocation.status();

    SweepRun run(flags, *std::move(sweep), *slice, data->digest());
    run.restarted_ = allocation->has_value() && (*allocation)->restarts > 0;
    // Before anything runs: what was trained with other values is no job of this sweep.
    const absl::StatusOr<std::vector<SweepRow>> rows = run.LookAtAll();
    if (!rows.ok()) return rows.status();
    return run;
  }

  absl::StatusOr<ExitCode> Run() {
    std::error_code error;
    std::filesystem::create_directories(flags_.run, error);
    if (error) return ErrnoError(error.value(), flags_.run);
    SayShare();
    ExitCode worst = kExitFinished;
    for (std::size_t k = 0; k < sweep_.jobs.size(); ++k) {
      if (!slice_.Holds(k)) continue;
      const absl::StatusOr<ExitCode> code = RunJob(k);
      if (!code.ok()) return code.status();
      if (*code == kExitContinue) {
        Say(absl::StrCat("stopped at ", NumberOf(k), "; the same command continues"));
        return kExitContinue;
      }
      if (*code == kExitFinished) continue;
      // Killed by the user, who wants no other job.
      if (supervisor_ != nullptr && supervisor_->end_asked()) return kExitFailed;
      worst = kExitFailed;
    }
    absl::Status reported = Report();
    if (!reported.ok()) return reported;
    return worst;
  }

 private:
  SweepRun(SweepFlags flags, Sweep sweep, SweepSlice slice, std::string data_digest)
      : flags_(std::move(flags)),
        sweep_(std::move(sweep)),
        slice_(slice),
        data_digest_(std::move(data_digest)),
        errors_(sweep_.jobs.size()) {}

  static absl::Status CheckFlags(const SweepFlags& flags, const Sweep& sweep) {
    if (flags.run.empty()) {
      return absl::InvalidArgumentError(
          "--run is missing: name the folder of the sweep's runs, such as runs/sweep");
    }
    if (RunFolder::Open(flags.run).ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat(flags.run, " is a run itself; expected a folder for the sweep's runs"));
    }
    for (const std::string& assignment : flags.set) {
      const std::string field = assignment.substr(0, assignment.find('='));
      if (std::find(sweep.fields.begin(), sweep.fields.end(), field) != sweep.fields.end()) {
        return absl::InvalidArgumentError(
            absl::StrCat("--set ", assignment, ": the field is a column of ", flags.jobs));
      }
    }
    return absl::OkStatus();
  }

  std::string PathOf(std::size_t k) const {
    return absl::StrCat(flags_.run, "/", sweep_.jobs[k].name);
  }

  std::string NumberOf(std::size_t k) const {
    return absl::StrCat("job ", k + 1, " of ", sweep_.jobs.size());
  }

  absl::StatusOr<std::vector<SweepRow>> LookAtAll() const {
    std::vector<SweepRow> rows;
    for (std::size_t k = 0; k < sweep_.jobs.size(); ++k) {
      absl::StatusOr<SweepRow> row = LookAtJob(sweep_.jobs[k], PathOf(k), data_digest_);
      if (!row.ok()) return row.status();
      rows.push_back(*std::move(row));
    }
    return rows;
  }

  void SayShare() const {
    if (!slice_.array) return;
    std::size_t jobs = 0;
    for (std::size_t k = 0; k < sweep_.jobs.size(); ++k) jobs += slice_.Holds(k) ? 1 : 0;
    Say(absl::StrCat("array task ", slice_.first + 1, " of ", slice_.every, ": ", jobs, " of ",
                     sweep_.jobs.size(), " jobs"));
    if (slice_.tasks < slice_.every) {
      Say(absl::StrCat("the array has only ", slice_.tasks,
                       " of the indices that share the jobs; "
                       "those of the others are left"));
    }
  }

  /// The command line of `cfrun start` for a job.
  std::vector<std::string> WordsOf(std::size_t k) const {
    std::vector<std::string> words = {flags_.config, "--run", PathOf(k)};
    if (!flags_.data.empty()) words.insert(words.end(), {"--data", flags_.data});
    for (const std::string& assignment : flags_.set) {
      words.insert(words.end(), {"--set", assignment});
    }
    for (std::size_t column = 0; column < sweep_.fields.size(); ++column) {
      const std::string& value = sweep_.jobs[k].values[column];
      if (value.empty()) continue;
      words.insert(words.end(), {"--set", absl::StrCat(sweep_.fields[column], "=", value)});
    }
    words.insert(words.end(), flags_.others.begin(), flags_.others.end());
    return words;
  }

  /// Trains a job to its end, unless it is finished.
  absl::StatusOr<ExitCode> RunJob(std::size_t k) {
    const SweepJob& job = sweep_.jobs[k];
    absl::StatusOr<SweepRow> row = LookAtJob(job, PathOf(k), data_digest_);
    if (!row.ok()) return row.status();
    const std::string title =
        absl::StrCat(NumberOf(k), ": ", DescribeJob(sweep_, job), " -> ", PathOf(k));
    if (row->state == RunState::kFinished) {
      Say(absl::StrCat(title, " is finished: ", DescribeResult(job, *row)));
      return kExitFinished;
    }
    // In a batch job that was started again these may be the last ranks of its life before, for
    // whose end StartJob waits.
    if (row->state == RunState::kRunning && !restarted_) {
      Say(absl::StrCat(title, " is running: ", row->text));
      return kExitFailed;
    }
    Say(title);
    // Made here, so that a job that is refused keeps its folder, where the table finds out why.
    const absl::StatusOr<RunFolder> folder = RunFolder::Create(PathOf(k));
    if (!folder.ok()) return folder.status();
    const absl::StatusOr<StartOptions> options = ParseStart(WordsOf(k));
    if (!options.ok()) return options.status();
    // Made for the first job to run: from then on signals are the supervisor's.
    if (supervisor_ == nullptr) supervisor_ = std::make_unique<Supervisor>();
    const absl::StatusOr<ExitCode> code = StartJob(*options, *supervisor_);
    if (!code.ok() || *code == kExitContinue) return code;
    if (*code != kExitFinished && folder->LastGeneration().value_or(0) == 0) {
      // Flags, or mpirun itself: what all jobs share. They need not fail one by one.
      folder->Discard();
      const std::string what =
          absl::StrCat(NumberOf(k), " did not even begin, nor would the others");
      return *code == kExitUserInput ? absl::InvalidArgumentError(what) : absl::InternalError(what);
    }
    row = LookAtJob(job, PathOf(k), data_digest_);
    if (!row.ok()) return row.status();
    if (*code == kExitFinished && row->state == RunState::kFinished) {
      Say(absl::StrCat(NumberOf(k), ": ", DescribeResult(job, *row)));
      return kExitFinished;
    }
    errors_[k] = row->state == RunState::kFailed && !row->text.empty()
                     ? row->text
                     : absl::StrCat("ended with exit code ", static_cast<int>(*code));
    Say(absl::StrCat(NumberOf(k), " failed: ", errors_[k]));
    return kExitFailed;
  }

  /// Writes and prints the table of all jobs.
  absl::Status Report() {
    absl::StatusOr<std::vector<SweepRow>> rows = WriteTable();
    if (!rows.ok()) return rows.status();
    const absl::StatusOr<std::size_t> best = FindBest(sweep_, *rows);
    std::fputs(SweepText(sweep_, *rows, best.ok() ? std::optional(*best) : std::nullopt).c_str(),
               stdout);
    std::size_t missing = 0;
    for (std::size_t k = 0; k < rows->size(); ++k) {
      const SweepRow& row = (*rows)[k];
      const std::string& error = errors_[k].empty() ? row.text : errors_[k];
      if (row.state == RunState::kFailed || !errors_[k].empty()) {
        Say(absl::StrCat("job ", k + 1, " failed: ", error));
      } else if (row.state != RunState::kFinished) {
        ++missing;
      }
    }
    if (missing > 0) {
      Say(absl::StrCat(missing, " of ", rows->size(), " jobs are not finished yet"));
    }
    Say(absl::StrCat("table: ", flags_.run, "/sweep.csv"));
    if (!best.ok()) {
      Say(std::string(best.status().message()));
      return absl::OkStatus();
    }
    Say(absl::StrCat(
        "best", missing > 0 ? " so far" : "", ": ", DescribeJob(sweep_, sweep_.jobs[*best]), ", ",
        DescribeResult(sweep_.jobs[*best], (*rows)[*best]), "; to export it: cfsnapshot export ",
        (*rows)[*best].snapshot, " --format npy --out export"));
    return absl::OkStatus();
  }

  /// Of the tasks of an array each writes what it sees. The lock makes the last to write see all
  /// that the others have done.
  absl::StatusOr<std::vector<SweepRow>> WriteTable() const {
    const std::string lock_path = flags_.run + "/.sweep.lock";
    const int file = ::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (file < 0) return ErrnoError(errno, lock_path);
    const absl::Cleanup close = [file] { ::close(file); };
    struct flock lock = {};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    while (::fcntl(file, F_SETLKW, &lock) != 0) {
      if (errno != EINTR) return ErrnoError(errno, lock_path);
    }
    absl::StatusOr<std::vector<SweepRow>> rows = LookAtAll();
    if (!rows.ok()) return rows;
    for (SweepRow& row : *rows) AddDigest(row);
    absl::Status written = WriteFileAtomically(flags_.run + "/sweep.csv", SweepCsv(sweep_, *rows));
    if (!written.ok()) return written;
    return rows;
  }

  SweepFlags flags_;
  Sweep sweep_;
  SweepSlice slice_;
  std::string data_digest_;
  bool restarted_ = false;           ///< By the batch system.
  std::vector<std::string> errors_;  ///< By job: why it failed here.
  std::unique_ptr<Supervisor> supervisor_;
};

}  // namespace

absl::StatusOr<ExitCode> SweepCommand(const std::vector<std::string>& words) {
  const absl::StatusOr<SweepFlags> flags = ParseSweepFlags(words);
  if (!flags.ok()) return flags.status();
  if (flags->help) {
    std::fputs(kSweepUsage, stdout);
    return kExitFinished;
  }
  if (flags->make_file) return MakeFile(*flags);
  absl::StatusOr<SweepRun> run = SweepRun::Open(*flags);
  if (!run.ok()) return run.status();
  return run->Run();
}

}  // namespace cf
