// Goal: `cfrun doctor` says before a job begins whether it could, on one host with several ranks, and
// leaves nothing behind. Hosts of their own are in tests/slurm.

#include <algorithm>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/status.h"
#include "tests/support/cluster.h"
#include "tests/support/paths.h"

namespace cf::doctor_test {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

class Doctor : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { cluster_ = new TestCluster; }
  static void TearDownTestSuite() {
    delete cluster_;
    cluster_ = nullptr;
  }

  static Process::Result Ask(std::vector<std::string> words) {
    words.insert(words.begin(), {CF_BIN_DIR "/cfrun", "doctor"});
    const auto before = FilesOf(cluster_->folder());
    const Process::Result result = Process(words, OpenMpiEnvironment()).Wait();
    EXPECT_EQ(FilesOf(cluster_->folder()), before) << "it leaves nothing behind";
    return result;
  }

  static Process::Result AskAbout(const std::string& run, std::vector<std::string> words) {
    const std::vector<std::string> job = {CF_SOURCE_DIR "/configs/ml_100k_u1_biased_mf.textproto",
                                          "--data", cluster_->Path("data"), "--run", run};
    words.insert(words.end(), job.begin(), job.end());
    return Ask(words);
  }

  static std::vector<std::string> FilesOf(const std::string& folder) {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder))
      names.push_back(entry.path().string());
    std::ranges::sort(names);
    return names;
  }

  static TestCluster* cluster_;
};
TestCluster* Doctor::cluster_ = nullptr;

TEST_F(Doctor, TellsOfAJobThatCouldBegin) {
  const Process::Result result = AskAbout(cluster_->Path("new/run"), {"-n", "3"});
  EXPECT_EQ(result.exit_code, kExitFinished) << result.errors;
  EXPECT_THAT(
      result.output,
      AllOf(ContainsRegex("program +cfworker [0-9.]+ [0-9a-f]{8}"), ContainsRegex("ranks +3"),
            ContainsRegex("open files +"), ContainsRegex("locked memory +"),
            ContainsRegex("temporary files +/"), ContainsRegex("/dev/shm +"),
            ContainsRegex("address +127.0.0.1"), ContainsRegex("run folder +shared, locks hold"),
            ContainsRegex("data set +[0-9a-f]{12}"), ContainsRegex("memory for the job +"),
            ContainsRegex("disk for the job +")));
  EXPECT_THAT(result.output, AllOf(ContainsRegex("rank 0 +rank 1 +[0-9.]+ +[0-9.]+ +[0-9.]+"),
                                   HasSubstr("nothing is wrong")));
  EXPECT_FALSE(std::filesystem::exists(cluster_->Path("new")));
}

TEST_F(Doctor, HostsAloneNeedNoJob) {
  const Process::Result result = Ask({});
  EXPECT_EQ(result.exit_code, kExitFinished) << result.errors;
  EXPECT_THAT(result.output, AllOf(HasSubstr("nothing is wrong"), Not(HasSubstr("data set"))));
}

// Goal: all that is wrong is said at once, each in a line, whatever it is.
TEST_F(Doctor, SaysWhatWouldFailAndWhatWasExpected) {
  const Process::Result result =
      AskAbout("/proc/run", {"-n", "2", "--set", "storage.memory_budget_mib=1"});
  EXPECT_EQ(result.exit_code, kExitUserInput);
  EXPECT_THAT(result.errors, ContainsRegex("cfrun doctor: [^ ]+: run folder: /proc.*; expected "));
  EXPECT_THAT(result.errors, ContainsRegex("cfrun doctor: [^ ]+: job: .*; expected "));
  EXPECT_THAT(result.output,
              AllOf(ContainsRegex("run folder +!\n"), ContainsRegex("open files +[0-9]"),
                    Not(HasSubstr("nothing is wrong"))));
}

TEST_F(Doctor, RefusesWordsAndConfigurationsInALine) {
  const std::pair<std::vector<std::string>, std::string> cases[] = {
      {{"--host", "a"}, "no flag --host (did you mean --hosts?)"},
      {{"-n", "0"}, "-n 0: expected a whole number from 1 to 16384"},
      {{"-n", "1", "--hosts", "a,b"}, "-n 1 is less than the 2 hosts of --hosts"},
      {{"no-such.textproto"}, "no-such.textproto: No such file or directory"},
  };
  for (const auto& [words, expected] : cases) {
    const Process::Result result = Ask(words);
    EXPECT_EQ(result.exit_code, kExitUserInput) << expected;
    EXPECT_THAT(result.errors, HasSubstr(expected));
    EXPECT_EQ(std::ranges::count(result.errors, '\n'), 1) << result.errors;
  }
}

}  // namespace
}  // namespace cf::doctor_test
