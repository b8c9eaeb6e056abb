#include "common/snapshot/kept_figures.h"

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include "common/base/check.h"

namespace cf::kept_figures_test {
namespace {

using ::testing::ElementsAre;

EpochMetrics Parse(const std::string& text) {
  EpochMetrics kept;
  Check(google::protobuf::TextFormat::ParseFromString(text, &kept), "the test's text parses");
  return kept;
}

// As manifests have had them since their first format.
constexpr char kKept[] =
    "epoch: 3 step: 300 train_loss: 0.5 train_rmse: 0.75 l2_penalty: 0.125 val_loss: 0.625 "
    "val_rmse: 0.875 val_mae: 0.25 learning_rate: 0.01 "
    "figures { name: \"val_ndcg_10\" value: 0.5 } figures { name: \"val_bce\" value: 0.375 } ";

TEST(KeptFigures, AreThoseOfTheFile) {
  const EpochFigures epoch = FiguresOf(Parse(kKept));
  EXPECT_EQ(epoch.epoch, 3U);
  EXPECT_EQ(epoch.step, 300U);
  EXPECT_THAT(epoch.figures, ElementsAre(Figure{"train_loss", 0.5}, Figure{"train_rmse", 0.75},
                                         Figure{"l2_penalty", 0.125}, Figure{"val_loss", 0.625},
                                         Figure{"val_rmse", 0.875}, Figure{"val_mae", 0.25},
                                         Figure{"learning_rate", 0.01}, Figure{"val_ndcg_10", 0.5},
                                         Figure{"val_bce", 0.375}));
}

TEST(KeptFigures, WhatIsAbsentIsNotZero) {
  const EpochFigures epoch = FiguresOf(Parse("epoch: 1 train_loss: 0.5 val_loss: 0"));
  EXPECT_EQ(epoch.figures.Find("val_loss"), 0);
  EXPECT_EQ(epoch.figures.Find("val_rmse"), std::nullopt);
  EXPECT_EQ(epoch.figures.Find("l2_penalty"), 0) << "every epoch has one";
}

TEST(KeptFigures, AreWrittenWithoutTheSpeed) {
  EpochFigures epoch = FiguresOf(Parse(kKept));
  epoch.figures.Set("samples_per_second", 1000);
  epoch.figures.Set("seconds", 2);
  EXPECT_EQ(KeptOf(epoch).ShortDebugString() + " ", kKept);
}

TEST(SetFigureFields, LeavesOutWhatTheMessageHasNoFieldFor) {
  SnapshotStatistics statistics;
  SetFigureFields({.epoch = 3, .step = 300, .figures = {{"mean", 3.5}, {"val_rmse", 1}}},
                  statistics);
  EXPECT_EQ(statistics.ShortDebugString(), "mean: 3.5");
}

}  // namespace
}  // namespace cf::kept_figures_test
