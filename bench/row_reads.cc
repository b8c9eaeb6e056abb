// row_reads DIRECTORY [MILLIONS_OF_ROWS [SECONDS]]: single rows from disk, as SYNC wants them beyond
// memory, with 1 to 64 threads at once: from the store's database, and 4 KiB pages of a plain file as
// the bound. Then all rows in order, and both ways at once, as many rows written as read. docs/results.md has figures.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fcntl.h>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

#include "common/base/check.h"
#include "common/math/random.h"
#include "paramserver/row_database.h"

namespace cf {
namespace {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

constexpr std::size_t kFloats = 112;  // Of dim 32 with a bias and Adam's state.
constexpr std::size_t kRowBytes = kFloats * sizeof(float);
constexpr std::size_t kPage = 4096;
constexpr std::uint32_t kBatch = 1024;
constexpr int kThreads[] = {1, 2, 4, 8, 16, 32, 64};
constexpr int kThreadsMixed = 32;

void Must(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "row_reads: %s\n", std::string(status.message()).c_str());
  std::exit(1);
}

double CpuSeconds() {
  return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
}

RowKey KeyOf(std::uint64_t row) {
  return {.table = kUsers, .partition = PartitionId{0}, .slot = static_cast<std::uint32_t>(row)};
}

/// Writes `count` rows, number `row_of(k)` of all.
void Write(RowDatabase& database, std::uint32_t count,
           const std::function<std::uint64_t(std::uint32_t)>& row_of) {
  const CounterRandom random(1, Purpose::kSynth);
  std::vector<RowKey> keys;
  std::vector<float> rows;
  for (std::uint32_t k = 0; k < count; ++k) {
    keys.push_back(KeyOf(row_of(k)));
    for (std::size_t d = 0; d < kFloats; ++d) {
      rows.push_back(random.UniformFloat(keys.back().slot * kFloats + d));
    }
  }
  Must(database.Write({.keys = keys, .rows = rows.data(), .floats = kFloats}));
}

struct Rate {
  double per_second = 0;
  double cpu_microseconds = 0;  // Each, of the whole process.
};

/// `read(random number)` from so many threads for some time.
Rate Measure(int threads, Seconds time, const std::function<void(std::uint64_t)>& read) {
  std::atomic<bool> done{false};
  std::atomic<std::uint64_t> reads{0};
  const double cpu = CpuSeconds();
  const Clock::time_point begin = Clock::now();
  {
    std::vector<std::jthread> readers;
    for (int thread = 0; thread < threads; ++thread) {
      readers.emplace_back([&, thread] {
        const CounterRandom random(2, Purpose::kSynth, static_cast<std::uint64_t>(thread));
        std::uint64_t own = 0;
        for (; !done.load(std::memory_order_relaxed); ++own) read(random.Bits64(own));
        reads += own;
      });
    }
    std::this_thread::sleep_for(time);
    done = true;
  }
  const auto count = static_cast<double>(reads);
  return {.per_second = count / Seconds(Clock::now() - begin).count(),
          .cpu_microseconds = (CpuSeconds() - cpu) / count * 1e6};
}

void Print(const char* what, int threads, const Rate& rate) {
  std::printf("%-22s %2d threads  %7.1f thousand a second  %5.1f us of CPU each\n", what, threads,
              rate.per_second / 1e3, rate.cpu_microseconds);
  std::fflush(stdout);
}

/// Random pages of a file of so many bytes, past the system's cache.
void MeasurePages(const std::string& path, std::uint64_t bytes, Seconds time) {
  const std::uint64_t pages = bytes / kPage;
  const int out = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  std::vector<char> page(kPage, 'x');
  for (std::uint64_t k = 0; k < pages; ++k) {
    Check(::write(out, page.data(), kPage) == static_cast<ssize_t>(kPage), "a page is written");
  }
  ::fdatasync(out);
  ::close(out);
  const int file = ::open(path.c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC);
  Check(file >= 0, "the file system has direct reads");
  for (const int threads : kThreads) {
    Print("pages of a file", threads, Measure(threads, time, [&](std::uint64_t random) {
            alignas(kPage) thread_local char buffer[kPage];
            const auto at = static_cast<off_t>(random % pages * kPage);
            Check(::pread(file, buffer, kPage, at) == static_cast<ssize_t>(kPage), "a page");
          }));
  }
  ::close(file);
  std::filesystem::remove(path);
}

/// All rows in order, as whoever looks through a partition reads them.
void MeasureScan(const RowDatabase& database, std::uint64_t rows) {
  RowDatabase::Scan scan(database, kUsers, PartitionId{0});
  std::vector<float> row(kFloats);
  const double cpu = CpuSeconds();
  const Clock::time_point begin = Clock::now();
  for (std::uint64_t k = 0; k < rows; ++k) Must(scan.Read(KeyOf(k).slot, row));
  const auto count = static_cast<double>(rows);
  Print("rows in order", 1,
        {.per_second = count / Seconds(Clock::now() - begin).count(),
         .cpu_microseconds = (CpuSeconds() - cpu) / count * 1e6});
}

std::uint64_t BytesIn(const std::string& folder) {
  std::uint64_t bytes = 0;
  std::error_code gone;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder, gone)) {
    const std::uintmax_t size = entry.is_regular_file(gone) ? entry.file_size(gone) : 0;
    if (!gone) bytes += size;
  }
  return bytes;
}

/// Rows written by one thread, as many as others read meanwhile.
void MeasureMixed(RowDatabase& database, std::uint64_t rows, Seconds time,
                  const std::function<void(std::uint64_t)>& read) {
  std::atomic<std::uint64_t> reads{0};
  std::atomic<std::uint64_t> written{0};
  const CounterRandom random(3, Purpose::kSynth);
  std::jthread writer([&](const std::stop_token& stop) {
    std::uint64_t draw = 0;
    while (!stop.stop_requested()) {
      const std::uint64_t seen = reads;
      if (seen < written) {
        reads.wait(seen);
        continue;
      }
      Write(database, kBatch, [&](std::uint32_t) { return random.Bits64(draw++) % rows; });
      written += kBatch;
    }
  });
  const Rate rate = Measure(kThreadsMixed, time, [&](std::uint64_t number) {
    read(number);
    ++reads;
    reads.notify_one();
  });
  writer.request_stop();
  reads += 2 * kBatch;
  reads.notify_one();
  writer.join();
  Print("rows, and as many back", kThreadsMixed, rate);
  std::printf(
      "%-22s %.2f of what the rows take\n", "room on disk",
      static_cast<double>(BytesIn(database.folder())) / static_cast<double>(rows * kRowBytes));
}

int Main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "row_reads DIRECTORY [MILLIONS_OF_ROWS [SECONDS]]\n");
    return 2;
  }
  const std::uint64_t rows =
      std::uint64_t{1'000'000} * (argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 4);
  const Seconds time(argc > 3 ? std::strtod(argv[3], nullptr) : 3);
  absl::StatusOr<std::unique_ptr<RowDatabase>> database =
      RowDatabase::Open(argv[1], rows * kRowBytes);
  Must(database.status());
  for (std::uint64_t first = 0; first < rows; first += kBatch) {
    const auto count = static_cast<std::uint32_t>(std::min<std::uint64_t>(kBatch, rows - first));
    Write(**database, count, [&](std::uint32_t k) { return first + k; });
  }
  // Meanwhile what was written settles.
  MeasurePages((*database)->folder() + "/pages", rows * kRowBytes, time);
  const auto read = [&](std::uint64_t random) {
    thread_local std::vector<float> row(kFloats);
    Must((*database)->Read(KeyOf(random % rows), row));
  };
  for (const int threads : kThreads) {
    Print("rows of the database", threads, Measure(threads, time, read));
  }
  MeasureScan(**database, rows);
  for (int window = 0; window < 3; ++window) MeasureMixed(**database, rows, 10 * time, read);
  MeasureScan(**database, rows);
  return 0;
}

}  // namespace
}  // namespace cf

int main(int argc, char** argv) {
  return cf::Main(argc, argv);
}
