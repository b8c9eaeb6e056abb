// What config.h promises of defaults, ranges and resumed runs.

#include <functional>
#include <string>
#include <vector>

#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include "common/config/config.h"
#include "common/metrics/names.h"

namespace cf::rules_test {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::util::MessageDifferencer;

/// A job that passes, with nothing but what has no default.
Job SmallJob() {
  Job job;
  job.mutable_split()->mutable_random();
  job.mutable_model()->mutable_matrix_factorization();
  return job;
}

Job WithAll(Job job, const std::vector<std::string>& assignments) {
  for (const std::string& assignment : assignments) {
    const absl::Status set = SetField(job, assignment);
    EXPECT_TRUE(set.ok()) << set;
  }
  return job;
}

/// A job that passes and has what `path` names: the model of a kind, and one of each list.
Job JobFor(const std::string& path) {
  Job job = SmallJob();
  if (path.starts_with("model.ranker")) job.mutable_model()->mutable_ranker()->add_dense();
  if (path.starts_with("model.ranker.feature.")) {
    job.mutable_model()->mutable_ranker()->add_feature()->set_source(Feature::TIMESTAMP_YEAR);
  }
  if (path.starts_with("model.matrix_factorization.feature.")) {
    job.mutable_model()->mutable_matrix_factorization()->add_feature()->set_source(
        Feature::USER_HISTORY);
  }
  if (path.starts_with("model.retrieval")) {
    Retrieval& retrieval = *job.mutable_model()->mutable_retrieval();
    retrieval.mutable_user()->add_dense();
    retrieval.mutable_item()->add_dense();
  }
  return job;
}

using Visit = std::function<void(const std::string& path, const FieldDescriptor& field)>;

/// Visits all fields of the schema, those of every kind included.
void ForEachField(const Descriptor& message, const std::string& prefix, const Visit& visit) {
  for (int k = 0; k < message.field_count(); ++k) {
    const FieldDescriptor& field = *message.field(k);
    const std::string path = prefix + field.name();
    visit(path, field);
    if (field.message_type() == nullptr) continue;
    ForEachField(*field.message_type(), path + (field.is_repeated() ? ".0." : "."), visit);
  }
}

TEST(Schema, EveryValueHasAMarkAndNothingElseHas) {
  int values = 0;
  ForEachField(*Job::descriptor(), "", [&](const std::string& path, const FieldDescriptor& field) {
    const bool value = field.message_type() == nullptr;
    values += value ? 1 : 0;
    EXPECT_EQ(field.options().GetExtension(mark) != MARK_UNSPECIFIED, value) << path;
    EXPECT_FALSE(field.is_required()) << path;
    // Lists are of messages or of strings.
    EXPECT_TRUE(!field.is_repeated() || field.message_type() != nullptr ||
                field.cpp_type() == FieldDescriptor::CPPTYPE_STRING)
        << path;
  });
  EXPECT_GT(values, 50);
}

TEST(Schema, OnlyNumbersHaveARangeAndNoneIsEmpty) {
  int ranges = 0;
  ForEachField(*Job::descriptor(), "", [&](const std::string& path, const FieldDescriptor& field) {
    if (!field.options().HasExtension(number_range)) return;
    ++ranges;
    const NumberRange& range = field.options().GetExtension(number_range);
    EXPECT_TRUE(field.cpp_type() == FieldDescriptor::CPPTYPE_UINT32 ||
                field.cpp_type() == FieldDescriptor::CPPTYPE_UINT64 ||
                field.cpp_type() == FieldDescriptor::CPPTYPE_DOUBLE)
        << path;
    EXPECT_TRUE(range.has_at_least() || range.has_above() || range.has_at_most() ||
                range.has_below())
        << path;
    EXPECT_FALSE(range.has_at_least() && range.has_above()) << path;
    EXPECT_FALSE(range.has_at_most() && range.has_below()) << path;
  });
  EXPECT_GT(ranges, 60);  // Paths: a message that several have counts for each.
}

TEST(Schema, EveryEnumStartsWithUnspecified) {
  ForEachField(*Job::descriptor(), "", [](const std::string& path, const FieldDescriptor& field) {
    if (field.enum_type() == nullptr) return;
    EXPECT_EQ(field.enum_type()->value(0)->number(), 0) << path;
    EXPECT_NE(field.enum_type()->value(0)->name().find("UNSPECIFIED"), std::string::npos) << path;
  });
}

TEST(FillDefaults, ShowsAllThatDecidesTheRun) {
  Job job = SmallJob();
  FillDefaults(job);
  EXPECT_EQ(PrintJob(job), R"(data {
  path: ""
}
split {
  random {
    fraction: 0.1
    seed: 42
  }
}
model {
  matrix_factorization {
    dim: 64
    biases: true
    mean: true
    link: IDENTITY
    loss: MSE
    vectors {
      uniform {
        min: -0.05
        max: 0.05
      }
    }
    bias_values {
      zeros {
      }
    }
    l2_vectors: 0
    l2_biases: 0
    negatives: 0
    reduction: MEAN
    bias_rate: 1
    start_from_baseline: false
  }
  seed: 42
}
optimizer {
  adam {
    learning_rate: 0.001
    beta1: 0.9
    beta2: 0.999
    epsilon: 1e-07
    update: LAZY
  }
  schedule {
    warm_up_steps: 0
  }
  clip_norm: 0
  gradient_norm_max: 0
  on_bad_gradient: STOP
}
train {
  batch_size: 1024
  epochs: 20
  seed: 42
  partitions: 16
  delay: 0
  metrics: true
  schedule: SYNC
  rounds: 4
  user_group: 1
}
early_stopping {
  monitor: "val_rmse"
  mode: MIN
  patience: 0
  min_delta: 0
  restore_best: true
}
snapshot {
  every_epochs: 1
  every_seconds: 30
  every_steps: 0
  keep: 2
  copies_mib: 4096
  give_up_seconds: 3600
}
cluster {
  servers: 0
  threads: 1
  interface: ""
  timeout_seconds: 60
  memory_mib: 0
  shared_memory: true
  progress_timeout_seconds: 300
  frames: AUTHENTICATED
}
kernels {
  target: BEST
}
validation {
  every_epochs: 1
}
storage {
  memory_budget_mib: 0
  directory: ""
}
)");
  Job again = job;
  FillDefaults(again);
  EXPECT_TRUE(MessageDifferencer::Equals(job, again));
}

TEST(FillDefaults, KeepsWhatIsGivenAndMonitorsTrainingWithoutASplit) {
  Job job = WithAll(
      Job(), {"optimizer.sgd={}", "train.epochs=3", "model.matrix_factorization.vectors.zeros={}",
              "model.matrix_factorization.bias_values.normal.deviation=2"});
  FillDefaults(job);
  EXPECT_EQ(job.optimizer().kind_case(), Optimizer::kSgd);
  EXPECT_EQ(job.train().epochs(), 3U);
  EXPECT_TRUE(job.model().matrix_factorization().vectors().has_zeros());
  EXPECT_EQ(job.model().matrix_factorization().bias_values().normal().deviation(), 2);
  EXPECT_EQ(job.early_stopping().monitor(), "train_rmse");
  EXPECT_EQ(job.early_stopping().mode(), EarlyStopping::MIN);

  Job losses;
  losses.mutable_train()->set_metrics(false);
  FillDefaults(losses);
  EXPECT_EQ(losses.early_stopping().monitor(), "train_loss");
}

TEST(FillDefaults, LooksForTheLargestFigureOfRanking) {
  const auto mode = [](const std::vector<std::string>& assignments) {
    Job job = WithAll(SmallJob(), assignments);
    FillDefaults(job);
    return job.early_stopping().mode();
  };
  EXPECT_EQ(mode({"early_stopping.monitor=val_ndcg_10"}), EarlyStopping::MAX);
  EXPECT_EQ(mode({"early_stopping.monitor=VAL_TOP_100_UNMASKED"}), EarlyStopping::MAX);
  EXPECT_EQ(mode({"early_stopping.monitor=val_mae"}), EarlyStopping::MIN);
  EXPECT_EQ(mode({"early_stopping.monitor=val_ndcg_10", "early_stopping.mode=MIN"}),
            EarlyStopping::MIN);
}

TEST(ValidateJob, AcceptsEveryKindWithItsDefaults) {
  EXPECT_TRUE(ValidateJob(SmallJob()).ok()) << ValidateJob(SmallJob());
  ForEachField(*Job::descriptor(), "", [](const std::string& path, const FieldDescriptor& field) {
    if (field.message_type() == nullptr) return;
    // A feature is nothing without its source.
    const char* const value = path.ends_with(".feature") ? "={source: ITEM_GENRES}" : "={}";
    const absl::Status status = ValidateJob(WithAll(JobFor(path), {path + value}));
    EXPECT_TRUE(status.ok()) << path << ": " << status;
  });
}

TEST(ValidateJob, AcceptsTheEdges) {
  const std::string mf = "model.matrix_factorization.";
  for (const std::vector<std::string>& assignments : std::vector<std::vector<std::string>>{
           {mf + "dim=4096"},
           {mf + "dim=0", mf + "biases=false", mf + "mean=true"},
           {mf + "dim=0", mf + "biases=true", mf + "mean=false"},
           {mf + "link=SIGMOID", mf + "loss=BCE", mf + "mean=false"},
           {mf + "link=SCALED_SIGMOID", mf + "mean=false"},
           {mf + "link=SIGMOID", mf + "loss=BCE", mf + "mean=false", mf + "negatives=1000",
            "early_stopping.monitor=val_hr_10_sampled_100", "split.leave_one_out={}"},
           {mf + "link=STANDARDIZED", mf + "start_from_baseline=true"},
           {"train.partitions=1"},
           {"train.partitions=16384"},
           {"train.partitions=4", "cluster.servers=4", "cluster.threads=4"},
           {"optimizer.adam.beta1=0", "optimizer.adam.epsilon=1e-30"},
           {"optimizer.schedule.exponential.decay=1"},
           {"split={}", "early_stopping.monitor=TRAIN_LOSS", "early_stopping.patience=2"},
           {"early_stopping.mode=MAX", "early_stopping.monitor=VAL_MAE"},
           {"early_stopping.monitor=val_mrr_1000_unmasked", "validation.every_epochs=20"},
           {"validation.metrics=val_top_1,val_coverage_10, val_ild_10,val_rmse"},
           {mf + "link=SIGMOID", mf + "loss=BCE", mf + "mean=false", "validation.metrics=val_bce"},
           {"train.metrics=false", "validation.every_epochs=7"}}) {
    Job job = SmallJob();
    if (assignments.front() == "split={}") job.clear_split();
    const absl::Status status = ValidateJob(WithAll(job, assignments));
    EXPECT_TRUE(status.ok()) << assignments.front() << ": " << status;
  }
}

TEST(ValidateJob, WithNegativesNoRatingIsPredicted) {
  const std::string mf = "model.matrix_factorization.";
  Job job = WithAll(SmallJob(),
                    {mf + "link=SIGMOID", mf + "loss=BCE", mf + "mean=false", mf + "negatives=8"});
  EXPECT_FALSE(PredictsRatings(job));
  EXPECT_TRUE(PredictsRatings(WithAll(job, {mf + "negatives=0"})));
  for (const char* figure : {"val_rmse", "val_mae", "val_bce", "train_rmse"}) {
    EXPECT_EQ(
        ValidateJob(WithAll(job, {std::string("early_stopping.monitor=") + figure})).message(),
        std::string("early_stopping.monitor is ") + figure +
            "; expected another figure, as the model predicts no ratings");
  }
  FillDefaults(job);
  EXPECT_EQ(job.early_stopping().monitor(), "val_loss");
}

TEST(FillDefaults, APlateauIsOfWhatEarlyStoppingMonitorsUnlessItNamesItsOwn) {
  const auto monitor = [](const std::vector<std::string>& assignments) {
    Job job = WithAll(SmallJob(), assignments);
    FillDefaults(job);
    EXPECT_TRUE(ValidateJob(job).ok());
    return job.optimizer().schedule().plateau().monitor();
  };
  const std::string plateau = "optimizer.schedule.plateau";
  EXPECT_EQ(monitor({plateau + "={}"}), "val_rmse");
  EXPECT_EQ(monitor({plateau + "={}", "early_stopping.monitor=VAL_MAE"}), "val_mae");
  EXPECT_EQ(monitor({plateau + ".monitor=VAL_LOSS", "early_stopping.monitor=val_mae"}), "val_loss");
  EXPECT_EQ(monitor({"optimizer.schedule.step={}"}), "");
}

TEST(ValidateJob, RefusesEachValueOutOfRange) {
  struct Case {
    std::string assignment;
    std::string error;
  };
  const std::string mf = "model.matrix_factorization.";
  const std::vector<Case> cases = {
      {"split.random.fraction=0", " is 0; expected a number between 0 and 1"},
      {"split.random.fraction=1", " is 1; expected a number between 0 and 1"},
      {"split.random.fraction=nan", " is nan; expected a number between 0 and 1"},
      {"split.global_time.fraction=-0.1", " is -0.1; expected a number between 0 and 1"},
      {mf + "dim=4097", " is 4097; expected at most 4096"},
      {mf + "vectors.normal.deviation=-1", " is -1; expected at least 0"},
      {mf + "bias_values.normal.deviation=-1", " is -1; expected at least 0"},
      {mf + "vectors.uniform.max=-0.05", " is -0.05; expected more than uniform.min (-0.05)"},
      {mf + "bias_values.uniform.max=-1", " is -1; expected more than uniform.min (-0.05)"},
      {mf + "vectors.uniform.max=1e39", " is 1e+39; expected a finite number"},
      {mf + "vectors.normal.mean=-inf", " is -inf; expected a finite number"},
      {mf + "l2_vectors=-1e-6", " is -1e-06; expected at least 0"},
      {mf + "l2_biases=-1", " is -1; expected at least 0"},
      {mf + "bias_rate=0", " is 0; expected more than 0"},
      {mf + "negatives=1001", " is 1001; expected at most 1000"},
      {mf + "negatives=8",
       " is 8; expected 0, or link SIGMOID and loss BCE, as positives are 1 and negatives 0"},
      {mf + "reduction=REDUCTION_UNSPECIFIED", " is REDUCTION_UNSPECIFIED; expected SUM or MEAN"},
      {mf + "link=LINK_UNSPECIFIED",
       " is LINK_UNSPECIFIED; expected IDENTITY, SIGMOID, SCALED_SIGMOID or STANDARDIZED"},
      {mf + "loss=LOSS_UNSPECIFIED", " is LOSS_UNSPECIFIED; expected MSE or BCE"},
      {"optimizer.adam.learning_rate=0", " is 0; expected more than 0"},
      {"optimizer.adam.learning_rate=inf", " is inf; expected a finite number"},
      {"optimizer.adam.learning_rate=1e300", " is 1e+300; expected a finite number"},
      {"optimizer.adam.beta1=1", " is 1; expected at least 0 and less than 1"},
      {"optimizer.adam.beta2=-0.5", " is -0.5; expected at least 0 and less than 1"},
      {"optimizer.adam.epsilon=0", " is 0; expected at least 1e-30"},
      {"optimizer.adagrad.learning_rate=-1", " is -1; expected more than 0"},
      {"optimizer.adagrad.initial_accumulator=-1", " is -1; expected at least 0"},
      {"optimizer.adagrad.epsilon=1e-31", " is 1e-31; expected at least 1e-30"},
      {"optimizer.sgd.learning_rate=nan", " is nan; expected more than 0"},
      {"optimizer.clip_norm=-1", " is -1; expected 0 or at least 1e-15"},
      {"optimizer.clip_norm=1e-16", " is 1e-16; expected 0 or at least 1e-15"},
      {"optimizer.gradient_norm_max=-1", " is -1; expected 0 or at least 1e-15"},
      {"optimizer.schedule.step.every_epochs=0", " is 0; expected at least 1"},
      {"optimizer.schedule.step.decay=0", " is 0; expected more than 0 and at most 1"},
      {"optimizer.schedule.exponential.decay=1.01", " is 1.01; expected more than 0 and at most 1"},
      {"optimizer.schedule.cosine.epochs=0", " is 0; expected at least 1"},
      {"optimizer.schedule.cosine.floor=1.5", " is 1.5; expected a number from 0 to 1"},
      {"optimizer.schedule.plateau.monitor=val_ndcg",
       std::string(" is \"val_ndcg\"; expected ") + kMetricNames},
      {"optimizer.schedule.plateau.patience=0", " is 0; expected at least 1"},
      {"optimizer.schedule.plateau.factor=1", " is 1; expected a number between 0 and 1"},
      {"optimizer.schedule.plateau.min_factor=1.5", " is 1.5; expected a number from 0 to 1"},
      {"optimizer.schedule.plateau.min_delta=-1", " is -1; expected at least 0"},
      {"train.batch_size=0", " is 0; expected at least 1"},
      {"train.epochs=0", " is 0; expected at least 1"},
      {"train.partitions=0", " is 0; expected a power of two, at most 16384"},
      {"train.partitions=12", " is 12; expected a power of two, at most 16384"},
      {"train.partitions=32768", " is 32768; expected a power of two, at most 16384"},
      {"train.delay=17", " is 17; expected at most 16"},
      {"train.rounds=0", " is 0; expected 1 to 1024"},
      {"train.user_group=0", " is 0; expected 1 to 1024"},
      {"validation.every_epochs=0", " is 0; expected at least 1"},
      {"validation.every_epochs=21",
       " is 21; expected at most train.epochs (20), as early_stopping.monitor is val_rmse"},
      {"validation.metrics=val_ndcg_10,val_ndcg",
       std::string(" is \"val_ndcg\"; expected ") + kMetricNames},
      {"validation.metrics=train_loss",
       " is train_loss; expected figures of validation, whose names start with val_"},
      {"validation.metrics=val_bce",
       " is val_bce; expected another figure, as the model's loss is not BCE"},
      {"early_stopping.monitor=val_top_1001",
       std::string(" is \"val_top_1001\"; expected ") + kMetricNames},
      {"early_stopping.monitor=", std::string(" is \"\"; expected ") + kMetricNames},
      {"early_stopping.mode=MODE_UNSPECIFIED", " is MODE_UNSPECIFIED; expected MIN or MAX"},
      {"early_stopping.min_delta=-1", " is -1; expected at least 0"},
      {"snapshot.keep=0", " is 0; expected at least 1"},
      {"cluster.servers=17",
       " is 17; expected at most train.partitions (16), as each takes a partition"},
      {"cluster.threads=17",
       " is 17; expected at most train.partitions (16), as each takes a partition"},
      {"cluster.timeout_seconds=0", " is 0; expected at least 1"},
      {"cluster.progress_timeout_seconds=0", " is 0; expected at least 1"},
      {"kernels.target=TARGET_UNSPECIFIED",
       " is TARGET_UNSPECIFIED; expected BEST, AVX2 or AVX512"},
  };
  for (const auto& [assignment, error] : cases) {
    const std::string path = assignment.substr(0, assignment.find('='));
    const absl::Status status = ValidateJob(WithAll(SmallJob(), {assignment}));
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << assignment;
    EXPECT_EQ(status.message(), path + error);
  }
}

// Goal: momentum that does not fade beside the second moment's root is refused where it would count.
TEST(ValidateJob, RefusesDenseAdamWhoseMomentumDoesNotFade) {
  const std::vector<std::string> betas = {"optimizer.adam.beta1=0.9", "optimizer.adam.beta2=0.81"};
  EXPECT_TRUE(ValidateJob(WithAll(SmallJob(), betas)).ok());
  Job job = WithAll(SmallJob(), betas);
  job.mutable_optimizer()->mutable_adam()->set_update(Adam::DENSE);
  EXPECT_EQ(
      ValidateJob(job).message(),
      "optimizer.adam.beta1 is 0.9; expected less than the square root of beta2, as update is "
      "DENSE");
  job.mutable_optimizer()->mutable_adam()->set_beta2(0.82);
  EXPECT_TRUE(ValidateJob(job).ok());
}

// Goal: no number of the schema, present or to come, can be infinite or not a number.
TEST(ValidateJob, RefusesEveryNumberThatIsNotFinite) {
  ForEachField(*Job::descriptor(), "", [](const std::string& path, const FieldDescriptor& field) {
    if (field.cpp_type() != FieldDescriptor::CPPTYPE_DOUBLE) return;
    for (const char* value : {"nan", "inf", "-inf", "1e39"}) {
      const absl::Status status = ValidateJob(WithAll(JobFor(path), {path + "=" + value}));
      EXPECT_EQ(status.message().substr(0, path.size() + 4), path + " is ") << value;
    }
  });
}

TEST(ValidateJob, RefusesWhatDoesNotGoTogether) {
  const std::string mf = "model.matrix_factorization.";
  const auto error = [](const Job& job) { return std::string(ValidateJob(job).message()); };
  EXPECT_EQ(
      error(WithAll(SmallJob(), {mf + "link=SIGMOID"})),
      mf + "mean is true; expected false, as link is SIGMOID and not IDENTITY or STANDARDIZED");
  EXPECT_EQ(error(WithAll(SmallJob(), {mf + "loss=BCE"})),
            mf + "link is IDENTITY; expected SIGMOID, as loss is BCE");
  EXPECT_EQ(
      error(WithAll(SmallJob(), {mf + "loss=BCE", mf + "link=SCALED_SIGMOID", mf + "mean=0"})),
      mf + "link is SCALED_SIGMOID; expected SIGMOID, as loss is BCE");
  EXPECT_EQ(error(WithAll(SmallJob(), {mf + "dim=0", mf + "biases=false", mf + "mean=false"})),
            "model.matrix_factorization has neither vectors (dim is 0) nor biases nor mean; "
            "expected one of them");
  const std::string start = mf + "start_from_baseline=true";
  EXPECT_EQ(error(WithAll(SmallJob(), {start, mf + "biases=false"})),
            mf + "biases is false; expected true, as start_from_baseline is true");
  EXPECT_EQ(error(WithAll(SmallJob(), {start, mf + "bias_values={he_normal {}}"})),
            mf + "bias_values is given; expected none, as start_from_baseline is true");
  EXPECT_EQ(error(WithAll(SmallJob(), {start, mf + "link=SIGMOID", mf + "loss=BCE",
                                       mf + "mean=false", mf + "negatives=4"})),
            mf + "negatives is 4; expected 0, as start_from_baseline is true, and the baseline is "
                 "of ratings");
  Job job = SmallJob();
  job.clear_split();
  EXPECT_EQ(error(WithAll(job, {"early_stopping.monitor=VAL_MAE"})),
            "early_stopping.monitor is val_mae; expected train_loss or train_rmse, as there is no "
            "split to validate on");
  EXPECT_EQ(error(WithAll(job, {"validation.metrics=val_hr_10"})),
            "validation.metrics is val_hr_10; expected none, as there is no split to validate on");
  EXPECT_EQ(error(WithAll(job, {"train.metrics=false", "early_stopping.monitor=train_rmse"})),
            "early_stopping.monitor is train_rmse; expected another figure, as train.metrics is "
            "false");
  EXPECT_EQ(error(Job()),
            "model names no kind; expected matrix_factorization, ranker, retrieval or popularity");
}

/// A value other than the default.
std::string OtherValue(const FieldDescriptor& field) {
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      return field.default_value_bool() ? "false" : "true";
    case FieldDescriptor::CPPTYPE_STRING:
      return "another";
    case FieldDescriptor::CPPTYPE_ENUM:
      return field.enum_type()->value(field.default_value_enum()->number() == 1 ? 2 : 1)->name();
    default:
      return "77";
  }
}

// Goal: the mark alone decides whether a run may be resumed with another value.
TEST(CheckSameResult, RefusesExactlyTheFieldsMarkedResult) {
  ForEachField(*Job::descriptor(), "", [](const std::string& path, const FieldDescriptor& field) {
    if (field.message_type() != nullptr) return;
    const std::string message = path.substr(0, path.rfind('.'));
    const Job trained = WithAll(JobFor(path), {message + "={}"});
    const Job wanted = WithAll(trained, {path + "=" + OtherValue(field)});
    const absl::Status status = CheckSameResult(trained, wanted, "runs/first");
    EXPECT_EQ(status.ok(), field.options().GetExtension(mark) == EXECUTION) << path << status;
    EXPECT_TRUE(CheckSameResult(wanted, wanted, "runs/first").ok());
    if (status.ok()) return;
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    const std::string start = "runs/first was trained with " + path + " ";
    EXPECT_EQ(status.message().substr(0, start.size()), start);
  });
}

TEST(CheckSameResult, NamesTheFieldAndBothValues) {
  const auto error = [](const std::string& was, const std::string& is) {
    return std::string(
        CheckSameResult(WithAll(SmallJob(), {was}), WithAll(SmallJob(), {is}), "runs/first")
            .message());
  };
  EXPECT_EQ(error("optimizer={}", "optimizer.adam.learning_rate=0.003"),
            "runs/first was trained with optimizer.adam.learning_rate 0.001, not 0.003: choose "
            "another --run");
  EXPECT_EQ(error("optimizer.adam={}", "optimizer.sgd={}"),
            "runs/first was trained with optimizer.adam, not optimizer.sgd: choose another --run");
  EXPECT_EQ(error("optimizer.schedule={}", "optimizer.schedule.cosine={}"),
            "runs/first was trained with no kind of optimizer.schedule, not "
            "optimizer.schedule.cosine: choose another --run");
  EXPECT_EQ(error("split.given={}", "split.random={}"),
            "runs/first was trained with split.given, not split.random: choose another --run");
  EXPECT_EQ(error("model.matrix_factorization.vectors.zeros={}", "model={}"),
            "runs/first was trained with model.matrix_factorization.vectors.zeros, not "
            "model.matrix_factorization.vectors.uniform: choose another --run");
}

TEST(CheckSameResult, ADefaultSpelledOutIsNoDifference) {
  Job filled = SmallJob();
  FillDefaults(filled);
  EXPECT_TRUE(CheckSameResult(filled, SmallJob(), "runs/first").ok());
  EXPECT_TRUE(CheckSameResult(SmallJob(), WithAll(filled, {"train.epochs=99"}), "runs/first").ok());
}

}  // namespace
}  // namespace cf::rules_test
