#include "launch/dry_run.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <utility>
#include <vector>

#include <absl/status/statusor.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>

#include "common/base/memory_figures.h"
#include "common/base/scratch_folder.h"
#include "common/base/status.h"
#include "common/text/numbers.h"
#include "common/text/text_table.h"
#include "coordinator/disk_speed.h"
#include "coordinator/job_estimate.h"
#include "coordinator/ranking_figures.h"
#include "coordinator/trial.h"

namespace cf {
namespace {

// A trial on more samples than this takes too long to set up; with figures of ranking, to validate.
// Where a smaller data set has to be written for it, it is made a good deal smaller.
constexpr std::uint64_t kTrialSamplesMax = 30'000'000;
constexpr std::uint64_t kRankedTrialSamplesMax = 2'000'000;
constexpr std::uint64_t kThinnedSamples = 8'000'000;

// What the job's last look at its data takes an item (FitItemBiases).
constexpr std::uint64_t kBiasBytes = 24;

std::string Mib(double bytes) {
  return absl::StrFormat("%.1f MiB", bytes / 1048576.0);
}

/// The job of a dry run, as far as it can be known without training.
struct Known {
  std::uint32_t threads = 1;
  std::vector<StoragePlan> plans;  ///< By rank.
  std::uint64_t rows = 0;
  std::uint64_t opened = 0;  ///< Bytes of the process with the data set open.
  double traffic = 0;        ///< Bytes between ranks in an epoch.
};

/// What was measured, and how.
struct Measured {
  TrialFigures trial;
  std::uint64_t rows = 0;   ///< Of the trial.
  std::uint32_t every = 1;  ///< Of how many users the trial had one.
  DiskSpeed disk;
  std::string disk_doubt;  ///< Why it was not measured, where it matters; else empty.
};

absl::StatusOr<Placement> PlacementOf(const DryRunOptions& options, Known& known) {
  const Job& job = options.job;
  const std::uint32_t workers =
      options.ranks - std::min(job.cluster().servers(), options.ranks - 1);
  known.threads = job.cluster().threads();
  if (known.threads == 0) {
    known.threads = std::min(options.cores, std::max(1U, job.train().partitions() / workers));
  }
  return Placement::Make({.partitions = job.train().partitions(),
                          .threads = std::vector<std::uint32_t>(options.ranks, known.threads),
                          .servers = job.cluster().servers()});
}

absl::Status PlanAll(const DryRunOptions& options, const TrainingData& data,
                     const Placement& placement, Known& known) {
  for (int rank = 0; rank < placement.ranks(); ++rank) {
    absl::StatusOr<StoragePlan> plan =
        PlanStorage(options.job, data, placement, rank,
                    {.bytes = options.memory, .ranks_on_host = options.ranks_on_host});
    if (!plan.ok()) return plan.status();
    known.plans.push_back(*plan);
  }
  return absl::OkStatus();
}

// What a process takes: by its plan, and with the data set, rings, its last look at its data, and what
// was measured of all else (0: nothing was). Never less than the job is refused by.
std::uint64_t ProcessBytes(const DryRunOptions& options, const TrainingData& data,
                           const Known& known, const StoragePlan& plan, std::int64_t other_memory) {
  const std::uint64_t by_parts =
      known.opened + plan.memory + RingBytes(options.job, data, options.ranks_on_host) +
      (data.model->predicts_ratings() ? kBiasBytes * data.data.items() : 0);
  return static_cast<std::uint64_t>(std::max(static_cast<std::int64_t>(by_parts) + other_memory,
                                             static_cast<std::int64_t>(plan.memory + plan.beside)));
}

// How many snapshots are there at once: those that are kept, the best, the one that is written.
std::uint32_t SnapshotsOf(const Job& job) {
  return job.snapshot().keep() + 2;
}

std::uint64_t RowsOf(const TrainingData& data) {
  std::uint64_t rows = 0;
  for (const TableBytes& table : BytesOfTables(data)) rows += table.rows;
  return rows;
}

// Of how many users the trial takes one, so that it has room and does not take long.
std::uint32_t ThinningOf(const DryRunOptions& options, const TrainingData& data) {
  std::uint64_t bytes = data.split.training_count() * 2 * PartitionSamples::kBytesPerSample;
  for (const TableBytes& table : BytesOfTables(data)) bytes += table.bytes;
  std::uint64_t room = AvailableMemory() / 2;
  if (options.memory > 0) room = std::min(room, options.memory * options.ranks_on_host / 2);
  const bool ranks_items = !OtherFigures(options.job).empty();
  const std::uint64_t samples_max = ranks_items ? kRankedTrialSamplesMax : kTrialSamplesMax;
  const auto over = [](std::uint64_t needed, std::uint64_t there) {
    return there == 0 ? 1 : (needed + there - 1) / there;
  };
  std::uint64_t every = std::max(over(bytes, room), over(data.split.training_count(), samples_max));
  if (every > 1) every = std::max(every, over(data.split.training_count(), kThinnedSamples));
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(every, data.data.users() / 2 + 1));
}

absl::Status Try(const DryRunOptions& options, const TrainingData& data, const Known& known,
                 Measured& measured) {
  measured.every = std::max(1U, ThinningOf(options, data));
  const TrialOptions trial = {.threads = known.threads};
  if (measured.every == 1) {
    absl::StatusOr<TrialFigures> figures = RunTrial(options.job, data, trial);
    if (!figures.ok()) return figures.status();
    measured.trial = *figures;
    measured.rows = RowsOf(data);
    return absl::OkStatus();
  }
  const std::string directory =
      options.disk.empty() ? std::filesystem::temp_directory_path().string() : options.disk;
  const absl::StatusOr<ScratchFolder> folder = ScratchFolder::Open(directory);
  if (!folder.ok()) return folder.status();
  Job job = options.job;
  job.mutable_data()->set_path(folder->path() + "/data");
  absl::Status written = WriteThinned(data.data, measured.every, job.data().path());
  if (!written.ok()) return written;
  const absl::StatusOr<TrainingData> thinned = TrainingData::Open(job);
  if (!thinned.ok()) return thinned.status();
  absl::StatusOr<TrialFigures> figures = RunTrial(job, *thinned, trial);
  if (!figures.ok()) return figures.status();
  measured.trial = *figures;
  measured.rows = RowsOf(*thinned);
  return absl::OkStatus();
}

absl::Status Measure(const DryRunOptions& options, const TrainingData& data, const Known& known,
                     Measured& measured) {
  if (absl::Status tried = Try(options, data, known, measured); !tried.ok()) return tried;
  if (options.disk.empty()) {
    measured.disk_doubt = "name --run or storage.directory";
    return absl::OkStatus();
  }
  const absl::StatusOr<DiskSpeed> disk = MeasureDisk(options.disk);
  if (disk.ok()) {
    measured.disk = *disk;
  } else {
    measured.disk_doubt = std::string(disk.status().message());
  }
  return absl::OkStatus();
}

std::string TablesText(const TrainingData& data) {
  TextTable text({{.name = "table"},
                  {.name = "rows", .right = true},
                  {.name = "bytes a row", .right = true},
                  {.name = "MiB", .right = true}});
  for (const TableBytes& table : BytesOfTables(data)) {
    text.AddRow({table.name, WithThousands(table.rows), WithThousands(table.row_bytes),
                 FixedText(static_cast<double>(table.bytes) / 1048576.0, 1)});
  }
  return text.Format(TableFormat::kText);
}

std::string MemoryText(const DryRunOptions& options, const TrainingData& data, const Known& known,
                       const Measured& measured) {
  const StoragePlan& plan = known.plans.front();
  const std::uint64_t process =
      ProcessBytes(options, data, known, plan, measured.trial.other_memory);
  const std::uint64_t budget = MemoryBudget(options.job);
  return absl::StrCat(
      "memory: rank 0 takes ", Mib(static_cast<double>(plan.memory)), " for rows and samples",
      budget > 0 ? absl::StrCat(" of its budget of ", Mib(static_cast<double>(budget))) : "",
      ", and ", Mib(static_cast<double>(process)), " in all with the data set that it maps; ",
      plan.row_bytes > 0 ? absl::StrCat(Mib(static_cast<double>(plan.row_bytes)),
                                        " of it are for rows that come and go one by one")
      : plan.keeps_all() ? "all rows are in memory"
                         : absl::StrFormat("%d of %d partitions of users are in memory",
                                           plan.frames, plan.partitions),
      "\n");
}

std::string DiskText(const DryRunOptions& options, const TrainingData& data, const Known& known) {
  const auto snapshot = static_cast<double>(SnapshotBytes(options.job, data));
  const StoragePlan& plan = known.plans.front();
  std::string text = absl::StrCat("disk: a snapshot takes ", Mib(snapshot), ", and up to ",
                                  SnapshotsOf(options.job),
                                  " are there while one is written (snapshot.keep, the best)\n");
  const auto ranks = static_cast<int>(options.ranks);
  const double sample_reads = SampleReads(options.job, plan, ranks);
  std::uint64_t scratch = 0;
  std::uint64_t samples = 0;
  for (const StoragePlan& of_rank : known.plans) {
    scratch += of_rank.disk;
    samples += of_rank.sample_disk;
  }
  if (plan.samples_on_disk) {
    absl::StrAppend(&text, "  samples on disk take ", Mib(static_cast<double>(samples)),
                    " of all ranks; rank 0 reads ", Mib(sample_reads),
                    " of them in an epoch and writes ", Mib(SampleWrites(plan)), "\n");
  }
  if (plan.disk == 0) return text;
  if (plan.row_bytes > 0) {
    absl::StrAppend(&text, "  rows on disk take ", Mib(static_cast<double>(scratch)),
                    " of all ranks; rank 0 brings ",
                    InShort(RowsMoved(options.job, data, plan, ranks)),
                    " rows from there in an epoch, and writes as many\n");
    return text;
  }
  const double moved = DiskBytes(options.job, plan, ranks);
  absl::StrAppend(&text, "  users on disk take ", Mib(static_cast<double>(scratch)),
                  " of all ranks, and their samples ", Mib(static_cast<double>(samples)),
                  "; rank 0 reads ", Mib(moved), " and writes as much in an epoch (",
                  options.job.train().rounds() * options.ranks + 1,
                  " times what is on disk), and reads ", Mib(sample_reads), " of samples\n");
  return text;
}

std::string TimeText(const DryRunOptions& options, const EpochSeconds& seconds, double samples,
                     const Measured& measured) {
  std::string text = absl::StrCat(
      "time: an epoch takes ", DurationText(seconds.sum()), " (training ",
      DurationText(seconds.training), " at ", InShort(samples / seconds.training),
      " samples/s, validation ", DurationText(seconds.validation), ", a snapshot ",
      DurationText(seconds.snapshot), "), ", WithThousands(options.job.train().epochs()),
      " epochs ", DurationText(seconds.sum() * options.job.train().epochs()), "\n");
  absl::StrAppend(&text, "measured: this machine trains ",
                  InShort(measured.trial.samples_per_second), " samples/s in one rank");
  if (measured.every > 1) absl::StrAppend(&text, ", on one of ", measured.every, " users");
  if (measured.disk.read > 0) {
    absl::StrAppend(&text, "; its disk reads ", Mib(measured.disk.read), "/s and writes ",
                    Mib(measured.disk.write), "/s, which takes ", DurationText(seconds.of_disk),
                    " of an epoch");
  } else if (!measured.disk_doubt.empty()) {
    absl::StrAppend(&text, "; the disk was not measured, so that the time leaves it out: ",
                    measured.disk_doubt);
  }
  return text + "\n";
}

EpochSeconds TimeOf(const DryRunOptions& options, const TrainingData& data, const Known& known,
                    const Measured& measured) {
  const double hosts = static_cast<double>(options.ranks) / options.ranks_on_host;
  const double cores = std::max(1.0, static_cast<double>(options.cores) * options.ranks_on_host);
  // Threads beyond the cores of a host wait for each other.
  const double on_host = std::min<double>(options.ranks_on_host, cores / known.threads);
  const bool turns = options.ranks > 1 && options.job.train().schedule() != Train::BLOCKS;
  const double steps = turns ? static_cast<double>(data.steps_per_epoch(options.job)) : 0;
  const JobSize size = {
      .training_samples = data.split.training_count(),
      .validation_samples = data.split.validation_count(),
      .rows = known.rows,
      .ranks_at_once = hosts * std::max(1.0, on_host),
      .turns = steps,
      .traffic_of_rank = known.traffic / options.ranks,
      .disk_bytes = DiskBytes(options.job, known.plans.front(), static_cast<int>(options.ranks)),
      .sample_reads =
          SampleReads(options.job, known.plans.front(), static_cast<int>(options.ranks)),
      .sample_writes = SampleWrites(known.plans.front()),
      .rows_moved =
          RowsMoved(options.job, data, known.plans.front(), static_cast<int>(options.ranks)),
      .snapshot_bytes =
          options.job.snapshot().every_epochs() > 0 ? SnapshotBytes(options.job, data) : 0};
  return SecondsOf(size, measured.trial, measured.rows, measured.disk);
}

}  // namespace

absl::StatusOr<JobNeeds> NeedsOf(const DryRunOptions& options) {
  const absl::StatusOr<TrainingData> data = TrainingData::Open(options.job);
  if (!data.ok()) return data.status();
  Known known;
  known.opened = ProcessMemory();
  const absl::StatusOr<Placement> placement = PlacementOf(options, known);
  if (!placement.ok()) return placement.status();
  if (absl::Status planned = PlanAll(options, *data, *placement, known); !planned.ok()) {
    return planned;
  }
  JobNeeds needs{.snapshots = SnapshotsOf(options.job) * SnapshotBytes(options.job, *data),
                 .data_digest = data->data.digest()};
  for (const StoragePlan& plan : known.plans) {
    needs.rank_memory = std::max(needs.rank_memory, ProcessBytes(options, *data, known, plan, 0));
    needs.rank_scratch = std::max(needs.rank_scratch, plan.disk + plan.sample_disk);
  }
  return needs;
}

absl::Status DryRun(const DryRunOptions& options) {
  const absl::StatusOr<TrainingData> data = TrainingData::Open(options.job);
  if (!data.ok()) return data.status();
  Known known;
  known.rows = RowsOf(*data);
  known.opened = ProcessMemory();
  const absl::StatusOr<Placement> placement = PlacementOf(options, known);
  if (!placement.ok()) return placement.status();
  std::printf(
      "%s: %s training and %s validation samples; ranks: %u, threads of each: %u, "
      "partitions: %u\n%s",
      data->data.name().c_str(), WithThousands(data->split.training_count()).c_str(),
      WithThousands(data->split.validation_count()).c_str(), options.ranks, known.threads,
      options.job.train().partitions(), TablesText(*data).c_str());
  if (absl::Status planned = PlanAll(options, *data, *placement, known); !planned.ok()) {
    return planned;
  }
  Measured measured;
  absl::Status done = Measure(options, *data, known, measured);
  if (!done.ok()) return Because(done, "measuring");
  known.traffic = TrafficBytes(options.job, *data, *placement);
  const EpochSeconds seconds = TimeOf(options, *data, known, measured);
  const std::string text = absl::StrCat(
      MemoryText(options, *data, known, measured), DiskText(options, *data, known),
      "traffic: ", Mib(known.traffic), " between ranks in an epoch\n",
      TimeText(options, seconds, static_cast<double>(data->split.training_count()), measured));
  std::fputs(text.c_str(), stdout);
  return absl::OkStatus();
}

}  // namespace cf
