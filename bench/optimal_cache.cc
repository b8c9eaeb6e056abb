// optimal_cache DATA ROWS_IN_MEMORY ...: how often a cache of so many rows that knew the future (Belady's: out goes what is wanted
// last) would have to read a row, for each sample of the second epoch of SYNC, batches of 4,096 of the samples in random order. The bound
// that `storage --schedule SYNC` stands beside.
//
// One row in sixteen is looked at, in a cache a sixteenth as large (Waldspurger et al., SHARDS, FAST 2015): an optimal cache of a
// random part of the rows misses as often as that of all.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <queue>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "common/base/ids.h"
#include "common/dataset/dataset.h"
#include "common/math/random.h"

namespace cf {
namespace {

constexpr std::uint32_t kSampled = 16;
constexpr std::uint32_t kBatch = 4096;
constexpr std::uint32_t kNever = ~std::uint32_t{0};
constexpr std::uint64_t kSeed = 1;

/// A row that a batch wants, each once a batch.
struct Want {
  std::uint32_t batch = 0;
  std::uint32_t row = 0;   ///< Of those that are looked at.
  std::uint32_t next = 0;  ///< The batch that wants it next, or kNever.
};

/// Users' rows come before items'; kNever for rows that are not looked at.
std::vector<std::uint32_t> SampledRows(std::size_t rows, std::uint32_t& count) {
  const CounterRandom random(kSeed, Purpose::kSynth);
  std::vector<std::uint32_t> sampled(rows, kNever);
  for (std::size_t row = 0; row < rows; ++row) {
    if (random.Bits64(row) % kSampled == 0) sampled[row] = count++;
  }
  return sampled;
}

/// What the batches of two epochs want.
std::vector<Want> WantsOf(const Dataset& data, std::uint32_t& count) {
  const std::span<const RowId> items = data.item_column();
  const std::vector<std::uint32_t> sampled =
      SampledRows(std::size_t{data.users()} + data.items(), count);
  std::vector<std::uint32_t> users(items.size());
  for (std::uint32_t user = 0; user < data.users(); ++user) {
    const std::uint64_t first = data.user_offsets()[user], last = data.user_offsets()[user + 1];
    std::fill_n(users.data() + first, last - first, user);
  }
  std::vector<std::uint32_t> order(items.size());
  for (std::uint32_t sample = 0; sample < order.size(); ++sample) order[sample] = sample;

  std::vector<Want> wants;
  std::vector<std::uint32_t> last(count, kNever);
  std::uint32_t batch = 0;
  for (std::uint64_t epoch = 0; epoch < 2; ++epoch) {
    Shuffle(std::span(order), CounterRandom(kSeed, Purpose::kShuffle, epoch));
    for (std::size_t k = 0; k < order.size(); ++k) {
      if (k % kBatch == 0) ++batch;
      const std::size_t user = users[order[k]];
      const std::size_t item = std::size_t{data.users()} + Index(items[order[k]]);
      for (const std::size_t row : {user, item}) {
        const std::uint32_t at = sampled[row];
        if (at == kNever || last[at] == batch) continue;
        last[at] = batch;
        wants.push_back({.batch = batch, .row = at});
      }
    }
  }
  std::fill(last.begin(), last.end(), kNever);
  for (std::size_t k = wants.size(); k-- > 0;)
    wants[k].next = std::exchange(last[wants[k].row], wants[k].batch);
  return wants;
}

/// Rows read a sample in the second epoch.
double Misses(const std::vector<Want>& wants, std::uint32_t rows, std::size_t in_memory) {
  std::vector<std::uint32_t> next(rows,
                                  0);  // When each row in memory is wanted next; 0 for the others.
  std::priority_queue<std::pair<std::uint32_t, std::uint32_t>>
      last_wanted;  // With those that are out of date.
  const std::uint32_t batches = wants.back().batch, half = batches / 2;
  std::size_t held = 0, misses = 0;
  for (const Want& want : wants) {
    if (next[want.row] == 0) {
      ++held;
      if (want.batch > half) ++misses;
    }
    next[want.row] = want.next;
    last_wanted.emplace(want.next, want.row);
    while (held > in_memory) {
      const auto [when, row] = last_wanted.top();
      last_wanted.pop();
      if (next[row] != when) continue;
      next[row] = 0;
      --held;
    }
  }
  return static_cast<double>(misses) * kSampled / (static_cast<double>(batches - half) * kBatch);
}

int Main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: optimal_cache DATA ROWS_IN_MEMORY ...\n");
    return 2;
  }
  const auto data = Dataset::Open(argv[1]);
  if (!data.ok()) {
    std::fprintf(stderr, "optimal_cache: %s\n", std::string(data.status().message()).c_str());
    return 2;
  }
  std::uint32_t rows = 0;
  const std::vector<Want> wants = WantsOf(*data, rows);
  for (int k = 2; k < argc; ++k) {
    const std::size_t in_memory = std::strtoull(argv[k], nullptr, 10);
    std::printf("%zu rows in memory: %.4f rows read a sample\n", in_memory,
                Misses(wants, rows, in_memory / kSampled));
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace
}  // namespace cf

int main(int argc, char** argv) {
  return cf::Main(argc, argv);
}
