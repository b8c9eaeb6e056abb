#include "worker/sampled_candidates.h"

#include <algorithm>
#include <iterator>

#include "common/math/random.h"
#include "worker/negatives.h"

namespace cf {
namespace {

// Streams of a purpose that training shares: no epoch, and not what only scores (Negatives).
constexpr std::uint64_t kStream = (std::uint64_t{1} << 24) - 2;

}  // namespace

SampledCandidates::SampledCandidates(const Dataset& data, std::uint32_t sampled)
    : data_(data), sampled_(sampled), drawn_(data.items()) {
}

void SampledCandidates::Clear() {
  candidates_.clear();
  users_.clear();
}

void SampledCandidates::Add(RowId user, std::span<const RowId> positives) {
  const std::uint64_t begin = data_.user_offsets()[Index(user)];
  const auto taken = static_cast<std::uint32_t>(data_.user_offsets()[Index(user) + 1] - begin);
  const std::span<const RowId> items = data_.item_column().subspan(begin, taken);
  const std::uint32_t untaken = data_.items() - taken;
  const std::uint32_t count = std::min(sampled_, untaken);
  const CounterRandom random(0, Purpose::kNegatives,
                             CounterRandom::Stream(kStream, static_cast<std::uint32_t>(user)));
  // Floyd's: every set of `count` ranks is as likely as the other.
  ranks_.clear();
  for (std::uint32_t draw = 0; draw < count; ++draw) {
    const std::uint32_t last = untaken - count + draw;
    auto rank = static_cast<std::uint32_t>(random.Below(draw, last + 1));
    if (drawn_[rank]) rank = last;
    drawn_[rank] = true;
    ranks_.push_back(rank);
  }
  std::sort(ranks_.begin(), ranks_.end());
  others_.clear();
  for (const std::uint32_t rank : ranks_) {
    drawn_[rank] = false;
    others_.push_back(UntakenItem(
        rank, taken, [items](std::uint32_t j) { return static_cast<std::uint32_t>(items[j]); }));
  }
  const std::size_t first = candidates_.size();
  // A positive that is no sample of the data set may have been drawn, too.
  std::set_union(others_.begin(), others_.end(), positives.begin(), positives.end(),
                 std::back_inserter(candidates_));
  users_.push_back({first, candidates_.size()});
}

std::span<const float> SampledCandidates::Take(std::uint32_t u, std::uint32_t first_item,
                                               std::span<const float> scores) {
  scores_.clear();
  User& user = users_[u];
  for (; user.next < user.last; ++user.next) {
    const std::size_t place = Index(candidates_[user.next]) - first_item;
    if (place >= scores.size()) break;
    scores_.push_back(scores[place]);
  }
  return scores_;
}

}  // namespace cf
