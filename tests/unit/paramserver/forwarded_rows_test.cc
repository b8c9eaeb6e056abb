#include "paramserver/forwarded_rows.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <unistd.h>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/partition.h"
#include "common/base/scratch_file.h"
#include "common/math/random.h"

namespace cf::forwarded_rows_test {
namespace {

constexpr std::size_t kStride = 16;
constexpr std::uint32_t kRows = 20'000;
constexpr std::uint32_t kPartitions = 16;

/// Rows on their way to batches, and which of them should be.
class ForwardedRowsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    path_ = ::testing::TempDir() + "cf_forwarded_" + std::to_string(::getpid());
    file_ = ScratchFile::Create(path_, ScratchFile::Access::kDirect).value();
    ASSERT_EQ(file_->Reserve(kPage + ForwardedRows::SizesFor(kStride, kRows, kPartitions).disk),
              absl::OkStatus());
    mover_ = std::make_unique<RowMover>(file_.get(), kStride);
  }
  void TearDown() override {
    forwarded_.reset();
    EXPECT_EQ(mover_->status(), absl::OkStatus());
    mover_.reset();
    file_.reset();
    EXPECT_FALSE(std::filesystem::exists(path_));
  }

  void Make(std::uint32_t buffers) {
    forwarded_ = std::make_unique<ForwardedRows>(ForwardedRows::Options{.stride = kStride,
                                                                        .rows = kRows,
                                                                        .partitions = kPartitions,
                                                                        .buffers = buffers,
                                                                        .file = file_.get(),
                                                                        .mover = mover_.get(),
                                                                        .begin = kPage});
    forwarded_->Advance(1, [](const ForwardedRows::Copy&) { FAIL() << "nothing is there"; });
  }

  static RowKey KeyOf(RowId id) {
    const Partitioning partitioning(kPartitions);
    return {.table = kItems, .partition = partitioning.Of(id), .slot = partitioning.SlotOf(id)};
  }
  static std::vector<float> RowOf(RowId id, std::uint32_t next) {
    std::vector<float> row(kStride, static_cast<float>(Index(id)));
    row[3] = static_cast<float>(next);
    return row;
  }

  /// Whether it is taken.
  bool Append(RowId id, std::uint32_t next) {
    if (!forwarded_->Append(KeyOf(id), id, RowOf(id, next), next)) return false;
    EXPECT_TRUE(there_.emplace(id, next).second);
    return true;
  }

  /// What comes back at `now` is what was there, each once, and before it is wanted: if it is for
  /// batch N, before N has been announced.
  void Advance(std::uint32_t now) {
    const auto receive = [&](const ForwardedRows::Copy& copy) {
      EXPECT_EQ(copy.table, kItems);
      const auto found = there_.find(copy.id);
      ASSERT_NE(found, there_.end()) << Index(copy.id);
      EXPECT_EQ(copy.next, found->second);
      std::vector<float> row(kStride);
      EXPECT_TRUE(stored_row::Load(KeyOf(copy.id), copy.stored, row));
      EXPECT_EQ(row, RowOf(copy.id, copy.next));
      EXPECT_LT(now, copy.next);
      EXPECT_LE(copy.next - now, 8 + gaps_.at(copy.id) / 16) << "so early it need not come";
      came_.push_back(copy.id);
      there_.erase(found);
    };
    forwarded_->Advance(now, receive);
  }

  static constexpr std::size_t kPage = ScratchFile::kPageBytes;
  std::string path_;
  std::unique_ptr<ScratchFile> file_;
  std::unique_ptr<RowMover> mover_;
  std::unique_ptr<ForwardedRows> forwarded_;
  std::map<RowId, std::uint32_t> there_;  // And for which batch,
  std::map<RowId, std::uint32_t> gaps_;   // which was so far away.
  std::vector<RowId> came_;
};

// Goal: every row comes back just before the batch that it is for, as it was, and again and again.
// Method: each batch sends the rows that came, near and far.
TEST_F(ForwardedRowsTest, RowsComeBackBeforeTheyAreWanted) {
  Make(ForwardedRows::kBuffersMax);
  const CounterRandom random(7, Purpose::kFault);
  std::uint64_t draw = 0;
  std::uint64_t sent = 0;
  std::uint64_t refused = 0;
  for (std::uint32_t k = 0; k < kRows; ++k) came_.push_back(RowId{k});
  constexpr std::uint32_t kBatches = 3000;
  for (std::uint32_t now = 1; now < kBatches; ++now) {
    // A few at a time, as rows leave memory.
    const std::size_t some = std::min<std::size_t>(came_.size(), 200);
    for (std::size_t k = 0; k < some; ++k) {
      const RowId id = came_.back();
      came_.pop_back();
      const std::uint32_t most = random.Below(draw++, 2) == 0 ? 100U : 2000U;
      gaps_[id] = 16 + static_cast<std::uint32_t>(random.Below(draw++, most));
      ++sent;
      if (!Append(id, now + gaps_[id])) {
        ++refused;
        came_.insert(came_.begin(), id);
      }
    }
    Advance(now + 1);
  }
  EXPECT_GT(mover_->traffic().bytes_loaded, 2 * kRows * kStride * sizeof(float)) << "from the disk";
  EXPECT_LT(refused, sent / 100) << "as chunks that are not full take room";
  for (const auto& [id, next] : there_) EXPECT_GT(next, kBatches) << Index(id);
}

TEST_F(ForwardedRowsTest, WhatIsNearOrFarOrHasNoBufferIsRefused) {
  Make(ForwardedRows::kBuffersMin);
  forwarded_->Advance(1000, [](const ForwardedRows::Copy&) { FAIL(); });
  EXPECT_FALSE(Append(RowId{1}, 0)) << "not known";
  EXPECT_FALSE(Append(RowId{1}, 1000));
  EXPECT_FALSE(Append(RowId{1}, 1015));
  EXPECT_TRUE(Append(RowId{1}, 1016));
  EXPECT_FALSE(Append(RowId{2}, 1000 + 0xffff));
  EXPECT_TRUE(Append(RowId{2}, 1000 + 0xfffe));
  // Each to a window of its own.
  std::uint32_t taken = 2;
  for (std::uint32_t k = 3; k < 50; ++k) {
    if (Append(RowId{k}, 1017 + k)) ++taken;
  }
  EXPECT_EQ(taken, ForwardedRows::kBuffersMin * 3 / 4) << "a quarter is for what comes back";
  for (const auto& [id, next] : there_) gaps_[id] = next - 1000;
  for (std::uint32_t now = 1001; now < 1100; ++now) Advance(now);
  EXPECT_EQ(there_.size(), 1U) << "the one that is far";
  EXPECT_TRUE(Append(RowId{4}, 1200)) << "a buffer is free again";
}

}  // namespace
}  // namespace cf::forwarded_rows_test
