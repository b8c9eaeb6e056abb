#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "common/model/layout.h"
#include "common/model/tables.h"
#include "common/rows/id_index.h"
#include "worker/minibatch.h"
#include "worker/samples.h"
#include "worker/step_model.h"

namespace cf {

/// Adds samples of one partition to a batch, each with its user and its item.
///
/// Owner:   whoever adds, for one partition.
/// Threads: the seat's compute thread.
/// Bounds:  borrows all.
class PairAdder {
 public:
  PairAdder(const PartitionShare& share, Minibatch& batch)
      : partition_(share.partition),
        user_index_(share.indices[Index(kUsers)]),
        item_index_(share.indices[Index(kItems)]),
        users_(batch.tables[Index(kUsers)].batch),
        items_(batch.tables[Index(kItems)].batch),
        samples_(batch.samples) {}

  void Add(RowId user_id, RowId item_id, float rating) {
    const TableBatch::Touched user = users_.Touch(user_index_, user_id, partition_);
    const TableBatch::Touched item = items_.Touch(item_index_, item_id, partition_);
    samples_.push_back({.user = user.part & 0x7fffffffU,
                        .user_is_first = user.is_first ? 1U : 0U,
                        .item = item.part & 0x7fffffffU,
                        .item_is_first = item.is_first ? 1U : 0U,
                        .rating = rating});
  }

 private:
  const std::uint32_t partition_;
  IdIndex& user_index_;
  IdIndex& item_index_;
  TableBatch& users_;
  TableBatch& items_;
  std::vector<PairSample>& samples_;
};

/// Calls `add(sample)` for each sample of the share, and meanwhile fetches the places of samples
/// some way ahead and rows of users, whose layout is `users`. One loop for each kind: the calls are
/// inlined.
template <class Add>
void ForSamples(const PartitionShare& share, const RowLayout& users, const Add& add) {
  constexpr std::size_t kPlacesAhead = 12;
  IdIndex& user_index = share.indices[Index(kUsers)];
  IdIndex& item_index = share.indices[Index(kItems)];
  const std::size_t count = share.samples.size();
  for (std::size_t k = 0; k < count; ++k) {
    if (k + kPlacesAhead < count) {
      user_index.Prefetch(share.samples[k + kPlacesAhead].user);
      item_index.Prefetch(share.samples[k + kPlacesAhead].item);
    }
    if (k < share.rows_to_fetch.size()) users.Prefetch(share.rows_to_fetch[k]);
    add(share.samples[k]);
  }
}

}  // namespace cf
