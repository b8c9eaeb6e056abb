#include "run/history.h"

#include <filesystem>
#include <fstream>
#include <sys/stat.h>

#include <gtest/gtest.h>

#include "common/base/files.h"
#include "tests/support/temporary_folder.h"

namespace cf::history_test {
namespace {

constexpr char kHeader[] =
    "epoch,step,train_loss,train_rmse,l2_penalty,val_loss,val_rmse,val_mae,learning_rate,"
    "samples_per_second,seconds,pause_seconds\n";

/// A history in a file of its own.
class HistoryTest : public ::testing::Test {
 protected:
  std::string Text() { return *ReadFile(path_); }
  void Write(const std::string& text) { std::ofstream(path_) << text; }

  static EpochFigures Row(std::uint32_t epoch) {
    return {.epoch = epoch, .step = 100UL * epoch, .figures = {{"train_loss", 1.0 / epoch}}};
  }

  const TemporaryFolder folder_;
  const std::string path_ = folder_.At("history.csv");
};

TEST_F(HistoryTest, WritesTheColumnsTheUserKnows) {
  absl::StatusOr<History> history = History::Open(path_);
  ASSERT_TRUE(history.ok());
  EXPECT_EQ(Text(), kHeader);
  ASSERT_TRUE(history
                  ->Append({.epoch = 1,
                            .step = 1418,
                            .figures = {{"train_loss", .5},
                                        {"train_rmse", .75},
                                        {"l2_penalty", 0.},
                                        {"val_loss", 1e-7},
                                        {"val_rmse", 2.},
                                        {"val_mae", .1},
                                        {"learning_rate", .001},
                                        {"samples_per_second", 101234.5},
                                        {"seconds", .9},
                                        {"pause_seconds", .05}}})
                  .ok());
  ASSERT_TRUE(history->Append({.epoch = 2, .step = 2836, .figures = {{"train_loss", .25}}}).ok());
  EXPECT_EQ(Text(), std::string(kHeader) +
                        "1,1418,0.5,0.75,0,1e-07,2,0.1,0.001,101234.5,0.9,0.05\n"
                        "2,2836,0.25,,,,,,,,,\n");
}

TEST_F(HistoryTest, MayBeginWithTheModelBeforeTheFirstStep) {
  absl::StatusOr<History> history = History::Open(path_);
  ASSERT_TRUE(history.ok());
  ASSERT_TRUE(history->Append({.epoch = 0, .step = 0, .figures = {{"val_rmse", .5}}}).ok());
  ASSERT_TRUE(history->Append(Row(1)).ok());
  EXPECT_EQ(Text(), std::string(kHeader) + "0,0,,,,,0.5,,,,,\n1,100,1,,,,,,,,,\n");
  ASSERT_TRUE(history->CutBackTo(0).ok());
  const absl::StatusOr<History> again = History::Open(path_);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->epochs().size(), 1U);
  ASSERT_TRUE(history->Clear().ok());
  EXPECT_EQ(Text(), kHeader);
}

TEST_F(HistoryTest, ReadsBackTheSameBits) {
  absl::StatusOr<History> history = History::Open(path_);
  ASSERT_TRUE(history.ok());
  double value = 1.0 / 3;
  for (std::uint32_t epoch = 1; epoch <= 50; ++epoch, value *= -1.7e-7) {
    ASSERT_TRUE(
        history->Append({.epoch = epoch, .step = 1UL << epoch, .figures = {{"val_rmse", value}}})
            .ok());
  }
  const absl::StatusOr<History> again = History::Open(path_);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->epochs(), history->epochs());
}

TEST_F(HistoryTest, KeepsAColumnForEachFigureThatAJobAskedFor) {
  absl::StatusOr<History> history = History::Open(path_, {"val_ndcg_10"});
  ASSERT_TRUE(history.ok()) << history.status();
  EpochFigures first = Row(1);
  first.figures.Set("val_ndcg_10", 0.25);
  ASSERT_TRUE(history->Append(first).ok());
  ASSERT_TRUE(history->Append(Row(2)).ok());
  const std::string header(kHeader, sizeof kHeader - 2);
  EXPECT_EQ(Text(), header + ",val_ndcg_10\n1,100,1,,,,,,,,,,0.25\n2,200,0.5,,,,,,,,,,\n");

  // A job that goes on may ask for other figures.
  history = History::Open(path_, {"val_hr_5", "val_ndcg_10"});
  ASSERT_TRUE(history.ok()) << history.status();
  EpochFigures third = Row(3);
  third.figures.Set("val_hr_5", 0.5);
  third.figures.Set("val_ndcg_10", 0.125);
  ASSERT_TRUE(history->Append(third).ok());
  EXPECT_EQ(Text(), header +
                        ",val_ndcg_10,val_hr_5\n1,100,1,,,,,,,,,,0.25,\n2,200,0.5,,,,,,,,,,,\n"
                        "3,300,0.3333333333333333,,,,,,,,,,0.125,0.5\n");
  const std::vector<EpochFigures> epochs = History::Read(path_).value();
  ASSERT_EQ(epochs.size(), 3U);
  EXPECT_EQ(epochs[0], first);
  EXPECT_EQ(epochs[2].figures.Find("val_hr_5"), 0.5);
  EXPECT_EQ(epochs[0].figures.Find("val_hr_5"), std::nullopt);
}

// Goal: a run that began before there were pauses goes on.
TEST_F(HistoryTest, GivesAnOlderHistoryTheColumnThatItLacks) {
  const std::string older =
      "epoch,step,train_loss,train_rmse,l2_penalty,val_loss,val_rmse,val_mae,learning_rate,"
      "samples_per_second,seconds";
  for (const std::string other : {"", ",val_hr_5"}) {
    const std::string cell = other.empty() ? "" : ",0.5";
    Write(older + other + "\n1,100,1,,,,,,,,2" + cell + "\n");
    const std::vector<EpochFigures> read = History::Read(path_).value();
    ASSERT_EQ(read.size(), 1U);
    EXPECT_EQ(read[0].figures.Find("seconds"), 2);
    EXPECT_EQ(read[0].figures.Find("pause_seconds"), std::nullopt);
    EXPECT_EQ(read[0].figures.Find("val_hr_5").has_value(), !other.empty());
    absl::StatusOr<History> history = History::Open(path_);
    ASSERT_TRUE(history.ok()) << history.status();
    EXPECT_EQ(history->epochs(), read);
    const std::string header(kHeader, sizeof kHeader - 2);
    EXPECT_EQ(Text(), header + other + "\n1,100,1,,,,,,,,2," + cell + "\n");
  }
}

TEST_F(HistoryTest, CutsBackToTheEpochOfASnapshotAndGoesOn) {
  absl::StatusOr<History> history = History::Open(path_);
  ASSERT_TRUE(history.ok());
  for (const std::uint32_t epoch : {1U, 2U, 3U, 4U}) ASSERT_TRUE(history->Append(Row(epoch)).ok());
  ASSERT_TRUE(history->CutBackTo(2).ok());
  ASSERT_TRUE(history->Append(Row(3)).ok());
  EXPECT_EQ(Text(), std::string(kHeader) + "1,100,1,,,,,,,,,\n2,200,0.5,,,,,,,,,\n" +
                        "3,300,0.3333333333333333,,,,,,,,,\n");
  ASSERT_TRUE(history->CutBackTo(7).ok());
  EXPECT_EQ(history->epochs().size(), 3U);
  ASSERT_TRUE(history->CutBackTo(0).ok());
  EXPECT_EQ(Text(), kHeader);
}

// Goal: a crash in the middle of a line costs that line and nothing else.
TEST_F(HistoryTest, DropsALineThatACrashCutShort) {
  const std::string first = std::string(kHeader) + "1,100,1,,,,,,,,,\n";
  const std::string second = "2,200,0.5,,,,,,,,,";
  for (std::size_t cut = 0; cut <= second.size(); ++cut) {
    Write(first + second.substr(0, cut));
    const absl::StatusOr<History> history = History::Open(path_);
    ASSERT_TRUE(history.ok()) << history.status();
    EXPECT_EQ(history->epochs(), std::vector<EpochFigures>{Row(1)});
    EXPECT_EQ(Text(), first);
  }
  for (std::size_t cut = 0; cut < sizeof kHeader - 1; ++cut) {
    Write(std::string(kHeader).substr(0, cut));
    ASSERT_TRUE(History::Open(path_).ok());
    EXPECT_EQ(Text(), kHeader);
  }
}

TEST_F(HistoryTest, RefusesAFileThatIsNotItsOwnAndLeavesItAlone) {
  const auto error = [this](const std::string& text) {
    Write(text);
    const absl::StatusOr<History> history = History::Open(path_);
    EXPECT_EQ(Text(), text);
    return std::string(history.status().message());
  };
  const std::string header = kHeader;
  EXPECT_EQ(error("a,b\n"), path_ + ":1: expected \"" + header.substr(0, header.size() - 1) + "\"");
  EXPECT_EQ(error(header.substr(0, header.size() - 1) + ",b\n"),
            path_ + ":1: expected \"" + header.substr(0, header.size() - 1) + "\"");
  for (const char* others : {",val_rmse", ",val_hr_5,val_hr_5"}) {
    EXPECT_EQ(error(header.substr(0, header.size() - 1) + others + "\n"),
              path_ + ":1: expected \"" + header.substr(0, header.size() - 1) + "\"");
  }
  EXPECT_EQ(error(header + "1,100\n"), path_ + ":2: expected 12 numbers");
  EXPECT_EQ(error(header + "1,100,x,,,,,,,,,\n"), path_ + ":2: expected 12 numbers");
  EXPECT_EQ(error(header + "3,1,,,,,,,,,,\n3,2,,,,,,,,,,\n"),
            path_ + ":3: expected an epoch after 3");
}

// Goal: nothing that stands where the history should be holds a job up, and what is sound of it stays.
TEST_F(HistoryTest, OfAJobSetsAsideWhatIsNotItsOwn) {
  const std::string sound = std::string(kHeader) + "1,100,1,,,,,,,,,\n";
  const std::string edited = sound + "2,x,1,,,,,,,,,\n3,300,0.25,,,,,,,,,\n";
  Write(edited);
  std::string remark;
  absl::StatusOr<History> history = History::OpenOrSetAside(path_, {}, remark);
  ASSERT_TRUE(history.ok()) << history.status();
  EXPECT_EQ(remark, path_ + ":3: expected 12 numbers; it is " + path_ +
                        ".damaged now, and 2 sound lines of it are kept");
  EXPECT_EQ(*ReadFile(path_ + ".damaged"), edited);
  EXPECT_EQ(Text(), sound + "3,300,0.25,,,,,,,,,\n");
  ASSERT_TRUE(history->Append(Row(4)).ok());
  EXPECT_EQ(History::Read(path_)->size(), 3U);

  std::filesystem::remove(path_);
  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  remark.clear();
  history = History::OpenOrSetAside(path_, {}, remark);
  ASSERT_TRUE(history.ok()) << history.status();
  EXPECT_EQ(remark, path_ + ": not a file; it is " + path_ +
                        ".damaged-2 now, and 0 sound lines of it are kept");
  EXPECT_EQ(Text(), kHeader);
  remark.clear();
  EXPECT_TRUE(History::OpenOrSetAside(path_, {}, remark).ok());
  EXPECT_EQ(remark, "");
}

TEST_F(HistoryTest, RestoresAnEpochWhoseLineIsLost) {
  absl::StatusOr<History> history = History::Open(path_);
  ASSERT_TRUE(history.ok());
  ASSERT_TRUE(history->Append(Row(1)).ok());
  ASSERT_TRUE(history->Append(Row(3)).ok());
  EpochFigures lost = Row(2);
  lost.figures.Set("val_ndcg_10", 1);  // It has no column.
  ASSERT_TRUE(history->Restore(std::vector{Row(3), lost}).ok()) << "one is there";
  EXPECT_EQ(Text(),
            std::string(kHeader) +
                "1,100,1,,,,,,,,,\n2,200,0.5,,,,,,,,,\n3,300,0.3333333333333333,,,,,,,,,\n");
}

// Goal: a line that the disk did not take comes with the next. Method: a history whose folder is gone
// for a while.
TEST_F(HistoryTest, WhatTheDiskDidNotTakeFollows) {
  absl::StatusOr<History> history = History::Open(path_);
  ASSERT_TRUE(history.ok());
  const std::string folder = std::filesystem::path(path_).parent_path().string();
  std::filesystem::rename(folder, folder + "-gone");
  EXPECT_FALSE(history->Append(Row(1)).ok());
  EXPECT_FALSE(history->Append(Row(2)).ok());
  EXPECT_FALSE(history->Restore(std::vector{Row(0)}).ok());
  EXPECT_FALSE(history->CutBackTo(1).ok());
  EXPECT_FALSE(history->Append(Row(2)).ok());
  EXPECT_FALSE(history->Flush().ok());
  EXPECT_EQ(history->Unwritten(), (std::vector{Row(0), Row(1), Row(2)}));
  std::filesystem::rename(folder + "-gone", folder);
  ASSERT_TRUE(history->Append(Row(3)).ok());
  EXPECT_EQ(History::Read(path_)->size(), 4U);
  EXPECT_TRUE(history->Unwritten().empty());
  ASSERT_TRUE(history->Flush().ok());
}

TEST_F(HistoryTest, NamesAPathItCannotWrite) {
  const absl::StatusOr<History> history = History::Open(path_ + "/below/a/file");
  EXPECT_EQ(history.status().code(), absl::StatusCode::kNotFound) << history.status();
}

}  // namespace
}  // namespace cf::history_test
