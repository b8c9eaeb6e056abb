// Goal: whatever a user writes that cannot be trained is refused before anything starts, with one
// line that names the field and the rule. Method: whole jobs, as they stand in a file. The ranges
// of single fields are in rules_test.cc, ranker_rules_test.cc and retrieval_rules_test.cc.

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "common/config/config.h"

namespace cf::wrong_jobs_test {
namespace {

struct WrongJob {
  std::string text;
  std::string line;  ///< What the user reads; where it ends in "...", its beginning.
};

/// What reading, completing and judging the job says.
absl::Status Judge(const std::string& text) {
  const absl::StatusOr<Job> job = ParseJob(text, "job");
  return job.ok() ? ValidateJob(*job) : job.status();
}

void ExpectRefused(const std::vector<WrongJob>& jobs) {
  for (const auto& [text, line] : jobs) {
    const absl::Status refused = Judge(text);
    EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument) << text;
    const std::string said(refused.message());
    EXPECT_EQ(said.find('\n'), std::string::npos) << said;
    if (line.ends_with("...")) {
      EXPECT_EQ(said.substr(0, line.size() - 3) + "...", line) << text;
    } else {
      EXPECT_EQ(said, line) << text;
    }
  }
}

const std::string kSplit = "split { random {} } ";
const std::string kFactorization = kSplit + "model { matrix_factorization {} } ";
const std::string kRetrieval = kSplit + "model { retrieval { user { dim: 8 } item { dim: 8 } } } ";
const std::string kPopularity = kSplit + "model { popularity {} } ";

std::string Factorization(const std::string& fields) {
  return kSplit + "model { matrix_factorization { " + fields + " } }";
}
std::string Ranker(const std::string& fields) {
  return kSplit + "model { ranker { " + fields + " } }";
}
std::string RetrievalModel(const std::string& fields) {
  return kSplit + "model { retrieval { " + fields + " } }";
}

TEST(WrongJobs, WhatIsNoJob) {
  ExpectRefused({
      {"", "job: empty; expected a job"},
      {"model", R"(job:1:6: expected "{", found the end)"},
      {"model {", R"(job:1:8: expected a field of Model or "}", not the end)"},
      {kSplit,
       "model names no kind; expected matrix_factorization, ranker, retrieval or popularity"},
  });
}

TEST(WrongJobs, FieldsAndKindsThatThereAreNot) {
  ExpectRefused({
      {"modle {}", R"(job:1:1: no field "modle" in Job; did you mean "model"?)"},
      {"model { matrix_factorisation {} }",
       R"(job:1:9: no field "matrix_factorisation" in Model; did you mean "matrix_factorization"?)"},
      {"optimizer { rmsprop {} }",
       R"(job:1:13: no field "rmsprop" in Optimizer; expected adam, adagrad, sgd, schedule...)"},
      {"model { popularity { dim: 4 } }",
       R"(job:1:22: no field "dim" in Popularity, which has none)"},
      {"model { ranker { dense { activation: TANH } } }",
       R"(job:1:38: model.ranker.dense.activation: expected LINEAR or RELU, not "TANH")"},
      {"model { matrix_factorization {} ranker {} }",
       "job:1:33: model.matrix_factorization and model.ranker exclude each other"},
      {"optimizer { adam {} sgd {} }",
       "job:1:21: optimizer.adam and optimizer.sgd exclude each other"},
      {"split { random {} given {} }", "job:1:19: split.random and split.given exclude each other"},
      {"optimizer { schedule { step {} cosine {} } }",
       "job:1:32: optimizer.schedule.step and optimizer.schedule.cosine exclude each other"},
      {"model { ranker { user { vectors { he_normal {} zeros {} } } } }",
       "job:1:48: model.ranker.user.vectors.he_normal and model.ranker.user.vectors.zeros exclude "
       "each other"},
      {kFactorization + "train {} train {}", "job:1:64: train is given twice"},
  });
}

TEST(WrongJobs, NumbersThatAreNone) {
  const std::string whole = "expected a whole number from 0 to 4294967295, not ";
  ExpectRefused({
      {"model { matrix_factorization { dim: -5 } }",
       "job:1:37: model.matrix_factorization.dim: " + whole + "\"-5\""},
      {"model { matrix_factorization { dim: 6.5 } }",
       "job:1:37: model.matrix_factorization.dim: " + whole + "\"6.5\""},
      {"train { batch_size: 99999999999 }",
       "job:1:21: train.batch_size: " + whole + "\"99999999999\""},
      {"train { epochs: ten }", "job:1:17: train.epochs: " + whole + "\"ten\""},
      {"train { metrics: maybe }",
       R"(job:1:18: train.metrics: expected true or false, not "maybe")"},
      {"data { path: 3 }", R"(job:1:14: data.path: expected a string in quotes, not "3")"},
  });
}

TEST(WrongJobs, Blocks) {
  const std::string blocks = " train { schedule: BLOCKS } ";
  const std::string refused = "train.schedule is BLOCKS; expected SYNC, as ";
  ExpectRefused({
      {kRetrieval + blocks, refused + "only of matrix_factorization blocks share no rows"},
      {Factorization("feature { source: ITEM_GENRES }") + blocks,
       refused + "blocks share the rows of features"},
      {Factorization("mean: false link: SIGMOID loss: BCE negatives: 2") + blocks,
       refused + "negatives are items of other blocks"},
      {kFactorization + "train { schedule: BLOCKS delay: 1 }",
       refused + "train.delay hides exchanges that BLOCKS has not"},
      {kFactorization + "train { schedule: BLOCKS user_group: 2 }",
       refused + "train.user_group keeps samples together that are in different blocks"},
      {kFactorization + blocks + "cluster { servers: 1 }",
       refused + "cluster.servers keeps users' rows away from who works on them"},
  });
}

TEST(WrongJobs, Factorizations) {
  const std::string path = "model.matrix_factorization";
  ExpectRefused({
      {Factorization("dim: 5000"), path + ".dim is 5000; expected at most 4096"},
      {Factorization("dim: 0 biases: false mean: false"),
       path + " has neither vectors (dim is 0) nor biases nor mean; expected one of them"},
      {Factorization("loss: BCE"), path + ".link is IDENTITY; expected SIGMOID, as loss is BCE"},
      {Factorization("link: SIGMOID"),
       path + ".mean is true; expected false, as link is SIGMOID and not IDENTITY or STANDARDIZED"},
      {Factorization("loss: SOFTMAX"),
       "job:1:58: " + path + ".loss: expected MSE or BCE, not \"SOFTMAX\""},
      {Factorization("vectors { uniform { min: 1 max: 1 } }"),
       path + ".vectors.uniform.max is 1; expected more than uniform.min (1)"},
  });
}

TEST(WrongJobs, Rankers) {
  const std::string path = "model.ranker";
  const std::string dropout = " is 1.5; expected at least 0 and less than 1";
  std::string many;
  for (int layer = 0; layer < 17; ++layer) many += "dense {} ";
  ExpectRefused({
      {Ranker(""), path + ".dense has 0 layers; expected 1 to 16, the last with 1 unit"},
      {Ranker(many), path + ".dense has 17 layers; expected 1 to 16, the last with 1 unit"},
      {Ranker("user { dim: 0 } dense {}"), path + ".user.dim is 0; expected 1 to 4096"},
      {Ranker("dense { units: 2 }"),
       path + ".dense.0.units is 2; expected 1, as the last layer's output is the prediction"},
      {Ranker("dense { units: 0 } dense {}"), path + ".dense.0.units is 0; expected 1 to 4096"},
      {Ranker("dense { units: 8 dropout: 1.5 } dense {}"), path + ".dense.0.dropout" + dropout},
      {Ranker("dropout: 1.5 dense {}"), path + ".dropout" + dropout},
      {Ranker("dense {} loss: BCE"), path + ".link is IDENTITY; expected SIGMOID, as loss is BCE"},
      {Ranker("dense {} loss: BCE link: SCALED_SIGMOID"),
       path + ".link is SCALED_SIGMOID; expected SIGMOID, as loss is BCE"},
  });
}

TEST(WrongJobs, Retrieval) {
  const std::string path = "model.retrieval";
  const std::string no_ratings = "; expected another figure, as the model predicts no ratings";
  ExpectRefused({
      {RetrievalModel("user { dim: 8 } item { dim: 16 }"), path + ".item.dim is 16; expected ..."},
      {RetrievalModel("loss: MSE"), R"(job:1:41: no field "loss" in Retrieval; expected ...)"},
      {RetrievalModel("link: SIGMOID"), R"(job:1:41: no field "link" in Retrieval; expected ...)"},
      {RetrievalModel("temperature: 0"), path + ".temperature is 0; expected at least 1e-6"},
      {RetrievalModel("user { dim: 0 } item { dim: 0 }"),
       path + ".user.dim is 0; expected 1 to 4096"},
      {kRetrieval + "train { batch_size: 1 }",
       "train.batch_size is 1; expected at least 2, as retrieval chooses among the items of a "
       "batch"},
      {kRetrieval + "train { user_group: 2 }",
       "train.user_group is 2; expected 1, as retrieval's candidates are the items of other users"},
      {kRetrieval + "validation { metrics: 'val_rmse' }",
       "validation.metrics is val_rmse" + no_ratings},
      {kPopularity + "early_stopping { monitor: val_mae }",
       "early_stopping.monitor is val_mae" + no_ratings},
  });
}

TEST(WrongJobs, Optimizers) {
  ExpectRefused({
      {kFactorization + "optimizer { adam { learning_rate: 0 } }",
       "optimizer.adam.learning_rate is 0; expected more than 0"},
      {kFactorization + "optimizer { sgd { learning_rate: nan } }",
       "optimizer.sgd.learning_rate is nan; expected more than 0"},
      {kFactorization + "optimizer { adam { beta2: 1 } }",
       "optimizer.adam.beta2 is 1; expected at least 0 and less than 1"},
      {kFactorization + "optimizer { clip_norm: -1 }",
       "optimizer.clip_norm is -1; expected 0 or at least 1e-15"},
      {kFactorization + "optimizer { schedule { plateau { factor: 1 } } }",
       "optimizer.schedule.plateau.factor is 1; expected a number between 0 and 1"},
      {"model { matrix_factorization {} } "
       "optimizer { schedule { plateau { monitor: 'val_loss' } } }",
       "optimizer.schedule.plateau.monitor is val_loss; expected train_loss or train_rmse, as "
       "there "
       "is no split to validate on"},
  });
}

TEST(WrongJobs, Figures) {
  ExpectRefused({
      {kFactorization + "early_stopping { monitor: val_accuracy }",
       R"(early_stopping.monitor is "val_accuracy"; expected val_loss, val_rmse, ...)"},
      {kFactorization + "early_stopping { monitor: val_bce }",
       "early_stopping.monitor is val_bce; expected another figure, as the model's loss is not "
       "BCE"},
      {kFactorization + "validation { metrics: 'ndcg_10' }",
       R"(validation.metrics is "ndcg_10"; expected val_loss, ...)"},
      {kFactorization + "validation { every_epochs: 0 }",
       "validation.every_epochs is 0; expected at least 1"},
      {kFactorization + "validation { every_epochs: 30 }",
       "validation.every_epochs is 30; expected at most train.epochs (20), as "
       "early_stopping.monitor is val_rmse"},
      {"model { matrix_factorization {} } early_stopping { monitor: val_rmse }",
       "early_stopping.monitor is val_rmse; expected train_loss or train_rmse, as there is no "
       "split "
       "to validate on"},
      {"model { retrieval {} } early_stopping { monitor: val_top_10 }",
       "early_stopping.monitor is val_top_10; expected train_loss, as there is no split to "
       "validate "
       "on"},
      {"model { popularity {} } validation { metrics: 'val_top_10' }",
       "validation.metrics is val_top_10; expected none, as there is no split to validate on"},
  });
}

TEST(WrongJobs, SplitsAndTheCluster) {
  ExpectRefused({
      {"split { random { fraction: 1 } } model { popularity {} }",
       "split.random.fraction is 1; expected a number between 0 and 1"},
      {kFactorization + "train { batch_size: 0 }", "train.batch_size is 0; expected at least 1"},
      {kFactorization + "train { partitions: 12 }",
       "train.partitions is 12; expected a power of two, at most 16384"},
      {kFactorization + "cluster { threads: 32 }",
       "cluster.threads is 32; expected at most train.partitions (16), as each takes a partition"},
      {kFactorization + "snapshot { keep: 0 }", "snapshot.keep is 0; expected at least 1"},
  });
}

// The baseline of ranking has nothing to learn.
TEST(Popularity, TakesOneEpochAndMonitorsItsLoss) {
  Job job = ParseJob(kPopularity, "job").value();
  EXPECT_TRUE(ValidateJob(job).ok()) << ValidateJob(job);
  EXPECT_FALSE(PredictsRatings(job));
  FillDefaults(job);
  EXPECT_EQ(job.train().epochs(), 1U);
  EXPECT_EQ(job.early_stopping().monitor(), "val_loss");
  job = ParseJob(kPopularity + "train { epochs: 3 }", "job").value();
  FillDefaults(job);
  EXPECT_EQ(job.train().epochs(), 3U);
}

}  // namespace
}  // namespace cf::wrong_jobs_test
