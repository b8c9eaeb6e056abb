// What a member does with the rows that it hosts between steps: it looks through them, and writes them
// to the files of a snapshot.

#include <algorithm>
#include <cstdint>
#include <iterator>
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

bool AnyOf(const NotFiniteRows& found) {
  return std::ranges::any_of(found, [](const auto& row) { return row.has_value(); });
}

void AddNotFinite(const NotFiniteRows& found, Reply& reply) {
  for (std::uint32_t t = 0; t < found.size(); ++t) {
    if (!found[t].has_value()) continue;
    NotFiniteRow& row = *reply.add_not_finite();
    row.set_table(t);
    row.set_row(static_cast<std::uint32_t>(*found[t]));
  }
}

void TellTrouble(const absl::Status& trouble, bool is_given_up, Reply& reply) {
  reply.mutable_snapshot_trouble()->set_code(static_cast<int>(trouble.code()));
  reply.mutable_snapshot_trouble()->set_message(std::string(trouble.message()));
  reply.mutable_snapshot_trouble()->set_is_given_up(is_given_up);
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
  const bool have_one = users.l2_vectors != 0 || users.l2_biases != 0;
  const auto reads_users = [&](std::uint32_t p) {
    return have_one && !user_penalties_[p].has_value();
  };
  absl::Status found = OnSeats([&](const Seat& seat) {
    for (std::uint32_t p = seat.served.first; p < seat.served.last; ++p) {
      if (p + 1 < seat.served.last && reads_users(p + 1)) AnnouncePartition(p + 1);
      for (std::uint32_t t = 0; t < tables_.size(); ++t) {
        Activity::Tick();
        const TableId table{t};
        const absl::StatusOr<double> penalty = table == kUsers && user_penalties_[p].has_value()
                                                   ? *user_penalties_[p]
                                                   : L2Penalty(RowsOf(seat), table, PartitionId{p});
        if (!penalty.ok()) return penalty.status();
        penalties[p] += *penalty;
      }
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

absl::Status Member::NoteUserPenalty(const Seat& seat, PartitionId partition) {
  ScannedRows rows = RowsOf(seat);
  rows.steps = (epoch_ + 1) * steps_per_epoch_;
  const absl::StatusOr<double> penalty = L2Penalty(rows, kUsers, partition);
  if (!penalty.ok()) return penalty.status();
  user_penalties_[Index(partition)] = *penalty;
  return absl::OkStatus();
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
  for (const NotFiniteRows& of_seat : found) AddNotFinite(of_seat, reply);
  return searched;
}

absl::Status Member::Write(const cf::Write& command, Reply& reply) {
  std::vector<Taken> taken(seats_.size());
  for (Taken& of_seat : taken) of_seat.not_finite.resize(tables_.size());
  absl::Status done = OnSeats([&](const Seat& seat) -> absl::Status {
    Taken& of_seat = taken[static_cast<std::size_t>(&seat - seats_.data())];
    const bool bases = command.bases() || !has_bases_;
    const auto is_due = [&](std::uint32_t p) {
      return bases || store_->ChangedRows(PartitionId{p}) > 0;
    };
    for (std::uint32_t p = seat.served.first; p < seat.served.last; ++p) {
      if (!is_due(p)) {
        // The files that there are have this snapshot's rows, too.
        histories_[p].written = {options_.generation, command.step()};
        continue;
      }
      if (p + 1 < seat.served.last && is_due(p + 1)) AnnouncePartition(p + 1);
      const PartitionId partition{p};
      // A delta is worth it while it is much smaller than a base.
      const bool base = bases || 2 * store_->ChangedRows(partition) >= store_->Rows(partition);
      absl::Status saved = TakePartition(seat,
                                         {.time = {options_.generation, command.step()},
                                          .partition = partition,
                                          .kind = base ? BASE : DELTA,
                                          .attempt = command.attempt()},
                                         of_seat);
      if (!saved.ok()) return Because(saved, absl::StrCat("writing partition ", p));
      if (!of_seat.trouble.ok()) break;
    }
    return absl::OkStatus();
  });
  std::vector<FileEntry> files;
  std::vector<SnapshotWriter::Copy> copies;
  bool finite = true;
  absl::Status trouble;
  for (Taken& of_seat : taken) {
    trouble.Update(of_seat.trouble);
    finite = finite && !AnyOf(of_seat.not_finite);
    AddNotFinite(of_seat.not_finite, reply);
    std::ranges::move(of_seat.files, std::back_inserter(files));
    std::ranges::move(of_seat.copies, std::back_inserter(copies));
  }
  // Nobody commits a snapshot with such rows.
  if (!done.ok() || !finite) return done;
  if (!trouble.ok()) {
    RemoveRowFiles(options_.snapshots_folder, files);
    TellTrouble(trouble, /*is_given_up=*/true, reply);
    return absl::OkStatus();
  }
  writer_->Begin(std::move(files), std::move(copies));
  TellFiles(writer_->Poll(), reply);
  return absl::OkStatus();
}

absl::Status Member::TakePartition(const Seat& seat, const RowFileId& file, Taken& taken) {
  const RowStore::Which which =
      file.kind == BASE ? RowStore::Which::kAll : RowStore::Which::kChanged;
  if (copies_ != nullptr && !taken.full) {
    FrozenRows rows(copies_.get(), &tables_);
    const absl::StatusOr<bool> fits =
        FreezeRows(RowsOf(seat), file.partition, which, rows, taken.not_finite);
    if (!fits.ok()) return fits.status();
    taken.full = !*fits;
    if (*fits) {
      MarkWritten(file);
      taken.copies.push_back({.file = file, .rows = std::move(rows)});
      return absl::OkStatus();
    }
  }
  // Rows that did not change were finite when they were written. One after the other, so that a
  // partition comes into memory once for both.
  absl::Status searched = FindNotFinite(seat, static_cast<std::uint32_t>(file.partition),
                                        RowStore::Which::kChanged, taken.not_finite);
  if (!searched.ok()) return searched;
  if (AnyOf(taken.not_finite)) return absl::OkStatus();  // Nobody will commit this snapshot.
  absl::StatusOr<FileEntry> written = WritePartition(file);
  if (IsRowFileWriteError(written.status())) {
    taken.trouble =
        Because(written.status(), absl::StrCat("writing partition ", Index(file.partition)));
    return absl::OkStatus();
  }
  if (!written.ok()) return written.status();
  MarkWritten(file);
  taken.files.push_back(*std::move(written));
  return absl::OkStatus();
}

void Member::MarkWritten(const RowFileId& file) {
  store_->MarkWritten(file.partition);
  histories_[Index(file.partition)].written = file.time;
}

absl::StatusOr<FileEntry> Member::WritePartition(const RowFileId& file) {
  absl::StatusOr<PartitionWriter> writer = PartitionWriter::Create(options_.snapshots_folder, file);
  if (!writer.ok()) return writer.status();
  absl::Status rows = WriteRows(
      tables_, file.partition,
      file.kind == BASE ? RowStore::Which::kAll : RowStore::Which::kChanged, *store_, *writer);
  if (!rows.ok()) return rows;
  return writer->Finish();
}

void Member::TellFiles(SnapshotWriter::Progress progress, Reply& reply) {
  if (!progress.trouble.ok()) TellTrouble(progress.trouble, /*is_given_up=*/false, reply);
  if (!progress.files.has_value()) return;
  reply.set_snapshot_written(true);
  for (FileEntry& file : *progress.files) *reply.add_files() = std::move(file);
}

void Member::Commit() {
  has_bases_ = true;
  writer_->Committed();
  for (const Seat& seat : seats_) {
    for (std::uint32_t p = seat.served.first; p < seat.served.last; ++p) {
      store_->Commit(PartitionId{p});
      histories_[p].Commit();
    }
  }
}

}  // namespace cf
