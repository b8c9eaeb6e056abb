#include "common/rows/mailbox.h"

#include <algorithm>
#include <utility>

#include <absl/strings/str_cat.h>

namespace cf {

Mailbox::Mailbox(const Options& options)
    : options_(options),
      expected_(options.absent < options.seats ? options.seats - 1 : options.seats),
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
      if (source.count == source.ring.size()) {
        std::ranges::rotate(source.ring,
                            source.ring.begin() + static_cast<std::ptrdiff_t>(source.first));
        source.first = 0;
        source.ring.emplace_back();
      }
      source.ring[(source.first + source.count) % source.ring.size()] = std::move(parcel);
      ++source.count;
      delivered = true;
    }
  }
  if (!delivered) {
    return Close(absl::DataLossError(absl::StrCat("an unexpected parcel from seat ", from)));
  }
  // Without the lock, which the thread that wakes would run into.
  doorbell_.Ring();
}

std::uint32_t Mailbox::SourcesHere() const {
  return static_cast<std::uint32_t>(
      std::ranges::count_if(sources_, [](const Source& source) { return source.count > 0; }));
}

bool Mailbox::IsReady() {
  const std::lock_guard lock(mutex_);
  return SourcesHere() == expected_ || !closed_.ok();
}

Parcel Mailbox::TakeNext(Source& source) {
  Parcel parcel = std::move(source.ring[source.first]);
  source.first = (source.first + 1) % source.ring.size();
  --source.count;
  return parcel;
}

absl::Status Mailbox::NotDue(const Parcel& parcel, std::uint64_t turn) {
  closed_ = absl::DataLossError(absl::StrCat("a parcel of turn ", parcel.turn, " from seat ",
                                             parcel.from_seat, " where turn ", turn, " is due"));
  return closed_;
}

absl::Status Mailbox::Await(std::uint64_t turn, std::vector<Parcel>& parcels) {
  parcels.clear();
  if (expected_ == 0) return absl::OkStatus();
  for (;;) {
    const std::uint32_t seen = doorbell_.rung();
    std::uint32_t here = 0;
    {
      const std::lock_guard lock(mutex_);
      if (!closed_.ok()) return closed_;
      here = SourcesHere();
      if (here == expected_) break;
    }
    doorbell_.Await(seen, expected_ - here, options_.spins);
  }
  const std::lock_guard lock(mutex_);
  for (Source& source : sources_) {
    if (source.count == 0) continue;
    parcels.push_back(TakeNext(source));
    if (parcels.back().turn != turn) return NotDue(parcels.back(), turn);
  }
  return absl::OkStatus();
}

absl::StatusOr<Parcel> Mailbox::AwaitFrom(std::uint32_t from_seat, std::uint64_t turn) {
  for (;;) {
    const std::uint32_t seen = doorbell_.rung();
    {
      const std::lock_guard lock(mutex_);
      if (!closed_.ok()) return closed_;
      if (Source& source = sources_[from_seat]; source.count > 0) {
        Parcel parcel = TakeNext(source);
        if (parcel.turn != turn) return NotDue(parcel, turn);
        return parcel;
      }
    }
    doorbell_.Await(seen, 1, options_.spins);
  }
}

void Mailbox::Close(const absl::Status& why) {
  {
    const std::lock_guard lock(mutex_);
    if (closed_.ok()) closed_ = why;
  }
  doorbell_.Break();
}

}  // namespace cf
