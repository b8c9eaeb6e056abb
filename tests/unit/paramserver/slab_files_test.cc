#include "paramserver/slab_files.h"

#include <filesystem>
#include <fstream>
#include <numeric>
#include <string>
#include <unistd.h>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cf {
namespace {

class SlabFilesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    directory_ = ::testing::TempDir() + "cf_slab_files_" + std::to_string(::getpid());
    std::filesystem::remove_all(directory_);
    files_ = SlabFiles::Open(directory_, 3).value();
  }
  void TearDown() override {
    files_.reset();
    std::filesystem::remove_all(directory_);
  }

  static std::vector<float> Rows(std::size_t floats, float first) {
    std::vector<float> rows(floats);
    std::iota(rows.begin(), rows.end(), first);
    return rows;
  }
  std::vector<float> ReadBack(std::size_t slab, std::size_t floats) {
    std::vector<float> rows(floats);
    EXPECT_EQ(files_->Read(slab, rows), absl::OkStatus());
    return rows;
  }
  /// The files of slabs.
  std::vector<std::filesystem::path> Files() const {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(files_->folder())) {
      if (entry.path().extension() == ".sst") files.push_back(entry.path());
    }
    return files;
  }

  std::string directory_;
  std::unique_ptr<SlabFiles> files_;
};

TEST_F(SlabFilesTest, GivesBackWhatWasWritten) {
  // Less than a piece, a whole number of them, and one float more.
  constexpr std::size_t kPiece = SlabFiles::kPieceBytes / sizeof(float);
  const std::size_t lengths[] = {16, 2 * kPiece, 2 * kPiece + 1};
  for (std::size_t slab = 0; slab < 3; ++slab) {
    EXPECT_FALSE(files_->Has(slab));
    ASSERT_EQ(files_->Write(slab, Rows(lengths[slab], 7.0F)), absl::OkStatus());
  }
  for (std::size_t slab = 0; slab < 3; ++slab) {
    EXPECT_TRUE(files_->Has(slab));
    EXPECT_EQ(ReadBack(slab, lengths[slab]), Rows(lengths[slab], 7.0F));
  }
}

TEST_F(SlabFilesTest, KeepsTheLastOfEachSlabOnly) {
  for (const float first : {1.0F, 2.0F, 3.0F}) {
    ASSERT_EQ(files_->Write(0, Rows(100, first)), absl::OkStatus());
    ASSERT_EQ(files_->Write(2, Rows(100, -first)), absl::OkStatus());
  }
  EXPECT_EQ(Files().size(), 2U);
  EXPECT_EQ(ReadBack(0, 100), Rows(100, 3.0F));
  EXPECT_EQ(ReadBack(2, 100), Rows(100, -3.0F));
}

// Bytes that rot on the disk are no rows.
TEST_F(SlabFilesTest, SeesThatAFileIsNotAsItWas) {
  ASSERT_EQ(files_->Write(1, Rows(1000, 1.0F)), absl::OkStatus());
  const std::filesystem::path path = Files().front();
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(1234);
  file.put('\x55');
  file.close();
  std::vector<float> rows(1000);
  const absl::Status damaged = files_->Read(1, rows);
  EXPECT_EQ(damaged.code(), absl::StatusCode::kDataLoss) << damaged;
  EXPECT_THAT(std::string(damaged.message()), ::testing::HasSubstr(path.filename().string()));
}

TEST_F(SlabFilesTest, SeesThatAFileIsShorterOrLongerThanTheSlab) {
  ASSERT_EQ(files_->Write(1, Rows(1000, 1.0F)), absl::OkStatus());
  for (const std::size_t floats : {999U, 1001U}) {
    std::vector<float> rows(floats);
    EXPECT_EQ(files_->Read(1, rows).code(), absl::StatusCode::kDataLoss) << floats;
  }
}

TEST_F(SlabFilesTest, AFailedWriteLeavesTheSlabAsItWas) {
  ASSERT_EQ(files_->Write(0, Rows(100, 1.0F)), absl::OkStatus());
  // The name of the next file is taken by a folder.
  std::filesystem::create_directories(files_->folder() + "/0-2.sst/x");
  const absl::Status failed = files_->Write(0, Rows(100, 2.0F));
  EXPECT_FALSE(failed.ok());
  EXPECT_THAT(std::string(failed.message()), ::testing::HasSubstr("0-2.sst"));
  EXPECT_EQ(ReadBack(0, 100), Rows(100, 1.0F));
}

}  // namespace
}  // namespace cf
