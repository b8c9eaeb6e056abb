// How a run stands, as its folder tells whoever looks: cfrun's verbs and batch scripts go by it.

#include <filesystem>
#include <string>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/files.h"
#include "run/run_view.h"

namespace cf::run_states_test {
namespace {

using ::testing::HasSubstr;

class RunStates : public ::testing::Test {
 protected:
  ~RunStates() override { std::filesystem::remove_all(path_); }

  RunState Look() const { return ViewRun(path_).value().state; }

  const std::string path_ = ::testing::TempDir() + "run_states_" + std::to_string(::getpid()) +
                            "_" + ::testing::UnitTest::GetInstance()->current_test_info()->name();
};

struct End {
  EndCause cause;
  const char* name;  ///< In the verdict's file, which scripts read.
  RunState state;
};
constexpr End kEnds[] = {{EndCause::kFinished, "finished", RunState::kFinished},
                         {EndCause::kSignal, "signal", RunState::kStopped},
                         {EndCause::kRequest, "request", RunState::kStopped},
                         {EndCause::kLost, "lost", RunState::kInterrupted},
                         {EndCause::kFailed, "failed", RunState::kFailed}};

TEST_F(RunStates, EachCauseOfAnEndHasItsNameAndItsState) {
  const RunFolder run = RunFolder::Create(path_).value();
  for (const End& end : kEnds) {
    ASSERT_TRUE(run.WriteVerdict({.exit_code = kExitContinue, .cause = end.cause}).ok());
    EXPECT_THAT(ReadFile(run.verdict_path()).value(),
                HasSubstr(std::string("cause: ") + end.name + "\n"));
    EXPECT_EQ(run.ReadVerdict()->cause, end.cause);
    EXPECT_EQ(Look(), end.state) << end.name;
  }
}

TEST_F(RunStates, WithoutAVerdictARunIsNewOrLivesOrWasInterrupted) {
  EXPECT_TRUE(absl::IsNotFound(ViewRun(path_).status()));
  {
    RunFolder run = RunFolder::Create(path_).value();
    EXPECT_EQ(Look(), RunState::kNew);
    ASSERT_TRUE(run.ClaimGeneration().ok());
    EXPECT_EQ(Look(), RunState::kRunning);
    // What a life leaves is not asked while the next one is here.
    ASSERT_TRUE(run.WriteVerdict({.exit_code = kExitFailed, .cause = EndCause::kFailed}).ok());
    EXPECT_EQ(Look(), RunState::kRunning);
    ASSERT_TRUE(run.Begin().ok());
  }
  EXPECT_EQ(Look(), RunState::kInterrupted);
}

}  // namespace
}  // namespace cf::run_states_test
