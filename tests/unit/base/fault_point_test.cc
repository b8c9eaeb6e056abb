// Goal: a fault point does what CF_FAULTS says, when it says so, and nothing else. Method: processes
// of their own, as each reads the variable once.

#include "common/base/fault_point.h"

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <unistd.h>

#include <gtest/gtest.h>

#include "common/base/files.h"

namespace cf::fault_point_test {
namespace {

using ::testing::ExitedWithCode;
using ::testing::KilledBySignal;

class FaultPoint : public ::testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(folder_); }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  // What happens at the passages of `point`, a character each; ends the process.
  [[noreturn]] static void Pass(const std::string& faults, int passages, const char* path = "") {
    ::setenv("CF_FAULTS", faults.c_str(), 1);
    std::string seen;
    for (int k = 0; k < passages; ++k) seen += ".nbsfr"[static_cast<int>(FaultAt("here", path))];
    std::fputs(seen.c_str(), stderr);
    std::exit(0);
  }

  const std::string folder_ = ::testing::TempDir() + "fault_point_" + std::to_string(::getpid());
};

TEST_F(FaultPoint, DoesNothingUnlessItIsTold) {
  EXPECT_EXIT(Pass("", 3), ExitedWithCode(0), "^\\.\\.\\.$");
  EXPECT_EXIT(Pass("there,crash", 3), ExitedWithCode(0), "^\\.\\.\\.$");
}

TEST_F(FaultPoint, CountsPassages) {
  EXPECT_EXIT(Pass("here,no_space,after=1,times=2", 5), ExitedWithCode(0), "^\\.nn\\.\\.$");
  EXPECT_EXIT(Pass("here,flip;here,repeat,after=2;here,short,after=1", 4), ExitedWithCode(0),
              "^fsr\\.$");
  EXPECT_EXIT(Pass("here,crash,after=2", 2), ExitedWithCode(0), "");
  EXPECT_EXIT(Pass("here,crash,after=2", 3), KilledBySignal(SIGKILL), "");
}

TEST_F(FaultPoint, GoesByTheFileAndTheProcess) {
  EXPECT_EXIT(Pass("here,broken,in=.manifest", 1, "a.manifest"), ExitedWithCode(0), "^b$");
  EXPECT_EXIT(Pass("here,broken,in=.manifest", 1, "a.sst"), ExitedWithCode(0), "^\\.$");
  ::setenv("CF_TEST_RANK", "3", 1);
  EXPECT_EXIT(Pass("here,broken,with=CF_TEST_RANK=3", 1), ExitedWithCode(0), "^b$");
  EXPECT_EXIT(Pass("here,broken,with=CF_TEST_RANK=2", 1), ExitedWithCode(0), "^\\.$");
}

TEST_F(FaultPoint, HappensInOneProcessOfAJobAndAfterAnother) {
  const std::string first = "here,broken,once=" + folder_ + "/1";
  const std::string second = first + ";here,no_space,when=" + folder_ + "/1,once=" + folder_ + "/2";
  EXPECT_EXIT(Pass(second, 3), ExitedWithCode(0), "^bn\\.$");
  EXPECT_EXIT(Pass(second, 3), ExitedWithCode(0), "^\\.\\.\\.$");
}

TEST_F(FaultPoint, LosesWhatWasNotSynced) {
  const std::string path = folder_ + "/rows";
  std::ofstream(path) << "some";
  EXPECT_EXIT(Pass("here,forget", 1, path.c_str()), KilledBySignal(SIGKILL), "");
  EXPECT_EQ(std::filesystem::file_size(path), 0U);
}

// Whoever uses a point: a disk that takes a part, or nothing.
TEST_F(FaultPoint, OfAFileThatIsReplaced) {
  const std::string path = folder_ + "/text";
  const auto write = [&](const char* faults) {
    ::setenv("CF_FAULTS", faults, 1);
    const absl::Status written = WriteFileAtomically(path, "whole");
    std::fputs(std::string(written.message()).c_str(), stderr);
    std::exit(ReadFile(path).value_or("") == "whole" ? 0 : 1);
  };
  EXPECT_EXIT(write("file.write,no_space"), ExitedWithCode(1), "text: No space left on device");
  EXPECT_EXIT(write("path.sync,broken"), ExitedWithCode(0), "Input/output error");
  EXPECT_EXIT(write("file.write_part,short,times=9"), ExitedWithCode(0), "^$");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 1);
}

}  // namespace
}  // namespace cf::fault_point_test
