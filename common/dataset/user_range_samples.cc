#include "common/dataset/user_range_samples.h"

#include <algorithm>
#include <array>
#include <bit>
#include <numeric>
#include <utility>

#include "common/base/check.h"

namespace cf {
namespace {

/// Sorts by the bits [first, last), keeping the order of equal ones: a digit of 8 bits at a time,
/// whose counters and places fit the first-level cache.
void RadixSort(int first, int last, std::vector<std::uint64_t>* keys,
               std::vector<std::uint64_t>* scratch) {
  constexpr int kDigit = 8;
  scratch->resize(keys->size());
  for (int shift = first; shift < last; shift += kDigit) {
    const std::uint64_t mask = (std::uint64_t{1} << std::min(kDigit, last - shift)) - 1;
    std::array<std::uint32_t, 1 << kDigit> places{};
    for (const std::uint64_t key : *keys) ++places[(key >> shift) & mask];
    std::exclusive_scan(places.begin(), places.end(), places.begin(), 0U);
    for (const std::uint64_t key : *keys) (*scratch)[places[(key >> shift) & mask]++] = key;
    keys->swap(*scratch);
  }
}

/// What becomes of several samples of one pair.
struct Kept {
  std::size_t place = 0;  ///< Of the one, among them.
  float rating = 0;
};

/// The samples of one pair, in the order of appending.
struct Several {
  std::span<const float> ratings;
  std::span<const std::int64_t> timestamps;  ///< Empty if there are none.
  std::span<const std::uint8_t> validation;  ///< Empty where no sample is one.
};

/// Whether a sample takes the place of the one that was kept so far.
bool Replaces(const Several& several, std::size_t sample, std::size_t kept, Duplicates duplicates) {
  switch (duplicates) {
    case Duplicates::kFirst:
      return false;
    case Duplicates::kNewest:
      return several.timestamps[sample] >= several.timestamps[kept];
    case Duplicates::kOldest:
      return several.timestamps[sample] < several.timestamps[kept];
    case Duplicates::kLast:
    case Duplicates::kMean:
    case Duplicates::kSum:
      break;
  }
  return true;
}

/// One of them: validation samples push out training samples, then `duplicates` decides.
Kept Choose(const Several& several, Duplicates duplicates, WriteSummary* summary) {
  const std::span<const float> ratings = several.ratings;
  const std::span<const std::uint8_t> validation = several.validation;
  const auto training =
      static_cast<std::size_t>(std::count(validation.begin(), validation.end(), std::uint8_t{0}));
  const bool only_validation = training > 0 && training < validation.size();
  if (only_validation) summary->leaks += training;
  Kept kept;
  std::size_t count = 0;
  double sum = 0;
  for (std::size_t k = 0; k < ratings.size(); ++k) {
    if (only_validation && validation[k] == 0) continue;
    sum += static_cast<double>(ratings[k]);
    if (count++ == 0 || Replaces(several, k, kept.place, duplicates)) {
      kept = {.place = k, .rating = ratings[k]};
    }
  }
  summary->duplicates += count - 1;
  if (duplicates == Duplicates::kMean) sum /= static_cast<double>(count);
  if (duplicates == Duplicates::kMean || duplicates == Duplicates::kSum) {
    kept.rating = static_cast<float>(sum);
  }
  return kept;
}

}  // namespace

void SampleColumns::Resize(std::size_t samples, const DatasetWriterOptions& options) {
  items.resize(samples);
  ratings.resize(samples);
  if (options.has_timestamps) timestamps.resize(samples);
  if (options.has_validation) validation.resize(samples);
}

void UserRangeSamples::Begin(std::span<const std::uint64_t> counts) {
  ends_.resize(counts.size());
  std::exclusive_scan(counts.begin(), counts.end(), ends_.begin(), std::uint64_t{0});
  const std::uint64_t samples = ends_.back() + counts.back();
  Check(samples < ~0U, "a place in a range has 32 bits");
  users_.resize(samples);
  keys_.resize(samples);
  added_.Resize(samples, options_);
  added_count_ = 0;
}

void UserRangeSamples::Add(const SampleChunk& chunk, std::size_t first, std::size_t last,
                           std::uint32_t first_user) {
  const std::size_t count = last - first;
  const std::size_t at = added_count_;
  added_count_ += count;
  Check(added_count_ <= users_.size(), "no more samples than were counted");
  for (std::size_t k = 0; k < count; ++k) {
    users_[at + k] = chunk.users[first + k] - first_user;
    keys_[at + k] = (std::uint64_t{chunk.items[first + k]} << 32) | (at + k);
  }
  const auto copy = [=](const auto& from, auto& into) {
    std::copy_n(from.begin() + static_cast<std::ptrdiff_t>(first), count,
                into.begin() + static_cast<std::ptrdiff_t>(at));
  };
  const auto fill = [=](auto value, auto& into) {
    std::fill_n(into.begin() + static_cast<std::ptrdiff_t>(at), count, value);
  };
  options_.has_ratings ? copy(chunk.ratings, added_.ratings) : fill(1.0F, added_.ratings);
  if (options_.has_timestamps) copy(chunk.timestamps, added_.timestamps);
  if (options_.has_validation) fill(std::uint8_t{chunk.validation}, added_.validation);
}

void UserRangeSamples::SortAndMerge(std::uint32_t items, WriteSummary* summary) {
  Check(added_count_ == users_.size(), "as many samples as were counted");
  Sort(items);
  if (repeated_) Merge(summary);
  summary->samples += sorted_.items.size();
}

void UserRangeSamples::Sort(std::uint32_t items) {
  // By item, then dealt to the users: both keep the order, so repeated pairs stay as appended.
  RadixSort(32, 32 + static_cast<int>(std::bit_width(items - 1)), &keys_, &scratch_);
  constexpr std::uint32_t kNone = ~0U;
  last_item_.assign(ends_.size(), kNone);
  repeated_ = false;
  sorted_.Resize(users_.size(), options_);
  for (const std::uint64_t key : keys_) {
    const auto from = static_cast<std::uint32_t>(key);
    const auto item = static_cast<std::uint32_t>(key >> 32);
    const std::uint32_t user = users_[from];
    const std::uint64_t place = ends_[user]++;
    repeated_ |= last_item_[user] == item;
    last_item_[user] = item;
    sorted_.items[place] = item;
    sorted_.ratings[place] = added_.ratings[from];
    if (options_.has_timestamps) sorted_.timestamps[place] = added_.timestamps[from];
    if (options_.has_validation) sorted_.validation[place] = added_.validation[from];
  }
}

void UserRangeSamples::Merge(WriteSummary* summary) {
  std::size_t kept = 0;
  std::size_t begin = 0;
  for (const std::uint64_t end : ends_) {
    while (begin < end) {
      const std::uint32_t item = sorted_.items[begin];
      std::size_t next = begin + 1;
      while (next < end && sorted_.items[next] == item) ++next;
      const std::size_t count = next - begin;
      Kept one = {.place = 0, .rating = sorted_.ratings[begin]};
      if (count > 1) {
        const auto of_pair = [begin, count](const auto& column, bool there) {
          return there ? std::span(column).subspan(begin, count) : std::span(column);
        };
        one = Choose(
            {.ratings = of_pair(std::as_const(sorted_.ratings), true),
             .timestamps = of_pair(std::as_const(sorted_.timestamps), options_.has_timestamps),
             .validation = of_pair(std::as_const(sorted_.validation), options_.has_validation)},
            options_.duplicates, summary);
      }
      const std::size_t from = begin + one.place;
      sorted_.items[kept] = item;
      sorted_.ratings[kept] = one.rating;
      if (options_.has_timestamps) sorted_.timestamps[kept] = sorted_.timestamps[from];
      if (options_.has_validation) sorted_.validation[kept] = sorted_.validation[from];
      ++kept;
      begin = next;
    }
  }
  sorted_.Resize(kept, options_);
}

}  // namespace cf
