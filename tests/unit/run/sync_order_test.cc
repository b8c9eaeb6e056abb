// Goal: a crash of the machine loses neither a claim of a generation, which fences off all earlier
// ones, nor an epoch of the history that a snapshot has. Method: the order of the calls that a disk
// keeps by.

#include <algorithm>
#include <filesystem>
#include <string>
#include <unistd.h>

#include <gtest/gtest.h>

#include "run/history.h"
#include "run/run_folder.h"
#include "tests/support/file_calls.h"

namespace cf::sync_order_test {
namespace {

class SyncOrder : public ::testing::Test {
 protected:
  ~SyncOrder() override { std::filesystem::remove_all(path_); }

  /// The place of the last sync of `path`, whole as it is now; all where there is none.
  static std::size_t LastSync(const std::vector<FileCall>& calls, const std::string& path) {
    const std::string place = std::filesystem::canonical(path).string();
    const bool folder = std::filesystem::is_directory(place);
    for (std::size_t k = calls.size(); k > 0; --k) {
      const FileCall& call = calls[k - 1];
      if (call.kind != FileCall::Kind::kSync || call.path != place) continue;
      if (folder || call.bytes == std::filesystem::file_size(place)) return k - 1;
    }
    return calls.size();
  }

  const std::string path_ = ::testing::TempDir() + "run_sync_" + std::to_string(::getpid()) + "_" +
                            ::testing::UnitTest::GetInstance()->current_test_info()->name();
};

TEST_F(SyncOrder, AClaimIsSyncedAndThenItsFolder) {
  RunFolder run = RunFolder::Create(path_).value();
  const FileCalls noted;
  ASSERT_EQ(run.ClaimGeneration().value(), 1U);
  const std::vector<FileCall> calls = noted.calls();
  const std::size_t claim = LastSync(calls, run.generations_path() + "/1");
  ASSERT_LT(claim, calls.size());
  const std::size_t folder = LastSync(calls, run.generations_path());
  ASSERT_LT(folder, calls.size());
  EXPECT_LT(claim, folder);
}

TEST_F(SyncOrder, AVerdictIsPublishedForGood) {
  const RunFolder run = RunFolder::Create(path_).value();
  const FileCalls noted;
  ASSERT_TRUE(run.WriteVerdict({.exit_code = kExitFinished, .cause = EndCause::kFinished}).ok());
  EXPECT_EQ(WhyNotDurable(noted.calls(), run.verdict_path()), "");
}

TEST_F(SyncOrder, EveryEpochOfTheHistoryIsSynced) {
  const RunFolder run = RunFolder::Create(path_).value();
  const FileCalls noted;
  History history = History::Open(run.history_path(), {}).value();
  for (const std::uint32_t epoch : {1U, 2U, 3U}) {
    ASSERT_TRUE(
        history.Append({.epoch = epoch, .step = epoch, .figures = {{"train_loss", 0.5}}}).ok());
    EXPECT_LT(LastSync(noted.calls(), run.history_path()), noted.calls().size()) << epoch;
  }
  ASSERT_TRUE(history.CutBackTo(1).ok());
  EXPECT_EQ(WhyNotDurable(noted.calls(), run.history_path()), "");
}

}  // namespace
}  // namespace cf::sync_order_test
