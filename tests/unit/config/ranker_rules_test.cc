// What is promised of the fields of a ranker: lists of layers in flags, defaults, and what must go
// together.

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "common/config/config.h"
#include "tests/unit/config/wrong_job.h"

namespace cf::ranker_rules_test {
namespace {

/// Two hidden layers.
Job RankerJob() {
  const absl::StatusOr<Job> job = ParseJob(
      "split { random {} } model { ranker { user { dim: 3 } item { dim: 4 }"
      "  dense { units: 8 activation: RELU dropout: 0.5 } dense { units: 2 } dense {} } }",
      "test");
  EXPECT_TRUE(job.ok()) << job.status();
  return *job;
}

TEST(RankerRules, DefaultsAreThoseOfKeras) {
  Job job = RankerJob();
  EXPECT_TRUE(ValidateJob(job).ok()) << ValidateJob(job);
  FillDefaults(job);
  const Ranker& ranker = job.model().ranker();
  EXPECT_TRUE(ranker.user().vectors().has_uniform());
  ASSERT_EQ(ranker.dense_size(), 3);
  for (const Dense& layer : ranker.dense()) {
    EXPECT_TRUE(layer.kernel().has_glorot_uniform());
    EXPECT_TRUE(layer.bias().has_zeros());
  }
  EXPECT_EQ(ranker.dense(2).activation(), Dense::LINEAR);
  EXPECT_TRUE(ranker.dense(2).has_units());
}

TEST(RankerRules, AFlagNamesALayerByItsNumberOrAddsOne) {
  EXPECT_EQ(With(RankerJob(), "model.ranker.dense.1.units=5").model().ranker().dense(1).units(),
            5U);
  EXPECT_EQ(
      With(RankerJob(), "model.ranker.dense.0={dropout: 0.25}").model().ranker().dense(0).dropout(),
      0.25);
  const Job longer = With(RankerJob(), "model.ranker.dense={units: 1}");
  EXPECT_EQ(longer.model().ranker().dense_size(), 4);
  EXPECT_TRUE(ValidateJob(longer).ok());
  Job job = RankerJob();
  for (const char* number : {"3", "-1", "units", ""}) {
    const std::string path = std::string("model.ranker.dense.") + number;
    const absl::Status refused = SetField(job, path + ".units=5");
    EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument) << path;
  }
  EXPECT_EQ(SetField(job, "model.ranker.dense.3.units=5").message(),
            "model.ranker.dense.3.units: no \"3\" in dense, of which there are 3, numbered from 0");
}

TEST(RankerRules, ARankerHasFiguresOfRatingsAndOfRanking) {
  EXPECT_TRUE(ValidateJob(With(RankerJob(), "validation.metrics=val_mae,val_hr_10")).ok());
  EXPECT_TRUE(ValidateJob(With(RankerJob(), "early_stopping.monitor=val_ndcg_10")).ok());
}

TEST(RankerRules, RefusesEachValueOutOfRange) {
  struct Case {
    std::string assignment;
    std::string error;
  };
  for (const auto& [assignment, error] : std::vector<Case>{
           {"user.dim=0", " is 0; expected 1 to 4096"},
           {"item.dim=4097", " is 4097; expected 1 to 4096"},
           {"user.l2=-1", " is -1; expected at least 0"},
           {"item.vectors.normal.deviation=-1", " is -1; expected at least 0"},
           {"dropout=1", " is 1; expected at least 0 and less than 1"},
           {"dense.0.dropout=1.5", " is 1.5; expected at least 0 and less than 1"},
           {"dense.1.units=0", " is 0; expected 1 to 4096"},
           {"dense.1.kernel.normal.deviation=-1", " is -1; expected at least 0"},
           {"dense.1.kernel.uniform.max=-1", " is -1; expected more than uniform.min (-0.05)"},
           {"dense.1.activation=ACTIVATION_UNSPECIFIED",
            " is ACTIVATION_UNSPECIFIED; expected LINEAR or RELU"},
           {"dense.2.units=2", " is 2; expected 1, as the last layer's output is the prediction"},
           {"dense.2.activation=RELU",
            " is RELU; expected LINEAR, as what follows the last layer is the link"},
           {"dense.2.dropout=0.5",
            " is 0.5; expected 0, as the last layer's output is the prediction"}}) {
    const std::string path = "model.ranker." + assignment.substr(0, assignment.find('='));
    EXPECT_EQ(ErrorOf(With(RankerJob(), "model.ranker." + assignment)), path + error);
  }
}

TEST(RankerRules, RefusesWhatDoesNotGoTogether) {
  EXPECT_EQ(ErrorOf(With(RankerJob(), "model.ranker.loss=BCE")),
            "model.ranker.link is IDENTITY; expected SIGMOID, as loss is BCE");
  Job job = RankerJob();
  job.mutable_model()->mutable_ranker()->clear_dense();
  EXPECT_EQ(ErrorOf(job),
            "model.ranker.dense has 0 layers; expected 1 to 16, the last with 1 unit");
  Job large = RankerJob();
  large.mutable_model()->mutable_ranker()->mutable_user()->set_dim(4096);
  large.mutable_model()->mutable_ranker()->mutable_dense(0)->set_units(4096);
  EXPECT_EQ(ErrorOf(large),
            "model.ranker.dense.0.units is 4096; expected at most 1022, as 4100 inputs feed it and "
            "a layer has at most 4194304 weights");
}

TEST(RankerRules, AResumedRunHasTheSameLayers) {
  const auto error = [](const Job& is) {
    return std::string(CheckSameResult(RankerJob(), is, "runs/first").message());
  };
  EXPECT_EQ(error(RankerJob()), "");
  EXPECT_EQ(
      error(With(RankerJob(), "model.ranker.dense.1.units=7")),
      "runs/first was trained with model.ranker.dense.1.units 2, not 7: choose another --run");
  EXPECT_EQ(error(With(RankerJob(), "model.ranker.dense={units: 1}")),
            "runs/first was trained with 3 of model.ranker.dense, not 4: choose another --run");
}

TEST(RankerRules, APrintedJobReadsBack) {
  Job job = RankerJob();
  FillDefaults(job);
  const absl::StatusOr<Job> again = ParseJob(PrintJob(job), "printed");
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(PrintJob(*again), PrintJob(job));
  EXPECT_TRUE(CheckSameResult(RankerJob(), *again, "runs/first").ok());
}

}  // namespace
}  // namespace cf::ranker_rules_test
