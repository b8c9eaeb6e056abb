#include "common/rows/mailbox.h"

#include <utility>

#include <absl/strings/str_cat.h>

namespace cf {

Mailbox::Mailbox(std::uint32_t seats, std::uint32_t absent)
    : expected_(absent < seats ? seats - 1 : seats),
      absent_(absent),
      slots_(seats),
      full_(seats, false) {
}

void Mailbox::Deliver(Parcel parcel) {
  bool complete = true;
  {
    const std::lock_guard lock(mutex_);
    const std::uint32_t from = parcel.from_seat;
    if (from >= slots_.size() || from == absent_ || full_[from]) {
      if (closed_.ok())
        closed_ = absl::DataLossError(absl::StrCat("an unexpected parcel from seat ", from));
    } else {
      slots_[from] = std::move(parcel);
      full_[from] = true;
      complete = ++count_ == expected_;
    }
  }
  // Without the lock, which the thread that wakes would run into.
  if (complete) arrived_.notify_one();
}

absl::Status Mailbox::Await(std::uint64_t turn, std::vector<Parcel>& parcels) {
  parcels.clear();
  if (expected_ == 0) return absl::OkStatus();
  std::unique_lock lock(mutex_);
  arrived_.wait(lock, [this] { return count_ == expected_ || !closed_.ok(); });
  if (!closed_.ok()) return closed_;
  for (std::size_t from = 0; from < slots_.size(); ++from) {
    if (!full_[from]) continue;
    if (slots_[from].turn != turn) {
      closed_ =
          absl::DataLossError(absl::StrCat("a parcel of turn ", slots_[from].turn, " from seat ",
                                           from, " where turn ", turn, " is due"));
      return closed_;
    }
    parcels.push_back(std::move(slots_[from]));
    full_[from] = false;
  }
  count_ = 0;
  return absl::OkStatus();
}

void Mailbox::Close(const absl::Status& why) {
  const std::lock_guard lock(mutex_);
  if (closed_.ok()) closed_ = why;
  arrived_.notify_all();
}

}  // namespace cf
