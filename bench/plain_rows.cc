// plain_rows DATA DIRECTORY MIB [SECONDS]: the plain way beyond memory, beside SYNC's and BLOCKS'. Every row with its optimizer
// state is in RocksDB, whose block cache has the whole budget; a step reads the rows of its samples and writes them back. Nothing
// is computed, nothing logged or synced, and the samples stay in memory, which the budget does not count: training this way
// would be slower. Samples a second in windows of SECONDS, the last of which counts. docs/results.md has figures.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/options.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>

#include "common/base/ids.h"
#include "common/dataset/dataset.h"
#include "common/math/random.h"

namespace cf {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kRowBytes = 112 * sizeof(float);  // Of dim 32 with a bias and Adam's state.
constexpr std::size_t kBatch = 4096;
constexpr int kWindows = 3;

void Must(const rocksdb::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "plain_rows: %s\n", status.ToString().c_str());
  std::exit(1);
}

rocksdb::Options OptionsFor(std::size_t budget) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(budget);
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  rocksdb::Options options;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  options.create_if_missing = true;
  options.compression = rocksdb::kNoCompression;
  options.use_direct_reads = true;  // The budget is the cache's.
  options.IncreaseParallelism(2);
  options.optimize_filters_for_hits = true;
  return options;
}

std::string KeyOf(std::uint64_t row) {
  std::string key(8, '\0');
  for (std::size_t k = key.size(); k-- > 0; row >>= 8) key[k] = static_cast<char>(row);
  return key;
}

rocksdb::WriteOptions Unlogged() {
  rocksdb::WriteOptions options;
  options.disableWAL = true;
  return options;
}

void Fill(rocksdb::DB& database, std::uint64_t rows) {
  const std::string value(kRowBytes, 'r');
  rocksdb::WriteBatch batch;
  for (std::uint64_t row = 0; row < rows; ++row) {
    Must(batch.Put(KeyOf(row), value));
    if (batch.Count() == 1024 || row + 1 == rows) {
      Must(database.Write(Unlogged(), &batch));
      batch.Clear();
    }
  }
  Must(database.Flush(rocksdb::FlushOptions()));
}

/// Users' rows come before items'.
class Steps {
 public:
  explicit Steps(const Dataset& data) : data_(data) {
    user_of_.reserve(data.samples());
    for (std::uint32_t user = 0; user < data.users(); ++user) {
      user_of_.resize(data.user_offsets()[user + 1], user);
    }
  }

  /// The rows of a batch of samples from everywhere, each once.
  const std::vector<std::uint64_t>& Next() {
    rows_.clear();
    for (std::size_t k = 0; k < kBatch; ++k) {
      const std::uint64_t sample = random_.Bits64(drawn_++) % data_.samples();
      rows_.push_back(user_of_[sample]);
      rows_.push_back(std::uint64_t{data_.users()} + Index(data_.item_column()[sample]));
    }
    std::ranges::sort(rows_);
    rows_.erase(std::unique(rows_.begin(), rows_.end()), rows_.end());
    return rows_;
  }

 private:
  const Dataset& data_;
  const CounterRandom random_{1, Purpose::kSynth};
  std::uint64_t drawn_ = 0;
  std::vector<std::uint32_t> user_of_;  // By sample.
  std::vector<std::uint64_t> rows_;
};

void Step(rocksdb::DB& database, const std::vector<std::uint64_t>& rows) {
  std::vector<std::string> keys;
  for (const std::uint64_t row : rows) keys.push_back(KeyOf(row));
  const std::vector<rocksdb::Slice> slices(keys.begin(), keys.end());
  std::vector<rocksdb::PinnableSlice> values(keys.size());
  std::vector<rocksdb::Status> read(keys.size());
  database.MultiGet(rocksdb::ReadOptions(), database.DefaultColumnFamily(), keys.size(),
                    slices.data(), values.data(), read.data(), /*sorted_input=*/true);
  rocksdb::WriteBatch batch(keys.size() * (kRowBytes + 16));
  for (std::size_t k = 0; k < keys.size(); ++k) {
    Must(read[k]);
    Must(batch.Put(slices[k], values[k]));
  }
  Must(database.Write(Unlogged(), &batch));
}

int Main(int argc, char** argv) {
  if (argc < 4) {
    std::fprintf(stderr, "plain_rows DATA DIRECTORY MIB [SECONDS]\n");
    return 2;
  }
  const absl::StatusOr<Dataset> data = Dataset::Open(argv[1]);
  if (!data.ok()) {
    std::fprintf(stderr, "plain_rows: %s\n", std::string(data.status().message()).c_str());
    return 2;
  }
  const std::chrono::seconds window(argc > 4 ? std::atoi(argv[4]) : 30);
  const std::string path = std::string(argv[2]) + "/plain_rows";
  const rocksdb::Options options = OptionsFor(std::strtoull(argv[3], nullptr, 10) << 20);
  rocksdb::DB* opened = nullptr;
  Must(rocksdb::DB::Open(options, path, &opened));
  std::unique_ptr<rocksdb::DB> database(opened);
  Fill(*database, std::uint64_t{data->users()} + data->items());
  Steps steps(*data);
  for (int k = 0; k < kWindows; ++k) {
    const Clock::time_point begin = Clock::now();
    std::uint64_t samples = 0;
    for (; Clock::now() - begin < window; samples += kBatch) Step(*database, steps.Next());
    const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    std::printf("%.0f samples/s\n", static_cast<double>(samples) / seconds);
  }
  database.reset();
  Must(rocksdb::DestroyDB(path, options));
  return 0;
}

}  // namespace
}  // namespace cf

int main(int argc, char** argv) {
  return cf::Main(argc, argv);
}
