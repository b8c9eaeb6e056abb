// Goal: with --requeue a job that ended for want of time comes back, and one that somebody stopped
// does not. Method: the real cfrun between programs that stand for Slurm, mpirun and the worker,
// so that a job can end in any way; a real Slurm is in tests/slurm.

#include <filesystem>
#include <fstream>
#include <string>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/files.h"
#include "common/base/status.h"
#include "tests/support/paths.h"
#include "tests/support/process.h"

namespace cf::requeue_test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Notes what it is asked, and knows one job that is running. Where it is to be silent, nobody answers it
// once.
constexpr char kScontrol[] = R"sh(#!/bin/bash
echo "$*" >> "$(dirname "$0")/asked"
if [[ -e $(dirname "$0")/silent ]]; then
  rm "$(dirname "$0")/silent"
  echo "slurm_load_jobs error: Unable to contact slurm controller (connect failure)" >&2
  exit 1
fi
[[ $* != *show* ]] || echo "JobId=7 JobState=RUNNING Reason=None Restarts=0"
)sh";
constexpr char kMpirun[] = R"sh(#!/bin/bash
for word; do
  shift
  [[ $word != CF_LAUNCH=* ]] || export "$word"
  [[ $word != */cfworker ]] || exec "$word" "$@"
done
)sh";
// CONFIG is the exit code and the cause.
constexpr char kWorker[] = R"sh(#!/bin/bash
cd "$(dirname "$0")/run"
echo "launch: $CF_LAUNCH" > generation/1
printf 'exit_code: %s\ncause: %s\nlaunch: %s\n' "${1%-*}" "${1#*-}" "$CF_LAUNCH" > part
mv part verdict
exit "${1%-*}"
)sh";

class CfrunRequeueTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = ::testing::TempDir() + "requeue_" + std::to_string(::getpid());
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_ + "/run/generation");
    std::filesystem::copy(CF_BIN_DIR "/cfrun", folder_ + "/cfrun");
    Program("scontrol", kScontrol);
    Program("mpirun", kMpirun);
    Program("cfworker", kWorker);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  Process::Result Run(const std::string& end) const {
    std::filesystem::remove(folder_ + "/asked");
    return Process({folder_ + "/cfrun", "-n", "1", "--requeue", end, "--run", folder_ + "/run"},
                   {{"PATH", folder_ + ":/usr/bin:/bin"},
                    {"SLURM_JOB_ID", "7"},
                    {"SLURM_JOB_CPUS_PER_NODE", "2"}})
        .Wait();
  }
  void SilenceSlurmOnce() const { std::ofstream(folder_ + "/silent") << "\n"; }
  std::string asked() const { return ReadFile(folder_ + "/asked").value_or(""); }

 private:
  void Program(const std::string& name, const char* text) const {
    std::ofstream(folder_ + "/" + name) << text;
    std::filesystem::permissions(folder_ + "/" + name, std::filesystem::perms::owner_all);
  }

  std::string folder_;
};

TEST_F(CfrunRequeueTest, AJobThatASignalEndedComesBack) {
  const Process::Result result = Run("75-signal");
  EXPECT_EQ(result.exit_code, kExitContinue) << result.errors;
  EXPECT_THAT(result.errors, HasSubstr("job 7 is requeued (restart 1 of at most 20)"));
  EXPECT_THAT(asked(), HasSubstr("requeue 7\n"));
}

// No answer is no "no": Slurm's controller may be away for a moment.
TEST_F(CfrunRequeueTest, SlurmIsAskedAgainWhereItDoesNotAnswer) {
  SilenceSlurmOnce();
  EXPECT_THAT(Run("75-signal").errors, HasSubstr("job 7 is requeued (restart 1 of at most 20)"));
  SilenceSlurmOnce();
  const Process::Result lost = Run("1-lost");
  EXPECT_EQ(lost.exit_code, kExitFailed);
  EXPECT_THAT(lost.errors,
              HasSubstr("cfrun: whether the allocation still lives is not known (scontrol failed "
                        "(slurm_load_jobs error: Unable to contact slurm controller (connect "
                        "failure))); asking again for 300 s at most\n"));
  EXPECT_THAT(lost.errors, HasSubstr("; starting again (1 of 3)\n"));
}

TEST_F(CfrunRequeueTest, AJobThatSomebodyStoppedOrThatIsFinishedOrFailedStays) {
  for (const auto& [end, code] : {std::pair("75-request", kExitContinue),
                                  {"0-finished", kExitFinished},
                                  {"1-failed", kExitFailed}}) {
    const Process::Result result = Run(end);
    EXPECT_EQ(result.exit_code, code) << end << result.errors;
    EXPECT_THAT(result.errors, Not(HasSubstr("requeued"))) << end;
    EXPECT_THAT(asked(), Not(HasSubstr("requeue"))) << end;
  }
}

}  // namespace
}  // namespace cf::requeue_test
