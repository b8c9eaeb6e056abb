#include "common/base/scratch_folder.h"

#include <csignal>
#include <filesystem>
#include <linux/magic.h>
#include <string>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/files.h"

namespace cf::scratch_folder_test {
namespace {

class ScratchFolderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    directory_ = ::testing::TempDir() + "cf_scratch_" + std::to_string(::getpid());
    std::filesystem::remove_all(directory_);
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  // Leaves a folder behind, as a process does that is killed.
  void DieWithAFolder() const {
    const ::pid_t child = ::fork();
    if (child == 0) {
      const absl::StatusOr<ScratchFolder> folder = ScratchFolder::Open(directory_);
      ::kill(::getpid(), SIGKILL);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status));
  }

  std::size_t Folders() const {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(directory_)) {
      if (entry.is_directory()) ++count;
    }
    return count;
  }

  std::string directory_;
};

TEST_F(ScratchFolderTest, GoesWithItsOwner) {
  {
    const ScratchFolder folder = ScratchFolder::Open(directory_).value();
    ASSERT_EQ(ReplaceFile(folder.path() + "/rows", "x"), absl::OkStatus());
    const ScratchFolder other = ScratchFolder::Open(directory_).value();
    EXPECT_NE(other.path(), folder.path());
    EXPECT_TRUE(std::filesystem::exists(folder.path() + "/rows")) << "its owner lives";
    EXPECT_EQ(Folders(), 2U);
  }
  EXPECT_EQ(Folders(), 0U);
}

// Goal: what a process leaves that is killed goes with the next start, and nothing else does.
TEST_F(ScratchFolderTest, TheNextRemovesWhatADeadProcessLeft) {
  std::filesystem::create_directories(directory_ + "/results");
  DieWithAFolder();
  EXPECT_EQ(Folders(), 2U);
  const ScratchFolder folder = ScratchFolder::Open(directory_).value();
  EXPECT_EQ(Folders(), 2U) << "its own, and one that is none of its kind";
  EXPECT_TRUE(std::filesystem::exists(directory_ + "/results"));
  const ScratchFolder other = ScratchFolder::Open(directory_, "cf-other-").value();
  EXPECT_TRUE(std::filesystem::exists(folder.path())) << "of another prefix, and its owner lives";
}

TEST_F(ScratchFolderTest, WhoLooksAfterADirectoryLeavesTheLivingAlone) {
  ScratchFolder::RemoveDead(directory_);
  EXPECT_FALSE(std::filesystem::exists(directory_)) << "nothing is made";
  const ScratchFolder folder = ScratchFolder::Open(directory_).value();
  DieWithAFolder();
  EXPECT_EQ(Folders(), 2U);
  ScratchFolder::RemoveDead(directory_, "cf-other-");
  EXPECT_EQ(Folders(), 2U);
  ScratchFolder::RemoveDead(directory_);
  EXPECT_EQ(Folders(), 1U);
  EXPECT_TRUE(std::filesystem::exists(folder.path()));
}

TEST_F(ScratchFolderTest, SaysWhereItCannotBe) {
  ASSERT_EQ(ReplaceFile(directory_, "a file"), absl::OkStatus());
  const absl::Status refused = ScratchFolder::Open(directory_ + "/below").status();
  EXPECT_THAT(std::string(refused.message()), ::testing::HasSubstr(directory_ + "/below"));
}

TEST(DoubtAboutScratch, MemoryIsNoDisk) {
  struct statfs system = {};
  if (::statfs("/dev/shm", &system) != 0 || system.f_type != TMPFS_MAGIC) {
    GTEST_SKIP() << "no tmpfs to look at";
  }
  EXPECT_EQ(DoubtAbout("/dev/shm"), "tmpfs, which is memory");
  EXPECT_EQ(DoubtAbout("/proc"), "");
  EXPECT_EQ(DoubtAbout("/not/there"), "");
}

}  // namespace
}  // namespace cf::scratch_folder_test
