#include "paramserver/cached_store.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/scratch_folder.h"
#include "common/math/random.h"

namespace cf::cached_store_test {
namespace {

constexpr std::uint32_t kPartitions = 16;
constexpr std::uint32_t kUserRows = 1000;
constexpr std::uint32_t kItemRows = 300;
constexpr std::uint32_t kOtherRows = 3;
constexpr std::size_t kStride = 32;
constexpr std::size_t kLongStride = 1552;  // More than a page of the disk.
constexpr TableId kOthers{2};

/// Rows that tell who they are.
class NamedRows : public RowMaker {
 public:
  static float ValueOf(TableId table, RowId id) {
    return static_cast<float>(Index(table) * 10000 + Index(id));
  }
  void Make(TableId table, RowId id, std::span<float> row) const override {
    std::ranges::fill(row, ValueOf(table, id));
  }
};

/// A store of three tables, and what its rows are to be.
class CachedStoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    directory_ = ::testing::TempDir() + "cf_cached_store_" + std::to_string(::getpid());
    std::filesystem::remove_all(directory_);
  }
  void TearDown() override {
    store_.reset();
    std::filesystem::remove_all(directory_);
  }

  std::vector<RowStore::Table> Tables(std::size_t item_stride = kStride) const {
    return {{.rows = user_rows_, .stride = kStride},
            {.rows = kItemRows, .stride = item_stride},
            {.rows = kOtherRows, .stride = 16}};
  }

  /// With room for a share of the rows of users and items.
  void Open(double share, std::uint32_t threads = 1, std::size_t item_stride = kStride) {
    tables_ = Tables(item_stride);
    std::vector<SeatRange> ranges;
    for (std::uint32_t k = 0; k < threads; ++k)
      ranges.push_back(RangeOfSeat(k, threads, kPartitions));
    const double bytes = static_cast<double>(user_rows_ * RowCache::FrameBytes(kStride) +
                                             kItemRows * RowCache::FrameBytes(item_stride));
    store_ = CachedStore::Open({.tables = tables_,
                                .partitioning = partitioning_,
                                .range = {0, kPartitions},
                                .bytes = static_cast<std::size_t>(share * bytes),
                                .directory = directory_})
                 .value();
    EXPECT_TRUE(store_->Begin({.threads = ranges, .maker = &maker_}).value());
    added_.assign(3, std::vector<float>(user_rows_, 0.0F));
  }

  /// Adds `value` to rows, which are as they are to be before.
  void Add(TableId table, std::vector<RowId> ids, float value) {
    std::ranges::sort(ids);
    ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
    std::vector<float*> rows(ids.size());
    ASSERT_EQ(store_->Pin(table, ids, RowStore::Access::kUpdate, rows), absl::OkStatus());
    for (std::size_t k = 0; k < ids.size(); ++k) {
      const std::span<float> row(rows[k], tables_[Index(table)].stride);
      EXPECT_TRUE(IsAll(row, Expected(table, ids[k]))) << "row " << Index(ids[k]);
      for (float& number : row) number += value;
      added_[Index(table)][Index(ids[k])] += value;
    }
    store_->Release(table, ids);
  }

  /// Looks at rows as `Add` does, and leaves them as they are.
  void ExpectRead(TableId table, const std::vector<RowId>& ids) {
    for (const RowId& id : ids) {
      float* row = nullptr;
      ASSERT_EQ(store_->Pin(table, {&id, 1}, RowStore::Access::kRead, {&row, 1}), absl::OkStatus());
      EXPECT_TRUE(IsAll({row, tables_[Index(table)].stride}, Expected(table, id)));
      store_->Release(table, {&id, 1});
    }
  }

  static bool IsAll(std::span<const float> row, float value) {
    return std::ranges::all_of(row, [value](float number) { return number == value; });
  }
  float Expected(TableId table, RowId id) const {
    return NamedRows::ValueOf(table, id) + added_[Index(table)][Index(id)];
  }

  void ExpectAll() {
    for (std::uint32_t t = 0; t < tables_.size(); ++t) {
      std::uint32_t rows = 0;
      for (std::uint32_t p = 0; p < kPartitions; ++p) {
        std::uint32_t slot = 0;
        const auto visit = [&](RowId id, std::span<const float> row) {
          EXPECT_EQ(id, partitioning_.IdAt(PartitionId{p}, slot++));
          EXPECT_EQ(row.size(), tables_[t].stride);
          EXPECT_TRUE(IsAll(row, Expected(TableId{t}, id))) << "row " << Index(id);
          ++rows;
          return absl::OkStatus();
        };
        EXPECT_EQ(store_->Visit(TableId{t}, PartitionId{p}, RowStore::Which::kAll, visit),
                  absl::OkStatus());
      }
      EXPECT_EQ(rows, tables_[t].rows);
    }
  }

  /// Few of many rows, the small ids often.
  std::vector<RowId> RandomIds(std::uint64_t draw, std::uint32_t rows, std::size_t count) const {
    std::vector<RowId> ids;
    for (std::size_t k = 0; k < count; ++k) {
      const std::uint64_t bits = random_.Bits64(draw * 1000 + k);
      const std::uint32_t of = (bits & 1) != 0 ? rows : rows / 10;
      ids.push_back(RowId{static_cast<std::uint32_t>((bits >> 8) % of)});
    }
    return ids;
  }

  const Partitioning partitioning_{kPartitions};
  const NamedRows maker_;
  const CounterRandom random_{1, Purpose::kFault};
  std::string directory_;
  std::uint32_t user_rows_ = kUserRows;
  std::vector<RowStore::Table> tables_;
  std::unique_ptr<CachedStore> store_;
  std::vector<std::vector<float>> added_;  // By table and id.
};

// Goal: a row is what it was made, wherever it was meanwhile. Method: random batches, announced or
// not, with room for a few rows or for most, in one length or two, beside a plain copy.
TEST_F(CachedStoreTest, RowsAreWhatTheyWereMadeWhateverTheBudget) {
  for (const double share : {0.06, 0.3, 0.6}) {
    for (const std::size_t item_stride : {kStride, share < 0.1 ? 2 * kStride : kLongStride}) {
      Open(share, 1, item_stride);
      EXPECT_FALSE(store_->keeps_all());
      for (std::uint64_t batch = 0; batch < 300; ++batch) {
        if (batch % 3 > 0) {
          store_->Announce(kUsers, RandomIds(2 * (batch + batch % 2), kUserRows, 20));
          store_->Announce(kItems, RandomIds(2 * batch + 1, kItemRows, 10));
        }
        Add(kUsers, RandomIds(2 * batch, kUserRows, 20), 1);
        Add(kItems, RandomIds(2 * batch + 1, kItemRows, 10), 0.5F);
        if (batch % 50 == 0) Add(kOthers, {RowId{1}}, 2);
        if (batch % 100 == 99) ExpectAll();
      }
      EXPECT_GT(store_->traffic().rows_read, 0U);
      EXPECT_GT(store_->traffic().bytes_written, 0U);
      store_.reset();
      EXPECT_TRUE(std::filesystem::is_empty(directory_));
    }
  }
}

TEST_F(CachedStoreTest, RowsThatNobodyHasChangedAreNotStored) {
  Open(0.1);
  for (int pass = 0; pass < 2; ++pass) {
    for (std::uint32_t id = 0; id < kUserRows; ++id) {
      float* row = nullptr;
      const RowId ids[] = {RowId{id}};
      ASSERT_EQ(store_->Pin(kUsers, ids, RowStore::Access::kRead, {&row, 1}), absl::OkStatus());
      EXPECT_EQ(row[kStride - 1], NamedRows::ValueOf(kUsers, RowId{id}));
      store_->Release(kUsers, ids);
    }
    ExpectAll();
  }
  EXPECT_EQ(store_->traffic().bytes_written, 0U);
  EXPECT_EQ(store_->traffic().rows_read, 0U);
  EXPECT_EQ(store_->figures().made, store_->figures().misses);
}

TEST_F(CachedStoreTest, RowsThatFitAreWrittenNever) {
  Open(1);
  for (std::uint64_t batch = 0; batch < 200; ++batch) {
    Add(kUsers, RandomIds(batch, kUserRows, 50), 1);
    Add(kItems, RandomIds(batch, kItemRows, 50), 1);
  }
  ExpectAll();
  EXPECT_EQ(store_->traffic().bytes_written, 0U);
  EXPECT_EQ(store_->traffic().rows_read, 0U);
}

TEST_F(CachedStoreTest, MoreRowsThanThereIsRoomForAreRefused) {
  Open(0.1);
  std::vector<RowId> all;
  for (std::uint32_t id = 0; id < kUserRows; ++id) all.push_back(RowId{id});
  std::vector<float*> rows(all.size());
  store_->Announce(kUsers, all);  // A hint, of which there may be too many.
  EXPECT_EQ(store_->Pin(kUsers, all, RowStore::Access::kRead, rows).code(),
            absl::StatusCode::kResourceExhausted);
  // Nothing stays pinned.
  for (std::uint32_t first = 0; first < kUserRows; first += 100) {
    Add(kUsers, {all.begin() + first, all.begin() + first + 100}, 1);
  }
  ExpectAll();
}

// Goal: what is used often stays, also where everything is gone through in between.
TEST_F(CachedStoreTest, RowsThatAreUsedOftenStay) {
  Open(0.2);  // 260 rows.
  std::vector<RowId> often;
  for (std::uint32_t id = 500; id < 600; ++id) often.push_back(RowId{id});
  for (int pass = 0; pass < 10; ++pass) Add(kUsers, often, 1);
  const std::uint64_t before = store_->figures().misses;
  ExpectAll();
  EXPECT_EQ(store_->figures().misses, before) << "who looks through all rows takes no frame";
  for (std::uint32_t first = 0; first < 500; first += 50) {
    std::vector<RowId> once;
    for (std::uint32_t id = first; id < first + 50; ++id) once.push_back(RowId{id});
    Add(kUsers, once, 1);
  }
  const std::uint64_t passed = store_->figures().misses;
  Add(kUsers, often, 1);
  EXPECT_LE(store_->figures().misses, passed + 5);
}

// Goal: who is told what comes keeps nearly what serves best. Method: rows in a cycle, of which two
// thirds fit, where what was used last is wanted last; a cache that knew the future misses a third.
TEST_F(CachedStoreTest, RowsThatAreForeseenToComeSoonStay) {
  constexpr std::uint32_t kBatch = 20;
  constexpr std::uint32_t kBatches = kUserRows / kBatch;
  for (const bool foresees : {false, true}) {
    Open(0.5);  // 650 rows.
    std::uint64_t before = 0;
    for (std::uint32_t batch = 0; batch < 8 * kBatches; ++batch) {
      if (batch == 4 * kBatches) before = store_->figures().misses;
      std::vector<RowId> ids;
      for (std::uint32_t k = 0; k < kBatch; ++k) {
        ids.push_back(RowId{batch % kBatches * kBatch + k});
      }
      store_->Announce(kUsers, ids);
      if (foresees) {
        store_->Foresee(kUsers, ids, std::vector<std::uint16_t>(kBatch, kBatches));
      }
      Add(kUsers, ids, 1);
    }
    const std::uint64_t misses = (store_->figures().misses - before) / 4;
    if (foresees) {
      EXPECT_LT(misses, kUserRows * 42 / 100);
    } else {
      EXPECT_GT(misses, kUserRows / 2) << "else this test shows nothing";
    }
    ExpectAll();
    store_.reset();
  }
}

// Goal: where memory has room for copies on their way, hardly a row is read alone, and what is read is
// the row as it is, whoever changed it when. Method: rows in a cycle as above, and in between others
// that nobody has foreseen, which are there as copies, are read or changed, and leave again.
TEST_F(CachedStoreTest, RowsThatAreForeseenComeWithOthers) {
  constexpr std::uint32_t kBatch = 100;
  constexpr std::uint32_t kBatches = 400;
  user_rows_ = kBatch * kBatches;
  Open(0.5);
  RowCache::Figures before;
  std::uint64_t draw = 0;
  for (std::uint32_t batch = 0; batch < 5 * kBatches; ++batch) {
    if (batch == 3 * kBatches) before = store_->figures();
    std::vector<RowId> ids;
    for (std::uint32_t k = 0; k < kBatch; ++k) {
      ids.push_back(RowId{batch % kBatches * kBatch + k});
    }
    store_->Announce(kUsers, ids);
    store_->Foresee(kUsers, ids, std::vector<std::uint16_t>(kBatch, kBatches));
    Add(kUsers, ids, 1);
    if (batch < 2 * kBatches && batch % 4 == 0) {
      Add(kUsers, RandomIds(draw++, user_rows_, 50), 1);
      ExpectRead(kUsers, RandomIds(draw++, user_rows_, 50));
    }
  }
  const RowCache::Figures after = store_->figures();
  // Of 80,000 uses, of which 33,600 would miss as above. How many find a buffer for their copy
  // depends on the disk.
  EXPECT_GT(after.came - before.came, user_rows_ / 4);
  EXPECT_LT(after.misses - before.misses, user_rows_ / 2);
  ExpectAll();
}

TEST_F(CachedStoreTest, KnowsWhatHasChangedWhileItIsAway) {
  Open(0.1);
  const std::uint32_t others = kOtherRows;
  std::uint64_t changed = 0;
  for (std::uint32_t p = 0; p < kPartitions; ++p) {
    EXPECT_EQ(store_->ChangedRows(PartitionId{p}), store_->Rows(PartitionId{p})) << "all are new";
    changed += store_->ChangedRows(PartitionId{p});
    store_->MarkWritten(PartitionId{p});
    store_->Commit(PartitionId{p});
    EXPECT_EQ(store_->ChangedRows(PartitionId{p}), 0U);
  }
  EXPECT_EQ(changed, kUserRows + kItemRows + others);
  std::set<RowId> expected;
  for (std::uint64_t batch = 0; batch < 10; ++batch) {
    const std::vector<RowId> ids = RandomIds(batch, kUserRows, 20);
    expected.insert(ids.begin(), ids.end());
    Add(kUsers, ids, 1);
  }
  std::set<RowId> found;
  for (std::uint32_t p = 0; p < kPartitions; ++p) {
    const auto visit = [&](RowId id, std::span<const float> row) {
      found.insert(id);
      EXPECT_EQ(row[0], Expected(kUsers, id));
      return absl::OkStatus();
    };
    EXPECT_EQ(store_->Visit(kUsers, PartitionId{p}, RowStore::Which::kChanged, visit),
              absl::OkStatus());
  }
  EXPECT_EQ(found, expected);
}

// Goal: threads share the disk, and nothing is lost between them. Method: each adds to the rows of
// its own partitions, ahead and behind, with little room.
TEST_F(CachedStoreTest, ThreadsShareTheDisk) {
  constexpr std::uint32_t kThreads = 4;
  constexpr int kPasses = 30;
  Open(0.2, kThreads);
  {
    std::vector<std::jthread> threads;
    for (std::uint32_t t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        std::vector<RowId> own;
        for (std::uint32_t id = 0; id < kUserRows; ++id) {
          const std::size_t p = Index(partitioning_.Of(RowId{id}));
          if (p / (kPartitions / kThreads) == t) own.push_back(RowId{id});
        }
        constexpr std::size_t kBatch = 10;
        std::vector<float*> rows(kBatch);
        for (int pass = 0; pass < kPasses; ++pass) {
          for (std::size_t first = 0; first + kBatch <= own.size(); first += kBatch) {
            const std::span<const RowId> ids = std::span(own).subspan(first, kBatch);
            if (first + 2 * kBatch <= own.size()) {
              store_->Announce(kUsers, std::span(own).subspan(first + kBatch, kBatch));
            }
            EXPECT_EQ(store_->Pin(kUsers, ids, RowStore::Access::kUpdate, rows), absl::OkStatus());
            for (std::size_t k = 0; k < kBatch; ++k) {
              EXPECT_EQ(rows[k][7], NamedRows::ValueOf(kUsers, ids[k]) + static_cast<float>(pass));
              for (float& number : std::span(rows[k], kStride)) number += 1;
            }
            store_->Release(kUsers, ids);
          }
        }
      });
    }
  }
  EXPECT_GT(store_->traffic().rows_read, 0U);
}

// Goal: what is not as it was written is told, with its file and its place, and from then on. Method:
// rows go to disk, and bytes of their file are changed.
TEST_F(CachedStoreTest, RowsThatAreNotAsTheyWereWrittenAreTold) {
  Open(0.06);
  for (std::uint64_t batch = 0; batch < 100; ++batch) {
    Add(kUsers, RandomIds(batch, kUserRows, 20), 1);
  }
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory_)) {
    if (entry.path().filename() != "rows") continue;
    std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
    const auto bytes = static_cast<std::streamoff>(entry.file_size());
    for (std::streamoff at = 10; at < bytes; at += 100) {
      file.seekp(at);
      file.put('\x5a');
    }
    ++files;
  }
  ASSERT_EQ(files, 1U);
  absl::Status failed;
  // What was written last may be in memory still.
  for (std::uint32_t k = 0; k < kUserRows && failed.ok(); ++k) {
    float* row = nullptr;
    const RowId ids[] = {RowId{k % kUserRows}};
    failed = store_->Pin(kUsers, ids, RowStore::Access::kUpdate, {&row, 1});
    if (failed.ok()) store_->Release(kUsers, ids);
  }
  EXPECT_EQ(failed.code(), absl::StatusCode::kDataLoss) << failed;
  EXPECT_THAT(
      std::string(failed.message()),
      ::testing::ContainsRegex(directory_ + "/.*/rows: row [0-9]+ of partition [0-9]+, table "
                                            "0, at byte [0-9]+, is not as it was written"));
  float* none = nullptr;
  const RowId any[] = {RowId{0}};
  EXPECT_EQ(store_->Pin(kUsers, any, RowStore::Access::kRead, {&none, 1}), failed) << "from now on";
}

TEST_F(CachedStoreTest, CannotBeWhereThereIsNoFolder) {
  const absl::Status refused = CachedStore::Open({.tables = Tables(),
                                                  .partitioning = partitioning_,
                                                  .range = {0, kPartitions},
                                                  .bytes = 100000,
                                                  .directory = "/dev/null/rows"})
                                   .status();
  EXPECT_THAT(std::string(refused.message()), ::testing::HasSubstr("/dev/null/rows"));
}

// Goal: a disk without room for all rows is said before anything is trained.
TEST_F(CachedStoreTest, CannotBeWhereTheDiskHasNoRoom) {
  if (!DoubtAbout(::testing::TempDir()).empty()) GTEST_SKIP() << "room is not reserved in memory";
  const std::uintmax_t free = std::filesystem::space(::testing::TempDir()).free;
  const RowStore::Table large = {.rows = static_cast<std::uint32_t>(free / 4096 + 1'000'000),
                                 .stride = 1024};
  const absl::Status refused = CachedStore::Open({.tables = {large, large},
                                                  .partitioning = partitioning_,
                                                  .range = {0, kPartitions},
                                                  .bytes = 100000,
                                                  .directory = directory_})
                                   .status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted) << refused;
  EXPECT_THAT(std::string(refused.message()), ::testing::HasSubstr(directory_));
  EXPECT_TRUE(std::filesystem::is_empty(directory_));
}

TEST_F(CachedStoreTest, TheLeastIsEnoughForWhatIsPinned) {
  const std::vector<RowStore::Table> tables = Tables(64);
  for (const std::uint32_t threads : {1U, 3U}) {
    std::vector<SeatRange> ranges;
    for (std::uint32_t k = 0; k < threads; ++k)
      ranges.push_back(RangeOfSeat(k, threads, kPartitions));
    const CachedStore::RowsAtOnce pinned{.users = 30, .items = 10};
    store_ =
        CachedStore::Open({.tables = tables,
                           .partitioning = partitioning_,
                           .range = {0, kPartitions},
                           .bytes = CachedStore::LeastBytes(tables, partitioning_, ranges, pinned),
                           .directory = directory_})
            .value();
    ASSERT_TRUE(store_->Begin({.threads = ranges, .maker = &maker_}).value());
    for (const SeatRange& range : ranges) {
      const auto pin = [&](TableId table, std::size_t count) {
        std::vector<RowId> ids;
        for (std::uint32_t id = 0; ids.size() < count; ++id) {
          if (range.Contains(partitioning_.Of(RowId{id}))) ids.push_back(RowId{id});
        }
        std::vector<float*> rows(ids.size());
        return store_->Pin(table, ids, RowStore::Access::kRead, rows);
      };
      EXPECT_EQ(pin(kUsers, pinned.users), absl::OkStatus());
      EXPECT_EQ(pin(kItems, pinned.items), absl::OkStatus());
    }
    store_.reset();
  }
}

}  // namespace
}  // namespace cf::cached_store_test
