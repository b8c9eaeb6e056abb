#include "coordinator/disk_speed.h"

#include <filesystem>
#include <string>
#include <unistd.h>

#include <gtest/gtest.h>

#include "common/base/files.h"

namespace cf::disk_speed_test {
namespace {

TEST(MeasureDisk, LeavesNothingBehind) {
  const std::string folder = ::testing::TempDir() + "disk_speed_" + std::to_string(::getpid());
  std::filesystem::create_directories(folder);
  const absl::StatusOr<DiskSpeed> speed = MeasureDisk(folder);
  ASSERT_TRUE(speed.ok()) << speed.status();
  EXPECT_GT(speed->read, 0);
  EXPECT_GT(speed->write, 0);
  EXPECT_TRUE(std::filesystem::is_empty(folder));
  std::filesystem::remove_all(folder);
}

TEST(MeasureDisk, NamesAFolderThatCannotBe) {
  const std::string file = ::testing::TempDir() + "disk_speed_file_" + std::to_string(::getpid());
  ASSERT_TRUE(WriteFileAtomically(file, "in the way").ok());
  const absl::Status status = MeasureDisk(file).status();
  EXPECT_NE(status.message().find(file), std::string::npos) << status;
  std::filesystem::remove(file);
}

}  // namespace
}  // namespace cf::disk_speed_test
