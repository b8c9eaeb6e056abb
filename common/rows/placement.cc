#include "common/rows/placement.h"

#include <utility>

#include <absl/strings/str_cat.h>

#include "common/base/check.h"

namespace cf {

Placement::Role::Role(std::vector<Seat> seats, std::uint32_t partitions)
    : seats_(std::move(seats)), partitions_(partitions), seat_of_(partitions) {
  for (std::uint32_t s = 0; s < size(); ++s) {
    for (std::uint32_t p = range(s).first; p < range(s).last; ++p) seat_of_[p] = s;
  }
}

std::vector<std::uint32_t> Placement::Role::OnRank(int rank) const {
  std::vector<std::uint32_t> found;
  for (std::uint32_t s = 0; s < size(); ++s) {
    if (seats_[s].rank == rank) found.push_back(s);
  }
  return found;
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
  return Placement(options.partitions, static_cast<int>(ranks), options.servers == 0,
                   Role(std::move(working), options.partitions),
                   Role(std::move(serving), options.partitions));
}

}  // namespace cf
