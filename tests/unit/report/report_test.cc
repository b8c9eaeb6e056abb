#include "report/report.h"

#include <filesystem>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/page/well_formed.h"
#include "tests/unit/report/report_fixture.h"

namespace cf::report_test {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

namespace fs = std::filesystem;

TEST(Report, WritesThePageOfARunFolder) {
  const ReportedFolder folder;
  const absl::Status written = WriteReport(folder.folder());
  ASSERT_TRUE(written.ok()) << written;
  const std::string page = ReadFile(folder.folder().report_path()).value();
  EXPECT_THAT(ElementsOf(page, "h1"), ElementsAre("run: finished"));
  EXPECT_EQ(page, MakeReport({.run = folder.run()}).value());
}

// The process that writes the page at the end of a run still holds the folder.
TEST(Report, GoesByTheVerdictEvenWhileTheFolderIsHeld) {
  const ReportedFolder folder;
  RunFolder held = RunFolder::Create(folder.run()).value();
  ASSERT_TRUE(held.ClaimGeneration().ok());
  EXPECT_EQ(ViewRun(folder.run()).value().state, RunState::kRunning);
  EXPECT_THAT(ElementsOf(MakeReport({.run = folder.run()}).value(), "h1"),
              ElementsAre("run: finished"));
  ASSERT_TRUE(held.Begin().ok());
  EXPECT_THAT(ElementsOf(MakeReport({.run = folder.run()}).value(), "h1"),
              ElementsAre("run: running"));
}

TEST(Report, TellsOfADataSetThatIsGone) {
  const ReportedFolder folder;
  const std::string moved = folder.Beside("moved");
  fs::rename(folder.data(), moved);
  const std::string page = MakeReport({.run = folder.run()}).value();
  EXPECT_THAT(
      ElementsOf(page, "p"),
      Contains(HasSubstr("Nothing of the data set is shown: the data set of the snapshot")));
  const std::string whole = MakeReport({.run = folder.run(), .data = moved}).value();
  EXPECT_THAT(ElementsOf(whole, "figcaption"), Contains("Ratings per user"));
  EXPECT_FALSE(MakeReport({.run = folder.run(), .data = folder.Beside("none")}).ok());
}

TEST(Report, TellsOfASnapshotThatIsDamaged) {
  const ReportedFolder folder;
  fs::remove_all(folder.run() + "/snapshots/rows");
  const std::string page = MakeReport({.run = folder.run()}).value();
  EXPECT_THAT(ElementsOf(page, "p"), Contains(HasSubstr("There are none: ")));
  EXPECT_THAT(ElementsOf(page, "figcaption"), Contains("Ratings per user"));
}

TEST(Report, NamesTheRunThatIsNotThere) {
  const ReportedFolder folder;
  const std::string none = folder.Beside("none");
  EXPECT_EQ(MakeReport({.run = none}).status().message(), none + ": no run is here");
  EXPECT_EQ(MakeReport({.run = folder.run(), .beside = none}).status().message(),
            none + ": no run is here");
}

TEST(Report, AnErrorInWritingIsAValue) {
  const ReportedFolder folder;
  fs::create_directories(folder.folder().report_path() + "/in/the/way");
  const absl::Status written = WriteReport(folder.folder());
  EXPECT_FALSE(written.ok());
  EXPECT_THAT(std::string(written.message()), HasSubstr(folder.folder().report_path()));
}

}  // namespace
}  // namespace cf::report_test
