// What is promised of the fields of a retrieval model: defaults, ranges, and what must go together.

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "common/config/config.h"
#include "tests/unit/config/wrong_job.h"

namespace cf::retrieval_rules_test {
namespace {

Job RetrievalJob(const std::string& split = "split { random {} }") {
  const absl::StatusOr<Job> job =
      ParseJob(split + "model { retrieval { user { dim: 8 } item { dim: 8 } } }", "test");
  EXPECT_TRUE(job.ok()) << job.status();
  return *job;
}

TEST(RetrievalRules, DefaultsAreThoseOfTheTutorial) {
  Job job = RetrievalJob();
  EXPECT_TRUE(ValidateJob(job).ok()) << ValidateJob(job);
  FillDefaults(job);
  const Retrieval& model = job.model().retrieval();
  EXPECT_TRUE(model.user().vectors().has_uniform());
  EXPECT_TRUE(model.item().vectors().has_uniform());
  EXPECT_EQ(model.temperature(), 1);
  EXPECT_EQ(model.reduction(), Fit::SUM);
  EXPECT_FALSE(model.logq_correction());
  EXPECT_FALSE(model.remove_accidental_hits());
}

// It predicts no ratings, so no error can be what decides.
TEST(RetrievalRules, MonitorsALossByDefault) {
  Job job = RetrievalJob();
  FillDefaults(job);
  EXPECT_EQ(job.early_stopping().monitor(), "val_loss");
  EXPECT_EQ(job.early_stopping().mode(), EarlyStopping::MIN);
  Job without_split = RetrievalJob("");
  FillDefaults(without_split);
  EXPECT_EQ(without_split.early_stopping().monitor(), "train_loss");
  EXPECT_TRUE(ValidateJob(without_split).ok()) << ValidateJob(without_split);
}

TEST(RetrievalRules, RefusesFiguresOfRatings) {
  for (const char* figure : {"val_rmse", "val_mae", "train_rmse"}) {
    EXPECT_EQ(ErrorOf(With(RetrievalJob(), std::string("early_stopping.monitor=") + figure)),
              std::string("early_stopping.monitor is ") + figure +
                  "; expected another figure, as the model predicts no ratings");
  }
  EXPECT_EQ(ErrorOf(With(RetrievalJob(), "validation.metrics=val_mae")),
            "validation.metrics is val_mae; expected another figure, as the model predicts "
            "no ratings");
}

TEST(RetrievalRules, RefusesEachValueOutOfRange) {
  struct Case {
    std::string assignment;
    std::string error;
  };
  for (const auto& [assignment, error] : std::vector<Case>{
           {"user.dim=0", " is 0; expected 1 to 4096"},
           {"item.dim=4097", " is 4097; expected 1 to 4096"},
           {"item.dim=16",
            " is 16; expected user.dim (8), as a score is the dot product of the towers' outputs"},
           {"user.l2=-1", " is -1; expected at least 0"},
           {"item.l2=-1", " is -1; expected at least 0"},
           {"user.vectors.normal.deviation=-1", " is -1; expected at least 0"},
           {"item.vectors.uniform.max=-1", " is -1; expected more than uniform.min (-0.05)"},
           {"temperature=0", " is 0; expected at least 1e-6"},
           {"reduction=REDUCTION_UNSPECIFIED",
            " is REDUCTION_UNSPECIFIED; expected SUM or MEAN"}}) {
    const std::string path = "model.retrieval." + assignment.substr(0, assignment.find('='));
    EXPECT_EQ(ErrorOf(With(RetrievalJob(), "model.retrieval." + assignment)), path + error);
  }
}

Job TowerJob() {
  const absl::StatusOr<Job> job = ParseJob(
      "model { retrieval { user { dim: 8 dense { units: 32 activation: RELU } dense { units: 16 } }"
      "  item { dim: 5 dense { units: 16 dropout: 0.2 } } } }",
      "test");
  EXPECT_TRUE(job.ok()) << job.status();
  return *job;
}

TEST(RetrievalRules, TowersHaveLayersAsRankersDo) {
  Job job = TowerJob();
  EXPECT_TRUE(ValidateJob(job).ok()) << ValidateJob(job);
  FillDefaults(job);
  const Dense& layer = job.model().retrieval().user().dense(1);
  EXPECT_TRUE(layer.kernel().has_glorot_uniform());
  EXPECT_TRUE(layer.bias().has_zeros());
  EXPECT_EQ(layer.activation(), Dense::LINEAR);
  // A flag names a layer by its number, and one without adds a layer.
  EXPECT_TRUE(ValidateJob(With(TowerJob(), "model.retrieval.user.dense.0.units=64")).ok());
  EXPECT_TRUE(ValidateJob(With(TowerJob(), "model.retrieval.item.dense={units: 16}")).ok());
}

TEST(RetrievalRules, RefusesTowersThatDoNotFit) {
  const std::string outputs = ", as a score is the dot product of the towers' outputs";
  struct Case {
    std::string assignment;
    std::string error;
  };
  for (const auto& [assignment, error] : std::vector<Case>{
           {"item.dense.0.units=12", " is 12; expected user.dense.1.units (16)" + outputs},
           {"user.dense.0.dropout=1.5", " is 1.5; expected at least 0 and less than 1"},
           {"user.dense.0.units=0", " is 0; expected 1 to 4096"},
           {"item.dense.0.kernel.normal.deviation=-1", " is -1; expected at least 0"},
           {"item.dense.0.bias.uniform.max=-1",
            " is -1; expected more than uniform.min (-0.05)"}}) {
    const std::string path = "model.retrieval." + assignment.substr(0, assignment.find('='));
    EXPECT_EQ(ErrorOf(With(TowerJob(), "model.retrieval." + assignment)), path + error);
  }
  EXPECT_EQ(ErrorOf(With(RetrievalJob(), "model.retrieval.item.dense={units: 4}")),
            "model.retrieval.item.dense.0.units is 4; expected user.dim (8)" + outputs);
  Job deep = TowerJob();
  for (int l = 0; l < 17; ++l) {
    deep.mutable_model()->mutable_retrieval()->mutable_item()->add_dense()->set_units(16);
  }
  EXPECT_EQ(ErrorOf(deep), "model.retrieval.item.dense has 18 layers; expected at most 16");
}

// A softmax has no rating to be wrong about.
TEST(RetrievalRules, HasNeitherLossNorLinkOfRatings) {
  Job job = RetrievalJob();
  for (const char* field : {"loss=MSE", "link=SIGMOID"}) {
    const absl::Status refused = SetField(job, std::string("model.retrieval.") + field);
    EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument);
  }
}

TEST(RetrievalRules, AResumedRunHasTheSameSoftmax) {
  EXPECT_EQ(CheckSameResult(RetrievalJob(), With(RetrievalJob(), "model.retrieval.temperature=0.5"),
                            "runs/first")
                .message(),
            "runs/first was trained with model.retrieval.temperature 1, not 0.5: choose another "
            "--run");
}

}  // namespace
}  // namespace cf::retrieval_rules_test
