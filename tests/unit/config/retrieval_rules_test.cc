// What is promised of the fields of a retrieval model: defaults, ranges, and what must go together.

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "common/config/config.h"

namespace cf {
namespace {

Job RetrievalJob(const std::string& split = "split { random {} }") {
  const absl::StatusOr<Job> job =
      ParseJob(split + "model { retrieval { user { dim: 8 } item { dim: 8 } } }", "test");
  EXPECT_TRUE(job.ok()) << job.status();
  return *job;
}

Job With(Job job, const std::string& assignment) {
  const absl::Status set = SetField(job, assignment);
  EXPECT_TRUE(set.ok()) << set;
  return job;
}

std::string ErrorOf(const Job& job) {
  const absl::Status status = ValidateJob(job);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  return std::string(status.message());
}

TEST(RetrievalRules, DefaultsAreThoseOfTheTutorial) {
  Job job = RetrievalJob();
  EXPECT_TRUE(ValidateJob(job).ok()) << ValidateJob(job);
  FillDefaults(job);
  const Retrieval& model = job.model().retrieval();
  EXPECT_TRUE(model.user().vectors().has_uniform());
  EXPECT_TRUE(model.item().vectors().has_uniform());
  EXPECT_EQ(model.temperature(), 1);
  EXPECT_EQ(model.reduction(), Retrieval::SUM);
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
                  "; expected another figure, as retrieval predicts no ratings");
  }
  EXPECT_EQ(ErrorOf(With(RetrievalJob(), "validation.metrics=val_mae")),
            "validation.metrics is val_mae; expected another figure, as retrieval predicts no "
            "ratings");
}

TEST(RetrievalRules, RefusesEachValueOutOfRange) {
  struct Case {
    std::string assignment;
    std::string error;
  };
  for (const auto& [assignment, error] : std::vector<Case>{
           {"user.dim=0", " is 0; expected 1 to 4096"},
           {"item.dim=4097", " is 4097; expected 1 to 4096"},
           {"item.dim=16", " is 16; expected user.dim (8), as a score is their dot product"},
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
}  // namespace cf
