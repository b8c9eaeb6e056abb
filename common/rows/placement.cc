#include "common/rows/placement.h"

#include <algorithm>
#include <compare>
#include <limits>
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

/// What a choice costs: partitions that a rank has to load, and where these are as many the sum of
/// squares, over threads, of what they get.
struct LoadsAndSquares {
  std::uint64_t loads = 0;
  std::uint64_t squares = 0;
  auto operator<=>(const LoadsAndSquares&) const = default;
  LoadsAndSquares operator+(const LoadsAndSquares& other) const {
    return {loads + other.loads, squares + other.squares};
  }
};
constexpr LoadsAndSquares kImpossible = {std::numeric_limits<std::uint64_t>::max(), 0};

LoadsAndSquares CostOf(SeatRange range, SeatRange before, std::uint32_t threads) {
  const std::uint64_t size = range.last - range.first;
  const std::uint32_t kept_first = std::max(range.first, before.first);
  const std::uint32_t kept_last = std::min(range.last, before.last);
  return {size - (kept_last > kept_first ? kept_last - kept_first : 0), size * size / threads};
}

/// Of a rank whose first partition is `begin` + k: what the next rank's is best.
struct NextFirsts {
  std::uint32_t begin = 0;
  std::vector<std::uint32_t> next;
};

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

std::uint32_t FairShare(std::uint32_t threads, std::uint32_t partitions) {
  return (partitions + threads - 1) / threads;
}

std::vector<std::uint32_t> FirstsNear(std::span<const SeatRange> before,
                                      std::span<const std::uint32_t> threads,
                                      std::uint32_t partitions, std::uint32_t share) {
  Check(!before.empty() && before.size() == threads.size(), "each rank has had partitions");
  const std::uint32_t all_threads = std::accumulate(threads.begin(), threads.end(), 0U);
  Check(all_threads > 0 && all_threads <= partitions, "each thread has a partition");
  Check(share >= FairShare(all_threads, partitions), "the shares are enough for all partitions");

  // Dynamic programming from the last rank to the first, over what a rank's first partition can be
  // so that every thread, before it and after, gets one at least and `share` at most.
  std::vector<NextFirsts> choices(before.size());
  std::vector<LoadsAndSquares> costs_after = {{0, 0}};  // Behind the last rank, at `partitions`.
  std::uint32_t after_begin = partitions;
  std::uint32_t threads_from = 0;
  for (std::size_t rank = before.size(); rank-- > 0;) {
    threads_from += threads[rank];
    const std::uint32_t threads_before = all_threads - threads_from;
    const std::uint32_t begin =
        std::max(threads_before, partitions - std::min(partitions, share * threads_from));
    const std::uint32_t end = std::min(share * threads_before, partitions - threads_from) + 1;
    std::vector<LoadsAndSquares> costs;
    choices[rank].begin = begin;
    for (std::uint32_t first = begin; first < end; ++first) {
      const std::uint32_t next_least = std::max(first + threads[rank], after_begin);
      const std::uint32_t next_most =
          std::min<std::uint32_t>(first + share * threads[rank],
                                  after_begin + static_cast<std::uint32_t>(costs_after.size()) - 1);
      LoadsAndSquares best = kImpossible;
      std::uint32_t best_next = next_least;
      for (std::uint32_t next = next_least; next <= next_most; ++next) {
        const LoadsAndSquares cost =
            CostOf({first, next}, before[rank], threads[rank]) + costs_after[next - after_begin];
        if (cost < best) {
          best = cost;
          best_next = next;
        }
      }
      costs.push_back(best);
      choices[rank].next.push_back(best_next);
    }
    costs_after = std::move(costs);
    after_begin = begin;
  }
  std::vector<std::uint32_t> firsts = {0};
  for (std::size_t rank = 0; rank + 1 < before.size(); ++rank) {
    firsts.push_back(choices[rank].next[firsts.back() - choices[rank].begin]);
  }
  return firsts;
}

std::vector<std::uint32_t> FirstsAfterALoss(std::span<const SeatRange> before,
                                            std::span<const std::uint32_t> threads,
                                            std::uint32_t partitions) {
  const std::uint32_t all_threads = std::accumulate(threads.begin(), threads.end(), 0U);
  const std::uint32_t an_eighth_more = (9 * partitions + 8 * all_threads - 1) / (8 * all_threads);
  const std::uint32_t a_third_more = (4 * partitions + 3 * all_threads - 1) / (3 * all_threads);
  std::uint64_t nobodys = partitions;
  for (const SeatRange& range : before) nobodys -= range.size();
  std::vector<std::uint32_t> firsts = FirstsNear(before, threads, partitions, an_eighth_more);
  std::uint64_t loads = 0;
  for (std::size_t rank = 0; rank < firsts.size(); ++rank) {
    const std::uint32_t last = rank + 1 < firsts.size() ? firsts[rank + 1] : partitions;
    loads += CostOf({firsts[rank], last}, before[rank], threads[rank]).loads;
  }
  return 2 * loads <= 3 * nobodys ? firsts : FirstsNear(before, threads, partitions, a_third_more);
}

}  // namespace cf
