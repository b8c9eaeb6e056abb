#include "coordinator/console.h"

#include <cstdlib>

#include <absl/strings/str_cat.h>
#include <gtest/gtest.h>

#include "common/base/files.h"
#include "common/text/numbers.h"

namespace cf {
namespace {

const EpochProgress kEnd = {.epoch = 3,
                            .epochs = 20,
                            .step = 1418,
                            .steps = 1418,
                            .seconds = .9,
                            .samples_per_second = 100836,
                            .figures = {{"train_loss", .60934}, {"train_rmse", .81766}}};
const Figures kValidation = {{"val_loss", .6138}, {"val_rmse", .8451}, {"val_mae", .6502}};
constexpr char kEndLine[] =
    "Epoch 3/20 1418/1418 0.9s 0.6ms/step 101k samples/s loss 0.6093 rmse 0.8177 "
    "val_loss 0.6138 val_rmse 0.8451 val_mae 0.6502 best\n";

EpochProgress At(std::uint64_t step, double seconds) {
  EpochProgress progress = kEnd;
  progress.step = step;
  progress.seconds = seconds;
  return progress;
}

/// A console whose output and log are files.
class ConsoleTest : public ::testing::Test {
 protected:
  ConsoleTest() {
    std::string folder = ::testing::TempDir() + "/console.XXXXXX";
    folder_ = ::mkdtemp(folder.data());
    output_ = std::fopen((folder_ + "/output").c_str(), "w");
  }
  ~ConsoleTest() override { std::fclose(output_); }

  std::unique_ptr<Console> Open(Console::Mode mode, int width = 80) {
    auto console = Console::Open(
        {.mode = mode, .width = width, .log_path = folder_ + "/log.txt", .output = output_});
    EXPECT_TRUE(console.ok()) << console.status();
    return *std::move(console);
  }
  std::string Output() { return *ReadFile(folder_ + "/output"); }
  std::string Log() { return *ReadFile(folder_ + "/log.txt"); }

  std::string folder_;
  std::FILE* output_;
};

TEST_F(ConsoleTest, WhatIsForTheLogOnlyIsNotShown) {
  const auto console = Open(Console::Mode::kLines);
  console->LogOnly("a\nb");
  console->Line("c");
  EXPECT_EQ(Log(), "a\nb\nc\n");
  EXPECT_EQ(Output(), "c\n");
}

TEST_F(ConsoleTest, PrintsTheEpochAsDocumented) {
  const auto console = Open(Console::Mode::kLines);
  console->Line("90,752 training and 10,084 validation samples");
  console->EpochDone(kEnd, kValidation, true);
  console->EpochDone(kEnd, {}, false);
  EXPECT_EQ(Output(),
            absl::StrCat(
                "90,752 training and 10,084 validation samples\n", kEndLine,
                "Epoch 3/20 1418/1418 0.9s 0.6ms/step 101k samples/s loss 0.6093 rmse 0.8177\n"));
  EXPECT_EQ(Log(), Output());
}

TEST_F(ConsoleTest, InLinesModeSpeaksEveryThirtySecondsWithoutCarriageReturn) {
  const auto console = Open(Console::Mode::kLines);
  for (int second = 1; second <= 70; ++second) {
    console->Progress(At(static_cast<std::uint64_t>(10 * second), second));
  }
  console->EpochDone(At(1418, 71), kValidation, false);
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
  console->Progress(At(709, .4));
  console->Progress(At(720, .45));  // Too soon to be worth drawing.
  const std::string bar = "Epoch 3/20 709/1418 [===============>..............] 0.4s 0.";
  EXPECT_EQ(Output(), "\r" + bar.substr(0, 59));
  console->EpochDone(kEnd, kValidation, true);
  EXPECT_EQ(Output(), "\r" + bar.substr(0, 59) + "\r" + std::string(59, ' ') + "\r" + kEndLine);
  EXPECT_EQ(Log(), kEndLine);
}

TEST_F(ConsoleTest, ALineGoesAboveTheBar) {
  const auto console = Open(Console::Mode::kBar, 11);
  console->Progress(At(709, .4));
  console->Line("dropped a peer");
  const std::string bar = "\rEpoch 3/20";
  EXPECT_EQ(Output(), bar + "\r          \rdropped a peer\n" + bar);
  EXPECT_EQ(Log(), "dropped a peer\n");
}

TEST_F(ConsoleTest, LeavesNoBarBehind) {
  Open(Console::Mode::kBar, 11)->Progress(At(709, .4));
  EXPECT_EQ(Output(), "\rEpoch 3/20\r          \r");
}

TEST_F(ConsoleTest, AppendsToTheLogOfAnEarlierLife) {
  Open(Console::Mode::kLines)->Line("first");
  Open(Console::Mode::kLines)->Line("second");
  EXPECT_EQ(Log(), "first\nsecond\n");
}

TEST_F(ConsoleTest, NamesALogItCannotOpen) {
  const auto console = Console::Open({.log_path = folder_ + "/none/log.txt"});
  EXPECT_EQ(console.status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(console.status().message(), folder_ + "/none/log.txt: No such file or directory");
}

}  // namespace
}  // namespace cf
