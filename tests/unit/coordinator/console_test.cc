#include "coordinator/console.h"

#include <algorithm>

#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_split.h>
#include <gtest/gtest.h>

#include "common/base/files.h"
#include "common/text/numbers.h"
#include "tests/support/temporary_folder.h"

namespace cf::console_test {
namespace {

const EpochProgress kEnd = {.epoch = 3,
                            .epochs = 20,
                            .step = 1418,
                            .steps = 1418,
                            .seconds = .9,
                            .samples_per_second = 100836,
                            .figures = {{"train_loss", .60934}, {"train_rmse", .81766}}};
const Figures kFigures = {{"train_loss", .60934}, {"l2_penalty", .001}, {"val_loss", .6138},
                          {"val_rmse", .8451},    {"val_mae", .6502},   {"learning_rate", .01}};
const FinishedEpoch kBest = {.progress = kEnd, .figures = {.figures = kFigures}, .is_best = true};
constexpr char kEndLine[] =
    "Epoch 3/20 1418/1418 0.9s 0.6ms/step 101k samples/s loss 0.6093 rmse 0.8177 "
    "val_loss 0.6138 val_rmse 0.8451 val_mae 0.6502 best\n";

EpochProgress At(std::uint64_t step, double seconds) {
  EpochProgress progress = kEnd;
  progress.step = step;
  progress.seconds = seconds;
  return progress;
}

void Draw(Console& console, const EpochProgress& progress) {
  EXPECT_TRUE(console.SegmentTrained({.progress = progress}).ok());
}

void End(Console& console, const FinishedEpoch& epoch) {
  EXPECT_TRUE(console.EpochEnded(epoch).ok());
}

/// A console whose output and log are files.
class ConsoleTest : public ::testing::Test {
 protected:
  ~ConsoleTest() override { std::fclose(output_); }

  std::unique_ptr<Console> Open(Console::Mode mode, int width = 80) {
    auto console = Console::Open(
        {.mode = mode, .width = width, .log_path = folder_.At("log.txt"), .output = output_});
    EXPECT_TRUE(console.ok()) << console.status();
    return *std::move(console);
  }
  std::string Output() { return *ReadFile(folder_.At("output")); }
  std::string Log() { return *ReadFile(folder_.At("log.txt")); }

  const TemporaryFolder folder_;
  std::FILE* const output_ = std::fopen(folder_.At("output").c_str(), "w");
};

TEST_F(ConsoleTest, WhatIsForTheLogOnlyIsNotShown) {
  const auto console = Open(Console::Mode::kLines);
  console->LogOnly("a\nb");
  console->Line("c");
  EXPECT_EQ(Log(), "a\nb\nc\n");
  EXPECT_EQ(Output(), "c\n");
}

TEST_F(ConsoleTest, AnEpochThatWaitedForSnapshotsSaysHowLong) {
  const auto console = Open(Console::Mode::kLines);
  FinishedEpoch paused = kBest;
  paused.progress.pause_seconds = 0.0721;
  End(*console, paused);
  paused.progress.pause_seconds = 0.0049;
  End(*console, paused);
  std::string line = kEndLine;
  line.insert(line.find("loss"), "pause 0.07s ");
  EXPECT_EQ(Output(), line + kEndLine);
}

TEST_F(ConsoleTest, PrintsTheEpochAsDocumented) {
  const auto console = Open(Console::Mode::kLines);
  console->Line("90,752 training and 10,084 validation samples");
  End(*console, kBest);
  End(*console, {.progress = kEnd});
  EXPECT_EQ(Output(),
            absl::StrCat(
                "90,752 training and 10,084 validation samples\n", kEndLine,
                "Epoch 3/20 1418/1418 0.9s 0.6ms/step 101k samples/s loss 0.6093 rmse 0.8177\n"));
  EXPECT_EQ(Log(), Output());
}

TEST_F(ConsoleTest, InLinesModeSpeaksEveryThirtySecondsWithoutCarriageReturn) {
  const auto console = Open(Console::Mode::kLines);
  for (int second = 1; second <= 70; ++second) {
    Draw(*console, At(static_cast<std::uint64_t>(10 * second), second));
  }
  End(*console, {.progress = At(1418, 71), .figures = {.figures = kFigures}});
  EXPECT_EQ(Output(),
            "Epoch 3/20 300/1418 30s 100.0ms/step 101k samples/s loss 0.6093 rmse 0.8177\n"
            "Epoch 3/20 600/1418 60s 100.0ms/step 101k samples/s loss 0.6093 rmse 0.8177\n"
            "Epoch 3/20 1418/1418 71s 50.1ms/step 101k samples/s loss 0.6093 rmse 0.8177 "
            "val_loss 0.6138 val_rmse 0.8451 val_mae 0.6502\n");
  EXPECT_EQ(Log(), Output());
  EXPECT_EQ(Output().find('\r'), std::string::npos);
}

TEST_F(ConsoleTest, RedrawsTheBarInPlaceAndKeepsItOutOfTheLog) {
  const auto console = Open(Console::Mode::kBar, 60);
  Draw(*console, At(709, .4));
  Draw(*console, At(720, .45));  // Too soon to be worth drawing.
  const std::string bar = "\rEpoch 3/20 709/1418 [=====>....] 0.4s 0.6ms/step";
  EXPECT_EQ(Output(), bar);
  End(*console, kBest);
  EXPECT_EQ(Output(), bar + "\r" + std::string(bar.size() - 1, ' ') + "\r" + kEndLine);
  EXPECT_EQ(Log(), kEndLine);
}

// The line of the epoch is about to come.
TEST_F(ConsoleTest, DrawsNothingForTheLastSegmentOfAnEpoch) {
  Draw(*Open(Console::Mode::kBar), kEnd);
  EXPECT_EQ(Output(), "");
}

TEST_F(ConsoleTest, PrintsRemarksAndTheEnd) {
  const auto console = Open(Console::Mode::kLines);
  EXPECT_TRUE(console->Remarked("val_rmse has stalled").ok());
  Verdict verdict{.text = "best epoch 3: val_rmse 0.8451"};
  EXPECT_TRUE(console->Ended(verdict).ok());
  EXPECT_EQ(Output(), "val_rmse has stalled\nbest epoch 3: val_rmse 0.8451\n");
}

TEST_F(ConsoleTest, ALineGoesAboveTheBar) {
  const auto console = Open(Console::Mode::kBar, 11);
  Draw(*console, At(709, .4));
  console->Line("dropped a peer");
  const std::string bar = "\rEpoch 3/20";
  EXPECT_EQ(Output(), bar + "\r          \rdropped a peer\n" + bar);
  EXPECT_EQ(Log(), "dropped a peer\n");
}

// Of retrieval with its figures of ranking a line has 350 characters. The log keeps it whole.
TEST_F(ConsoleTest, LinesFitTheTerminalAndNoFigureIsBroken) {
  Figures figures = kFigures;
  for (const int k : {1, 5, 10, 50, 100}) {
    figures.Set(absl::StrCat("val_top_", k, "_unmasked"), 0.1234);
  }
  const FinishedEpoch epoch = {.progress = kEnd, .figures = {.figures = figures}, .is_best = true};
  for (const int width : {60, 80, 120}) {
    const auto console = Console::Open({.mode = Console::Mode::kBar,
                                        .width = width,
                                        .line_width = width,
                                        .log_path = folder_.At("log.txt"),
                                        .output = output_});
    ASSERT_TRUE(console.ok());
    End(**console, epoch);
    (*console)->Line(std::string(50, 'x') + " " + std::string(50, 'y') + " \x1b[31m");
  }
  std::size_t lines = 0;
  for (const absl::string_view line : absl::StrSplit(Output(), '\n')) {
    EXPECT_LE(line.size(), 120U);
    EXPECT_TRUE(line.empty() || !absl::StartsWith(line, "  0."));
    ++lines;
  }
  EXPECT_GT(lines, 10U);
  EXPECT_EQ(Output().find('\x1b'), std::string::npos);
  const std::string log = Log();
  EXPECT_EQ(std::count(log.begin(), log.end(), '\n'), 6);
}

TEST_F(ConsoleTest, LeavesNoBarBehind) {
  Draw(*Open(Console::Mode::kBar, 11), At(709, .4));
  EXPECT_EQ(Output(), "\rEpoch 3/20\r          \r");
}

TEST_F(ConsoleTest, AppendsToTheLogOfAnEarlierLife) {
  Open(Console::Mode::kLines)->Line("first");
  Open(Console::Mode::kLines)->Line("second");
  EXPECT_EQ(Log(), "first\nsecond\n");
}

TEST_F(ConsoleTest, NamesALogItCannotOpen) {
  const auto console = Console::Open({.log_path = folder_.At("none/log.txt")});
  EXPECT_EQ(console.status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(console.status().message(), folder_.At("none/log.txt") + ": No such file or directory");
}

}  // namespace
}  // namespace cf::console_test
