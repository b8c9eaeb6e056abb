// row_reads DIRECTORY [MILLIONS_OF_ROWS [SECONDS]]: single rows from disk, as SYNC wants them beyond memory. First what the disk
// allows: random pages of 4 KiB of a plain file, read with 1 to 128 threads at once, then with 64 while others write: rows at
// fixed places (as many single writes), or pages of eight rows. Then the store with room for a tenth of the rows: random batches,
// announced one ahead, read only, then changed, and all rows in order. docs/results.md has figures.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "common/base/check.h"
#include "common/base/scratch_file.h"
#include "common/base/scratch_folder.h"
#include "common/math/random.h"
#include "paramserver/cached_store.h"

namespace cf {
namespace {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

constexpr std::size_t kFloats = 112;  // Of dim 32 with a bias and Adam's state.
constexpr std::size_t kPage = ScratchFile::kPageBytes;
constexpr std::size_t kRowsOfPage = 8;
constexpr int kThreads[] = {1, 4, 16, 32, 64, 128};
constexpr int kThreadsMixed = 64;
constexpr std::uint32_t kPartitions = 64;
constexpr std::size_t kBatch = 2048;

void Must(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "row_reads: %s\n", std::string(status.message()).c_str());
  std::exit(1);
}

/// Prints what has happened so often since it was made.
class Meter {
 public:
  void Print(const std::string& what, std::uint64_t count) const {
    const double times = static_cast<double>(count);
    std::printf("%-52s %7.1f thousand a second  %5.1f us of CPU each\n", what.c_str(),
                times / Seconds(Clock::now() - begin_).count() / 1e3,
                (CpuSeconds() - cpu_) / times * 1e6);
    std::fflush(stdout);
  }
  bool Lasts(Seconds time) const { return Clock::now() - begin_ < time; }

 private:
  static double CpuSeconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

  const Clock::time_point begin_ = Clock::now();
  const double cpu_ = CpuSeconds();
};

/// Random pages of a file past the system's cache, and others written meanwhile.
class PageReads {
 public:
  PageReads(const std::string& directory, std::uint64_t bytes)
      : folder_(Open(directory)),
        file_(ScratchFile::Create(folder_.path() + "/pages", ScratchFile::Access::kDirect).value()),
        pages_(bytes / kPage) {
    constexpr std::size_t kPiece = 256 * kPage;
    const Pages piece = MakePages(kPiece);
    std::fill_n(piece.get(), kPiece, std::byte{1});
    for (std::uint64_t at = 0; at < pages_ * kPage; at += kPiece) {
      Must(file_->Write(at, {piece.get(), std::min<std::uint64_t>(kPiece, pages_ * kPage - at)}));
    }
  }

  /// Writes: `rows_of_write` rows are written at once, and as many rows as are read; 0 for none.
  void Measure(const std::string& what, int threads, std::size_t rows_of_write, Seconds time) {
    std::atomic<bool> done{false};
    std::atomic<std::uint64_t> reads{0};
    std::atomic<std::uint64_t> written{0};
    const Meter meter;
    {
      std::vector<std::jthread> workers;
      for (int thread = 0; thread < threads; ++thread) {
        workers.emplace_back([&, thread] {
          const CounterRandom random(2, Purpose::kSynth, static_cast<std::uint64_t>(thread));
          const Pages page = MakePages(kPage);
          std::fill_n(page.get(), kPage, std::byte{1});
          for (std::uint64_t own = 0; !done.load(std::memory_order_relaxed); ++own) {
            const std::uint64_t at = random.Bits64(own) % pages_ * kPage;
            // Whoever finds too little written writes.
            if (rows_of_write > 0 && written.load() < reads.load()) {
              written += rows_of_write;
              Must(file_->Write(at, {page.get(), kPage}));
            } else {
              Must(file_->Read(at, {page.get(), kPage}));
              ++reads;
            }
          }
        });
      }
      std::this_thread::sleep_for(time);
      meter.Print(what, reads);
      done = true;
    }
  }

 private:
  static ScratchFolder Open(const std::string& directory) {
    absl::StatusOr<ScratchFolder> folder = ScratchFolder::Open(directory);
    Must(folder.status());
    return *std::move(folder);
  }

  const ScratchFolder folder_;
  const std::unique_ptr<ScratchFile> file_;
  const std::uint64_t pages_;
};

class Zeros : public RowMaker {
 public:
  void Make(TableId /*table*/, RowId /*id*/, std::span<float> row) const override {
    std::ranges::fill(row, 0.0F);
  }
};

/// The store with all rows changed, nine in ten of them on disk.
class StoreReads {
 public:
  StoreReads(const std::string& directory, std::uint32_t rows) : rows_(rows) {
    const std::vector<RowStore::Table> tables = {{.rows = rows, .stride = kFloats},
                                                 {.rows = kPartitions, .stride = kFloats}};
    absl::StatusOr<std::unique_ptr<CachedStore>> store =
        CachedStore::Open({.tables = tables,
                           .partitioning = Partitioning(kPartitions),
                           .range = {0, kPartitions},
                           .bytes = rows / 10 * RowCache::FrameBytes(kFloats),
                           .directory = directory});
    Must(store.status());
    store_ = *std::move(store);
    const SeatRange thread{0, kPartitions};
    Must(store_->Begin({.threads = {&thread, 1}, .maker = &maker_}).status());
    std::vector<RowId> ids(kBatch);
    std::vector<float*> pinned(kBatch);
    for (std::uint32_t first = 0; first + kBatch <= rows; first += kBatch) {
      for (std::uint32_t k = 0; k < kBatch; ++k) ids[k] = RowId{first + k};
      Pin(ids, pinned, RowStore::Access::kUpdate);
    }
  }

  void MeasureBatches(const std::string& what, RowStore::Access access, Seconds time) {
    const std::uint64_t before = store_->figures().misses;
    std::vector<RowId> next = Draw();
    std::vector<float*> pinned(kBatch);
    const Meter meter;
    while (meter.Lasts(time)) {
      const std::vector<RowId> ids = std::exchange(next, Draw());
      store_->Announce(kUsers, next);
      Pin(ids, pinned, access);
    }
    meter.Print(what, store_->figures().misses - before);
  }

  /// All rows in order, as whoever looks through partitions reads them.
  void MeasureVisits() {
    const Meter meter;
    double sum = 0;
    for (std::uint32_t p = 0; p < kPartitions; ++p) {
      Must(store_->Visit(kUsers, PartitionId{p}, RowStore::Which::kAll,
                         [&sum](RowId /*id*/, std::span<const float> row) {
                           sum += row.front();
                           return absl::OkStatus();
                         }));
    }
    meter.Print("all rows in order", rows_);
  }

 private:
  std::vector<RowId> Draw() {
    std::vector<RowId> ids(kBatch);
    for (RowId& id : ids) {
      id = RowId{static_cast<std::uint32_t>(random_.Bits64(drawn_++) % rows_)};
    }
    std::ranges::sort(ids);
    ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
    return ids;
  }

  void Pin(std::span<const RowId> ids, std::span<float*> rows, RowStore::Access access) {
    Must(store_->Pin(kUsers, ids, access, rows));
    store_->Release(kUsers, ids);
  }

  const std::uint32_t rows_;
  const Zeros maker_;
  const CounterRandom random_{3, Purpose::kSynth};
  std::uint64_t drawn_ = 0;
  std::unique_ptr<CachedStore> store_;
};

int Main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "row_reads DIRECTORY [MILLIONS_OF_ROWS [SECONDS]]\n");
    return 2;
  }
  const std::uint32_t rows =
      1'000'000 * static_cast<std::uint32_t>(argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 4);
  const Seconds time(argc > 3 ? std::strtod(argv[3], nullptr) : 3);
  {
    PageReads pages(argv[1], rows / kRowsOfPage * kPage);
    for (const int threads : kThreads) {
      pages.Measure("pages of a file, threads: " + std::to_string(threads), threads, 0, time);
    }
    pages.Measure("pages, and as many single writes", kThreadsMixed, 1, 2 * time);
    pages.Measure("pages, and a write for eight", kThreadsMixed, kRowsOfPage, 2 * time);
  }
  StoreReads store(argv[1], rows);
  store.MeasureVisits();
  for (int window = 0; window < 2; ++window) {
    store.MeasureBatches("rows of the store", RowStore::Access::kRead, 2 * time);
    store.MeasureBatches("rows of the store, changed", RowStore::Access::kUpdate, 5 * time);
  }
  store.MeasureVisits();
  return 0;
}

}  // namespace
}  // namespace cf

int main(int argc, char** argv) {
  return cf::Main(argc, argv);
}
