#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include <absl/functional/function_ref.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/base/ids.h"
#include "common/model/tables.h"
#include "paramserver/arena.h"

namespace cf {

/// Memory for copies of rows, given out in chunks of one size.
///
/// Owner:   Member, one for a rank; it outlives every FrozenRows with chunks of it.
/// Threads: thread-safe: compute threads take chunks, and the thread that writes files gives them back.
///          One of its own has the system provide the memory after Open, so that nobody waits for that
///          at the first snapshot: on a virtual machine it takes several times as long as copying.
/// Bounds:  the bytes of Open.
class FrozenMemory {
 public:
  /// Small, since the last chunk of every partition is half empty in the mean.
  static constexpr std::size_t kChunkWords = std::size_t{1} << 14;
  static constexpr std::size_t kChunkBytes = kChunkWords * sizeof(std::uint32_t);

  /// As many chunks as `bytes` have room for. ResourceExhausted where there is no memory.
  static absl::StatusOr<std::unique_ptr<FrozenMemory>> Open(std::size_t bytes);

  /// A chunk of kChunkWords words; null where all are taken.
  std::uint32_t* Take();
  void Give(std::span<std::uint32_t* const> chunks);

 private:
  explicit FrozenMemory(Arena arena, std::size_t chunks);

  const Arena arena_;
  std::mutex mutex_;
  std::vector<std::uint32_t*> free_;  // Guarded by mutex_.
  std::jthread provider_;             // Uses the arena.
};

/// Rows of one partition as they were at one moment, as a snapshot has them: they are written to its
/// file while the rows themselves change.
///
/// Owner:      whoever copies them, then whoever writes them.
/// Threads:    one at a time.
/// Bounds:     a record and two words a row, in chunks of a FrozenMemory.
/// Invariants: its chunks are given back when it goes.
class FrozenRows {
 public:
  /// `memory` and `tables` are borrowed.
  FrozenRows(FrozenMemory* memory, const std::vector<TableSpec>* tables);
  FrozenRows(FrozenRows&& other) noexcept;
  FrozenRows& operator=(FrozenRows&& other) noexcept;
  ~FrozenRows();

  /// Copies a row as it is stored. False where there is no memory left; what was copied before stays.
  bool Add(TableId table, RowId id, std::span<const float> row);

  /// Calls `visit` for every row in the order of Add; the record holds for the call only. The first
  /// error ends it.
  using Visitor = absl::FunctionRef<absl::Status(TableId, RowId, std::span<const float> record)>;
  absl::Status Visit(Visitor visit) const;

 private:
  // What stands in front of a record: its table and its id.
  static constexpr std::size_t kHeadWords = 2;

  // Copies words to the end, over as many chunks as they take.
  bool Append(const std::uint32_t* words, std::size_t count);

  FrozenMemory* memory_;
  const std::vector<TableSpec>* tables_;
  std::vector<std::uint32_t*> chunks_;
  std::size_t words_ = 0;               // Of all rows.
  std::vector<std::uint32_t> scratch_;  // A record that two chunks share.
};

}  // namespace cf
