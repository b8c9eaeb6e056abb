#include "common/dataset/split.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <utility>

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "common/base/activity.h"
#include "common/dataset/select.h"

namespace cf {
namespace {

/// "random .1", as people write shares.
std::string ShareText(double fraction) {
  const std::string text = absl::StrFormat("%.9g", fraction);
  return text.starts_with("0.") ? text.substr(1) : text;
}

std::string NameOf(const RandomSplit& config) {
  return absl::StrCat("random ", ShareText(config.fraction()), ", seed ", config.seed());
}

/// ceil(f n), for the f that was written: 0.07 as a double is a little more than 7 hundredths, and
/// seven of a hundred samples are meant, not eight.
std::uint64_t ShareOf(double fraction, std::uint64_t samples) {
  const double exact = fraction * static_cast<double>(samples);
  const auto count = static_cast<std::uint64_t>(std::ceil(exact * (1 - 1e-13)));
  return std::clamp<std::uint64_t>(count, samples == 0 ? 0 : 1, samples);
}

absl::Status CheckFraction(double fraction, const char* field) {
  if (fraction > 0 && fraction < 1) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(field, " is ", fraction, ", expected a share between 0 and 1"));
}

absl::Status NeedTimestamps(const Dataset& data, const char* split) {
  if (!data.timestamps().empty()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("the split \"", split, "\" needs timestamps, and ", data.name(), " has none"));
}

// Times that are looked at before their pages may be given back.
constexpr std::uint64_t kTimesAtOnce = std::uint64_t{1} << 20;

/// Ascending with time, also before 1970.
std::uint64_t TimeKey(std::int64_t timestamp) {
  return static_cast<std::uint64_t>(timestamp) ^ (std::uint64_t{1} << 63);
}

/// What random splits order samples by.
std::uint64_t HashOf(std::uint32_t user, RowId item, std::uint64_t seed) {
  const std::uint32_t pair[2] = {user, static_cast<std::uint32_t>(item)};
  return XXH3_64bits_withSeed(pair, sizeof pair, seed);
}

}  // namespace

absl::StatusOr<DataSplit> DataSplit::Make(const Dataset& data, const Split& config) {
  DataSplit split(data.samples());
  split.name_ = "none";
  absl::Status possible;
  switch (config.kind_case()) {
    case Split::KIND_NOT_SET:
      break;
    case Split::kRandom: {
      const double fraction = config.random().fraction();
      possible = CheckFraction(fraction, "split.random.fraction");
      if (!possible.ok()) return possible;
      split.validation_count_ = ShareOf(fraction, data.samples());
      split.MarkRandom(data, config.random().seed());
      split.name_ = NameOf(config.random());
      break;
    }
    case Split::kGiven:
      if (data.given_validation().empty()) {
        return absl::FailedPreconditionError(
            absl::StrCat("the split \"given\" needs a data set imported with --validation, and ",
                         data.name(), " was not"));
      }
      split.bits_.assign(data.given_validation().begin(), data.given_validation().end());
      for (const std::uint64_t word : split.bits_) {
        split.validation_count_ += static_cast<std::uint64_t>(std::popcount(word));
      }
      split.name_ = "given";
      break;
    case Split::kLeaveLastOut:
      possible = NeedTimestamps(data, "leave_last_out");
      if (!possible.ok()) return possible;
      split.MarkLastOfEachUser(data);
      split.name_ = "leave last out";
      break;
    case Split::kLeaveOneOut:
      split.MarkOneOfEachUser(data, config.leave_one_out().seed());
      split.name_ = absl::StrCat("leave one out, seed ", config.leave_one_out().seed());
      break;
    case Split::kGlobalTime: {
      const double fraction = config.global_time().fraction();
      possible = CheckFraction(fraction, "split.global_time.fraction");
      if (possible.ok()) possible = NeedTimestamps(data, "global_time");
      if (!possible.ok()) return possible;
      split.validation_count_ = ShareOf(fraction, data.samples());
      split.MarkNewest(data, split.validation_count_);
      split.name_ = absl::StrCat("global time ", ShareText(fraction));
      break;
    }
  }
  return split;
}

absl::StatusOr<DataSplit> DataSplit::MakeFor(const UsersOfPartitions& users, const RandomCut& cut,
                                             const Dataset& data, const Split& config) {
  if (!config.has_random()) return Make(data, config);
  absl::Status possible = CheckFraction(config.random().fraction(), "split.random.fraction");
  if (!possible.ok()) return possible;
  DataSplit split(data.samples());
  split.whole_ = false;
  split.known_.resize(users.partitioning.count());
  split.cut_ = cut;
  split.validation_count_ = ShareOf(config.random().fraction(), data.samples());
  split.name_ = NameOf(config.random());
  split.Include(users, data, config);
  return split;
}

void DataSplit::Include(const UsersOfPartitions& users, const Dataset& data, const Split& config) {
  if (whole_) return;
  UsersOfPartitions unknown = {.partitioning = users.partitioning, .ranges = {}};
  for (const SeatRange& range : users.ranges) {
    for (std::uint32_t p = range.first; p < range.last; ++p) {
      if (known_[p]) continue;
      known_[p] = true;
      if (!unknown.ranges.empty() && unknown.ranges.back().last == p) {
        ++unknown.ranges.back().last;
      } else {
        unknown.ranges.push_back({p, p + 1});
      }
    }
  }
  MarkUpToCut(data, config.random().seed(), unknown);
}

void DataSplit::MarkRandom(const Dataset& data, std::uint64_t seed) {
  if (validation_count_ == 0) return;
  // Hashes are spread evenly, so the one sought is near its share of all keys: by eight deviations
  // of a binomial distribution, and a few samples, in the first attempt.
  const auto count = static_cast<double>(validation_count_);
  double margin = 16 + 8 * std::sqrt(count * (1 - count / static_cast<double>(samples_)));
  while (!MarkNearShare(data, seed, margin)) margin *= 1024;
}

/// One pass. False, and bits of no meaning, where the hash sought is farther away than `margin`
/// samples.
bool DataSplit::MarkNearShare(const Dataset& data, std::uint64_t seed, double margin) {
  const auto samples = static_cast<double>(samples_);
  const auto count = static_cast<double>(validation_count_);
  const auto key_at = [samples](double place) {
    const double share = place / samples;
    return share <= 0   ? 0
           : share >= 1 ? ~std::uint64_t{0}
                        : static_cast<std::uint64_t>(std::ldexp(share, 64));
  };
  const std::uint64_t first = key_at(count - margin);
  const std::uint64_t width = key_at(count + margin) - first;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> candidates;
  const std::span<const std::uint64_t> offsets = data.user_offsets();
  const std::span<const RowId> items = data.item_column();
  std::uint64_t word = 0;
  std::uint64_t sample = 0;
  std::uint64_t below = 0;
  const auto flush = [&] {
    bits_[(sample - 1) / 64] = word;
    below += static_cast<std::uint64_t>(std::popcount(word));
    word = 0;
  };
  SamplesPass pass(data);
  for (std::uint32_t user = 0; user < data.users(); ++user) {
    Activity::Tick();
    pass.ComesTo(RowId{user});
    for (const std::uint64_t end = offsets[user + 1]; sample < end;) {
      const std::uint64_t key = HashOf(user, items[sample], seed);
      if (key - first <= width) candidates.emplace_back(key, sample);
      word |= std::uint64_t{key < first} << (sample % 64);
      if (++sample % 64 == 0) flush();
    }
  }
  if (sample % 64 != 0) flush();
  if (validation_count_ <= below || validation_count_ > below + candidates.size()) return false;
  std::sort(candidates.begin(), candidates.end());
  candidates.resize(validation_count_ - below);
  for (const auto& [key, candidate] : candidates) Mark(candidate);
  cut_ = {.key = candidates.back().first, .sample = candidates.back().second};
  return true;
}

void DataSplit::MarkUpToCut(const Dataset& data, std::uint64_t seed,
                            const UsersOfPartitions& users) {
  const std::span<const std::uint64_t> offsets = data.user_offsets();
  const std::span<const RowId> items = data.item_column();
  for (const SeatRange& range : users.ranges) {
    SamplesPass pass(data);
    // All partitions of a slot before the next, which is one way through the data set.
    for (std::uint32_t slot = 0; slot < users.partitioning.RowsMax(data.users()); ++slot) {
      for (std::uint32_t p = range.first; p < range.last; ++p) {
        const RowId user = users.partitioning.IdAt(PartitionId{p}, slot);
        if (Index(user) >= data.users()) continue;
        Activity::Tick();
        if (p == range.first) pass.ComesTo(user);
        for (std::uint64_t s = offsets[Index(user)]; s < offsets[Index(user) + 1]; ++s) {
          const std::uint64_t key = HashOf(static_cast<std::uint32_t>(user), items[s], seed);
          if (std::pair(key, s) <= std::pair(cut_.key, cut_.sample)) Mark(s);
        }
      }
    }
  }
}

void DataSplit::MarkLastOfEachUser(const Dataset& data) {
  const std::span<const std::uint64_t> offsets = data.user_offsets();
  const std::span<const std::int64_t> times = data.timestamps();
  SamplesPass pass(data);
  for (std::uint32_t user = 0; user < data.users(); ++user) {
    Activity::Tick();
    pass.ComesTo(RowId{user});
    const std::uint64_t begin = offsets[user];
    const std::uint64_t end = offsets[user + 1];
    if (end - begin < 2) continue;
    std::uint64_t last = begin;
    for (std::uint64_t sample = begin + 1; sample < end; ++sample) {
      if (times[sample] >= times[last]) last = sample;  // Among equal times the highest item id.
    }
    Mark(last);
    ++validation_count_;
  }
}

void DataSplit::MarkOneOfEachUser(const Dataset& data, std::uint64_t seed) {
  const std::span<const std::uint64_t> offsets = data.user_offsets();
  const std::span<const RowId> items = data.item_column();
  SamplesPass pass(data);
  for (std::uint32_t user = 0; user < data.users(); ++user) {
    Activity::Tick();
    pass.ComesTo(RowId{user});
    const std::uint64_t begin = offsets[user];
    const std::uint64_t end = offsets[user + 1];
    if (end - begin < 2) continue;
    std::uint64_t chosen = begin;
    std::uint64_t smallest = HashOf(user, items[begin], seed);
    for (std::uint64_t sample = begin + 1; sample < end; ++sample) {
      const std::uint64_t hash = HashOf(user, items[sample], seed);
      if (hash >= smallest) continue;  // Among equal ones the lowest item id.
      smallest = hash;
      chosen = sample;
    }
    Mark(chosen);
    ++validation_count_;
  }
}

void DataSplit::MarkNewest(const Dataset& data, std::uint64_t count) {
  const std::span<const std::int64_t> times = data.timestamps();
  const auto [oldest, newest] = std::minmax_element(times.begin(), times.end());
  // The smallest complement is the newest; visited from the back, later samples win ties.
  const auto for_each = [&data, times](const auto& visit) {
    for (std::uint64_t sample = times.size(); sample-- > 0;) {
      visit(sample, ~TimeKey(times[sample]));
      if (sample % kTimesAtOnce == 0) data.GiveBackPages();
    }
  };
  MarkSmallest(for_each, count, [this](std::uint64_t sample) { Mark(sample); },
               {.first = ~TimeKey(*newest), .last = ~TimeKey(*oldest)});
}

absl::StatusOr<TrainingStatistics> ComputeTrainingStatistics(const Dataset& data,
                                                             const DataSplit& split,
                                                             std::uint32_t partitions) {
  Check(split.samples() == data.samples() && split.whole(),
        "the split was made from this data set, all of it");
  if (split.training_count() == 0) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the split \"", split.name(), "\" leaves no training sample of ", data.name()));
  }
  const Partitioning partitioning(partitions);
  const std::span<const std::uint64_t> offsets = data.user_offsets();
  const std::span<const float> ratings = data.ratings();
  TrainingStatistics statistics = {.min = std::numeric_limits<float>::infinity(),
                                   .max = -std::numeric_limits<float>::infinity()};
  // The mean over training samples of what `value` makes of a rating.
  const auto mean = [&](const auto& value) {
    std::vector<double> sums(partitions, 0);
    SamplesPass pass(data);
    for (std::uint32_t user = 0; user < data.users(); ++user) {
      Activity::Tick();
      pass.ComesTo(RowId{user});
      double& sum = sums[Index(partitioning.Of(RowId{user}))];
      for (std::uint64_t sample = offsets[user]; sample < offsets[user + 1]; ++sample) {
        if (!split.is_validation(sample)) sum += value(ratings[sample]);
      }
    }
    return SumAlongTree(sums) / static_cast<double>(split.training_count());
  };
  statistics.mean = mean([&](float rating) {
    statistics.min = std::min(statistics.min, rating);
    statistics.max = std::max(statistics.max, rating);
    return static_cast<double>(rating);
  });
  statistics.deviation = std::sqrt(mean([&](float rating) {
    const double from_mean = static_cast<double>(rating) - statistics.mean;
    return from_mean * from_mean;
  }));
  return statistics;
}

}  // namespace cf
