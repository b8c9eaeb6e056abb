#include "paramserver/block_host.h"

#include <algorithm>
#include <utility>

#include <absl/strings/str_cat.h>

#include "common/base/check.h"
#include "common/rows/shared_channel.h"

namespace cf {
namespace {

// A block that stays in the ring while it is worked on leaves room there for the next two, which
// may be a row longer. Without room they would go by TCP. A seat with many partitions would keep
// too many.
constexpr std::size_t kBytesInRingMax = SharedChannel::kRingBytes / 4;

/// What names a block on its way.
std::uint64_t NumberOf(PartitionId q, std::uint64_t turn) {
  return turn * kPartitionsMax + Index(q);
}

}  // namespace

BlockHost::BlockHost(Options options)
    : options_(std::move(options)),
      placement_(options_.exchange->placement()),
      layout_(options_.tables[Index(kItems)].shape),
      items_(placement_.partitioning().count()) {
  Check(placement_.combined(), "who works on users hosts them");
}

std::size_t BlockHost::BlockBytes(const TableSpec& items, Partitioning partitioning,
                                  PartitionId q) {
  return partitioning.RowsIn(q, items.shape.rows) * RowLayout(items.shape).stride() * sizeof(float);
}

std::uint32_t BlockHost::HomeOf(PartitionId q) const {
  return placement_.servers().SeatOf(q);
}

std::uint32_t BlockHost::HolderOf(PartitionId q, std::uint64_t turn) const {
  return placement_.workers().SeatOf(options_.schedule.UsersOf(q, turn));
}

std::size_t BlockHost::BytesOf(PartitionId q) const {
  return BlockBytes(options_.tables[Index(kItems)], placement_.partitioning(), q);
}

std::span<float> BlockHost::RowsOf(PartitionId q) {
  const std::span<std::byte> bytes = items_[Index(q)]->bytes;
  return {reinterpret_cast<float*>(bytes.data()), bytes.size() / sizeof(float)};
}

Parcel BlockHost::MakeRoom(PartitionId q) {
  return options_.exchange->MakeBlock({.from_seat = options_.seat, .to_seat = options_.seat},
                                      BytesOf(q));
}

void BlockHost::Drop(PartitionId q) {
  options_.exchange->Recycle(*std::move(items_[Index(q)]));
  items_[Index(q)].reset();
}

void BlockHost::Send(PartitionId q, std::uint32_t seat, std::uint64_t turn) {
  Parcel block = options_.exchange->MakeBlock(
      {.from_seat = options_.seat, .to_seat = seat, .number = NumberOf(q, turn)}, BytesOf(q));
  std::ranges::copy(items_[Index(q)]->bytes, block.bytes.begin());
  options_.exchange->SendBlock(std::move(block));
  Drop(q);
}

absl::Status BlockHost::Receive(PartitionId q, std::uint32_t seat, std::uint64_t turn) {
  absl::StatusOr<Parcel> block = options_.exchange->TakeBlock(
      {.from_seat = seat, .to_seat = options_.seat, .number = NumberOf(q, turn)});
  if (!block.ok()) return block.status();
  if (block->bytes.size() != BytesOf(q)) {
    return absl::DataLossError(absl::StrCat("item partition ", Index(q), " came with ",
                                            block->bytes.size(), " bytes where it has ",
                                            BytesOf(q)));
  }
  const bool fits_beside_the_next =
      options_.shard->range().size() == 1 && block->bytes.size() <= kBytesInRingMax;
  if (block->ring != nullptr && !fits_beside_the_next) {
    items_[Index(q)] = MakeRoom(q);
    std::ranges::copy(block->bytes, items_[Index(q)]->bytes.begin());
    options_.exchange->Recycle(*std::move(block));
  } else {
    items_[Index(q)] = *std::move(block);
  }
  return absl::OkStatus();
}

// Blocks from one seat to another are taken in the order in which they were sent: that of the
// receiver's users when they leave, that of the items when they come home.

void BlockHost::Leave(std::uint64_t turn) {
  if (turn_.has_value()) {
    Check(*turn_ == turn, "sub-epochs follow each other");
    return;
  }
  turn_ = turn;
  left_ = turn;
  for (std::uint32_t p = 0; p < options_.schedule.partitions(); ++p) {
    const PartitionId q = options_.schedule.ItemsOf(PartitionId{p}, turn);
    if (HomeOf(q) != options_.seat) continue;
    items_[Index(q)] = MakeRoom(q);
    options_.shard->CopyOut(kItems, q, RowsOf(q));
    if (HolderOf(q, turn) != options_.seat) Send(q, HolderOf(q, turn), turn);
  }
}

absl::Status BlockHost::ComeHome() {
  if (!turn_.has_value()) return absl::OkStatus();
  const SeatRange own = options_.shard->range();
  for (std::uint32_t p = own.first; p < own.last; ++p) {
    absl::StatusOr<SlabRows> due = Items(options_.schedule.ItemsOf(PartitionId{p}, *turn_), *turn_);
    if (!due.ok()) return due.status();
  }
  for (std::uint32_t k = 0; k < options_.schedule.partitions(); ++k) {
    const PartitionId q{k};
    if (items_[k].has_value() && HomeOf(q) != options_.seat) Send(q, HomeOf(q), *turn_);
  }
  for (std::uint32_t k = own.first; k < own.last; ++k) {
    const PartitionId q{k};
    if (!items_[k].has_value()) {
      absl::Status received = Receive(q, HolderOf(q, *turn_), *turn_);
      if (!received.ok()) return received;
    }
    options_.shard->CopyIn(kItems, q, RowsOf(q));
    Drop(q);
  }
  turn_.reset();
  return absl::OkStatus();
}

SlabRows BlockHost::Users(PartitionId p) const {
  return options_.shard->Slab(kUsers, p);
}

absl::StatusOr<SlabRows> BlockHost::Items(PartitionId q, std::uint64_t turn) {
  if (!items_[Index(q)].has_value()) {
    absl::Status received = Receive(q, turn == left_ ? HomeOf(q) : HolderOf(q, turn - 1), turn);
    if (!received.ok()) return received;
  }
  return SlabRows{.rows = RowsOf(q).data(), .stride = layout_.stride()};
}

void BlockHost::ApplyUsers(PartitionId p, std::uint64_t step, const SlotGradients& gradients) {
  options_.shard->ApplySlots(kUsers, p, step, gradients);
}

void BlockHost::ApplyItems(PartitionId q, std::uint64_t step, const SlotGradients& gradients) {
  float* const rows = RowsOf(q).data();
  updates_.clear();
  for (std::size_t k = 0; k < gradients.slots.size(); ++k) {
    updates_.push_back({rows + gradients.slots[k] * layout_.stride(), gradients.gradients[k]});
  }
  options_.kernels->update_rows(options_.optimizer->At(step, options_.tables[Index(kItems)]),
                                updates_);
}

void BlockHost::PassItems(PartitionId q, std::uint64_t turn) {
  turn_ = turn + 1;
  if (HolderOf(q, turn + 1) != options_.seat) Send(q, HolderOf(q, turn + 1), turn + 1);
}

}  // namespace cf
