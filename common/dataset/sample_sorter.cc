#include "common/dataset/sample_sorter.h"

#include <atomic>
#include <bit>
#include <numeric>

#include "common/base/check.h"
#include "common/dataset/column_file.h"
#include "common/dataset/layout.h"
#include "common/dataset/parallel.h"

namespace cf {
namespace {

/// Users are worked through in ranges that hold about this share of the samples, so that what is
/// gathered at a time stays small beside the samples themselves.
constexpr std::uint64_t kRangesWanted = 32;
constexpr std::uint64_t kRangeSamplesMin = 1 << 18;

/// Users from first up to last, and how many samples were appended for them.
struct UserRange {
  std::uint32_t first = 0;
  std::uint32_t last = 0;
  std::uint64_t samples = 0;
};

std::vector<UserRange> CutIntoRanges(std::span<const std::uint64_t> samples_of_user) {
  const std::uint64_t samples =
      std::accumulate(samples_of_user.begin(), samples_of_user.end(), std::uint64_t{0});
  const std::uint64_t enough = std::max(kRangeSamplesMin, samples / kRangesWanted);
  std::vector<UserRange> ranges;
  for (std::uint32_t user = 0; user < samples_of_user.size(); ++user) {
    if (ranges.empty() || ranges.back().samples >= enough) ranges.push_back({user, user, 0});
    ranges.back().samples += samples_of_user[user];
    ranges.back().last = user + 1;
  }
  return ranges;
}

/// The records of one range's samples, by user and within a user in the order of appending: those
/// of user first + k are from ends[k - 1] (0 for the first) up to ends[k].
template <class Record>
struct Gathered {
  std::vector<Record> records;
  std::vector<std::uint64_t> ends;
};

template <class Record, class RecordAt>
Gathered<Record> Gather(std::span<const SampleBlock> blocks, const UserRange& range,
                        std::span<const std::uint64_t> samples_of_user, const RecordAt& record_at) {
  Gathered<Record> gathered;
  gathered.records.resize(range.samples);
  // While filling, an end is where the user's next record goes.
  gathered.ends.resize(range.last - range.first);
  const auto counts = samples_of_user.subspan(range.first, range.last - range.first);
  std::exclusive_scan(counts.begin(), counts.end(), gathered.ends.begin(), std::uint64_t{0});
  for (const SampleBlock& block : blocks) {
    for (std::size_t row = 0; row < block.users.size(); ++row) {
      const std::uint32_t user = block.users[row] - range.first;
      if (user < range.last - range.first) {
        gathered.records[gathered.ends[user]++] = record_at(block, row);
      }
    }
  }
  return gathered;
}

struct Record {
  std::uint32_t item = 0;
  float rating = 0;
  std::int64_t timestamp = 0;
  bool validation = false;
};

/// One sample out of several of one pair, in the order of appending: validation samples push out
/// training samples, then `duplicates` decides. Counts what it drops.
Record Merge(std::span<const Record> same, Duplicates duplicates, WriteSummary* summary,
             std::vector<Record>* scratch) {
  if (same.size() == 1) return same[0];
  scratch->assign(same.begin(), same.end());
  const auto is_training = [](const Record& record) { return !record.validation; };
  const auto training = std::count_if(scratch->begin(), scratch->end(), is_training);
  if (training > 0 && static_cast<std::size_t>(training) < same.size()) {
    std::erase_if(*scratch, is_training);
    summary->leaks += static_cast<std::uint64_t>(training);
  }
  summary->duplicates += scratch->size() - 1;
  Record merged = scratch->back();
  if (duplicates == Duplicates::kFirst) merged = scratch->front();
  if (duplicates == Duplicates::kMean || duplicates == Duplicates::kSum) {
    double sum = 0;
    for (const Record& record : *scratch) sum += static_cast<double>(record.rating);
    if (duplicates == Duplicates::kMean) sum /= static_cast<double>(scratch->size());
    merged.rating = static_cast<float>(sum);
  }
  return merged;
}

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

/// Samples in canonical order, each pair once.
std::vector<Record> SortAndMerge(const Gathered<Record>& gathered, Duplicates duplicates,
                                 WriteSummary* summary) {
  std::vector<std::uint64_t> keys;
  std::vector<Record> same;
  std::vector<Record> scratch;
  std::vector<Record> merged;
  merged.reserve(gathered.records.size());
  std::uint64_t begin = 0;
  for (const std::uint64_t end : gathered.ends) {
    const std::span<const Record> records(gathered.records.data() + begin, end - begin);
    // Item above, place below: one sort of plain numbers that keeps the order of appending.
    keys.resize(records.size());
    for (std::uint64_t k = 0; k < records.size(); ++k) {
      keys[k] = (std::uint64_t{records[k].item} << 32) | k;
    }
    std::sort(keys.begin(), keys.end());
    for (std::size_t k = 0; k < keys.size();) {
      same.clear();
      const std::uint64_t item = keys[k] >> 32;
      for (; k < keys.size() && keys[k] >> 32 == item; ++k) {
        same.push_back(records[static_cast<std::uint32_t>(keys[k])]);
      }
      merged.push_back(Merge(same, duplicates, summary, &scratch));
    }
    begin = end;
  }
  return merged;
}

/// Writes the samples of one range, the first of which has the number `begin`.
absl::Status WriteRange(const DatasetWriterOptions& options, Gathered<Record> gathered,
                        std::uint64_t begin, Columns* columns, WriteSummary* summary) {
  const std::vector<Record> records = SortAndMerge(gathered, options.duplicates, summary);
  gathered = {};
  summary->samples += records.size();
  const auto write = [&records, begin]<class T>(ColumnFile* file, T Record::*field) {
    std::vector<T> values(records.size());
    std::transform(records.begin(), records.end(), values.begin(),
                   [field](const Record& record) { return record.*field; });
    return file->WriteAt<T>(begin, values);
  };
  absl::Status status = write(&columns->items, &Record::item);
  if (status.ok()) status = write(&columns->ratings, &Record::rating);
  if (status.ok() && options.has_timestamps) {
    status = write(&columns->timestamps, &Record::timestamp);
  }
  for (std::uint64_t k = 0; options.has_validation && k < records.size(); ++k) {
    if (!records[k].validation) continue;
    // Two ranges may meet within a word.
    std::atomic_ref(columns->validation[(begin + k) / 64])
        .fetch_or(std::uint64_t{1} << ((begin + k) % 64), std::memory_order_relaxed);
  }
  return status;
}

}  // namespace

SampleSorter::SampleSorter(const DatasetWriterOptions& options, std::span<SampleBlock> blocks,
                           std::size_t users, std::size_t items)
    : options_(options), blocks_(blocks), items_(items), appended_(users, 0) {
  for (const SampleBlock& block : blocks) {
    samples_ += block.users.size();
    for (const std::uint32_t user : block.users) ++appended_[user];
  }
}

void SampleSorter::Progress(const char* doing, std::uint64_t done) const {
  if (options_.progress) options_.progress(doing, done, samples_);
}

Frequencies SampleSorter::Count() {
  const std::vector<UserRange> ranges = CutIntoRanges(appended_);
  struct Tally {
    std::vector<std::uint64_t> items;
    std::vector<std::uint32_t> seen_by;  ///< The last user that had the item, plus one.
  };
  std::vector<Tally> tallies(options_.threads);
  Frequencies frequencies = {.users = std::vector<std::uint64_t>(appended_.size(), 0),
                             .items = std::vector<std::uint64_t>(items_, 0)};
  std::atomic<std::uint64_t> done = 0;
  RunParallel(options_.threads, ranges.size(), [&](std::size_t task, unsigned thread) {
    const UserRange& range = ranges[task];
    Tally& tally = tallies[thread];
    tally.items.resize(items_, 0);
    tally.seen_by.resize(items_, 0);
    const auto gathered = Gather<std::uint32_t>(
        blocks_, range, appended_,
        [](const SampleBlock& block, std::size_t row) { return block.items[row]; });
    std::uint64_t next = 0;
    for (std::uint32_t user = range.first; user < range.last; ++user) {
      for (const std::uint64_t end = gathered.ends[user - range.first]; next < end; ++next) {
        const std::uint32_t item = gathered.records[next];
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
  RunParallel(options_.threads, blocks_.size(), [&](std::size_t task, unsigned) {
    for (std::uint32_t& user : blocks_[task].users) user = users.id_of_code[user];
    for (std::uint32_t& item : blocks_[task].items) item = items.id_of_code[item];
  });
  std::vector<std::uint64_t> appended(users.size());
  for (std::uint32_t id = 0; id < users.size(); ++id) {
    appended[id] = appended_[users.code_of_id[id]];
  }
  appended_ = std::move(appended);
}

absl::StatusOr<WriteSummary> SampleSorter::Write(const std::string& folder,
                                                 std::span<const std::uint64_t> user_offsets) {
  Columns columns(folder);
  columns.validation.assign((user_offsets.back() + 63) / 64, 0);
  absl::Status status = columns.items.Open();
  if (status.ok()) status = columns.ratings.Open();
  if (status.ok() && options_.has_timestamps) status = columns.timestamps.Open();
  if (!status.ok()) return status;

  const std::vector<UserRange> ranges = CutIntoRanges(appended_);
  std::vector<absl::Status> failures(options_.threads);
  std::vector<WriteSummary> summaries(options_.threads);
  std::atomic<std::uint64_t> done = 0;
  RunParallel(options_.threads, ranges.size(), [&](std::size_t task, unsigned thread) {
    if (!failures[thread].ok()) return;
    const UserRange& range = ranges[task];
    failures[thread] = WriteRange(
        options_,
        Gather<Record>(blocks_, range, appended_,
                       [](const SampleBlock& block, std::size_t row) {
                         return Record{
                             .item = block.items[row],
                             .rating = block.ratings.empty() ? 1.0F : block.ratings[row],
                             .timestamp = block.timestamps.empty() ? 0 : block.timestamps[row],
                             .validation = block.validation};
                       }),
        user_offsets[range.first], &columns, &summaries[thread]);
    done += range.samples;
    if (thread == 0) Progress("writing", done);
  });
  WriteSummary total;
  for (unsigned thread = 0; thread < options_.threads; ++thread) {
    if (!failures[thread].ok()) return failures[thread];
    total.samples += summaries[thread].samples;
    total.duplicates += summaries[thread].duplicates;
    total.leaks += summaries[thread].leaks;
  }
  Check(total.samples == user_offsets.back(), "both passes find the same pairs");

  status = columns.items.Sync();
  if (status.ok()) status = columns.ratings.Sync();
  if (status.ok() && options_.has_timestamps) status = columns.timestamps.Sync();
  if (status.ok() && options_.has_validation) {
    status = WriteColumn<std::uint64_t>(folder + "/" + layout::kValidation, columns.validation);
  }
  for (const std::uint64_t word : columns.validation) {
    total.validation += static_cast<std::uint64_t>(std::popcount(word));
  }
  if (!status.ok()) return status;
  return total;
}

}  // namespace cf
