#include "paramserver/block_host.h"

#include <utility>

namespace cf {

BlockHost::BlockHost(Options options)
    : options_(std::move(options)),
      layouts_(LayoutsOf(options_.tables)),
      optimizer_(options_.optimizer, options_.kernels, options_.tables),
      refusals_(options_.tables.size()) {
}

void BlockHost::AnnounceUsers(PartitionId p) {
  options_.store->AnnouncePartition(kUsers, p);
}

absl::StatusOr<SlabRows> BlockHost::Users(PartitionId p) {
  const absl::StatusOr<float*> rows = options_.store->PinPartition(kUsers, p);
  if (!rows.ok()) return rows.status();
  users_ = *rows;
  return SlabRows{.rows = users_, .stride = layouts_[Index(kUsers)].stride()};
}

void BlockHost::ReleaseUsers(PartitionId p) {
  users_ = nullptr;
  options_.store->ReleasePartition(kUsers, p);
}

absl::StatusOr<std::optional<SlabRows>> BlockHost::Items(PartitionId q, std::uint64_t sub_epoch,
                                                         Clock::time_point deadline) {
  const absl::StatusOr<std::optional<float*>> rows = options_.places->Items(q, sub_epoch, deadline);
  if (!rows.ok()) return rows.status();
  if (!rows->has_value()) return std::nullopt;
  items_ = **rows;
  changed_items_ = options_.places->ChangedBits(q);
  return SlabRows{.rows = items_, .stride = layouts_[Index(kItems)].stride()};
}

void BlockHost::CatchUpUsers(PartitionId p, std::uint64_t step,
                             std::span<const std::uint32_t> slots) {
  CatchUp(kUsers, step, users_, slots);
  // A loss may come before their gradients, and what has moved is no snapshot's row any more.
  if (optimizer_.moves_rows()) options_.store->MarkChanged(kUsers, p, slots);
}

void BlockHost::CatchUpItems(PartitionId /*q*/, std::uint64_t step,
                             std::span<const std::uint32_t> slots) {
  CatchUp(kItems, step, items_, slots);
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
  Apply(kUsers, p, step, users_, gradients);
  options_.store->MarkChanged(kUsers, p, gradients.slots);
}

void BlockHost::ApplyItems(PartitionId q, std::uint64_t step, const SlotGradients& gradients) {
  Apply(kItems, q, step, items_, gradients);
  for (const std::uint32_t slot : gradients.slots) {
    changed_items_[slot / 64] |= std::uint64_t{1} << (slot % 64);
  }
}

void BlockHost::Apply(TableId table, PartitionId partition, std::uint64_t step, float* rows,
                      const SlotGradients& gradients) {
  const std::size_t stride = layouts_[Index(table)].stride();
  updates_.clear();
  for (std::size_t k = 0; k < gradients.slots.size(); ++k) {
    updates_.push_back({rows + gradients.slots[k] * stride, gradients.gradients[k]});
  }
  for (const std::uint32_t k : optimizer_.Update(table, step, updates_)) {
    refusals_.Note(table, step, options_.partitioning.IdAt(partition, gradients.slots[k]));
  }
}

absl::Status BlockHost::PassItems(PartitionId q, std::uint64_t sub_epoch) {
  items_ = nullptr;
  return options_.places->PassItems(q, sub_epoch);
}

}  // namespace cf
