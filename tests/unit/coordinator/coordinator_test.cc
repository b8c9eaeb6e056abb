#include "coordinator/coordinator.h"

#include <array>
#include <filesystem>
#include <functional>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <absl/strings/str_cat.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "coordinator/lasting_error.h"
#include "tests/unit/coordinator/tiny_job.h"

namespace cf::coordinator_test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

/// Keeps the figures of epochs, and remarks.
class Learned final : public JobObserver {
 public:
  absl::Status EpochMeasured(const FinishedEpoch& epoch) override {
    epochs.push_back(epoch.figures);
    return absl::OkStatus();
  }

  absl::Status Remarked(const std::string& line) override {
    remarks.push_back(line);
    return absl::OkStatus();
  }

  std::vector<EpochFigures> epochs;
  std::vector<std::string> remarks;
};

/// A coordinator whose members are a function.
class CoordinatorTest : public ::testing::Test {
 protected:
  /// Figures of every partition, as one member that works through all of them would answer.
  static Reply Figures(double loss) {
    Reply reply;
    for (std::uint32_t p = 0; p < 8; ++p) {
      PartitionFigures& figures = *reply.add_figures();
      figures.set_partition(p);
      figures.set_loss(loss);
      figures.set_samples(50);
    }
    return reply;
  }

  /// Runs the job with `answer` in place of the members.
  absl::StatusOr<Verdict> Run(const std::function<absl::StatusOr<Reply>(const Command&)>& answer) {
    absl::StatusOr<Coordinator> coordinator = Coordinator::Open(
        {.job = job_,
         .generation = 1,
         .folder = &folder_,
         .data = &data_,
         .snapshot = nullptr,
         .observer = &observer_,
         .execute = [&](const Command& command) -> absl::StatusOr<std::vector<Reply>> {
           commands_.push_back(command);
           absl::StatusOr<Reply> reply = answer(command);
           if (!reply.ok()) return reply.status();
           if (command.has_write()) reply->set_snapshot_written(true);
           return std::vector<Reply>{*std::move(reply)};
         },
         .stop_requested = [] { return false; }});
    if (!coordinator.ok()) return coordinator.status();
    return coordinator->Run();
  }

  TinyData tiny_;
  Job job_ = MakeTinyJob(tiny_, 2);
  TrainingData data_ = TrainingData::Open(job_).value();
  RunFolder folder_ = RunFolder::Create(tiny_.Beside("run")).value();
  Learned observer_;
  std::vector<Command> commands_;
};

TEST_F(CoordinatorTest, TrainsAnEpochInSegmentsThatMeet) {
  EXPECT_FALSE(Run([](const Command& command) -> absl::StatusOr<Reply> {
                 if (command.has_train()) return Figures(1.0);
                 return absl::UnavailableError("rank 1 was lost");
               }).ok());
  ASSERT_GE(commands_.size(), 2U);
  std::uint64_t next = 0;
  for (std::size_t k = 0; k + 1 < commands_.size(); ++k) {
    ASSERT_TRUE(commands_[k].has_train());
    EXPECT_EQ(commands_[k].train().epoch(), 0U);
    EXPECT_EQ(commands_[k].train().first_leg(), next);
    EXPECT_EQ(commands_[k].train().steps_per_epoch(), 7U);
    next = commands_[k].train().last_leg();
  }
  EXPECT_EQ(next, 7U);
  EXPECT_TRUE(commands_.back().has_penalty());
}

// Not that of the step that comes next, which is another epoch's.
TEST_F(CoordinatorTest, AnEpochHasTheRateOfItsLastStep) {
  job_.mutable_optimizer()->mutable_schedule()->mutable_step()->set_every_epochs(1);
  job_.mutable_optimizer()->mutable_schedule()->mutable_step()->set_decay(0.5);
  EXPECT_FALSE(Run([](const Command&) { return Figures(1.0); }).ok()) << "nobody writes row files";
  ASSERT_EQ(observer_.epochs.size(), 1U);
  EXPECT_EQ(observer_.epochs[0].figures.Find("learning_rate"), 0.02);
}

// Rows stay changed until a manifest that names their files is committed.
TEST_F(CoordinatorTest, MembersAreNotToldOfASnapshotThatWasNotCommitted) {
  const absl::Status status = Run([](const Command&) { return Figures(1.0); }).status();
  EXPECT_THAT(std::string(status.message()), HasSubstr("committing a snapshot"));
  ASSERT_FALSE(commands_.empty());
  EXPECT_TRUE(commands_.back().has_write());
}

TEST_F(CoordinatorTest, AMembersErrorEndsTheRun) {
  EXPECT_EQ(Run([](const Command&) { return absl::UnavailableError("rank 1 was lost"); }).status(),
            absl::UnavailableError("rank 1 was lost"));
}

TEST_F(CoordinatorTest, ALossThatIsNotFiniteEndsTheRunBeforeAnySnapshot) {
  const absl::Status status = Run([](const Command&) {
                                return Figures(std::numeric_limits<double>::quiet_NaN());
                              }).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kAborted);
  EXPECT_THAT(std::string(status.message()), HasSubstr("lower the learning rate"));
  for (const Command& command : commands_) EXPECT_FALSE(command.has_write());
}

/// A reply that names rows by table, as members find them.
Reply NotFinite(const std::vector<std::pair<std::uint32_t, std::uint32_t>>& rows) {
  Reply reply;
  for (const auto& [table, row] : rows) {
    reply.add_not_finite()->set_table(table);
    reply.mutable_not_finite(reply.not_finite_size() - 1)->set_row(row);
  }
  return reply;
}

TEST_F(CoordinatorTest, ALossThatIsNotFiniteNamesStepAndTables) {
  const absl::Status status = Run([](const Command& command) {
                                return command.has_find_not_finite()
                                           ? NotFinite({{1, 30}, {0, 7}, {1, 12}})
                                           : Figures(std::numeric_limits<double>::infinity());
                              }).status();
  EXPECT_EQ(status, LastingError("not finite by step 4: the training loss, row 7 of table "
                                 "users, row 12 of table items; lower the learning rate "
                                 "(no snapshot yet)"));
}

/// The figures of a segment in which a member refused gradients: {table, count, step, row}.
Reply Refusing(Reply reply, const std::vector<std::array<std::uint32_t, 4>>& refused) {
  for (const auto& [table, count, step, row] : refused) {
    RefusedGradients& of_table = *reply.add_refused();
    of_table.set_table(table);
    of_table.set_count(count);
    of_table.set_step(step);
    of_table.set_row(row);
  }
  return reply;
}

// Goal: the first step counts, and in it the first table; nothing that was trained since is kept.
TEST_F(CoordinatorTest, ARefusedGradientEndsTheRunBeforeAnySnapshot) {
  const absl::Status status =
      Run([](const Command&) {
        return Refusing(Figures(1.0), {{1, 2, 3, 12}, {0, 1, 3, 7}, {0, 9, 4, 1}});
      }).status();
  EXPECT_EQ(status, LastingError(absl::StrCat(
                        "rank 0 refused the gradient of row 7 of table users (raw id ",
                        data_.data.user_raw_id(RowId{7}),
                        ") in step 4, which is not finite; lower the learning rate, or set "
                        "optimizer.on_bad_gradient=SKIP (no snapshot yet)")));
  for (const Command& command : commands_) EXPECT_FALSE(command.has_write());
}

TEST_F(CoordinatorTest, SkippedGradientsAreCountedAndSaidOnce) {
  job_.mutable_optimizer()->set_on_bad_gradient(Optimizer::SKIP);
  const auto answer = [](const Command& command) -> absl::StatusOr<Reply> {
    if (!command.has_train() || command.train().last_leg() < 7) return Figures(1.0);
    // What was skipped may have had any loss.
    return Refusing(Figures(std::numeric_limits<double>::infinity()),
                    {{1, 2, 3, 12}, {0, 1, 5, 7}});
  };
  EXPECT_FALSE(Run(answer).ok()) << "nobody writes row files";
  ASSERT_EQ(observer_.remarks.size(), 2U);
  EXPECT_THAT(observer_.remarks[0],
              AllOf(StartsWith("rank 0 refused the gradient of row 12 of table items (raw id "),
                    HasSubstr(" in step 4, which is not finite; such gradients are skipped")));
  EXPECT_EQ(observer_.remarks[1], "epoch 1: 3 gradients were skipped");
  ASSERT_EQ(observer_.epochs.size(), 1U);
}

TEST_F(CoordinatorTest, ARefusedGradientOfATableThatIsNotThereIsRefused) {
  const absl::Status status = Run([](const Command&) {
                                return Refusing(Figures(1.0), {{2, 1, 0, 0}});
                              }).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
}

// Goal: no snapshot has a weight that is not finite, though every loss was.
TEST_F(CoordinatorTest, ARowThatIsNotFiniteIsNotCommitted) {
  const absl::Status status = Run([](const Command& command) {
                                return command.has_write() ? NotFinite({{1, 12}}) : Figures(1.0);
                              }).status();
  EXPECT_EQ(status, LastingError("not finite by step 7: row 12 of table items; lower the "
                                 "learning rate (no snapshot yet)"));
  EXPECT_FALSE(std::filesystem::exists(folder_.snapshots_path() + "/latest"));
}

TEST_F(CoordinatorTest, ARowOfATableThatIsNotThereIsRefused) {
  const absl::Status status = Run([](const Command& command) {
                                return command.has_write() ? NotFinite({{2, 1}}) : Figures(1.0);
                              }).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
}

TEST_F(CoordinatorTest, FiguresOfAPartitionThatIsNotThereAreRefused) {
  const absl::Status status = Run([](const Command&) {
                                Reply reply = Figures(1.0);
                                reply.mutable_figures(3)->set_partition(8);
                                return reply;
                              }).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
}

TEST_F(CoordinatorTest, APenaltyOfAPartitionThatIsNotThereIsRefused) {
  const absl::Status status = Run([](const Command& command) {
                                Reply reply = Figures(1.0);
                                if (command.has_penalty())
                                  reply.mutable_figures(3)->set_partition(1U << 30);
                                return reply;
                              }).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
}

TEST_F(CoordinatorTest, AFileOfAPartitionThatIsNotThereIsRefused) {
  const absl::Status status = Run([](const Command& command) {
                                Reply reply = Figures(1.0);
                                if (command.has_write()) reply.add_files()->set_partition(8);
                                return reply;
                              }).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace cf::coordinator_test
