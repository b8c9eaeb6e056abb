// What a member does with the rows that it hosts between steps: it looks through them, and writes them
// to the files of a snapshot.

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include <absl/strings/str_cat.h>

#include "common/base/activity.h"
#include "common/base/status.h"
#include "common/snapshot/partition_writer.h"
#include "coordinator/member.h"
#include "paramserver/row_files.h"

namespace cf {
namespace {

// A chain of deltas is read whole at a resume: after this many the next file is a base again.
constexpr std::uint32_t kChainFilesMax = 8;

}  // namespace

ScannedRows Member::RowsOf(const Seat& seat) const {
  return {.tables = tables_,
          .store = *store_,
          .optimizer = seat.service->optimizer(),
          .steps = seat.service->steps()};
}

absl::Status Member::FindPenalties(Reply& reply) {
  std::vector<double> penalties(options_.job.train().partitions());
  absl::Status found = OnSeats([&](const Seat& seat) {
    for (std::uint32_t p = seat.served.first; p < seat.served.last; ++p) {
      Activity::Tick();
      const absl::StatusOr<double> penalty = L2Penalty(RowsOf(seat), PartitionId{p});
      if (!penalty.ok()) return penalty.status();
      penalties[p] = *penalty;
    }
    return absl::OkStatus();
  });
  for (const Seat& seat : seats_) {
    for (std::uint32_t p = seat.served.first; p < seat.served.last; ++p) {
      PartitionFigures& figures = *reply.add_figures();
      figures.set_partition(p);
      figures.set_l2_penalty(penalties[p]);
    }
  }
  return found;
}

absl::Status Member::FindNotFinite(RowStore::Which which, Reply& reply) {
  std::vector<std::vector<std::optional<RowId>>> found(seats_.size());
  absl::Status searched = OnSeats([&](const Seat& seat) {
    if (seat.service == nullptr) return absl::OkStatus();
    for (std::uint32_t t = 0; t < tables_.size(); ++t) {
      Activity::Tick();
      const absl::StatusOr<std::optional<RowId>> first =
          FirstNotFinite(RowsOf(seat), TableId{t}, seat.served, which);
      if (!first.ok()) return first.status();
      found[static_cast<std::size_t>(&seat - seats_.data())].push_back(*first);
    }
    return absl::OkStatus();
  });
  for (const std::vector<std::optional<RowId>>& of_seat : found) {
    for (std::uint32_t t = 0; t < of_seat.size(); ++t) {
      if (!of_seat[t].has_value()) continue;
      NotFiniteRow& row = *reply.add_not_finite();
      row.set_table(t);
      row.set_row(static_cast<std::uint32_t>(*of_seat[t]));
    }
  }
  return searched;
}

absl::Status Member::Write(std::uint64_t step, Reply& reply) {
  // Rows that did not change were finite when they were written.
  absl::Status searched = FindNotFinite(RowStore::Which::kChanged, reply);
  if (!searched.ok() || reply.not_finite_size() > 0) return searched;
  written_chain_ = chain_;
  std::vector<std::vector<FileEntry>> files(seats_.size());
  absl::Status written = OnSeats([&](const Seat& seat) -> absl::Status {
    for (std::uint32_t p = seat.served.first; p < seat.served.last; ++p) {
      if (chain_[p] > 0 && store_->ChangedRows(PartitionId{p}) == 0) continue;
      absl::StatusOr<FileEntry> file = WritePartition(PartitionId{p}, step);
      if (!file.ok()) return Because(file.status(), absl::StrCat("writing partition ", p));
      written_chain_[p] = file->kind() == BASE ? 1 : chain_[p] + 1;
      store_->MarkWritten(PartitionId{p});
      files[static_cast<std::size_t>(&seat - seats_.data())].push_back(*std::move(file));
    }
    return absl::OkStatus();
  });
  for (const std::vector<FileEntry>& of_seat : files) {
    for (const FileEntry& file : of_seat) *reply.add_files() = file;
  }
  return written;
}

absl::StatusOr<FileEntry> Member::WritePartition(PartitionId partition, std::uint64_t step) {
  // A delta is worth it while it is much smaller than a base.
  const std::uint32_t chain = chain_[Index(partition)];
  const bool delta = chain > 0 && chain < kChainFilesMax &&
                     2 * store_->ChangedRows(partition) < store_->Rows(partition);
  absl::StatusOr<PartitionWriter> writer = PartitionWriter::Create(
      options_.snapshots_folder, {{options_.generation, step}, partition, delta ? DELTA : BASE});
  if (!writer.ok()) return writer.status();
  absl::Status rows =
      WriteRows(tables_, partition, delta ? RowStore::Which::kChanged : RowStore::Which::kAll,
                *store_, *writer);
  if (!rows.ok()) return rows;
  return writer->Finish();
}

void Member::Commit() {
  chain_ = written_chain_;
  for (const Seat& seat : seats_) {
    for (std::uint32_t p = seat.served.first; p < seat.served.last; ++p) {
      store_->Commit(PartitionId{p});
    }
  }
}

}  // namespace cf
