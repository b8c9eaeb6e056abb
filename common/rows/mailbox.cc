#include "common/rows/mailbox.h"

#include <algorithm>
#include <utility>

#include <absl/strings/str_cat.h>

#include "common/base/activity.h"

namespace cf {

Mailbox::Mailbox(const Options& options)
    : options_(options),
      expected_(options.absent < options.seats ? options.seats - 1 : options.seats),
      bell_(options.bell != nullptr ? options.bell : &own_bell_),
      sources_(options.seats) {
}

void Mailbox::Deliver(Parcel parcel) {
  const std::uint32_t from = parcel.from_seat;
  bool delivered = false;
  {
    const std::lock_guard lock(mutex_);
    if (from < sources_.size() && from != options_.absent &&
        sources_[from].count < options_.depth) {
      Source& source = sources_[from];
      if (source.count == source.handed.size()) {
        const auto first = source.handed.begin() + static_cast<std::ptrdiff_t>(source.first);
        std::rotate(source.handed.begin(), first, source.handed.end());
        source.first = 0;
        source.handed.emplace_back();
      }
      source.handed[(source.first + source.count) % source.handed.size()] = std::move(parcel);
      ++source.count;
      delivered = true;
    }
  }
  if (!delivered) {
    return Close(absl::DataLossError(absl::StrCat("an unexpected parcel from seat ", from)));
  }
  // Without the lock, which the thread that wakes would run into.
  bell_->Ring();
}

void Mailbox::AttachRing(std::uint32_t from_seat, RingReader* ring) {
  sources_[from_seat].ring.store(ring, std::memory_order_release);
}

std::uint32_t Mailbox::Missing(std::uint32_t rung) const {
  // A parcel may be taken before it has rung.
  const auto waiting = static_cast<std::int32_t>(rung - taken_);
  const auto due = static_cast<std::int32_t>(expected_);
  return waiting < 0 || waiting >= due ? 0 : static_cast<std::uint32_t>(due - waiting);
}

bool Mailbox::IsReady() {
  if (is_closed_.load(std::memory_order_acquire)) return true;
  if (Missing(bell_->rung()) > 0) return false;
  for (std::uint32_t from = 0; from < sources_.size(); ++from) {
    if (from != options_.absent && !HasOne(sources_[from])) return false;
  }
  return true;
}

bool Mailbox::HasOne(const Source& source) {
  const RingReader* const ring = source.ring.load(std::memory_order_acquire);
  if (ring != nullptr) {
    const absl::StatusOr<std::span<std::byte>> record = ring->Front();
    if (!record.ok() || !record->empty()) return true;
  }
  const std::lock_guard lock(mutex_);
  return source.count > 0;
}

int Mailbox::RankOf(std::uint32_t from) const {
  return from < options_.ranks.size() ? options_.ranks[from] : Activity::kAnybody;
}

int Mailbox::FirstAwaited() {
  for (std::uint32_t from = 0; from < sources_.size(); ++from) {
    if (from != options_.absent && !HasOne(sources_[from])) return RankOf(from);
  }
  return Activity::kAnybody;
}

void Mailbox::Sleep(int whom, std::uint32_t seen, std::uint32_t more,
                    Doorbell::Clock::time_point deadline) {
  const Activity::Waiting waiting(whom, {&bell_->counter(), seen + more});
  bell_->Await(seen, more, spins_.load(std::memory_order_relaxed), deadline);
}

absl::Status Mailbox::closed() {
  const std::lock_guard lock(mutex_);
  return closed_;
}

absl::Status Mailbox::Fail(absl::Status why) {
  Close(why);
  return closed();
}

absl::StatusOr<Mailbox::Next> Mailbox::Find(Source& source, std::uint32_t from,
                                            std::uint64_t turn) {
  // Of the two ways one may be ahead of the other, and neither may be behind.
  const auto is_due = [&](std::uint64_t next, bool other_way) {
    return other_way ? next - turn < options_.ahead : next == turn;
  };
  const auto not_due = [&](std::uint64_t next) {
    return Fail(absl::DataLossError(absl::StrCat("a parcel of turn ", next, " from seat ", from,
                                                 " where turn ", turn, " is due")));
  };
  RingReader* const ring = source.ring.load(std::memory_order_acquire);
  if (ring != nullptr) {
    const absl::StatusOr<std::span<std::byte>> record = ring->Front();
    if (!record.ok()) return Fail(record.status());
    if (!record->empty()) {
      const std::optional<std::uint64_t> next = TurnOfRecord(*record);
      if (!next.has_value()) return Fail(absl::DataLossError("a record without a header"));
      if (*next == turn) return Next::kInRing;
      if (!is_due(*next, true)) return not_due(*next);
    }
  }
  std::unique_lock lock(mutex_);
  if (source.count == 0) return Next::kNone;
  const std::uint64_t next = source.handed[source.first].turn;
  lock.unlock();
  if (next == turn) return Next::kHanded;
  if (!is_due(next, ring != nullptr)) return not_due(next);
  return Next::kNone;
}

absl::StatusOr<Parcel> Mailbox::TakeFromRing(RingReader& ring, std::uint32_t from) {
  const absl::StatusOr<std::span<std::byte>> record = ring.Front();
  if (!record.ok()) return Fail(record.status());
  absl::StatusOr<Parcel> parcel = ReadRecord({.from_seat = from}, options_.layouts, *record);
  if (!parcel.ok()) return Fail(parcel.status());
  parcel->ring = &ring;
  parcel->record = ring.Take();
  ++taken_;
  return parcel;
}

Parcel Mailbox::TakeHanded(Source& source) {
  Parcel parcel = std::move(source.handed[source.first]);
  source.first = (source.first + 1) % source.handed.size();
  --source.count;
  ++taken_;
  return parcel;
}

absl::StatusOr<Parcel> Mailbox::Take(Source& source, std::uint32_t from, std::uint64_t turn) {
  const absl::StatusOr<Next> next = Find(source, from, turn);
  if (!next.ok()) return next.status();
  if (*next == Next::kInRing) {
    absl::StatusOr<Parcel> parcel =
        TakeFromRing(*source.ring.load(std::memory_order_relaxed), from);
    if (parcel.ok()) parcel->turn = turn;  // As it was when it was found.
    return parcel;
  }
  const std::lock_guard lock(mutex_);
  return TakeHanded(source);
}

absl::Status Mailbox::Await(std::uint64_t turn, std::vector<Parcel>& parcels) {
  Activity::Tick();
  parcels.clear();
  if (expected_ == 0) return absl::OkStatus();
  for (;;) {
    const std::uint32_t seen = bell_->rung();
    if (is_closed_.load(std::memory_order_acquire)) return closed();
    if (const std::uint32_t too_few = Missing(seen); too_few > 0) {
      Sleep(FirstAwaited(), seen, too_few);
      continue;
    }
    std::uint32_t missing = 0;
    int whom = Activity::kAnybody;
    for (std::uint32_t from = 0; from < sources_.size(); ++from) {
      if (from == options_.absent) continue;
      const absl::StatusOr<Next> next = Find(sources_[from], from, turn);
      if (!next.ok()) return next.status();
      if (*next == Next::kNone && ++missing == 1) whom = RankOf(from);
    }
    if (missing == 0) break;
    Sleep(whom, seen, missing);
  }
  for (std::uint32_t from = 0; from < sources_.size(); ++from) {
    if (from == options_.absent) continue;
    absl::StatusOr<Parcel> parcel = Take(sources_[from], from, turn);
    if (!parcel.ok()) return parcel.status();
    parcels.push_back(*std::move(parcel));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::optional<Parcel>> Mailbox::TakeAny() {
  if (is_closed_.load(std::memory_order_acquire)) return closed();
  for (std::uint32_t from = 0; from < sources_.size(); ++from) {
    Source& source = sources_[from];
    if (RingReader* const ring = source.ring.load(std::memory_order_acquire); ring != nullptr) {
      const absl::StatusOr<std::span<std::byte>> record = ring->Front();
      if (!record.ok()) return Fail(record.status());
      if (!record->empty()) return TakeFromRing(*ring, from);
    }
    const std::lock_guard lock(mutex_);
    if (source.count > 0) return TakeHanded(source);
  }
  return std::optional<Parcel>();
}

absl::StatusOr<Parcel> Mailbox::AwaitAny(std::uint32_t from_seat) {
  Activity::Tick();
  for (;;) {
    const std::uint32_t seen = bell_->rung();
    absl::StatusOr<std::optional<Parcel>> taken = TakeAny();
    if (!taken.ok()) return taken.status();
    if (taken->has_value()) return **std::move(taken);
    Sleep(RankOf(from_seat), seen, 1);
  }
}

absl::Status Mailbox::AwaitArrivals(std::uint32_t from_seat, std::uint32_t seen,
                                    Doorbell::Clock::time_point deadline) {
  Activity::Tick();
  if (is_closed_.load(std::memory_order_acquire)) return closed();
  Sleep(RankOf(from_seat), seen, 1, deadline);
  return is_closed_.load(std::memory_order_acquire) ? closed() : absl::OkStatus();
}

void Mailbox::Close(const absl::Status& why) {
  {
    const std::lock_guard lock(mutex_);
    if (closed_.ok()) closed_ = why;
  }
  is_closed_.store(true, std::memory_order_release);
  bell_->Break();
}

}  // namespace cf
