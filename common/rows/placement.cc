#include "common/rows/placement.h"

#include <algorithm>
#include <numeric>
#include <optional>
#include <utility>

#include <absl/strings/str_cat.h>

#include "common/base/check.h"

namespace cf {
namespace {

std::vector<SeatRange> EqualRanges(std::uint32_t seats, std::uint32_t partitions) {
  std::vector<SeatRange> ranges;
  for (std::uint32_t s = 0; s < seats; ++s) ranges.push_back(RangeOfSeat(s, seats, partitions));
  return ranges;
}

// Each rank's partitions over its own threads; nothing where a rank has too few or `firsts` do not
// share out all partitions.
std::optional<std::vector<SeatRange>> RangesByRank(const Placement::Options& options) {
  const std::vector<std::uint32_t>& firsts = options.firsts;
  if (options.servers > 0 || firsts.size() != options.threads.size() || firsts.front() != 0) {
    return std::nullopt;
  }
  std::vector<SeatRange> ranges;
  for (std::size_t rank = 0; rank < firsts.size(); ++rank) {
    const std::uint32_t first = firsts[rank];
    const std::uint32_t last = rank + 1 < firsts.size() ? firsts[rank + 1] : options.partitions;
    const std::uint32_t threads = options.threads[rank];
    if (last > options.partitions || last < first || last - first < threads) return std::nullopt;
    for (const SeatRange& of_thread : EqualRanges(threads, last - first)) {
      ranges.push_back({first + of_thread.first, first + of_thread.last});
    }
  }
  return ranges;
}

}  // namespace

Placement::Role::Role(std::vector<Seat> seats, std::vector<SeatRange> ranges)
    : seats_(std::move(seats)),
      ranges_(std::move(ranges)),
      seat_of_(ranges_.empty() ? 0 : ranges_.back().last) {
  for (std::uint32_t s = 0; s < size(); ++s) {
    for (std::uint32_t p = range(s).first; p < range(s).last; ++p) seat_of_[p] = s;
  }
}

std::uint32_t Placement::Role::largest() const {
  std::uint32_t most = 0;
  for (const SeatRange& range : ranges_) most = std::max(most, range.size());
  return most;
}

std::vector<std::uint32_t> Placement::Role::OnRank(int rank) const {
  std::vector<std::uint32_t> found;
  for (std::uint32_t s = 0; s < size(); ++s) {
    if (seats_[s].rank == rank) found.push_back(s);
  }
  return found;
}

SeatRange Placement::Role::RangeOnRank(int rank) const {
  const std::vector<std::uint32_t> seats = OnRank(rank);
  if (seats.empty()) return {};
  return {range(seats.front()).first, range(seats.back()).last};
}

Placement::Placement(std::uint32_t partitions, int ranks, bool combined, Role workers, Role servers)
    : partitions_(partitions),
      ranks_(ranks),
      combined_(combined),
      workers_(std::move(workers)),
      servers_(std::move(servers)) {
}

absl::StatusOr<Placement> Placement::Make(const Options& options) {
  Check(!options.threads.empty(), "a job has ranks");
  const std::size_t ranks = options.threads.size();
  if (options.servers >= ranks && options.servers > 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("cluster.servers is ", options.servers, " of ", ranks,
                     " ranks, which leaves none to work: start more ranks, or set fewer servers"));
  }
  std::vector<Seat> working;
  std::vector<Seat> serving;
  for (std::size_t rank = 0; rank < ranks; ++rank) {
    const bool dedicated = rank >= ranks - options.servers;
    for (std::uint32_t thread = 0; thread < options.threads[rank]; ++thread) {
      const Seat seat{static_cast<int>(rank), thread};
      if (!dedicated) working.push_back(seat);
      if (dedicated || options.servers == 0) serving.push_back(seat);
    }
  }
  for (const std::vector<Seat>* seats : {&working, &serving}) {
    if (seats->size() > options.partitions) {
      return absl::InvalidArgumentError(absl::StrCat(seats->size(), " compute threads for ",
                                                     options.partitions,
                                                     " partitions: start fewer ranks or --threads, "
                                                     "or raise train.partitions (another model)"));
    }
  }
  const auto role = [&](std::vector<Seat> seats) {
    auto ranges = EqualRanges(static_cast<std::uint32_t>(seats.size()), options.partitions);
    return Role(std::move(seats), std::move(ranges));
  };
  if (options.firsts.empty()) {
    return Placement(options.partitions, static_cast<int>(ranks), options.servers == 0,
                     role(std::move(working)), role(std::move(serving)));
  }
  const std::optional<std::vector<SeatRange>> ranges = RangesByRank(options);
  if (!ranges.has_value()) {
    return absl::InvalidArgumentError("the ranks' first partitions do not share out all of them");
  }
  return Placement(options.partitions, static_cast<int>(ranks), /*combined=*/true,
                   Role(std::move(working), *ranges), Role(std::move(serving), *ranges));
}

std::vector<std::uint32_t> FirstsNear(std::span<const SeatRange> before,
                                      std::span<const std::uint32_t> threads,
                                      std::uint32_t partitions) {
  Check(!before.empty() && before.size() == threads.size(), "each rank has had partitions");
  const std::uint32_t all_threads = std::accumulate(threads.begin(), threads.end(), 0U);
  Check(all_threads > 0 && all_threads <= partitions, "each thread has a partition");
  const std::uint32_t of_thread = (partitions + all_threads - 1) / all_threads;
  std::vector<std::uint32_t> firsts = {0};
  std::uint32_t threads_after = all_threads;
  for (std::size_t rank = 0; rank + 1 < before.size(); ++rank) {
    const std::uint32_t first = firsts.back();
    threads_after -= threads[rank];
    // A partition for each thread at least and `of_thread` at most, here and for those that follow.
    const std::uint32_t least = std::max(
        first + threads[rank], partitions - std::min(partitions, threads_after * of_thread));
    const std::uint32_t most =
        std::min(first + threads[rank] * of_thread, partitions - threads_after);
    firsts.push_back(std::clamp((before[rank].last + before[rank + 1].first) / 2, least, most));
  }
  return firsts;
}

}  // namespace cf
