// What is promised of the fields of features: defaults, flags, and what must go together.

#include <string>

#include <gtest/gtest.h>

#include "common/config/config.h"
#include "tests/unit/config/wrong_job.h"

namespace cf::feature_rules_test {
namespace {

Job JobOf(const std::string& model) {
  const absl::StatusOr<Job> job = ParseJob("split { random {} } model {" + model + "}", "test");
  EXPECT_TRUE(job.ok()) << job.status();
  return *job;
}

Job RankerJob() {
  return JobOf(
      "ranker { dense {} feature { source: ITEM_GENRES dim: 3 } feature { source: TIMESTAMP_YEAR } "
      "}");
}

Job FactorizationJob() {
  return JobOf(
      "matrix_factorization { dim: 5 feature { source: USER_HISTORY } feature { source: "
      "ITEM_GENRES } }");
}

TEST(FeatureRules, Defaults) {
  Job ranker = RankerJob();
  EXPECT_TRUE(ValidateJob(ranker).ok()) << ValidateJob(ranker);
  FillDefaults(ranker);
  EXPECT_EQ(ranker.model().ranker().feature(0).dim(), 3U);
  EXPECT_EQ(ranker.model().ranker().feature(1).dim(), 32U);
  EXPECT_TRUE(ranker.model().ranker().feature(1).vectors().has_uniform());
  Job factorization = FactorizationJob();
  EXPECT_TRUE(ValidateJob(factorization).ok()) << ValidateJob(factorization);
  FillDefaults(factorization);
  EXPECT_EQ(factorization.model().matrix_factorization().feature(1).dim(), 5U);
}

TEST(FeatureRules, AFlagNamesAFeatureByItsNumberOrAddsOne) {
  EXPECT_EQ(With(RankerJob(), "model.ranker.feature.1.dim=7").model().ranker().feature(1).dim(),
            7U);
  const Job longer = With(RankerJob(), "model.ranker.feature={source: USER_HISTORY}");
  EXPECT_EQ(longer.model().ranker().feature_size(), 3);
  EXPECT_TRUE(ValidateJob(longer).ok());
}

TEST(FeatureRules, RefusesWhatNoModelCanHave) {
  EXPECT_EQ(ErrorOf(With(RankerJob(), "model.ranker.feature={dim: 2}")),
            "model.ranker.feature.2.source is SOURCE_UNSPECIFIED; expected ITEM_GENRES, "
            "TIMESTAMP_YEAR, TIMESTAMP_WEEKDAY or USER_HISTORY");
  EXPECT_EQ(ErrorOf(With(RankerJob(), "model.ranker.feature.1.source=ITEM_GENRES")),
            "model.ranker.feature.1.source is ITEM_GENRES; expected another source, as "
            "model.ranker.feature.0 has this one");
  EXPECT_EQ(ErrorOf(With(RankerJob(), "model.ranker.feature.0.dim=0")),
            "model.ranker.feature.0.dim is 0; expected 1 to 4096");
  EXPECT_EQ(ErrorOf(With(RankerJob(), "model.ranker.feature.0.l2=-1")),
            "model.ranker.feature.0.l2 is -1; expected at least 0");
  EXPECT_EQ(ErrorOf(With(RankerJob(), "model.ranker.feature.0.vectors.uniform.max=-1")),
            "model.ranker.feature.0.vectors.uniform.max is -1; expected more than uniform.min "
            "(-0.05)");
}

TEST(FeatureRules, RefusesWhatDoesNotGoTogether) {
  const std::string factorization = "model.matrix_factorization.feature.0.";
  EXPECT_EQ(ErrorOf(With(FactorizationJob(), factorization + "source=TIMESTAMP_YEAR")),
            factorization +
                "source is TIMESTAMP_YEAR; expected ITEM_GENRES or USER_HISTORY, as a "
                "factorisation has vectors of users and items only");
  EXPECT_EQ(ErrorOf(With(FactorizationJob(), factorization + "dim=6")),
            factorization +
                "dim is 6; expected the model's dim (5), as its vectors are added to those of "
                "users or items");
  EXPECT_EQ(ErrorOf(With(With(FactorizationJob(), factorization + "l2_biases=0.5"),
                         "model.matrix_factorization.biases=false")),
            factorization + "l2_biases is 0.5; expected 0, as the model has no biases");
  EXPECT_EQ(ErrorOf(With(RankerJob(), "model.ranker.feature.1.l2_biases=0.5")),
            "model.ranker.feature.1.l2_biases is 0.5; expected 0, as a ranker has no biases");
  EXPECT_TRUE(ValidateJob(With(FactorizationJob(), "validation.metrics=val_hr_10")).ok());
  EXPECT_EQ(ErrorOf(With(RankerJob(), "validation.metrics=val_hr_10")),
            "validation.metrics is val_hr_10; expected a figure of ratings, as the model is a "
            "ranker with features");
}

TEST(FeatureRules, AResumedRunHasTheSameFeatures) {
  EXPECT_TRUE(CheckSameResult(RankerJob(), RankerJob(), "runs/first").ok());
  EXPECT_EQ(
      CheckSameResult(RankerJob(), With(RankerJob(), "model.ranker.feature.0.dim=4"), "runs/first")
          .message(),
      "runs/first was trained with model.ranker.feature.0.dim 3, not 4: choose another "
      "--run");
}

}  // namespace
}  // namespace cf::feature_rules_test
