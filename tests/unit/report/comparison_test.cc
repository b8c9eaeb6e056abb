#include "report/comparison.h"

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/report/comparison_fixture.h"
#include "tests/unit/report/without_validation.h"

namespace cf::comparison_test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Comparison Compare(const std::vector<RunView>& views, const std::string& sort = "") {
  absl::StatusOr<Comparison> comparison = CompareRuns(views, sort);
  Check(comparison.ok(), "these runs compare");
  return *std::move(comparison);
}

std::vector<std::string> Names(const Comparison& comparison) {
  std::vector<std::string> names;
  for (const ComparedRun& run : comparison.runs) names.push_back(run.name);
  return names;
}

std::vector<std::string> Columns(const Comparison& comparison) {
  std::vector<std::string> names;
  for (const ComparisonColumn& column : comparison.columns) names.push_back(column.name);
  return names;
}

std::vector<std::string> Texts(const Comparison& comparison, const std::string& column) {
  std::vector<std::string> texts;
  for (std::size_t k = 0; k < comparison.columns.size(); ++k) {
    if (comparison.columns[k].name != column) continue;
    for (const std::vector<ComparisonCell>& cells : comparison.cells) {
      texts.push_back(cells[k].text);
    }
  }
  return texts;
}

TEST(Comparison, PutsTheBestFirst) {
  const Comparison comparison =
      Compare({MakeRunView("runs/a", {0.9, 0.85, 0.87}), MakeRunView("runs/b", {0.95, 0.9}),
               MakeRunView("runs/c", {0.83, 0.9, 0.95})});
  EXPECT_THAT(Names(comparison), ElementsAre("c", "a", "b"));
  EXPECT_EQ(comparison.best, 0U);
  EXPECT_EQ(comparison.figure, "val_rmse");
  EXPECT_THAT(Columns(comparison),
              ElementsAre("run", "state", "epochs", "best_epoch", "val_rmse", "val_loss", "val_mae",
                          "train_rmse", "samples/s", "seconds"));
  EXPECT_THAT(Texts(comparison, "best_epoch"), ElementsAre("1", "2", "2"));
  EXPECT_THAT(Texts(comparison, "val_rmse"), ElementsAre("0.8300", "0.8500", "0.9000"));
  EXPECT_THAT(Texts(comparison, "train_rmse"), ElementsAre("0.4150", "0.4250", "0.4500"));
  EXPECT_THAT(Texts(comparison, "samples/s"), ElementsAre("1.00k", "1.00k", "1.00k"));
  EXPECT_THAT(Texts(comparison, "seconds"), ElementsAre("6.00", "6.00", "4.00"));
  EXPECT_THAT(comparison.warnings, IsEmpty());
}

TEST(Comparison, RunsWithoutTheFigureComeLast) {
  RunView begun = MakeRunView("runs/a", {});
  begun.state = RunState::kRunning;
  begun.snapshot.reset();
  RunView empty;
  empty.path = "runs/b";
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Comparison comparison =
      Compare({begun, empty, MakeRunView("runs/c", {nan}), MakeRunView("runs/d", {0.9})});
  EXPECT_THAT(Names(comparison), ElementsAre("d", "a", "b", "c"));
  EXPECT_THAT(Texts(comparison, "state"), ElementsAre("finished", "running", "new", "finished"));
  EXPECT_THAT(Texts(comparison, "epochs"), ElementsAre("1", "0/20", "0/20", "1"));
  EXPECT_THAT(Texts(comparison, "val_rmse"), ElementsAre("0.9000", "", "", ""));
  // One that has no configuration yet differs in no field.
  EXPECT_EQ(comparison.columns.back().name, "seconds");
}

TEST(Comparison, NoRunIsBestWhereNoneHasTheFigure) {
  EXPECT_FALSE(Compare({MakeRunView("runs/a", {})}).best.has_value());
  EXPECT_EQ(Compare({MakeRunView("runs/a", {1.0})}).best, 0U);
}

TEST(Comparison, ShowsTheFieldsInWhichRunsDiffer) {
  const Comparison comparison =
      Compare({MakeRunView("runs/a", {0.9}, {"optimizer.adam.learning_rate=0.01"}),
               MakeRunView("runs/b", {0.8}, {"train.epochs=1", "cluster.threads=2"})});
  EXPECT_THAT(Texts(comparison, "optimizer.adam.learning_rate"), ElementsAre("0.001", "0.01"));
  EXPECT_THAT(Texts(comparison, "train.epochs"), ElementsAre("1", "20"));
  EXPECT_THAT(Texts(comparison, "cluster.threads"), ElementsAre("2", "1"));
  EXPECT_EQ(comparison.columns.back().label, "threads");
  EXPECT_TRUE(comparison.columns.back().is_field);
  // "epochs" is a column already.
  EXPECT_EQ(comparison.columns[comparison.columns.size() - 2].label, "train.epochs");
}

TEST(Comparison, LabelsAreTheShortestEndsThatDiffer) {
  const Comparison comparison =
      Compare({MakeRunView("runs/a", {0.9}, {"optimizer.adam.learning_rate=0.01"}),
               MakeRunView("runs/b", {0.8}, {"optimizer.sgd.learning_rate=0.5", "train.seed=7"})});
  std::vector<std::string> labels;
  for (const ComparisonColumn& column : comparison.columns) {
    if (column.is_field) labels.push_back(column.label);
  }
  EXPECT_THAT(labels, ElementsAre("optimizer", "adam.learning_rate", "sgd.learning_rate", "seed"));
}

TEST(Comparison, OrdersByAnyColumn) {
  const std::vector<RunView> views = {
      MakeRunView("runs/a", {0.9, 0.8}, {"optimizer.adam.learning_rate=0.01"}),
      MakeRunView("runs/b", {0.7}, {"optimizer.adam.learning_rate=0.002"})};
  EXPECT_THAT(Names(Compare(views)), ElementsAre("b", "a"));
  EXPECT_THAT(Names(Compare(views, "run")), ElementsAre("a", "b"));
  EXPECT_THAT(Names(Compare(views, "seconds")), ElementsAre("b", "a"));
  EXPECT_THAT(Names(Compare(views, "learning_rate")), ElementsAre("b", "a"));
  EXPECT_EQ(Compare(views, "run").best, 1U);
  const absl::StatusOr<Comparison> none = CompareRuns(views, "val_rsme");
  EXPECT_EQ(none.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(none.status().message()),
              HasSubstr("--sort val_rsme: no such column; expected one of run, state, "));
}

// Ten must not stand before nine, nor 1e-3 behind 0.01.
TEST(Comparison, OrdersNumbersAsNumbers) {
  std::vector<RunView> views;
  for (const char* const value : {"10", "9", "1e-3", "0.01"}) {
    views.push_back(MakeRunView(std::string("runs/") + value, {0.9},
                                {std::string("optimizer.adam.learning_rate=") + value}));
  }
  EXPECT_THAT(Names(Compare(views, "optimizer.adam.learning_rate")),
              ElementsAre("1e-3", "0.01", "9", "10"));
}

TEST(Comparison, FastestIsFirstBySpeed) {
  RunView fast = MakeRunView("runs/b", {0.9});
  fast.history[0].figures.Set("samples_per_second", 2500);
  EXPECT_THAT(Names(Compare({MakeRunView("runs/a", {0.8}), fast}, "samples/s")),
              ElementsAre("b", "a"));
}

TEST(Comparison, FollowsTheMonitor) {
  const std::vector<std::string> monitor = {"early_stopping.monitor=TRAIN_LOSS",
                                            "early_stopping.mode=MAX"};
  const Comparison comparison =
      Compare({MakeRunView("runs/a", {0.6, 0.5}, monitor), MakeRunView("runs/b", {0.8}, monitor)});
  EXPECT_EQ(comparison.figure, "train_loss");
  EXPECT_THAT(Names(comparison), ElementsAre("b", "a"));
  EXPECT_THAT(Texts(comparison, "train_loss"), ElementsAre("0.3200", "0.1800"));
}

// As the run itself judged: by less than min_delta nothing is better.
TEST(Comparison, BestEpochIsTheRunsOwn) {
  const Comparison comparison =
      Compare({MakeRunView("runs/a", {0.9, 0.85, 0.845}, {"early_stopping.min_delta=0.01"})});
  EXPECT_THAT(Texts(comparison, "best_epoch"), ElementsAre("2"));
}

TEST(Comparison, WarnsOfDifferentMonitors) {
  const Comparison comparison =
      Compare({MakeRunView("runs/a", {0.9}, {"early_stopping.monitor=VAL_MAE"}),
               MakeRunView("runs/b", {0.8})});
  EXPECT_EQ(comparison.figure, "val_rmse");
  EXPECT_THAT(Names(comparison), ElementsAre("b", "a"));
  EXPECT_THAT(comparison.warnings, ElementsAre(HasSubstr("by different figures")));
}

TEST(Comparison, WarnsOfDifferentData) {
  RunView other = MakeRunView("runs/b", {0.8}, {"split.given={}"});
  other.snapshot->mutable_data()->set_digest("fedcba9876543210");
  other.snapshot->mutable_data()->set_split("given");
  RunView none = MakeRunView("runs/c", {});
  none.snapshot.reset();
  const Comparison comparison = Compare({MakeRunView("runs/a", {0.9}), other, none});
  EXPECT_THAT(
      comparison.warnings,
      ElementsAre("the runs have 2 different data sets (ml-test 01234567; ml-test "
                  "fedcba98): figures of different ones do not compare, so none is the best",
                  "the runs have 2 different splits (random .1, seed 42; given): figures "
                  "of different ones do not compare, so none is the best"));
  EXPECT_FALSE(comparison.best.has_value());
  EXPECT_THAT(Texts(comparison, "data set"),
              ElementsAre("ml-test fedcba98", "ml-test 01234567", ""));
}

TEST(Comparison, TheSameDataUnderAnotherNameIsTheSame) {
  RunView other = MakeRunView("runs/b", {0.8});
  other.snapshot->mutable_data()->set_name("another");
  const Comparison comparison = Compare({MakeRunView("runs/a", {0.9}), other});
  EXPECT_THAT(comparison.warnings, IsEmpty());
  EXPECT_EQ(comparison.best, 0U);
  EXPECT_THAT(Columns(comparison), testing::Not(testing::Contains("data set")));
}

// An error of ratings says the same whatever was minimised; a loss is of what it is.
TEST(Comparison, OneLossIsNotAnother) {
  const std::vector<std::string> entropy = {"model.matrix_factorization.link=SIGMOID",
                                            "model.matrix_factorization.loss=BCE"};
  const RunView squared = MakeRunView("runs/a", {0.9});
  EXPECT_EQ(Compare({squared, MakeRunView("runs/b", {0.8}, entropy)}).best, 0U);
  const auto by_loss = [](std::vector<std::string> set) {
    set.emplace_back("early_stopping.monitor=val_loss");
    return set;
  };
  EXPECT_EQ(Compare({MakeRunView("runs/a", {0.9}, by_loss({})),
                     MakeRunView("runs/b", {0.8}, by_loss({"train.seed=7"}))})
                .best,
            0U);
  const Comparison comparison = Compare(
      {MakeRunView("runs/a", {0.9}, by_loss({})), MakeRunView("runs/b", {0.8}, by_loss(entropy))});
  EXPECT_THAT(comparison.warnings,
              ElementsAre("the runs have 2 different losses (MSE; BCE): figures of different ones "
                          "do not compare, so none is the best"));
  EXPECT_FALSE(comparison.best.has_value());
}

TEST(Comparison, AColumnOfValidationNeedsNoPrefix) {
  const std::vector<RunView> views = {MakeRunView("runs/a", {0.9}), MakeRunView("runs/b", {0.8})};
  EXPECT_TRUE(CompareRuns(views, "loss").ok());
  EXPECT_TRUE(CompareRuns(views, "val_loss").ok());
  EXPECT_FALSE(CompareRuns(views, "los").ok());
}

TEST(Comparison, WithoutASplitShowsTrainingOnly) {
  RunView view = MakeRunView("runs/a", {0.9}, {"early_stopping.monitor=TRAIN_RMSE"});
  view.history[0].figures = WithoutValidation(view.history[0].figures);
  EXPECT_THAT(Columns(Compare({view})), ElementsAre("run", "state", "epochs", "best_epoch",
                                                    "train_rmse", "samples/s", "seconds"));
}

TEST(Comparison, NamesRunsBelowTheFolderTheyShare) {
  const Comparison apart =
      Compare({MakeRunView("runs/x/a/", {0.8}), MakeRunView("./runs/y/../y/b", {0.9})});
  EXPECT_THAT(Names(apart), ElementsAre("x/a", "y/b"));
  EXPECT_THAT(apart.folder, ::testing::EndsWith("/runs"));
  EXPECT_THAT(Names(Compare({MakeRunView("/runs/a", {0.8})})), ElementsAre("a"));
}

TEST(Comparison, GivesProgramsAllDigits) {
  const Comparison comparison = Compare({MakeRunView("runs/a", {1.0 / 3})});
  EXPECT_EQ(comparison.cells[0][4].text, "0.3333");
  EXPECT_EQ(comparison.cells[0][4].exact, "0.3333333333333333");
}

}  // namespace
}  // namespace cf::comparison_test
