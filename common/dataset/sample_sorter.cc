#include "common/dataset/sample_sorter.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <numeric>

#include "common/base/check.h"
#include "common/dataset/column_file.h"
#include "common/dataset/layout.h"
#include "common/dataset/parallel.h"
#include "common/dataset/user_range_samples.h"

namespace cf {
namespace {

/// Users are worked through in ranges of about so many samples: a range and its copies fit a core's
/// second-level cache (2^15 of 70 bytes). There are at most so many ranges, each of which has its
/// place in every chunk.
constexpr std::uint64_t kRangeSamples = 1 << 15;
constexpr std::uint64_t kRangesMax = 2048;

/// Slices of fewer samples on average cost more than to deal the samples once.
constexpr std::size_t kSliceSamplesMin = 16;

/// The files of the columns of samples. Threads: written from several at different places.
struct Columns {
  explicit Columns(const std::string& folder)
      : items(folder + "/" + layout::kItems),
        ratings(folder + "/" + layout::kRatings),
        timestamps(folder + "/" + layout::kTimestamps) {}

  ColumnFile items;
  ColumnFile ratings;
  ColumnFile timestamps;
  std::vector<std::uint64_t> validation;
};

/// Writes the samples of one range, the first of which has the number `begin`.
absl::Status WriteRange(const SampleColumns& samples, std::uint64_t begin, Columns* columns) {
  absl::Status status = columns->items.WriteAt<std::uint32_t>(begin, samples.items);
  if (status.ok()) status = columns->ratings.WriteAt<float>(begin, samples.ratings);
  if (status.ok() && !samples.timestamps.empty()) {
    status = columns->timestamps.WriteAt<std::int64_t>(begin, samples.timestamps);
  }
  for (std::uint64_t k = 0; k < samples.validation.size(); ++k) {
    if (samples.validation[k] == 0) continue;
    // Two ranges may meet within a word.
    std::atomic_ref(columns->validation[(begin + k) / 64])
        .fetch_or(std::uint64_t{1} << ((begin + k) % 64), std::memory_order_relaxed);
  }
  return status;
}

}  // namespace

void WrittenSamples::Add(const WrittenSamples& others) {
  summary.samples += others.summary.samples;
  summary.duplicates += others.summary.duplicates;
  summary.leaks += others.summary.leaks;
  ratings.Add(others.ratings);
  timestamps.Add(others.timestamps);
}

SampleSorter::SampleSorter(const DatasetWriterOptions& options, std::span<SampleChunk> chunks,
                           std::size_t users, std::size_t items)
    : options_(options), chunks_(chunks), items_(items), appended_(users, 0) {
  for (const SampleChunk& chunk : chunks) samples_ += chunk.users.size();
  RunParallel(options_.threads, chunks_.size(), [this](std::size_t task, unsigned) {
    // Files are often sorted by user: then runs are long, and few additions meet.
    const std::vector<std::uint32_t>& of_chunk = chunks_[task].users;
    for (auto run = of_chunk.begin(); run != of_chunk.end();) {
      const auto end = std::find_if(run, of_chunk.end(),
                                    [user = *run](std::uint32_t other) { return other != user; });
      std::atomic_ref(appended_[*run])
          .fetch_add(static_cast<std::uint64_t>(end - run), std::memory_order_relaxed);
      run = end;
    }
  });
}

void SampleSorter::Progress(const char* doing, std::uint64_t done) const {
  if (options_.progress) options_.progress(doing, done, samples_);
}

void SampleSorter::CutIntoRanges() {
  const std::uint64_t enough = std::max(kRangeSamples, samples_ / kRangesMax);
  ranges_.clear();
  range_of_user_.resize(appended_.size());
  for (std::uint32_t user = 0; user < appended_.size(); ++user) {
    if (ranges_.empty() || ranges_.back().samples >= enough) ranges_.push_back({user, user, 0});
    ranges_.back().samples += appended_[user];
    ranges_.back().last = user + 1;
    range_of_user_[user] = static_cast<std::uint16_t>(ranges_.size() - 1);
  }
  starts_.assign(chunks_.size() * (ranges_.size() + 1), 0);
  slices_.resize(chunks_.size());
}

bool SampleSorter::FindSlices(const SampleChunk& chunk, std::size_t slices_max,
                              std::vector<Slice>* slices) {
  const auto rows = static_cast<std::uint32_t>(chunk.users.size());
  slices->clear();
  for (std::uint32_t row = 0; row < rows;) {
    if (slices->size() == slices_max) return false;
    Slice slice = {.range = range_of_user_[chunk.users[row]], .first = row};
    while (row < rows && range_of_user_[chunk.users[row]] == slice.range) ++row;
    slice.last = row;
    slices->push_back(slice);
  }
  return true;
}

void SampleSorter::DealToRanges(SampleChunk* chunk, Scratch* scratch) {
  std::vector<std::uint32_t> next(ranges_.size() + 1, 0);
  for (const std::uint32_t user : chunk->users) ++next[range_of_user_[user] + 1U];
  std::partial_sum(next.begin(), next.end(), next.begin());
  std::vector<std::uint32_t>& places = scratch->places;
  places.resize(chunk->users.size());
  for (std::size_t row = 0; row < places.size(); ++row) {
    places[row] = next[range_of_user_[chunk->users[row]]]++;
  }
  const auto deal = [&places](auto& column, auto& dealt) {
    dealt.resize(column.size());
    for (std::size_t row = 0; row < column.size(); ++row) dealt[places[row]] = column[row];
    std::copy(dealt.begin(), dealt.end(), column.begin());
  };
  deal(chunk->users, scratch->dealt.users);
  deal(chunk->items, scratch->dealt.items);
  deal(chunk->ratings, scratch->dealt.ratings);
  deal(chunk->timestamps, scratch->dealt.timestamps);
  // Now that all rows have their places, what began as a range's start is its end.
  scratch->slices.clear();
  std::uint32_t first = 0;
  for (std::uint32_t range = 0; range < ranges_.size(); first = next[range++]) {
    if (first < next[range]) scratch->slices.push_back({range, first, next[range]});
  }
}

void SampleSorter::CutIntoSlices(std::size_t task, Scratch* scratch) {
  SampleChunk& chunk = chunks_[task];
  const std::size_t rows = chunk.users.size();
  Check(rows < ~0U, "a place in a chunk has 32 bits");
  if (!FindSlices(chunk, rows / kSliceSamplesMin, &scratch->slices)) DealToRanges(&chunk, scratch);
  const std::span<std::uint32_t> starts = StartsOf(task);
  for (const Slice& slice : scratch->slices) ++starts[slice.range + 1];
  std::partial_sum(starts.begin(), starts.end(), starts.begin());
  std::vector<std::uint32_t> next(starts.begin(), starts.end() - 1);
  slices_[task].resize(scratch->slices.size());
  for (const Slice& slice : scratch->slices) slices_[task][next[slice.range]++] = slice;
}

Frequencies SampleSorter::Count() {
  CutIntoRanges();
  std::vector<Scratch> scratches(options_.threads);
  RunParallel(options_.threads, chunks_.size(),
              [&](std::size_t task, unsigned thread) { CutIntoSlices(task, &scratches[thread]); });
  struct Tally {
    std::vector<std::uint64_t> items;
    std::vector<std::uint32_t> seen_by;   ///< The last user that had the item, plus one.
    std::vector<std::uint64_t> ends;      ///< By user of the range, of his items.
    std::vector<std::uint32_t> of_users;  ///< Items, by user of the range.
  };
  std::vector<Tally> tallies(options_.threads);
  Frequencies frequencies = {.users = std::vector<std::uint64_t>(appended_.size(), 0),
                             .items = std::vector<std::uint64_t>(items_, 0)};
  std::atomic<std::uint64_t> done = 0;
  RunParallel(options_.threads, ranges_.size(), [&](std::size_t task, unsigned thread) {
    const UserRange& range = ranges_[task];
    Tally& tally = tallies[thread];
    tally.items.resize(items_, 0);
    tally.seen_by.resize(items_, 0);
    tally.of_users.resize(range.samples);
    tally.ends.resize(range.last - range.first);
    const std::span<const std::uint64_t> counts = CountsOf(range);
    std::exclusive_scan(counts.begin(), counts.end(), tally.ends.begin(), std::uint64_t{0});
    ForEachSlice(task, [&](const SampleChunk& chunk, std::size_t first, std::size_t last) {
      for (std::size_t row = first; row < last; ++row) {
        tally.of_users[tally.ends[chunk.users[row] - range.first]++] = chunk.items[row];
      }
    });
    std::uint64_t next = 0;
    for (std::uint32_t user = range.first; user < range.last; ++user) {
      for (const std::uint64_t end = tally.ends[user - range.first]; next < end; ++next) {
        const std::uint32_t item = tally.of_users[next];
        if (tally.seen_by[item] == user + 1) continue;
        tally.seen_by[item] = user + 1;
        ++tally.items[item];
        ++frequencies.users[user];
      }
    }
    done += range.samples;
    if (thread == 0) Progress("counting", done);
  });
  for (const Tally& tally : tallies) {
    for (std::size_t item = 0; item < tally.items.size(); ++item) {
      frequencies.items[item] += tally.items[item];
    }
  }
  return frequencies;
}

void SampleSorter::Relabel(const DenseIds& users, const DenseIds& items) {
  std::vector<std::uint64_t> appended(users.size());
  for (std::uint32_t id = 0; id < users.size(); ++id) {
    appended[id] = appended_[users.code_of_id[id]];
  }
  appended_ = std::move(appended);
  items_ = items.size();
  CutIntoRanges();
  std::vector<Scratch> scratches(options_.threads);
  RunParallel(options_.threads, chunks_.size(), [&](std::size_t task, unsigned thread) {
    for (std::uint32_t& user : chunks_[task].users) user = users.id_of_code[user];
    for (std::uint32_t& item : chunks_[task].items) item = items.id_of_code[item];
    CutIntoSlices(task, &scratches[thread]);
  });
}

absl::StatusOr<WrittenSamples> SampleSorter::Write(const std::string& folder,
                                                   std::span<const std::uint64_t> user_offsets) {
  Columns columns(folder);
  columns.validation.assign((user_offsets.back() + 63) / 64, 0);
  absl::Status status = columns.items.Open();
  if (status.ok()) status = columns.ratings.Open();
  if (status.ok() && options_.has_timestamps) status = columns.timestamps.Open();
  if (!status.ok()) return status;

  struct Share {
    UserRangeSamples samples;
    WrittenSamples written = {};
    absl::Status failure = {};
  };
  std::vector<Share> shares(options_.threads, {.samples = UserRangeSamples(options_)});
  std::atomic<std::uint64_t> done = 0;
  RunParallel(options_.threads, ranges_.size(), [&](std::size_t task, unsigned thread) {
    Share& share = shares[thread];
    if (!share.failure.ok()) return;
    UserRangeSamples& samples = share.samples;
    const UserRange& range = ranges_[task];
    samples.Begin(CountsOf(range));
    ForEachSlice(task, [&](const SampleChunk& chunk, std::size_t first, std::size_t last) {
      samples.Add(chunk, first, last, range.first);
    });
    samples.SortAndMerge(static_cast<std::uint32_t>(items_), &share.written.summary);
    share.failure = WriteRange(samples.sorted(), user_offsets[range.first], &columns);
    share.written.ratings.Add(samples.sorted().ratings);
    share.written.timestamps.Add(samples.sorted().timestamps);
    done += range.samples;
    if (thread == 0) Progress("writing", done);
  });
  WrittenSamples total;
  for (const Share& share : shares) {
    if (!share.failure.ok()) return share.failure;
    total.Add(share.written);
  }
  Check(total.summary.samples == user_offsets.back(), "both passes find the same pairs");

  if (options_.has_validation) {
    status = WriteColumn<std::uint64_t>(folder + "/" + layout::kValidation, columns.validation);
  }
  for (const std::uint64_t word : columns.validation) {
    total.summary.validation += static_cast<std::uint64_t>(std::popcount(word));
  }
  if (!status.ok()) return status;
  return total;
}

}  // namespace cf
