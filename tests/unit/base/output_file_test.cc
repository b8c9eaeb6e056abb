// What --out may be: a new file, one that is there, a link, a pipe, a device, an open descriptor.

#include "common/base/output_file.h"

#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <future>
#include <string>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <thread>
#include <unistd.h>

#include <absl/cleanup/cleanup.h>
#include <gmock/gmock.h>

#include "common/base/files.h"
#include "common/base/status.h"
#include "tests/support/devices.h"
#include "tests/support/file_calls.h"

namespace cf::output_file_test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class OutputFileTest : public testing::Test {
 protected:
  OutputFileTest() { fs::create_directories(folder_); }
  ~OutputFileTest() override { fs::remove_all(folder_); }

  std::string Path(const std::string& name) const { return folder_ + "/" + name; }
  void Put(const std::string& name, const std::string& contents) const {
    ASSERT_TRUE(ReplaceFile(Path(name), contents).ok());
  }
  std::string Text(const std::string& name) const { return ReadFile(Path(name)).value_or("-"); }
  std::ptrdiff_t entries() const { return std::distance(fs::directory_iterator(folder_), {}); }
  static struct stat Look(const std::string& path) {
    struct stat info = {};
    EXPECT_EQ(::lstat(path.c_str(), &info), 0) << path;
    return info;
  }

  const std::string folder_ = testing::TempDir() + "output_" + std::to_string(::getpid()) + "_" +
                              testing::UnitTest::GetInstance()->current_test_info()->name();
};

TEST_F(OutputFileTest, ANewFileAppearsWholeAtTheEndAndIsOnTheDisk) {
  const FileCalls noted;
  absl::StatusOr<OutputFile> file = OutputFile::Create(Path("f"));
  ASSERT_TRUE(file.ok()) << file.status();
  file->Write("one,");
  file->Write(std::string(3 << 20, 'x'));  // More than the buffer.
  EXPECT_FALSE(fs::exists(Path("f")));
  ASSERT_TRUE(file->Close().ok());
  EXPECT_EQ(Text("f"), "one," + std::string(3 << 20, 'x'));
  EXPECT_EQ(WhyNotDurable(noted.calls(), Path("f")), "");
  EXPECT_EQ(entries(), 1);
  EXPECT_EQ(OutputFile::Create(Path("nowhere/f")).status().message(),
            Path("nowhere/f") + ": there is no folder " + Path("nowhere"));
}

TEST_F(OutputFileTest, WithoutCloseNothingIsLeftAndWhatWasThereStays) {
  Put("old", "old");
  for (const char* const name : {"new", "old"}) {
    absl::StatusOr<OutputFile> file = OutputFile::Create(Path(name), {.overwrite = true});
    ASSERT_TRUE(file.ok());
    file->Write(std::string(2 << 20, 'x'));
  }
  EXPECT_EQ(Text("old"), "old");
  EXPECT_EQ(entries(), 1);
}

TEST_F(OutputFileTest, WhatIsThereIsReplacedOnlyWhenAskedFor) {
  Put("f", "mine");
  fs::create_symlink("f", Path("link"));
  for (const char* const name : {"f", "link"}) {
    const absl::Status refused = WriteOutput(Path(name), "new");
    EXPECT_EQ(ExitCodeOf(refused), kExitUserInput);
    EXPECT_EQ(refused.message(), Path(name) + " is there already; --overwrite replaces it");
  }
  EXPECT_EQ(Text("f"), "mine");
  EXPECT_TRUE(WriteOutput(Path("f"), "new", {.overwrite = true}).ok());
  EXPECT_EQ(Text("f"), "new");
  EXPECT_EQ(WriteOutput(folder_, "x", {.overwrite = true}).message(),
            folder_ + " is a folder; expected a file");
  EXPECT_EQ(ExitCodeOf(WriteOutput("", "x")), kExitUserInput);
  EXPECT_EQ(ExitCodeOf(WriteOutput(Path(std::string(300, 'n')), "x")), kExitUserInput);
}

// Two commands at once: the one that is done first has made something.
TEST_F(OutputFileTest, AFileThatAppearsInTheMeantimeStays) {
  absl::StatusOr<OutputFile> file = OutputFile::Create(Path("f"));
  ASSERT_TRUE(file.ok());
  Put("f", "another's");
  EXPECT_EQ(ExitCodeOf(file->Close()), kExitUserInput);
  EXPECT_EQ(Text("f"), "another's");
}

// f=$(mktemp) is how scripts name a file.
TEST_F(OutputFileTest, AnEmptyFileHasNothingToLoseAndKeepsItsMode) {
  Put("f", "");
  fs::permissions(Path("f"), fs::perms(0600));
  EXPECT_TRUE(WriteOutput(Path("f"), "new").ok());
  EXPECT_EQ(Text("f"), "new");
  EXPECT_EQ(Look(Path("f")).st_mode & 07777, 0600U);
}

TEST_F(OutputFileTest, ModesAndOwnersAreKept) {
  const mode_t before = ::umask(027);
  EXPECT_TRUE(WriteOutput(Path("new"), "x").ok());
  ::umask(before);
  EXPECT_EQ(Look(Path("new")).st_mode & 07777, 0640U);
  for (const unsigned mode : {0600U, 0664U, 0755U}) {
    Put("f", "old");
    fs::permissions(Path("f"), fs::perms(mode));
    EXPECT_TRUE(WriteOutput(Path("f"), "new", {.overwrite = true}).ok());
    EXPECT_EQ(Look(Path("f")).st_mode & 07777, mode);
  }
  if (::geteuid() != 0) GTEST_SKIP() << "only root gives files away";
  ASSERT_EQ(::chown(Path("f").c_str(), 4711, 4712), 0);
  EXPECT_TRUE(WriteOutput(Path("f"), "newer", {.overwrite = true}).ok());
  EXPECT_EQ(Look(Path("f")).st_uid, 4711U);
  EXPECT_EQ(Look(Path("f")).st_gid, 4712U);
  EXPECT_EQ(Text("f"), "newer");
}

TEST_F(OutputFileTest, LinksAreFollowed) {
  fs::create_directories(Path("big"));
  Put("big/target", "old");
  fs::create_symlink("big/target", Path("link"));
  fs::create_symlink(Path("link"), Path("chain"));
  fs::create_symlink("big/later", Path("dangling"));
  fs::create_symlink("big", Path("folder"));
  fs::create_symlink("loop", Path("loop"));
  EXPECT_TRUE(WriteOutput(Path("chain"), "new", {.overwrite = true}).ok());
  EXPECT_EQ(Text("big/target"), "new");
  EXPECT_TRUE(WriteOutput(Path("dangling"), "made").ok());
  EXPECT_EQ(Text("big/later"), "made");
  EXPECT_TRUE(WriteOutput(Path("folder/f"), "below").ok());
  EXPECT_EQ(Text("big/f"), "below");
  EXPECT_EQ(ExitCodeOf(WriteOutput(Path("loop"), "x")), kExitUserInput);
  for (const char* const name : {"link", "chain", "dangling", "folder"}) {
    EXPECT_TRUE(fs::is_symlink(Path(name))) << name;
  }
  EXPECT_EQ(std::distance(fs::directory_iterator(Path("big")), {}), 3);
}

TEST_F(OutputFileTest, AllNamesOfAFileKeepBeingOne) {
  Put("f", "a longer text than the new one");
  fs::create_hard_link(Path("f"), Path("g"));
  EXPECT_TRUE(WriteOutput(Path("f"), "new", {.overwrite = true}).ok());
  EXPECT_EQ(Text("g"), "new");
  EXPECT_EQ(Look(Path("f")).st_nlink, 2U);
}

TEST_F(OutputFileTest, APipeIsWrittenToAndStaysOne) {
  ASSERT_EQ(::mkfifo(Path("pipe").c_str(), 0600), 0);
  std::future<std::string> got =
      std::async(std::launch::async, [&] { return ReadFile(Path("pipe")).value_or("-"); });
  EXPECT_TRUE(WriteOutput(Path("pipe"), "through the pipe").ok());
  EXPECT_EQ(got.get(), "through the pipe");
  EXPECT_TRUE(S_ISFIFO(Look(Path("pipe")).st_mode));
  EXPECT_EQ(entries(), 1);
}

// The node of a device that anybody may write to, in the folder of the test: the machine's own
// must not be put at risk.
TEST_F(OutputFileTest, ADeviceIsWrittenToAndStaysOne) {
  if (!MakeDevice(Path("null"), kNullDevice)) {
    GTEST_SKIP() << "no node of a device can be made here";
  }
  EXPECT_TRUE(WriteOutput(Path("null"), "nobody hears it").ok());
  EXPECT_TRUE(S_ISCHR(Look(Path("null")).st_mode));
  ASSERT_TRUE(MakeDevice(Path("full"), kFullDevice));
  const absl::Status full = WriteOutput(Path("full"), "no room for it");
  EXPECT_EQ(full.message(), Path("full") + ": No space left on device");
  EXPECT_EQ(ExitCodeOf(full), kExitFailed);
  EXPECT_TRUE(S_ISCHR(Look(Path("full")).st_mode));
  EXPECT_EQ(entries(), 2);
}

// A disk holds all that somebody has. Nothing is opened here: the number belongs to no device.
TEST_F(OutputFileTest, ADiskIsNotWrittenToUnasked) {
  if (::mknod(Path("disk").c_str(), S_IFBLK | 0600, makedev(240, 4711)) != 0) {
    GTEST_SKIP() << "no node of a device can be made here";
  }
  const absl::Status refused = WriteOutput(Path("disk"), "x");
  EXPECT_EQ(refused.message(), Path("disk") + " is a disk; --overwrite replaces it");
  EXPECT_EQ(ExitCodeOf(refused), kExitUserInput);
}

// `--out /dev/stdout >> lists.csv`: the descriptor's own place in the file counts.
TEST_F(OutputFileTest, AnOpenDescriptorIsWrittenToWhereItStands) {
  Put("f", "old\n");
  const int file = ::open(Path("f").c_str(), O_WRONLY | O_APPEND);
  ASSERT_GE(file, 0);
  const absl::Cleanup close = [file] { ::close(file); };
  const std::string name = std::to_string(file);
  EXPECT_TRUE(WriteOutput("/dev/fd/" + name, "new\n").ok());
  EXPECT_TRUE(WriteOutput("/proc/self/fd/" + name, "newer\n").ok());
  fs::create_symlink("/dev/fd/" + name, Path("link"));
  EXPECT_TRUE(WriteOutput(Path("link"), "newest\n").ok());
  EXPECT_EQ(Text("f"), "old\nnew\nnewer\nnewest\n");
  EXPECT_EQ(ExitCodeOf(WriteOutput("/dev/fd/987", "x")), kExitUserInput);
}

TEST_F(OutputFileTest, AFullDiskIsALineAndLeavesWhatWasThere) {
  Put("f", "old");
  ::signal(SIGXFSZ, SIG_IGN);
  rlimit before = {};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit small = {.rlim_cur = 1 << 20, .rlim_max = before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const absl::Cleanup restore = [&before] { ::setrlimit(RLIMIT_FSIZE, &before); };
  const absl::Status full = WriteOutput(Path("f"), std::string(2 << 20, 'x'), {.overwrite = true});
  EXPECT_EQ(full.message(), Path("f") + ": File too large");
  EXPECT_EQ(ExitCodeOf(full), kExitFailed);
  absl::StatusOr<OutputFile> file = OutputFile::Create(Path("g"));
  ASSERT_TRUE(file.ok());
  EXPECT_TRUE(file->status().ok());
  file->Write(std::string(2 << 20, 'x'));
  EXPECT_FALSE(file->status().ok());  // Long before the end.
  EXPECT_FALSE(file->Close().ok());
  EXPECT_EQ(Text("f"), "old");
  EXPECT_FALSE(fs::exists(Path("g")));
}

// Root may write anywhere, so this is asked as somebody who may not.
TEST_F(OutputFileTest, AFileInAFolderOfSomebodyElseIsWrittenInPlace) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to become somebody else";
  Put("f", "a longer text than the new one");
  fs::permissions(Path("f"), fs::perms(0666));
  Put("read_only", "old");
  ASSERT_EQ(::seteuid(4711), 0);
  const absl::Status written = WriteOutput(Path("f"), "new", {.overwrite = true});
  const absl::Status refused = WriteOutput(Path("g"), "new");
  ASSERT_EQ(::seteuid(0), 0);
  EXPECT_TRUE(written.ok()) << written;
  EXPECT_EQ(Text("f"), "new");
  EXPECT_EQ(refused.message(), Path("g") + ": Permission denied");
  EXPECT_EQ(entries(), 2);
}

}  // namespace
}  // namespace cf::output_file_test
