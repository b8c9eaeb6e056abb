#include "paramserver/block_host.h"

#include <algorithm>
#include <cstring>
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
std::uint64_t NumberOf(PartitionId q, std::uint64_t sub_epoch) {
  return sub_epoch * kPartitionsMax + Index(q);
}

}  // namespace

BlockHost::BlockHost(Options options)
    : options_(std::move(options)),
      placement_(options_.exchange->placement()),
      range_(placement_.servers().range(options_.seat)),
      layouts_(LayoutsOf(options_.tables)),
      optimizer_(options_.optimizer, options_.kernels, options_.tables),
      refusals_(options_.tables.size()),
      users_(range_.size()),
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

std::uint32_t BlockHost::HolderOf(PartitionId q, std::uint64_t sub_epoch) const {
  return placement_.workers().SeatOf(options_.schedule.UsersOf(q, sub_epoch));
}

std::size_t BlockHost::BytesOf(PartitionId q) const {
  return BlockBytes(options_.tables[Index(kItems)], placement_.partitioning(), q);
}

std::span<float> BlockHost::RowsOf(PartitionId q) {
  const std::span<std::byte> bytes = items_[Index(q)]->rows.bytes;
  return {reinterpret_cast<float*>(bytes.data()), bytes.size() / sizeof(float)};
}

Parcel BlockHost::MakeRoom(PartitionId q) {
  return options_.exchange->MakeTransfer({.from_seat = options_.seat, .to_seat = options_.seat},
                                         BytesOf(q));
}

void BlockHost::Drop(PartitionId q) {
  options_.exchange->Recycle(std::move(items_[Index(q)]->rows));
  items_[Index(q)].reset();
}

void BlockHost::Send(PartitionId q, std::uint32_t seat, std::uint64_t sub_epoch) {
  Parcel block = options_.exchange->MakeTransfer(
      {.from_seat = options_.seat, .to_seat = seat, .number = NumberOf(q, sub_epoch)}, BytesOf(q));
  std::ranges::copy(items_[Index(q)]->rows.bytes, block.bytes.begin());
  options_.exchange->SendTransfer(std::move(block));
  Drop(q);
}

bool BlockHost::IsExpected(PartitionId q, std::uint64_t sub_epoch, std::uint32_t seat) const {
  if (Index(q) >= options_.schedule.partitions() || items_[Index(q)].has_value()) return false;
  const std::uint32_t holder = HolderOf(q, sub_epoch);
  if (holder == options_.seat) {
    const std::uint32_t before = sub_epoch == left_in_ ? HomeOf(q) : HolderOf(q, sub_epoch - 1);
    if (before == seat) return true;
  }
  return HomeOf(q) == options_.seat && holder == seat;
}

absl::Status BlockHost::Accept(Parcel parcel) {
  const PartitionId q{static_cast<std::uint32_t>(parcel.turn % kPartitionsMax)};
  const std::uint64_t sub_epoch = parcel.turn / kPartitionsMax;
  if (!IsExpected(q, sub_epoch, parcel.from_seat)) {
    return absl::DataLossError(absl::StrCat("item partition ", Index(q), " came from seat ",
                                            parcel.from_seat, " for sub-epoch ", sub_epoch,
                                            ", where it is not to come from there"));
  }
  if (parcel.bytes.size() != BytesOf(q)) {
    return absl::DataLossError(absl::StrCat("item partition ", Index(q), " came with ",
                                            parcel.bytes.size(), " bytes where it has ",
                                            BytesOf(q)));
  }
  const bool fits_beside_the_next = range_.size() == 1 && parcel.bytes.size() <= kBytesInRingMax;
  if (parcel.ring != nullptr && !fits_beside_the_next) {
    items_[Index(q)] = {.rows = MakeRoom(q), .due = sub_epoch};
    std::ranges::copy(parcel.bytes, items_[Index(q)]->rows.bytes.begin());
    options_.exchange->Recycle(std::move(parcel));
  } else {
    items_[Index(q)] = {.rows = std::move(parcel), .due = sub_epoch};
  }
  return absl::OkStatus();
}

absl::Status BlockHost::Await(PartitionId q, std::uint32_t seat) {
  while (!items_[Index(q)].has_value()) {
    absl::StatusOr<Parcel> block = options_.exchange->AwaitTransfer(options_.seat, seat);
    if (!block.ok()) return block.status();
    if (absl::Status accepted = Accept(*std::move(block)); !accepted.ok()) return accepted;
  }
  return absl::OkStatus();
}

absl::Status BlockHost::Leave(std::uint64_t sub_epoch) {
  if (next_sub_epoch_.has_value()) {
    Check(*next_sub_epoch_ == sub_epoch, "sub-epochs follow each other");
    return absl::OkStatus();
  }
  next_sub_epoch_ = sub_epoch;
  left_in_ = sub_epoch;
  for (std::uint32_t p = 0; p < options_.schedule.partitions(); ++p) {
    const PartitionId q = options_.schedule.ItemsOf(PartitionId{p}, sub_epoch);
    if (HomeOf(q) != options_.seat) continue;
    if (absl::Status copied = CopyOut(q, sub_epoch); !copied.ok()) return copied;
    if (HolderOf(q, sub_epoch) != options_.seat) Send(q, HolderOf(q, sub_epoch), sub_epoch);
  }
  return absl::OkStatus();
}

absl::Status BlockHost::CopyOut(PartitionId q, std::uint64_t sub_epoch) {
  const absl::StatusOr<float*> rows = options_.store->PinPartition(kItems, q);
  if (!rows.ok()) return rows.status();
  items_[Index(q)] = {.rows = MakeRoom(q), .due = sub_epoch};
  std::ranges::copy_n(*rows, std::ssize(RowsOf(q)), RowsOf(q).begin());
  options_.store->ReleasePartition(kItems, q);
  return absl::OkStatus();
}

absl::Status BlockHost::CopyIn(PartitionId q) {
  const absl::StatusOr<float*> rows = options_.store->PinPartition(kItems, q);
  if (!rows.ok()) return rows.status();
  const std::span<const float> from = RowsOf(q);
  const std::size_t stride = layouts_[Index(kItems)].stride();
  slots_.clear();
  for (std::size_t at = 0; at < from.size(); at += stride) {
    float* const row = *rows + at;
    // The bits: a zero that changed its sign has changed.
    if (std::memcmp(row, from.data() + at, stride * sizeof(float)) == 0) continue;
    std::memcpy(row, from.data() + at, stride * sizeof(float));
    slots_.push_back(static_cast<std::uint32_t>(at / stride));
  }
  options_.store->MarkChanged(kItems, q, slots_);
  options_.store->ReleasePartition(kItems, q);
  return absl::OkStatus();
}

absl::Status BlockHost::ComeHome() {
  if (!next_sub_epoch_.has_value()) return absl::OkStatus();
  for (std::uint32_t p = range_.first; p < range_.last; ++p) {
    absl::StatusOr<SlabRows> due =
        Items(options_.schedule.ItemsOf(PartitionId{p}, *next_sub_epoch_), *next_sub_epoch_);
    if (!due.ok()) return due.status();
  }
  for (std::uint32_t k = 0; k < options_.schedule.partitions(); ++k) {
    const PartitionId q{k};
    if (items_[k].has_value() && HomeOf(q) != options_.seat) Send(q, HomeOf(q), *next_sub_epoch_);
  }
  for (std::uint32_t k = range_.first; k < range_.last; ++k) {
    const PartitionId q{k};
    absl::Status received = Await(q, HolderOf(q, *next_sub_epoch_));
    if (!received.ok()) return received;
    if (absl::Status copied = CopyIn(q); !copied.ok()) return copied;
    Drop(q);
  }
  next_sub_epoch_.reset();
  return absl::OkStatus();
}

void BlockHost::AnnounceUsers(PartitionId p) {
  options_.store->AnnouncePartition(kUsers, p);
}

absl::StatusOr<SlabRows> BlockHost::Users(PartitionId p) {
  const absl::StatusOr<float*> rows = options_.store->PinPartition(kUsers, p);
  if (!rows.ok()) return rows.status();
  users_[Index(p) - range_.first] = *rows;
  return SlabRows{.rows = *rows, .stride = layouts_[Index(kUsers)].stride()};
}

void BlockHost::ReleaseUsers(PartitionId p) {
  users_[Index(p) - range_.first] = nullptr;
  options_.store->ReleasePartition(kUsers, p);
}

absl::StatusOr<SlabRows> BlockHost::Items(PartitionId q, std::uint64_t sub_epoch) {
  absl::Status received = Await(q, sub_epoch == left_in_ ? HomeOf(q) : HolderOf(q, sub_epoch - 1));
  if (!received.ok()) return received;
  Check(items_[Index(q)]->due == sub_epoch, "an item partition goes from sub-epoch to sub-epoch");
  return SlabRows{.rows = RowsOf(q).data(), .stride = layouts_[Index(kItems)].stride()};
}

absl::StatusOr<bool> BlockHost::HasItems(PartitionId q, std::uint64_t sub_epoch) {
  while (!items_[Index(q)].has_value()) {
    absl::StatusOr<std::optional<Parcel>> block = options_.exchange->TakeTransfer(options_.seat);
    if (!block.ok()) return block.status();
    if (!block->has_value()) return false;
    if (absl::Status accepted = Accept(**std::move(block)); !accepted.ok()) return accepted;
  }
  return items_[Index(q)]->due == sub_epoch;
}

absl::Status BlockHost::AwaitItems() {
  const PartitionId above{range_.last % options_.schedule.partitions()};
  absl::StatusOr<Parcel> block =
      options_.exchange->AwaitTransfer(options_.seat, placement_.workers().SeatOf(above));
  if (!block.ok()) return block.status();
  return Accept(*std::move(block));
}

void BlockHost::CatchUpUsers(PartitionId p, std::uint64_t step,
                             std::span<const std::uint32_t> slots) {
  CatchUp(kUsers, step, users_[Index(p) - range_.first], slots);
}

void BlockHost::CatchUpItems(PartitionId q, std::uint64_t step,
                             std::span<const std::uint32_t> slots) {
  CatchUp(kItems, step, RowsOf(q).data(), slots);
}

void BlockHost::CatchUp(TableId table, std::uint64_t step, float* rows,
                        std::span<const std::uint32_t> slots) {
  if (!optimizer_.moves_rows()) return;
  const std::size_t stride = layouts_[Index(table)].stride();
  behind_.clear();
  for (const std::uint32_t slot : slots) behind_.push_back(rows + slot * stride);
  optimizer_.CatchUp(table, step, behind_);
}

void BlockHost::ApplyUsers(PartitionId p, std::uint64_t step, const SlotGradients& gradients) {
  Apply(kUsers, p, step, users_[Index(p) - range_.first], gradients);
  options_.store->MarkChanged(kUsers, p, gradients.slots);
}

void BlockHost::ApplyItems(PartitionId q, std::uint64_t step, const SlotGradients& gradients) {
  Apply(kItems, q, step, RowsOf(q).data(), gradients);
}

void BlockHost::Apply(TableId table, PartitionId partition, std::uint64_t step, float* rows,
                      const SlotGradients& gradients) {
  const std::size_t stride = layouts_[Index(table)].stride();
  updates_.clear();
  for (std::size_t k = 0; k < gradients.slots.size(); ++k) {
    updates_.push_back({rows + gradients.slots[k] * stride, gradients.gradients[k]});
  }
  for (const std::uint32_t k : optimizer_.Update(table, step, updates_)) {
    refusals_.Note(table, step, placement_.partitioning().IdAt(partition, gradients.slots[k]));
  }
}

void BlockHost::PassItems(PartitionId q, std::uint64_t sub_epoch) {
  const std::uint64_t next = sub_epoch + 1;
  next_sub_epoch_ = std::max(next_sub_epoch_.value_or(0), next);
  items_[Index(q)]->due = next;
  if (HolderOf(q, next) != options_.seat) Send(q, HolderOf(q, next), next);
}

}  // namespace cf
