#include "common/base/files.h"

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

#include "common/base/output_file.h"
#include "common/base/temporary_files.h"
#include "tests/support/file_calls.h"

namespace cf::files_test {
namespace {

class FilesTest : public ::testing::Test {
 protected:
  FilesTest() { std::filesystem::create_directories(folder_); }
  ~FilesTest() override { std::filesystem::remove_all(folder_); }

  std::string Path(const std::string& name) const { return folder_ + "/" + name; }
  std::ptrdiff_t entries() const {
    return std::distance(std::filesystem::directory_iterator(folder_), {});
  }

  /// Without the calls that make a file or give it its first name, which decide nothing.
  static std::vector<FileCall> NotNaming(std::vector<FileCall> calls) {
    std::erase_if(calls, [](const FileCall& call) {
      return call.kind == FileCall::Kind::kName || call.kind == FileCall::Kind::kCreate;
    });
    return calls;
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
    EXPECT_EQ(NotNaming(noted.calls()).size(), 3U);
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
  const std::vector<FileCall> calls = NotNaming(noted.calls());
  ASSERT_EQ(calls.size(), 1U);
  EXPECT_EQ(calls[0].kind, FileCall::Kind::kRename);
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

// Goal: what a process that is killed was writing is not left behind. Method: the kernel kills the
// writer in the middle of its write, as the file grows beyond its limit.
TEST_F(FilesTest, NothingIsLeftOfAWriterThatIsKilled) {
  const int unnamed = OpenUnnamed(folder_, 0600);
  if (unnamed < 0) GTEST_SKIP() << "this file system has no files without names";
  ::close(unnamed);
  const std::string contents(1 << 20, 'x');
  ASSERT_TRUE(ReplaceFile(Path("f"), "old").ok());
  for (const bool output : {false, true}) {
    const pid_t writer = ::fork();
    if (writer == 0) {
      std::signal(SIGXFSZ, SIG_DFL);
      const rlimit small = {.rlim_cur = 1 << 16, .rlim_max = 1 << 16};
      ::setrlimit(RLIMIT_FSIZE, &small);
      const rlimit none = {.rlim_cur = 0, .rlim_max = 0};
      ::setrlimit(RLIMIT_CORE, &none);
      const absl::Status written = output ? WriteOutput(Path("f"), contents, {.overwrite = true})
                                          : WriteFileAtomically(Path("f"), contents);
      ::_exit(written.ok() ? 0 : 1);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(writer, &status, 0), writer);
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGXFSZ) << status;
    EXPECT_EQ(entries(), 1);
    EXPECT_EQ(ReadFile(Path("f")).value(), "old");
  }
}

TEST_F(FilesTest, WhatDeadProcessesLeftGoesWhenItIsOld) {
  const pid_t dead = ::fork();
  if (dead == 0) ::_exit(0);
  ASSERT_EQ(::waitpid(dead, nullptr, 0), dead);
  const auto leave = [this](const std::string& name, bool old) {
    std::filesystem::create_directories(Path(name));
    std::ofstream(Path(name) + "/column") << "x";
    const auto now = std::filesystem::last_write_time(Path(name));
    if (old) std::filesystem::last_write_time(Path(name), now - std::chrono::hours(1));
  };
  const std::string number = std::to_string(dead);
  leave("d.tmp." + number, true);
  leave("d.tmp.mine", true);
  leave("d.tmp." + std::to_string(::getpid()), true);
  leave("other.tmp." + number, true);
  leave("d." + number + ".new", false);
  RemoveLeftBeside(Path("d"), ".tmp.");
  RemoveLeftBeside(Path("d"), ".", ".new");
  EXPECT_FALSE(std::filesystem::exists(Path("d.tmp." + number)));
  EXPECT_EQ(entries(), 4);
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
}  // namespace cf::files_test
