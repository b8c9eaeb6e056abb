#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <span>
#include <sys/mman.h>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "common/base/check.h"
#include "common/base/partition.h"
#include "paramserver/changed_rows.h"
#include "paramserver/row_store.h"

namespace cf {

/// A store that holds everybody to the contract of RowStore: a row is on a fresh page each time that
/// it is pinned, at the page's end, and the page becomes unreadable when it is released, so that
/// whoever keeps a pointer ends the process. It has room for `rows_max` pinned rows, so that pins
/// which are not released end the job.
///
/// Owner:   the member of a test.
/// Threads: those of RowStore.
/// Bounds:  the rows, and kUnreadableMax pages of each partition that were released.
class MovingStore : public RowStore {
 public:
  MovingStore(std::span<const Table> tables, Partitioning partitioning, SeatRange range,
              std::size_t rows_max)
      : tables_(tables.begin(), tables.end()),
        partitioning_(partitioning),
        range_(range),
        rows_max_(rows_max),
        changed_(tables, partitioning, range) {
    for (std::uint32_t p = range.first; p < range.last; ++p) {
      Partition& partition = partitions_.emplace_back();
      for (const Table& table : tables) {
        partition.rest.emplace_back(partitioning.RowsIn(PartitionId{p}, table.rows) * table.stride);
      }
      partition.whole.resize(tables.size());
    }
  }
  ~MovingStore() override {
    EXPECT_EQ(pinned_.load(), 0U) << "everything that was pinned has been released";
  }

  bool keeps_all() const override { return true; }
  void Announce(TableId /*table*/, std::span<const RowId> /*ids*/) override {}
  void AnnouncePartition(TableId /*table*/, PartitionId /*partition*/) override {}

  absl::Status Pin(TableId table, std::span<const RowId> ids, Access access,
                   std::span<float*> rows) override {
    for (std::size_t k = 0; k < ids.size(); ++k) {
      absl::Status pinned = PinRow(table, ids[k], rows[k]);
      if (!pinned.ok()) {
        Release(table, ids.first(k));
        return pinned;
      }
      if (access == Access::kUpdate) {
        changed_.Mark(table, partitioning_.Of(ids[k]), partitioning_.SlotOf(ids[k]));
      }
    }
    return absl::OkStatus();
  }

  void Release(TableId table, std::span<const RowId> ids) override {
    for (const RowId id : ids) {
      Partition& partition = Of(partitioning_.Of(id));
      const auto found = partition.pinned.find({table, partitioning_.SlotOf(id)});
      Check(found != partition.pinned.end(), "what is released was pinned");
      if (--found->second.count > 0) continue;
      const std::span<float> rest = Rest(table, partitioning_.Of(id), partitioning_.SlotOf(id));
      std::copy_n(found->second.page.data(), rest.size(), rest.data());
      Retire(partition, std::move(found->second.page));
      partition.pinned.erase(found);
      --pinned_;
    }
  }

  absl::StatusOr<float*> PinPartition(TableId table, PartitionId partition) override {
    Partition& of = Of(partition);
    std::unique_ptr<Page>& whole = of.whole[Index(table)];
    Check(whole == nullptr, "a partition is pinned once");
    const std::vector<float>& rest = of.rest[Index(table)];
    const Table& rows = tables_[Index(table)];
    whole = std::make_unique<Page>(rows.RoomFor(partitioning_, partition) * rows.stride);
    std::ranges::copy(rest, whole->data());
    ++pinned_;
    return whole->data();
  }

  void ReleasePartition(TableId table, PartitionId partition) override {
    Partition& of = Of(partition);
    std::unique_ptr<Page>& whole = of.whole[Index(table)];
    Check(whole != nullptr, "what is released was pinned");
    std::vector<float>& rest = of.rest[Index(table)];
    std::copy_n(whole->data(), rest.size(), rest.data());
    Retire(of, std::move(*whole));
    whole.reset();
    --pinned_;
  }

  void MarkChanged(TableId table, PartitionId partition,
                   std::span<const std::uint32_t> slots) override {
    for (const std::uint32_t slot : slots) changed_.Mark(table, partition, slot);
  }

  absl::Status Visit(TableId table, PartitionId partition, Which which, Visitor visit) override {
    const Table& of = tables_[Index(table)];
    for (std::uint32_t slot = 0; slot < partitioning_.RowsIn(partition, of.rows); ++slot) {
      if (which == Which::kChanged && !changed_.Contains(table, partition, slot)) continue;
      const RowId id = partitioning_.IdAt(partition, slot);
      float* row = nullptr;
      if (const Page* const whole = Of(partition).whole[Index(table)].get(); whole != nullptr) {
        row = whole->data() + slot * of.stride;
        if (absl::Status done = visit(id, {row, of.stride}); !done.ok()) return done;
        continue;
      }
      absl::Status done = PinRow(table, id, row);
      if (!done.ok()) return done;
      done = visit(id, {row, of.stride});
      Release(table, {&id, 1});
      if (!done.ok()) return done;
    }
    return absl::OkStatus();
  }

  std::uint64_t Rows(PartitionId partition) const override {
    std::uint64_t rows = 0;
    for (const Table& table : tables_) rows += partitioning_.RowsIn(partition, table.rows);
    return rows;
  }
  std::uint64_t ChangedRows(PartitionId partition) const override {
    return changed_.Count(partition);
  }
  void MarkWritten(PartitionId partition) override { changed_.MarkWritten(partition); }
  void Commit(PartitionId partition) override { changed_.Commit(partition); }

 private:
  static constexpr std::size_t kPageBytes = 4096;
  static constexpr std::size_t kUnreadableMax = 1024;

  /// Memory of its own for some floats, which end where it ends.
  class Page {
   public:
    explicit Page(std::size_t floats)
        : bytes_((floats * sizeof(float) + kPageBytes - 1) / kPageBytes * kPageBytes + kPageBytes) {
      void* const mapped =
          ::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      Check(mapped != MAP_FAILED, "there is memory for a page");
      start_ = static_cast<std::byte*>(mapped);
      data_ = reinterpret_cast<float*>(start_ + bytes_) - floats;
    }
    Page(Page&& other) noexcept
        : start_(std::exchange(other.start_, nullptr)), bytes_(other.bytes_), data_(other.data_) {}
    Page& operator=(Page&&) = delete;
    ~Page() {
      if (start_ != nullptr) ::munmap(start_, bytes_);
    }

    float* data() const { return data_; }
    void MakeUnreadable() {
      Check(::mprotect(start_, bytes_, PROT_NONE) == 0, "a page can be made unreadable");
    }

   private:
    std::byte* start_ = nullptr;
    std::size_t bytes_ = 0;
    float* data_ = nullptr;
  };

  struct PinnedRow {
    Page page;
    std::size_t count = 0;
  };
  struct Partition {
    std::vector<std::vector<float>> rest;  // By table: rows that are not pinned.
    std::map<std::pair<TableId, std::uint32_t>, PinnedRow> pinned;  // By table and slot.
    std::vector<std::unique_ptr<Page>> whole;                       // By table.
    std::deque<Page> unreadable;
  };

  Partition& Of(PartitionId partition) { return partitions_[Index(partition) - range_.first]; }

  std::span<float> Rest(TableId table, PartitionId partition, std::uint32_t slot) {
    const std::size_t stride = tables_[Index(table)].stride;
    return std::span(Of(partition).rest[Index(table)]).subspan(slot * stride, stride);
  }

  absl::Status PinRow(TableId table, RowId id, float*& row) {
    const PartitionId partition = partitioning_.Of(id);
    const std::uint32_t slot = partitioning_.SlotOf(id);
    Partition& of = Of(partition);
    Check(of.whole[Index(table)] == nullptr, "rows of a pinned partition are not pinned alone");
    auto found = of.pinned.find({table, slot});
    if (found == of.pinned.end()) {
      if (++pinned_ > rows_max_) {
        --pinned_;
        return absl::ResourceExhaustedError("more rows are pinned than a step needs");
      }
      const std::span<const float> rest = Rest(table, partition, slot);
      found = of.pinned.emplace(std::pair(table, slot), PinnedRow{Page(rest.size())}).first;
      std::ranges::copy(rest, found->second.page.data());
    }
    ++found->second.count;
    row = found->second.page.data();
    return absl::OkStatus();
  }

  static void Retire(Partition& partition, Page page) {
    page.MakeUnreadable();
    partition.unreadable.push_back(std::move(page));
    if (partition.unreadable.size() > kUnreadableMax) partition.unreadable.pop_front();
  }

  const std::vector<Table> tables_;
  const Partitioning partitioning_;
  const SeatRange range_;
  const std::size_t rows_max_;
  std::atomic<std::size_t> pinned_{0};
  std::deque<Partition> partitions_;  // Of the range.
  cf::ChangedRows changed_;
};

}  // namespace cf
