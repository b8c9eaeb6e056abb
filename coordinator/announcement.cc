#include "coordinator/announcement.h"

#include <algorithm>
#include <ctime>

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>

#include "common/text/numbers.h"

namespace cf {
namespace {

void AnnounceBlocks(const Job& job, const TrainingData& data, Console& console) {
  const Train& train = job.train();
  std::size_t bytes = 0;  // Of the largest block's rows.
  for (const TableSpec& table : data.Tables()) {
    const std::uint32_t rows = (table.shape.rows + train.partitions() - 1) / train.partitions();
    bytes += rows * RowLayout(table.shape).stride() * sizeof(float);
  }
  console.Line(absl::StrFormat(
      "  blocks: %d x %d of %.1f MiB of rows, %d rounds an epoch, sub-batches of %d",
      train.partitions(), train.partitions(), static_cast<double>(bytes) / 1048576.0,
      train.rounds(), std::max(1U, train.batch_size() / train.partitions())));
}

}  // namespace

void Announce(const Job& job, const Roster& roster, const TrainingData& data, const SetUp& set_up,
              Console& console) {
  const int ranks = roster.size();
  const int hosts = roster.host_count();
  std::uint32_t threads = 0;
  for (const std::uint32_t of_rank : set_up.threads()) threads += of_rank;
  const std::uint32_t servers = job.cluster().servers();
  console.Line(absl::StrCat(
      WithThousands(data.split.training_count()), " training and ",
      WithThousands(data.split.validation_count()), " validation samples (", data.split.name(),
      "); ", WithThousands(data.data.users()), " users, ", WithThousands(data.data.items()),
      " items; ", ranks, ranks == 1 ? " rank" : " ranks",
      servers > 0 ? absl::StrCat(" (", servers, " of them servers)") : "", " on ", hosts,
      hosts == 1 ? " host" : " hosts",
      threads > static_cast<std::uint32_t>(ranks) ? absl::StrCat(", ", threads, " threads") : "",
      ", ", job.train().partitions(), " partitions"));
  std::uint64_t parameters = 0;
  std::uint64_t bytes = 0;
  for (const TableSpec& table : data.Tables()) {
    const TableShape& shape = table.shape;
    const std::uint64_t weights = std::uint64_t{shape.rows} * (shape.dim + (shape.biases ? 1 : 0));
    const std::uint64_t table_bytes = shape.rows * RowLayout(shape).stride() * sizeof(float);
    const bool dense = table.layer.has_value();
    console.Line(absl::StrFormat(
        "  table %-8s %s x %d%s  %s parameters, %.1f MiB with optimizer state", shape.name,
        WithThousands(dense ? table.layer->inputs : shape.rows),
        dense ? table.layer->units : shape.dim, dense || shape.biases ? " + bias" : "",
        WithThousands(weights), static_cast<double>(table_bytes) / 1048576.0));
    parameters += weights;
    bytes += table_bytes;
  }
  console.Line(absl::StrFormat(
      "  model: %s parameters, %.1f MiB; batch %s, %s steps an epoch; ratings %g to %g, mean %.4f",
      WithThousands(parameters), static_cast<double>(bytes) / 1048576.0,
      WithThousands(job.train().batch_size()), WithThousands(data.steps_per_epoch(job)),
      data.statistics.min, data.statistics.max, data.statistics.mean));
  if (job.train().schedule() == Train::BLOCKS) AnnounceBlocks(job, data, console);
}

void AnnounceStorage(std::span<const StoragePlan> plans, const std::string& directory,
                     Console& console) {
  std::uint64_t disk = 0;
  std::uint64_t samples = 0;
  std::uint64_t memory = 0;
  std::uint32_t partitions = 0;
  std::uint32_t frames = 0;
  for (const StoragePlan& plan : plans) {
    disk += plan.disk;
    samples += plan.sample_disk;
    memory = std::max(memory, plan.memory);
    partitions += plan.partitions;
    frames += plan.frames;
  }
  if (disk == 0 && samples == 0) return;
  if (std::ranges::any_of(plans, [](const StoragePlan& plan) { return plan.row_bytes > 0; })) {
    console.Line(absl::StrFormat(
        "  memory: %.1f MiB a rank; rows of users and items come and go "
        "one by one, room for those that do not fit (%.1f MiB) and samples (%.1f MiB) are in %s",
        static_cast<double>(memory) / 1048576.0, static_cast<double>(disk) / 1048576.0,
        static_cast<double>(samples) / 1048576.0, directory));
    return;
  }
  if (disk == 0) {
    console.Line(
        absl::StrFormat("  memory: %.1f MiB a rank with all rows; samples (%.1f MiB) are in %s",
                        static_cast<double>(memory) / 1048576.0,
                        static_cast<double>(samples) / 1048576.0, directory));
    return;
  }
  console.Line(absl::StrFormat(
      "  memory: %.1f MiB a rank; %d of %d partitions of users at once, the others "
      "(%.1f MiB, and %.1f MiB of samples) in %s",
      static_cast<double>(memory) / 1048576.0, frames, partitions,
      static_cast<double>(disk) / 1048576.0, static_cast<double>(samples) / 1048576.0, directory));
}

void AnnounceKeptRows(std::span<const Reply> replies, Console& console) {
  std::uint64_t kept = 0;
  std::uint64_t put_back = 0;
  std::uint64_t loaded = 0;
  for (const Reply& reply : replies) {
    kept += reply.rows_kept();
    put_back += reply.rows_put_back();
    loaded += reply.rows_loaded();
  }
  console.Line(absl::StrCat("  rows: ", WithThousands(kept), " kept, ", WithThousands(put_back),
                            " put back, ", WithThousands(loaded), " loaded"));
}

RunStatus FirstStatus(const GenerationNote& note, const Roster& roster, const SetUp& set_up) {
  RunStatus status;
  status.set_generation(note.generation());
  status.set_phase(RunStatus::STARTING);
  status.set_started_seconds(std::time(nullptr));
  status.set_updated_seconds(status.started_seconds());
  status.set_epochs(note.job().train().epochs());
  for (const RosterMember& member : roster.members()) status.add_hosts(member.host);
  status.set_servers(note.job().cluster().servers());
  for (const std::uint32_t threads : set_up.threads()) {
    status.set_threads(status.threads() + threads);
  }
  return status;
}

}  // namespace cf
