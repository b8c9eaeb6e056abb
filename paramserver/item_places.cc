#include "paramserver/item_places.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include <absl/strings/str_cat.h>

#include "common/base/check.h"
#include "common/model/layout.h"
#include "common/rows/shared_channel.h"

namespace cf {
namespace {

// An item partition that stays in the ring while it is worked on leaves room there for the next two,
// which may be a row longer. Without room they would go by TCP. A rank with many partitions would
// keep too many.
constexpr std::size_t kBytesInRingMax = SharedChannel::kRingBytes / 4;

/// What names an item partition on its way.
std::uint64_t NumberOf(PartitionId q, std::uint64_t sub_epoch) {
  return sub_epoch * kPartitionsMax + Index(q);
}

SeatRange RangeOf(const Placement& placement, const std::vector<std::uint32_t>& seats) {
  return {placement.servers().range(seats.front()).first,
          placement.servers().range(seats.back()).last};
}

std::size_t ChangedWords(std::uint32_t rows) {
  return (rows + 63) / 64;
}

}  // namespace

ItemPlaces::ItemPlaces(Options options)
    : options_(std::move(options)),
      placement_(options_.exchange->placement()),
      range_(RangeOf(placement_, options_.seats)),
      stride_(RowLayout(options_.items.shape).stride()),
      slabs_(range_.size()),
      places_(placement_.partitioning().count()) {
  Check(placement_.combined(), "who works on users hosts them");
  for (std::uint32_t q = 0; q < places_.size(); ++q) {
    places_[q].changed.resize(ChangedWords(RowsIn(PartitionId{q})));
  }
}

std::size_t ItemPlaces::TransferBytes(const TableSpec& items, std::uint32_t rows) {
  return rows * RowLayout(items.shape).stride() * sizeof(float) +
         ChangedWords(rows) * sizeof(std::uint64_t);
}

std::uint32_t ItemPlaces::RowsIn(PartitionId q) const {
  return placement_.partitioning().RowsIn(q, options_.items.shape.rows);
}

std::size_t ItemPlaces::BytesOf(PartitionId q) const {
  return TransferBytes(options_.items, RowsIn(q));
}

ItemPlaces::Way ItemPlaces::WayFor(PartitionId q, std::uint64_t sub_epoch) const {
  const bool leaves = sub_epoch == places_[Index(q)].left_for;
  return {.from_seat = SeatOf(leaves ? q : UserOf(q, sub_epoch - 1)),
          .to_seat = SeatOf(UserOf(q, sub_epoch))};
}

std::uint64_t ItemPlaces::DueOf(PartitionId q, std::span<const std::uint64_t> next) const {
  std::uint64_t sub_epoch = *std::ranges::min_element(next);
  while (next[Index(UserOf(q, sub_epoch))] > sub_epoch) ++sub_epoch;
  return sub_epoch;
}

// --- One item partition --------------------------------------------------------------------------

std::optional<std::uint32_t> ItemPlaces::TakeSlab(PartitionId q) {
  const std::lock_guard lock(slabs_mutex_);
  if (free_slabs_.empty()) return std::nullopt;
  if (IsOurs(q)) {
    const auto own =
        std::ranges::find(free_slabs_, static_cast<std::uint32_t>(Index(q)) - range_.first);
    if (own != free_slabs_.end()) std::swap(*own, free_slabs_.back());
  }
  const std::uint32_t slab = free_slabs_.back();
  free_slabs_.pop_back();
  return slab;
}

void ItemPlaces::FreeSlab(std::uint32_t slab) {
  const std::lock_guard lock(slabs_mutex_);
  free_slabs_.push_back(slab);
}

bool ItemPlaces::HasFreeSlab() {
  const std::lock_guard lock(slabs_mutex_);
  return !free_slabs_.empty();
}

void ItemPlaces::Send(PartitionId q, const Way& way, std::uint64_t sub_epoch) {
  Place& place = places_[Index(q)];
  Parcel sent = options_.exchange->MakeTransfer(
      {.from_seat = way.from_seat, .to_seat = way.to_seat, .number = NumberOf(q, sub_epoch)},
      BytesOf(q));
  const std::size_t rows_bytes = FloatsOf(q) * sizeof(float);
  std::copy_n(reinterpret_cast<const std::byte*>(place.rows), rows_bytes, sent.bytes.data());
  std::ranges::copy(std::as_bytes(std::span(place.changed)), sent.bytes.begin() + rows_bytes);
  // Before it is sent: it may come back.
  if (place.slab != kNoSlab) {
    FreeSlab(std::exchange(place.slab, kNoSlab));
  } else {
    options_.exchange->Recycle(std::exchange(place.parcel, Parcel()));
  }
  place.rows = nullptr;
  place.due.store(kNotHere, std::memory_order_release);
  options_.exchange->SendTransfer(std::move(sent));
}

bool ItemPlaces::IsExpected(PartitionId q, std::uint64_t sub_epoch, const Way& way) const {
  if (Index(q) >= places_.size() || IsHere(q)) return false;
  const Way to_work = WayFor(q, sub_epoch);
  if (way.to_seat == to_work.to_seat && way.from_seat == to_work.from_seat) return true;
  return way.to_seat == SeatOf(q) && way.from_seat == to_work.to_seat;
}

absl::Status ItemPlaces::Accept(Parcel parcel) {
  const PartitionId q{static_cast<std::uint32_t>(parcel.turn % kPartitionsMax)};
  const std::uint64_t sub_epoch = parcel.turn / kPartitionsMax;
  if (!IsExpected(q, sub_epoch, {.from_seat = parcel.from_seat, .to_seat = parcel.to_seat})) {
    return absl::DataLossError(absl::StrCat("item partition ", Index(q), " came from seat ",
                                            parcel.from_seat, " for sub-epoch ", sub_epoch,
                                            ", where it is not to come from there"));
  }
  if (parcel.bytes.size() != BytesOf(q)) {
    return absl::DataLossError(absl::StrCat("item partition ", Index(q), " came with ",
                                            parcel.bytes.size(), " bytes where it has ",
                                            BytesOf(q)));
  }
  Place& place = places_[Index(q)];
  const std::span<std::byte> rows = parcel.bytes.first(FloatsOf(q) * sizeof(float));
  if (!place.changed.empty()) {
    std::memcpy(place.changed.data(), parcel.bytes.data() + rows.size(),
                parcel.bytes.size() - rows.size());
  }
  const bool stays_in_ring =
      parcel.ring != nullptr && range_.size() == 1 && parcel.bytes.size() <= kBytesInRingMax;
  if (const std::optional<std::uint32_t> slab = stays_in_ring ? std::nullopt : TakeSlab(q)) {
    place.slab = *slab;
    place.rows = slabs_[*slab];
    std::ranges::copy(rows, reinterpret_cast<std::byte*>(place.rows));
    options_.exchange->Recycle(std::move(parcel));
  } else if (parcel.ring == nullptr || stays_in_ring) {
    place.rows = reinterpret_cast<float*>(rows.data());
    place.parcel = std::move(parcel);
  } else {
    const std::uint32_t seat = options_.seats.front();
    place.parcel =
        options_.exchange->MakeTransfer({.from_seat = seat, .to_seat = seat}, rows.size());
    place.rows = reinterpret_cast<float*>(place.parcel.bytes.data());
    std::ranges::copy(rows, reinterpret_cast<std::byte*>(place.rows));
    options_.exchange->Recycle(std::move(parcel));
  }
  place.due.store(sub_epoch, std::memory_order_release);
  return absl::OkStatus();
}

void ItemPlaces::PutHome(PartitionId q) {
  Place& place = places_[Index(q)];
  const auto own = static_cast<std::uint32_t>(Index(q)) - range_.first;
  if (place.slab != own) {
    // Nothing else is here, so whoever has the slab is at home here, too.
    const auto in_own = std::ranges::find(places_, own, &Place::slab);
    if (in_own == places_.end()) {
      std::copy_n(place.rows, FloatsOf(q), slabs_[own]);
    } else if (place.slab != kNoSlab) {
      const PartitionId other{static_cast<std::uint32_t>(in_own - places_.begin())};
      std::swap_ranges(slabs_[own], slabs_[own] + std::max(FloatsOf(q), FloatsOf(other)),
                       place.rows);
      in_own->slab = std::exchange(place.slab, own);
      in_own->rows = slabs_[in_own->slab];
    } else {
      Check(false, "what lies beside the slabs comes home when they are free");
    }
  }
  if (place.slab == kNoSlab) options_.exchange->Recycle(std::exchange(place.parcel, Parcel()));
  place.slab = own;
  place.rows = slabs_[own];
}

void ItemPlaces::ReportChanges(PartitionId q) {
  slots_.clear();
  std::vector<std::uint64_t>& changed = places_[Index(q)].changed;
  for (std::size_t word = 0; word < changed.size(); ++word) {
    for (std::uint64_t bits = changed[word]; bits != 0; bits &= bits - 1) {
      slots_.push_back(static_cast<std::uint32_t>(64 * word) +
                       static_cast<std::uint32_t>(std::countr_zero(bits)));
    }
  }
  std::ranges::fill(changed, 0);
  options_.store->MarkChanged(kItems, q, slots_);
}

// --- All of them ---------------------------------------------------------------------------------

absl::Status ItemPlaces::Leave(std::span<const std::uint64_t> next) {
  if (are_away_) return absl::OkStatus();
  for (std::uint32_t k = 0; k < places_.size(); ++k)
    places_[k].left_for = DueOf(PartitionId{k}, next);
  for (std::uint32_t k = range_.first; k < range_.last; ++k) {
    const absl::StatusOr<float*> rows = options_.store->PinPartition(kItems, PartitionId{k});
    if (!rows.ok()) return rows.status();
    Place& place = places_[k];
    slabs_[k - range_.first] = *rows;
    place.slab = k - range_.first;
    place.rows = *rows;
    place.due.store(place.left_for, std::memory_order_release);
  }
  are_away_ = true;
  // Everybody sends before anybody waits.
  const auto comes_to_us = [&](PartitionId q) {
    return IsOurs(UserOf(q, places_[Index(q)].left_for));
  };
  for (std::uint32_t k = range_.first; k < range_.last; ++k) {
    const PartitionId q{k};
    if (!comes_to_us(q)) Send(q, WayFor(q, places_[k].left_for), places_[k].left_for);
  }
  for (std::uint32_t k = 0; k < places_.size(); ++k) {
    const PartitionId q{k};
    if (!comes_to_us(q) || IsHere(q)) continue;
    if (absl::Status came = Await(q, WayFor(q, places_[k].left_for)); !came.ok()) return came;
  }
  return absl::OkStatus();
}

absl::Status ItemPlaces::ComeHome(std::span<const std::uint64_t> next) {
  if (!are_away_) return absl::OkStatus();
  // What is under way to be worked on here goes home from here.
  for (std::uint32_t k = 0; k < places_.size(); ++k) {
    const PartitionId q{k};
    const std::uint64_t due = DueOf(q, next);
    if (!IsOurs(UserOf(q, due))) continue;
    if (absl::Status came = Await(q, WayFor(q, due)); !came.ok()) return came;
  }
  for (std::uint32_t k = 0; k < places_.size(); ++k) {
    const PartitionId q{k};
    if (!IsHere(q) || IsOurs(q)) continue;
    const std::uint64_t due = DueOf(q, next);
    Send(q, {.from_seat = SeatOf(UserOf(q, due)), .to_seat = SeatOf(q)}, due);
  }
  for (std::uint32_t k = range_.first; k < range_.last; ++k) {
    const PartitionId q{k};
    const Way home{.from_seat = SeatOf(UserOf(q, DueOf(q, next))), .to_seat = SeatOf(q)};
    if (absl::Status came = Await(q, home); !came.ok()) return came;
  }
  for (const bool in_slabs : {true, false}) {
    for (std::uint32_t k = range_.first; k < range_.last; ++k) {
      if ((places_[k].slab != kNoSlab) == in_slabs) PutHome(PartitionId{k});
    }
  }
  for (std::uint32_t k = range_.first; k < range_.last; ++k) {
    const PartitionId q{k};
    ReportChanges(q);
    options_.store->ReleasePartition(kItems, q);
    places_[k].slab = kNoSlab;
    places_[k].rows = nullptr;
    places_[k].due.store(kNotHere, std::memory_order_release);
  }
  free_slabs_.clear();
  are_away_ = false;
  return absl::OkStatus();
}

absl::Status ItemPlaces::Await(PartitionId q, const Way& way) {
  while (!IsHere(q)) {
    absl::StatusOr<Parcel> came = options_.exchange->AwaitTransfer(way.to_seat, way.from_seat);
    if (!came.ok()) return came.status();
    if (absl::Status accepted = Accept(*std::move(came)); !accepted.ok()) return accepted;
  }
  return absl::OkStatus();
}

// --- While they are away -------------------------------------------------------------------------

absl::StatusOr<bool> ItemPlaces::TakeWhatCame(Take take) {
  const std::lock_guard lock(arrivals_mutex_);
  bool any = false;
  while (take == Take::kAll || HasFreeSlab()) {
    absl::StatusOr<std::optional<Parcel>> came =
        options_.exchange->TakeTransfer(options_.seats.back());
    if (!came.ok()) return came.status();
    if (!came->has_value()) break;
    if (absl::Status accepted = Accept(**std::move(came)); !accepted.ok()) return accepted;
    any = true;
  }
  return any;
}

absl::StatusOr<std::optional<float*>> ItemPlaces::Items(PartitionId q, std::uint64_t sub_epoch,
                                                        Clock::time_point deadline) {
  const std::atomic<std::uint64_t>& due = places_[Index(q)].due;
  if (due.load(std::memory_order_acquire) != sub_epoch) {
    const bool comes_from_us = IsOurs(UserOf(q, sub_epoch - 1));
    absl::Status came = comes_from_us ? AwaitInside(q, sub_epoch, deadline)
                                      : AwaitFromOutside(q, sub_epoch, deadline);
    if (!came.ok()) return came;
    if (due.load(std::memory_order_acquire) != sub_epoch) return std::nullopt;
  }
  return places_[Index(q)].rows;
}

absl::Status ItemPlaces::AwaitInside(PartitionId q, std::uint64_t sub_epoch,
                                     Clock::time_point deadline) {
  const PartitionId p = UserOf(q, sub_epoch);
  for (;;) {
    const std::uint32_t seen = options_.exchange->PassedOn(p);
    if (places_[Index(q)].due.load(std::memory_order_acquire) == sub_epoch) return absl::OkStatus();
    if (Clock::now() >= deadline) return absl::OkStatus();
    absl::Status passed = options_.exchange->AwaitPassed(p, seen, deadline);
    if (!passed.ok()) return passed;
  }
}

absl::Status ItemPlaces::AwaitFromOutside(PartitionId q, std::uint64_t sub_epoch,
                                          Clock::time_point deadline) {
  const std::uint32_t seat = options_.seats.back();
  const std::uint32_t from_seat = SeatOf(UserOf(q, sub_epoch - 1));
  for (;;) {
    const std::uint32_t seen = options_.exchange->TransfersTo(seat);
    const absl::StatusOr<bool> taken = TakeWhatCame(Take::kAll);
    if (!taken.ok()) return taken.status();
    if (places_[Index(q)].due.load(std::memory_order_acquire) == sub_epoch) return absl::OkStatus();
    if (Clock::now() >= deadline) return absl::OkStatus();
    absl::Status came = options_.exchange->AwaitTransfers(seat, from_seat, seen, deadline);
    if (!came.ok()) return came;
  }
}

absl::Status ItemPlaces::PassItems(PartitionId q, std::uint64_t sub_epoch) {
  const std::uint64_t next = sub_epoch + 1;
  const PartitionId p = UserOf(q, next);
  if (IsOurs(p)) {
    places_[Index(q)].due.store(next, std::memory_order_release);
    options_.exchange->PassOn(p);
    return absl::OkStatus();
  }
  Send(q, WayFor(q, next), next);
  // Where it was there is room now, and the thread that waits for what comes may have none.
  const absl::StatusOr<bool> taken = TakeWhatCame(Take::kIntoSlabs);
  if (!taken.ok()) return taken.status();
  if (*taken) options_.exchange->Wake(options_.seats.back());
  return absl::OkStatus();
}

}  // namespace cf
