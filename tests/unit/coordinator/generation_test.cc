#include "coordinator/generation.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/partition.h"
#include "common/rows/turns.h"
#include "common/snapshot/kept_figures.h"
#include "common/snapshot/snapshot.h"
#include "coordinator/control_link.h"
#include "coordinator/evaluate.h"
#include "coordinator/member.h"
#include "serving/served_model.h"
#include "tests/unit/coordinator/local_generation.h"

namespace cf::generation_test {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

/// Of each kind of model.
class GenerationOf : public GenerationTest, public ::testing::WithParamInterface<const char*> {
 protected:
  void ExpectRepeatsTheValidation(Job job);
};

INSTANTIATE_TEST_SUITE_P(Models, GenerationOf,
                         ::testing::Values(kTinyFactorization, kTinyRanker, kTinyRetrieval,
                                           kTinyTowers, kTinyPopularity, kTinyImplicit,
                                           kTinyFactorizationWithFeatures, kTinyRankerWithFeatures),
                         [](const ::testing::TestParamInfo<const char*>& model) {
                           const std::string text = model.param;
                           return text.substr(0, text.find(' ')) + std::to_string(model.index);
                         });

TEST_P(GenerationOf, ThreeRanksMakeTheModelOfOne) {
  const Job job = MakeTinyJob(tiny_, 2, GetParam());
  const std::string expected = DigestOf(job, 1, "one");
  EXPECT_EQ(DigestOf(job, 3, "three"), expected);
}

TEST_P(GenerationOf, EveryInstructionSetMakesTheSameModel) {
  Job job = MakeTinyJob(tiny_, 2, GetParam());
  const std::string expected = DigestOf(job, 1, "best");
  job.mutable_kernels()->set_target(Kernels::AVX2);
  EXPECT_EQ(DigestOf(job, 1, "avx2"), expected);
}

TEST_P(GenerationOf, DedicatedServersMakeTheSameModel) {
  Job job = MakeTinyJob(tiny_, 2, GetParam());
  const std::string expected = DigestOf(job, 1, "one");
  job.mutable_cluster()->set_servers(1);
  EXPECT_EQ(DigestOf(job, 3, "servers"), expected);
}

// Goal: a stop in mid-epoch and a resume with another number of ranks and threads change no bit.
TEST_P(GenerationOf, AStopAndAResumeWithOtherRanksMakeTheSameModel) {
  Job job = MakeTinyJob(tiny_, 2, GetParam());
  const std::string expected = DigestOf(job, 1, "one");

  LocalGeneration stopped(job, tiny_, "stopped", 3);
  stopped.StopWhen([] { return true; });  // At the first boundary of a segment.
  for (const GenerationEnd& end : stopped.Run(3)) ASSERT_TRUE(end.has_stopped());
  const Snapshot snapshot = Snapshot::Open(stopped.latest()).value();
  EXPECT_GT(snapshot.manifest().position().step_in_epoch(), 0U);
  EXPECT_LT(snapshot.manifest().position().step(), 7U);

  job.mutable_cluster()->set_threads(2);
  EXPECT_EQ(DigestOf(job, 2, "resumed", stopped.latest()), expected);
}

/// Jobs with a delay, whose epochs are longer than a run of steps.
struct DelayedJob {
  const char* name;
  const char* model;
  std::uint32_t delay;
  std::uint32_t batch_size;
};

class DelayedGeneration : public GenerationTest, public ::testing::WithParamInterface<DelayedJob> {
 protected:
  Job MakeJob() const {
    Job job = MakeTinyJob(tiny_, 2, GetParam().model);
    job.mutable_train()->set_delay(GetParam().delay);
    job.mutable_train()->set_batch_size(GetParam().batch_size);
    return job;
  }
};

INSTANTIATE_TEST_SUITE_P(
    Models, DelayedGeneration,
    ::testing::Values(DelayedJob{"FactorizationBy1", kTinyFactorization, 1, 5},
                      DelayedJob{"FactorizationBy4", kTinyFactorization, 4, 1},
                      DelayedJob{"RankerWithFeaturesBy1", kTinyRankerWithFeatures, 1, 4},
                      DelayedJob{"TowersBy1", kTinyTowers, 1, 4}),
    [](const ::testing::TestParamInfo<DelayedJob>& job) { return job.param.name; });

// Goal: with a delay, too, the bits depend on neither ranks, threads and servers nor on a stop in
// mid-epoch.
TEST_P(DelayedGeneration, MakesTheSameModelInEveryWay) {
  Job job = MakeJob();
  const std::string expected = DigestOf(job, 1, "one");
  EXPECT_EQ(DigestOf(job, 3, "three"), expected);
  Job other = job;
  other.mutable_cluster()->set_threads(2);
  EXPECT_EQ(DigestOf(other, 2, "threads"), expected);
  other.mutable_cluster()->set_servers(1);
  EXPECT_EQ(DigestOf(other, 3, "servers"), expected);
  other = job;
  other.mutable_train()->set_delay(0);
  EXPECT_NE(DigestOf(other, 1, "undelayed"), expected);

  LocalGeneration stopped(job, tiny_, "stopped", 3);
  stopped.StopWhen([] { return true; });  // At the first boundary of a segment.
  for (const GenerationEnd& end : stopped.Run(3)) ASSERT_TRUE(end.has_stopped());
  const Snapshot snapshot = Snapshot::Open(stopped.latest()).value();
  EXPECT_EQ(snapshot.manifest().position().step(), StepsBetweenRests(job.train().delay()));
  EXPECT_EQ(DigestOf(job, 2, "resumed", stopped.latest()), expected);
}

/// val_top_3_unmasked, from what is served.
double ShareOfTopThree(const Job& job, const Snapshot& snapshot) {
  const Catalogue catalogue = Catalogue::Open(snapshot.manifest(), "").value();
  const ServedModel model = ServedModel::Load(snapshot, &catalogue).value();
  const TrainingData data = TrainingData::Open(job).value();
  double hits = 0;
  std::jthread([&] {
    SetFloatMode();  // Of a thread of its own.
    for (std::uint32_t u = 0; u < data.data.users(); ++u) {
      std::vector<float> scores;
      for (std::uint32_t item = 0; item < data.data.items(); ++item) {
        scores.push_back(model.RawScore(RowId{u}, RowId{item}));
      }
      for (std::uint64_t s = data.data.user_offsets()[u]; s < data.data.user_offsets()[u + 1];
           ++s) {
        if (!data.split.is_validation(s)) continue;
        const float own = scores[Index(data.data.item_column()[s])];
        hits += std::ranges::count_if(scores, [own](float score) { return score >= own; }) <= 3;
      }
    }
  }).join();
  return hits / static_cast<double>(data.split.validation_count());
}

// Goal: nothing is dropped outside training, and whoever predicts has the bits of validation.
// Method: the validation of the last epoch, the evaluation of its snapshot and the predictions that
// are served from it are the same figures.
void GenerationOf::ExpectRepeatsTheValidation(Job job) {
  const bool ranks = ModelSpec::Make(job)->ranks();
  for (const char* metric : {"val_ndcg_5", "val_ild_5", "val_top_3_unmasked"}) {
    if (ranks) job.mutable_validation()->add_metrics(metric);
  }
  ASSERT_TRUE(ValidateJob(job).ok()) << ValidateJob(job);
  LocalGeneration generation(job, tiny_, "run", 3);
  for (const GenerationEnd& end : generation.Run(3)) ASSERT_TRUE(end.has_finished());
  const Snapshot snapshot = Snapshot::Open(generation.latest()).value();
  const Figures run = FiguresOf(snapshot.manifest().last_metrics()).figures;
  const Evaluation evaluation =
      EvaluateSnapshot({.snapshot = generation.latest(), .data = {}}).value();
  EXPECT_EQ(evaluation.figures, ValidationOf(run));
  const bool rates = PredictsRatings(job);
  EXPECT_EQ(evaluation.figures.size(), (rates ? 3U : 1U) + (ranks ? 3U : 0U));
  EXPECT_EQ(run.Find("train_rmse").has_value(), rates);
  const std::optional<double> top = evaluation.figures.Find("val_top_3_unmasked");
  if (!rates) {
    EXPECT_EQ(ShareOfTopThree(job, snapshot), top);
    return;  // What is served is no rating.
  }

  // Served sums have the user's bias and the mean in them, evaluation's do not: near enough.
  if (ranks) {
    EXPECT_NEAR(ShareOfTopThree(job, snapshot), top.value(), 1e-9);
  }

  const Catalogue catalogue = Catalogue::Open(snapshot.manifest(), "").value();
  const ServedModel model = ServedModel::Load(snapshot, &catalogue).value();
  const TrainingData data = TrainingData::Open(job).value();
  std::vector<ObjectiveSums> sums(job.train().partitions());
  std::jthread([&] {
    SetFloatMode();  // Of a thread of its own.
    for (std::uint32_t u = 0; u < data.data.users(); ++u) {
      const RowId user{u};
      for (std::uint64_t s = data.data.user_offsets()[u]; s < data.data.user_offsets()[u + 1];
           ++s) {
        if (!data.split.is_validation(s)) continue;
        const float raw = model.RawScore(user, data.data.item_column()[s]);
        Observe(model.objective(), raw, data.data.ratings()[s],
                sums[Index(Partitioning(job.train().partitions()).Of(user))]);
      }
    }
  }).join();
  const std::vector<std::string> names = {"val_loss", "val_rmse"};
  EXPECT_EQ(SamplesOf(sums), evaluation.samples);
  for (const Figure& predicted : FiguresOf(sums, names)) {
    EXPECT_EQ(predicted.value, evaluation.figures.Find(predicted.name)) << predicted.name;
  }
}

TEST_P(GenerationOf, EvaluationAndPredictionsRepeatTheValidation) {
  ExpectRepeatsTheValidation(MakeTinyJob(tiny_, 2, GetParam()));
}

// Rows are not what is stored of them.
TEST_P(GenerationOf, WithDenseAdamEvaluationAndPredictionsRepeatTheValidation) {
  Job job = MakeTinyJob(tiny_, 2, GetParam());
  job.mutable_optimizer()->mutable_adam()->set_update(Adam::DENSE);
  job.mutable_train()->set_batch_size(4);
  ExpectRepeatsTheValidation(job);
}

// Goal: popularity is what it says. Method: its rows and its loss against a count of the samples.
TEST_F(GenerationTest, PopularityCountsTheTrainingSamples) {
  const Job job = MakeTinyJob(tiny_, 1, kTinyPopularity);
  LocalGeneration generation(job, tiny_, "run", 3);
  for (const GenerationEnd& end : generation.Run(3)) ASSERT_TRUE(end.has_finished());
  const Snapshot snapshot = Snapshot::Open(generation.latest()).value();
  const ServedModel model = ServedModel::Load(snapshot).value();
  const TrainingData data = TrainingData::Open(job).value();
  std::vector<double> counts(data.data.items());
  for (std::uint64_t s = 0; s < data.data.samples(); ++s) {
    counts[Index(data.data.item_column()[s])] += data.split.is_validation(s) ? 0 : 1;
  }
  const auto samples = static_cast<double>(data.split.training_count());
  double loss = 0;
  for (std::uint32_t item = 0; item < counts.size(); ++item) {
    EXPECT_EQ(model.RawScore(RowId{3}, RowId{item}), static_cast<float>(counts[item]));
    if (counts[item] > 0) loss -= counts[item] * std::log(counts[item] / samples);
  }
  const EpochMetrics& metrics = snapshot.manifest().last_metrics();
  EXPECT_NEAR(metrics.train_loss(), loss / samples, 1e-12);
  EXPECT_GT(metrics.val_loss(), metrics.train_loss());
  EXPECT_FALSE(metrics.has_val_rmse() || metrics.has_val_mae() || metrics.has_train_rmse());
}

TEST(TrainingData, ASplitWithoutValidationSamplesIsRefused) {
  const TinyData tiny;
  DatasetWriter writer =
      DatasetWriter::Create({.folder = tiny.Beside("once"), .has_timestamps = true}).value();
  writer.Append({.users = {0, 1}, .items = {0, 0}, .ratings = {3, 4}, .timestamps = {1, 2}});
  writer.SetUsers(Vocabulary(std::vector<std::int64_t>{1, 2}));
  writer.SetItems(Vocabulary(std::vector<std::int64_t>{1}));
  ASSERT_TRUE(writer.Finish().ok());
  Job job = MakeTinyJob(tiny, 1);
  job.mutable_data()->set_path(tiny.Beside("once"));
  job.mutable_split()->mutable_leave_last_out();
  EXPECT_EQ(TrainingData::Open(job).status(),
            absl::FailedPreconditionError(
                "the split \"leave last out\" leaves no validation sample of once"));
}

/// The ranks 0 and 1 know that rank 2 was lost, and agree on who says so.
void ExpectLost(const std::vector<GenerationEnd>& ends, std::uint32_t speaker = 0) {
  ASSERT_EQ(ends.size(), 2U);
  for (const GenerationEnd& end : ends) {
    ASSERT_TRUE(end.has_lost()) << TextOf(end);
    EXPECT_EQ(end.lost().rank(), 2U);
    EXPECT_EQ(end.lost().host(), "localhost");
    EXPECT_EQ(end.speaker(), speaker);
    EXPECT_THAT(TextOf(end), StartsWith("rank 2 on localhost was lost: "));
  }
}

// Goal: nothing of the leader's part is rank 0's. Method: the last of three leads.
TEST_P(GenerationOf, AnyRankCanLead) {
  const Job job = MakeTinyJob(tiny_, 2, GetParam());
  const std::string expected = DigestOf(job, 1, "one");
  LocalGeneration generation(job, tiny_, "led", 3);
  generation.LedBy(2);
  for (const GenerationEnd& end : generation.Run(3)) {
    EXPECT_TRUE(end.has_finished()) << TextOf(end);
    EXPECT_EQ(end.speaker(), 2U);
  }
  EXPECT_EQ(generation.Digest(), expected);
  EXPECT_EQ(generation.verdict().value().cause, EndCause::kFinished);
}

TEST_F(GenerationTest, WhereTheLeaderIsLostTheNextOneSaysSo) {
  LocalGeneration generation(MakeTinyJob(tiny_, 2), tiny_, "run", 3);
  generation.LedBy(2);
  const std::jthread leader([&] { generation.Connect(2, {})->Close(); });
  ExpectLost(generation.Run(2));
  EXPECT_FALSE(generation.verdict().ok()) << "only the leader has the run folder";
}

TEST_F(GenerationTest, ARankThatLeavesBeforeItJoinsEndsTheOthers) {
  LocalGeneration generation(MakeTinyJob(tiny_, 2), tiny_, "run", 3);
  const std::jthread leaver([&] { generation.Connect(2, {})->Close(); });
  ExpectLost(generation.Run(2));
}

// What its own launcher gave a rank is nothing that the user wrote, though the others refuse it.
TEST_F(GenerationTest, ARankThatTheOthersDoNotKnowIsNoErrorOfTheUser) {
  Job job = MakeTinyJob(tiny_, 2);
  job.mutable_cluster()->set_timeout_seconds(1);
  LocalGeneration generation(job, tiny_, "run", 2);
  generation.Estrange(1);
  const GenerationEnd end = generation.Run(2).back();
  ASSERT_TRUE(end.has_failed()) << TextOf(end);
  EXPECT_THAT(TextOf(end), HasSubstr("connecting to rank 0 at "));
  EXPECT_EQ(VerdictOf(end).exit_code, kExitFailed);
}

// Goal: ranks that wait for rows of a lost one do not wait for ever.
// Method: rank 2 plays a member until it is told to train, and leaves then.
TEST_F(GenerationTest, ARankThatLeavesInMidStepEndsTheOthers) {
  LocalGeneration generation(MakeTinyJob(tiny_, 2), tiny_, "run", 3);
  const std::jthread leaver([&] {
    ControlLink link(3);
    Mesh::Handlers handlers;
    handlers.on_message = [&](int from, const Message& message) {
      if (message.kind != FrameKind::kControl) return;
      EXPECT_TRUE(link.Deliver(from, ParseControl(from, message).value()).ok());
    };
    const std::unique_ptr<Mesh> mesh = generation.Connect(2, std::move(handlers));
    for (;;) {
      const absl::StatusOr<Envelope> envelope = link.Await(0);
      ASSERT_TRUE(envelope.ok() && envelope->has_command());
      if (!envelope->command().has_set_up()) break;
      Envelope answer;
      answer.mutable_reply()->set_sequence(envelope->command().sequence());
      SendControl(*mesh, 0, answer);
    }
    mesh->Close();
  });
  ExpectLost(generation.Run(2));
}

// A member's mistake reaches the user through the coordinator, with its rank.
TEST_F(GenerationTest, AMemberThatCannotSetUpEndsTheJobWithItsReason) {
  const Job job = MakeTinyJob(tiny_, 2);
  LocalGeneration generation(job, tiny_, "run", 3);
  const std::jthread failing([&] {
    ControlLink link(3);
    Mesh::Handlers handlers;
    handlers.on_message = [&](int from, const Message& message) {
      EXPECT_TRUE(link.Deliver(from, ParseControl(from, message).value()).ok());
    };
    const std::unique_ptr<Mesh> mesh = generation.Connect(2, std::move(handlers));
    const absl::StatusOr<Envelope> set_up = link.Await(0);
    ASSERT_TRUE(set_up.ok());
    Envelope noticed;
    *noticed.mutable_end() = FailedBy(absl::FailedPreconditionError("rank 2: no such folder"), 0);
    SendControl(*mesh, 0, noticed);
    const absl::StatusOr<Envelope> last = link.Await(0);
    ASSERT_TRUE(last.ok());
    EXPECT_TRUE(last->end().has_failed());
    mesh->Close();
  });
  for (const GenerationEnd& end : generation.Run(2)) {
    EXPECT_EQ(StatusOf(end), absl::FailedPreconditionError("rank 2: no such folder"));
    EXPECT_EQ(end.speaker(), 0U);
  }
  EXPECT_EQ(generation.verdict().value(), (Verdict{.exit_code = kExitUserInput,
                                                   .cause = EndCause::kFailed,
                                                   .text = "rank 2: no such folder"}));
}

// Goal: a rank whose connections live, and of which nothing is heard, does not hold the others up.
// Method: rank 2 takes whatever it is sent, and answers nothing.
TEST_F(GenerationTest, ARankThatTellsNothingIsLostAndToldSo) {
  Job job = MakeTinyJob(tiny_, 2);
  job.mutable_cluster()->set_progress_timeout_seconds(1);
  LocalGeneration generation(job, tiny_, "run", 3);
  std::promise<GenerationEnd> told;
  bool is_told = false;
  const std::jthread silent([&] {
    Mesh::Handlers handlers;
    handlers.on_message = [&](int from, const Message& message) {
      const Envelope envelope = ParseControl(from, message).value();
      // The leader tells it twice: as soon as it knows, and as its last word.
      if (envelope.has_end() && !std::exchange(is_told, true)) told.set_value(envelope.end());
    };
    std::promise<void> left;
    handlers.on_left = [&](int peer) {
      if (peer == 0) left.set_value();
    };
    const std::unique_ptr<Mesh> mesh = generation.Connect(2, std::move(handlers));
    left.get_future().wait();
    mesh->Close();
  });
  ExpectLost(generation.Run(2));
  const GenerationEnd end = told.get_future().get();
  EXPECT_TRUE(end.lost().hung());
  EXPECT_EQ(end.lost().rank(), 2U);
  EXPECT_EQ(end.lost().how(), "it has not told for 1 s what it does");
  EXPECT_EQ(generation.verdict().value().cause, EndCause::kLost);
}

// Goal: a follower that the leader calls hung ends, though its compute thread might not hear of it.
// Method: the test is the leader.
TEST_F(GenerationTest, AFollowerThatIsToldThatItHangsEndsItsProcess) {
  LocalGeneration generation(MakeTinyJob(tiny_, 2), tiny_, "run", 2);
  generation.LedBy(1);
  std::promise<GenerationEnd> ended;
  generation.OnHang([&](const GenerationEnd& end) { ended.set_value(end); });
  const std::jthread leader([&] {
    const std::unique_ptr<Mesh> mesh = generation.Connect(1, {});
    Envelope last;
    last.mutable_end()->set_speaker(1);
    last.mutable_end()->mutable_lost()->set_rank(0);
    last.mutable_end()->mutable_lost()->set_hung(true);
    SendControl(*mesh, 0, last);
    mesh->Close();
  });
  const std::vector<GenerationEnd> ends = generation.Run(1);
  EXPECT_TRUE(ends[0].lost().hung());
  EXPECT_EQ(ended.get_future().get().speaker(), 1U);
}

TEST_F(GenerationTest, MoreRanksThanPartitionsAreRefusedBeforeAnybodyWorks) {
  Job job = MakeTinyJob(tiny_, 2);
  job.mutable_train()->set_partitions(2);
  LocalGeneration generation(job, tiny_, "run", 3);
  for (const GenerationEnd& end : generation.Run(3)) {
    EXPECT_EQ(StatusOf(end).code(), absl::StatusCode::kInvalidArgument) << TextOf(end);
    EXPECT_EQ(end.speaker(), 0U);
  }
}

}  // namespace
}  // namespace cf::generation_test
