#include "common/base/files.h"

#include <filesystem>
#include <fstream>
#include <string>
#include <unistd.h>

#include <gtest/gtest.h>

#include "tests/support/file_calls.h"

namespace cf {
namespace {

class FilesTest : public ::testing::Test {
 protected:
  FilesTest() { std::filesystem::create_directories(folder_); }
  ~FilesTest() override { std::filesystem::remove_all(folder_); }

  std::string Path(const std::string& name) const { return folder_ + "/" + name; }
  std::ptrdiff_t entries() const {
    return std::distance(std::filesystem::directory_iterator(folder_), {});
  }

  const std::string folder_ = ::testing::TempDir() + "files_" + std::to_string(::getpid()) + "_" +
                              ::testing::UnitTest::GetInstance()->current_test_info()->name();
};

// Without the sync before the rename a crash of the machine leaves an empty file under the name;
// without the one of the folder it leaves the old one.
TEST_F(FilesTest, AnAtomicWriteSyncsTheFileThenRenamesItThenSyncsTheFolder) {
  for (const char* const contents : {"old", "new and longer", ""}) {
    const FileCalls noted;
    ASSERT_TRUE(WriteFileAtomically(Path("f"), contents).ok());
    EXPECT_EQ(WhyNotDurable(noted.calls(), Path("f")), "");
    EXPECT_EQ(noted.calls().size(), 3U);
    EXPECT_EQ(ReadFile(Path("f")).value(), contents);
  }
  EXPECT_EQ(entries(), 1);
}

TEST_F(FilesTest, AnAtomicWriteInTheWorkingFolderSyncsThatFolder) {
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(folder_);
  const FileCalls noted;
  EXPECT_TRUE(WriteFileAtomically("f", "x").ok());
  EXPECT_EQ(WhyNotDurable(noted.calls(), "f"), "");
  std::filesystem::current_path(before);
}

// A status is written every second: it need not outlive the machine, and must not wait for a disk.
TEST_F(FilesTest, AReplacementIsNotSynced) {
  const FileCalls noted;
  ASSERT_TRUE(ReplaceFile(Path("f"), "contents").ok());
  ASSERT_EQ(noted.calls().size(), 1U);
  EXPECT_EQ(noted.calls()[0].kind, FileCall::Kind::kRename);
  EXPECT_EQ(ReadFile(Path("f")).value(), "contents");
  EXPECT_EQ(entries(), 1);
}

TEST_F(FilesTest, AWriteThatFailsLeavesWhatWasThereAndNothingElse) {
  std::filesystem::create_directories(Path("in the way"));
  EXPECT_FALSE(WriteFileAtomically(Path("in the way"), "x").ok());
  EXPECT_FALSE(ReplaceFile(Path("in the way"), "x").ok());
  EXPECT_TRUE(absl::IsNotFound(WriteFileAtomically(Path("nowhere/f"), "x")));
  EXPECT_EQ(entries(), 1);
}

TEST_F(FilesTest, WhatIsReadOrMappedIsTheWholeFile) {
  const std::string contents(200'001, 'x');  // More than a buffer of either.
  ASSERT_TRUE(ReplaceFile(Path("f"), contents).ok());
  EXPECT_EQ(ReadFile(Path("f")).value(), contents);
  EXPECT_TRUE(absl::IsNotFound(ReadFile(Path("g")).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(MappedFile::Open(folder_).status()));
  EXPECT_TRUE(absl::IsNotFound(SyncPath(Path("g"))));
}

// The checker itself: each call that is left out shows.
TEST_F(FilesTest, WhyNotDurableMissesNoMissingCall) {
  const std::string from = Path("d.tmp");
  std::filesystem::create_directories(from);
  std::ofstream(from + "/a") << "abc";
  std::ofstream(from + "/b") << "de";
  std::vector<FileCall> whole;
  {
    const FileCalls noted;
    for (const char* const name : {"/a", "/b", ""}) ASSERT_TRUE(SyncPath(from + name).ok());
    ASSERT_EQ(std::rename(from.c_str(), Path("d").c_str()), 0);
    ASSERT_TRUE(SyncPath(folder_).ok());
    whole = noted.calls();
  }
  ASSERT_EQ(whole.size(), 5U);
  EXPECT_EQ(WhyNotDurable(whole, Path("d")), "");
  for (std::size_t left_out = 0; left_out < whole.size(); ++left_out) {
    std::vector<FileCall> calls = whole;
    calls.erase(calls.begin() + static_cast<std::ptrdiff_t>(left_out));
    EXPECT_NE(WhyNotDurable(calls, Path("d")), "") << left_out;
  }
  for (std::size_t k = 0; k + 1 < whole.size(); ++k) {
    if (k == 0) continue;  // The files may be synced in any order.
    std::vector<FileCall> calls = whole;
    std::swap(calls[k], calls[k + 1]);
    EXPECT_NE(WhyNotDurable(calls, Path("d")), "") << k;
  }
  whole[0].bytes = 2;  // The last byte came after the sync.
  EXPECT_NE(WhyNotDurable(whole, Path("d")), "");
}

}  // namespace
}  // namespace cf
