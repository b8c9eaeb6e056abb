// What a member does with the rows that it hosts between steps: it looks through them, and writes them
// to the files of a snapshot.

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
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

/// By table: the first of the rows that are not finite.
using NotFiniteRows = std::vector<std::optional<RowId>>;

bool AnyOf(const NotFiniteRows& found) {
  return std::ranges::any_of(found, [](const auto& row) { return row.has_value(); });
}

void AddNotFinite(std::span<const NotFiniteRows> found, Reply& reply) {
  for (const NotFiniteRows& of_seat : found) {
    for (std::uint32_t t = 0; t < of_seat.size(); ++t) {
      if (!of_seat[t].has_value()) continue;
      NotFiniteRow& row = *reply.add_not_finite();
      row.set_table(t);
      row.set_row(static_cast<std::uint32_t>(*of_seat[t]));
    }
  }
}

}  // namespace

ScannedRows Member::RowsOf(const Seat& seat) const {
  return {.tables = tables_,
          .store = *store_,
          .optimizer = seat.service->optimizer(),
          .steps = seat.service->steps()};
}

absl::Status Member::FindPenalties(Reply& reply) {
  std::vector<double> penalties(options_.job.train().partitions());
  const TableSpec& users = tables_[Index(kUsers)];
  const bool reads_users = users.l2_vectors != 0 || users.l2_biases != 0;
  absl::Status found = OnSeats([&](const Seat& seat) {
    for (std::uint32_t p = seat.served.first; p < seat.served.last; ++p) {
      Activity::Tick();
      if (reads_users && p + 1 < seat.served.last) AnnouncePartition(p + 1);
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

void Member::AnnouncePartition(std::uint32_t partition) {
  for (std::uint32_t t = 0; t < tables_.size(); ++t) {
    store_->AnnouncePartition(TableId{t}, PartitionId{partition});
  }
}

absl::Status Member::FindNotFinite(const Seat& seat, std::uint32_t partition, RowStore::Which which,
                                   NotFiniteRows& found) {
  for (std::uint32_t t = 0; t < tables_.size(); ++t) {
    Activity::Tick();
    const absl::StatusOr<std::optional<RowId>> first =
        FirstNotFinite(RowsOf(seat), TableId{t}, PartitionId{partition}, which);
    if (!first.ok()) return first.status();
    if (!first->has_value()) continue;
    found[t] = found[t].has_value() ? std::min(*found[t], **first) : **first;
  }
  return absl::OkStatus();
}

absl::Status Member::FindNotFinite(Reply& reply) {
  std::vector<NotFiniteRows> found(seats_.size(), NotFiniteRows(tables_.size()));
  absl::Status searched = OnSeats([&](const Seat& seat) {
    for (std::uint32_t p = seat.served.first; p < seat.served.last; ++p) {
      if (p + 1 < seat.served.last) AnnouncePartition(p + 1);
      absl::Status done = FindNotFinite(seat, p, RowStore::Which::kAll,
                                        found[static_cast<std::size_t>(&seat - seats_.data())]);
      if (!done.ok()) return done;
    }
    return absl::OkStatus();
  });
  AddNotFinite(found, reply);
  return searched;
}

absl::Status Member::Write(std::uint64_t step, Reply& reply) {
  written_chain_ = chain_;
  std::vector<std::vector<FileEntry>> files(seats_.size());
  std::vector<NotFiniteRows> found(seats_.size(), NotFiniteRows(tables_.size()));
  absl::Status written = OnSeats([&](const Seat& seat) -> absl::Status {
    const auto k = static_cast<std::size_t>(&seat - seats_.data());
    const auto is_due = [this](std::uint32_t p) {
      return chain_[p] == 0 || store_->ChangedRows(PartitionId{p}) > 0;
    };
    for (std::uint32_t p = seat.served.first; p < seat.served.last; ++p) {
      if (!is_due(p)) continue;
      if (p + 1 < seat.served.last && is_due(p + 1)) AnnouncePartition(p + 1);
      // Rows that did not change were finite when they were written. One after the other, so that a
      // partition comes into memory once for both.
      absl::Status searched = FindNotFinite(seat, p, RowStore::Which::kChanged, found[k]);
      if (!searched.ok()) return searched;
      if (AnyOf(found[k])) continue;  // Nobody will commit this snapshot.
      absl::StatusOr<FileEntry> file = WritePartition(PartitionId{p}, step);
      if (!file.ok()) return Because(file.status(), absl::StrCat("writing partition ", p));
      written_chain_[p] = file->kind() == BASE ? 1 : chain_[p] + 1;
      store_->MarkWritten(PartitionId{p});
      files[k].push_back(*std::move(file));
    }
    return absl::OkStatus();
  });
  AddNotFinite(found, reply);
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
