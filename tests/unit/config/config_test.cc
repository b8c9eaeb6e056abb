#include "common/config/config.h"

#include <fstream>
#include <limits>
#include <vector>

#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include "tests/support/temporary_folder.h"

namespace cf::config_test {
namespace {

using google::protobuf::util::MessageDifferencer;

/// The error of reading `text` as the file "f".
std::string ParseError(const std::string& text) {
  const absl::StatusOr<Job> job = ParseJob(text, "f");
  if (job.ok()) return "accepted: " + job->ShortDebugString();
  EXPECT_EQ(job.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(job.status().message().find('\n'), absl::string_view::npos) << "one line";
  return std::string(job.status().message());
}

TEST(ParseJob, ReadsWhatTheTextSaysAndNothingMore) {
  const absl::StatusOr<Job> job = ParseJob(
      "# a comment\n"
      "train { epochs: 3, seed: 18446744073709551615 }\n"
      "optimizer < sgd { learning_rate: 1e-3 } >\n"
      "data { path: 'ratings' } kernels { target: AVX2 }",
      "f");
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_EQ(job->train().epochs(), 3U);
  EXPECT_FALSE(job->train().has_batch_size());
  EXPECT_EQ(job->train().seed(), std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(job->optimizer().sgd().learning_rate(), 0.001);
  EXPECT_EQ(job->data().path(), "ratings");
  EXPECT_EQ(job->kernels().target(), Kernels::AVX2);
  EXPECT_FALSE(job->has_model());
}

TEST(ParseJob, AcceptsAByteOrderMark) {
  const absl::StatusOr<Job> job = ParseJob("\xEF\xBB\xBFtrain { epochs: 3 }", "f");
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_EQ(job->train().epochs(), 3U);
}

TEST(ParseJob, PointsAtAnUnknownFieldAndSuggestsTheNearest) {
  EXPECT_EQ(ParseError("optimizer {\n  adam { lerning_rate: 1 }\n}"),
            R"(f:2:10: no field "lerning_rate" in Adam; did you mean "learning_rate"?)");
  EXPECT_EQ(ParseError("trian {}"), R"(f:1:1: no field "trian" in Job; did you mean "train"?)");
  EXPECT_EQ(
      ParseError("optimizer { adam { decay: 1 } }"),
      R"(f:1:20: no field "decay" in Adam; expected learning_rate, beta1, beta2, epsilon or update)");
  EXPECT_EQ(ParseError("split { given { fraction: .1 } }"),
            R"(f:1:17: no field "fraction" in GivenSplit, which has none)");
  EXPECT_EQ(ParseError("\xEF\xBB\xBFtrian {}"),
            R"(f:1:1: no field "trian" in Job; did you mean "train"?)");
}

TEST(ParseJob, PointsAtAValueAndSaysWhatIsExpected) {
  EXPECT_EQ(ParseError("train {\n\n  epochs: three\n}"),
            R"(f:3:11: train.epochs: expected a whole number from 0 to 4294967295, not "three")");
  EXPECT_EQ(ParseError("train { epochs: 3.5 }"),
            R"(f:1:17: train.epochs: expected a whole number from 0 to 4294967295, not "3.5")");
  EXPECT_EQ(ParseError("train { epochs: -3 }"),
            R"(f:1:17: train.epochs: expected a whole number from 0 to 4294967295, not "-3")");
  EXPECT_EQ(
      ParseError("train { epochs: 4294967296 }"),
      R"(f:1:17: train.epochs: expected a whole number from 0 to 4294967295, not "4294967296")");
  EXPECT_EQ(
      ParseError("train { seed: \"x\" }"),
      R"(f:1:15: train.seed: expected a whole number from 0 to 18446744073709551615, not "x")");
  EXPECT_EQ(ParseError("optimizer { adam { beta1: high beta2: 1 } }"),
            R"(f:1:27: optimizer.adam.beta1: expected a number, not "high")");
  EXPECT_EQ(ParseError("optimizer { adam { beta1: -high } }"),
            R"(f:1:27: optimizer.adam.beta1: expected a number, not "-high")");
  EXPECT_EQ(ParseError("model { matrix_factorization { biases: yes mean: true } }"),
            R"(f:1:40: model.matrix_factorization.biases: expected true or false, not "yes")");
  EXPECT_EQ(
      ParseError("model { matrix_factorization { link: LINEAR } }"),
      "f:1:38: model.matrix_factorization.link: expected IDENTITY, SIGMOID, SCALED_SIGMOID or "
      "STANDARDIZED, not \"LINEAR\"");
  EXPECT_EQ(ParseError("kernels { target: 99 }"),
            R"(f:1:19: kernels.target: expected BEST, AVX2 or AVX512, not "99")");
  EXPECT_EQ(ParseError("data { path: ratings }"),
            R"(f:1:14: data.path: expected a string in quotes, not "ratings")");
  EXPECT_EQ(ParseError("train { epochs:"),
            "f:1:16: train.epochs: expected a whole number from 0 to 4294967295, not the end");
}

TEST(ParseJob, RefusesWhatIsGivenTwice) {
  EXPECT_EQ(ParseError("train { epochs: 1 seed: 2\n epochs: 1 }"),
            "f:2:2: train.epochs is given twice");
  EXPECT_EQ(ParseError("train { }\ntrain { }"), "f:2:1: train is given twice");
  EXPECT_EQ(ParseError("optimizer { adam {} sgd {} }"),
            "f:1:21: optimizer.adam and optimizer.sgd exclude each other");
}

TEST(ParseJob, RefusesWhatIsNoTextproto) {
  EXPECT_EQ(ParseError(""), "f: empty; expected a job");
  EXPECT_EQ(ParseError(" \r\n\t"), "f: empty; expected a job");
  EXPECT_EQ(ParseError("\xEF\xBB\xBF"), "f: empty; expected a job");
  EXPECT_EQ(ParseError("userId,movieId,rating"),
            R"(f:1:1: no field "userId" in Job; expected data, split, model, optimizer, train, )"
            "early_stopping, snapshot, cluster, kernels, validation or storage");
  EXPECT_EQ(ParseError("1,31,2.5"), R"(f:1:1: expected a field of Job, not "1")");
  EXPECT_EQ(ParseError("train { epochs: 1"),
            "f:1:18: expected a field of Train or \"}\", not the end");
  EXPECT_EQ(ParseError("train { epochs: 1 } }"), R"(f:1:21: expected a field of Job, not "}")");
  EXPECT_EQ(ParseError("train { epochs 1 }"), R"(f:1:16: expected ":", found "1")");
  EXPECT_EQ(ParseError("train: 3"),
            R"(f:1:8: train: expected the fields of Train in braces, not "3")");
  EXPECT_EQ(ParseError("data { path: \"x\n }"),
            "f:1:16: string literals cannot cross line boundaries");
  EXPECT_EQ(ParseError(std::string("\x7f"
                                   "ELF\x02\x01\x00\x00",
                                   8)),
            R"(f:1:1: expected a field of Job, not "\177")");
  EXPECT_EQ(ParseError(std::string((1U << 20) + 1, ' ')),
            "f: 1048577 bytes; a job has at most 1048576");
}

TEST(LoadJob, NamesAFileItCannotRead) {
  const TemporaryFolder temporary;
  const std::string& folder = temporary.path();
  const absl::Status missing = LoadJob(folder + "/none").status();
  EXPECT_EQ(missing.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(missing.message(), folder + "/none: No such file or directory");
  EXPECT_EQ(LoadJob(folder).status().message(), folder + ": a folder; expected a job file");

  std::ofstream(folder + "/large") << std::string((1U << 20) + 1, ' ');
  EXPECT_EQ(LoadJob(folder + "/large").status().message(),
            folder + "/large: 1048577 bytes; a job has at most 1048576");
  std::ofstream(folder + "/wrong") << "epochs: 3";
  EXPECT_EQ(LoadJob(folder + "/wrong").status().message().substr(0, folder.size() + 11),
            folder + "/wrong:1:1:");
}

TEST(SetField, SetsScalarsOfEveryType) {
  Job job;
  for (const char* assignment :
       {"train.epochs=3", "kernels.target=AVX2", "optimizer.adam.learning_rate=0.01",
        "data.path=data/ml=1m", "model.matrix_factorization.biases=false",
        "train.seed=18446744073709551615", " early_stopping.min_delta = 1e-4 "}) {
    EXPECT_TRUE(SetField(job, assignment).ok()) << SetField(job, assignment);
  }
  const absl::StatusOr<Job> expected = ParseJob(
      "train { epochs: 3 seed: 18446744073709551615 } kernels { target: AVX2 }"
      "optimizer { adam { learning_rate: 0.01 } } data { path: 'data/ml=1m' }"
      "model { matrix_factorization { biases: false } } early_stopping { min_delta: 1e-4 }",
      "f");
  EXPECT_TRUE(MessageDifferencer::Equals(job, *expected)) << PrintJob(job);
}

TEST(SetField, SelectsAKind) {
  Job job;
  job.mutable_optimizer()->mutable_adam()->set_beta1(.5);
  job.mutable_optimizer()->mutable_schedule()->set_warm_up_steps(10);
  ASSERT_TRUE(SetField(job, "optimizer.sgd.learning_rate=0.5").ok());
  EXPECT_EQ(job.optimizer().kind_case(), Optimizer::kSgd);
  EXPECT_EQ(job.optimizer().schedule().warm_up_steps(), 10U);
  ASSERT_TRUE(SetField(job, "split.given={}").ok());
  EXPECT_TRUE(job.split().has_given());
  ASSERT_TRUE(SetField(job, "optimizer={schedule { cosine { epochs: 5 } }}").ok());
  EXPECT_EQ(job.optimizer().schedule().cosine().epochs(), 5U);
  EXPECT_EQ(job.optimizer().sgd().learning_rate(), .5) << "braces add to what is there";
}

TEST(SetField, NamesThePathAndLeavesTheJobAlone) {
  Job job;
  job.mutable_optimizer()->mutable_adam();
  const auto error = [&job](const std::string& assignment) {
    const Job before = job;
    const absl::Status status = SetField(job, assignment);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_TRUE(MessageDifferencer::Equals(job, before));
    return std::string(status.message());
  };
  EXPECT_EQ(error("train.epochs"),
            R"("train.epochs": expected FIELD=VALUE, such as train.epochs=3)");
  EXPECT_EQ(error("train.epoch=3"),
            R"(train.epoch: no field "epoch" in Train; did you mean "epochs"?)");
  EXPECT_EQ(error("trains.epochs=3"),
            R"(trains.epochs: no field "trains" in Job; did you mean "train"?)");
  EXPECT_EQ(error("=3").substr(0, 20), R"(: no field "" in Job)");
  EXPECT_EQ(error("train.epochs.x=3"), "train.epochs.x: epochs is a value and has no fields");
  EXPECT_EQ(error("train.epochs=x"),
            R"(train.epochs: expected a whole number from 0 to 4294967295, not "x")");
  EXPECT_EQ(error("train.epochs=3 } data {"),
            R"(train.epochs: expected a whole number from 0 to 4294967295, not "3 } data {")");
  EXPECT_EQ(error("train.epochs="),
            R"(train.epochs: expected a whole number from 0 to 4294967295, not "")");
  EXPECT_EQ(error("kernels.target=SSE"),
            R"(kernels.target: expected BEST, AVX2 or AVX512, not "SSE")");
  EXPECT_EQ(error("optimizer.sgd=0.1"),
            R"(optimizer.sgd: expected the fields of Sgd in braces, not "0.1")");
  EXPECT_EQ(error("optimizer.sgd={rate: 1}"),
            R"(optimizer.sgd: no field "rate" in Sgd; expected learning_rate)");
  EXPECT_EQ(error("optimizer.sgd={learning_rate: x}"),
            R"(optimizer.sgd.learning_rate: expected a number, not "x")");
}

TEST(PrintJob, ReadsBackTheSameBits) {
  Job job;
  double number = 1.0 / 3;
  for (int k = 0; k < 200; ++k, number *= 1.7e-3) {
    job.mutable_early_stopping()->set_min_delta(number);
    job.mutable_train()->set_seed(~std::uint64_t{0} - static_cast<std::uint64_t>(k));
    job.mutable_data()->set_path("tab\t \"quote\" \xC3\xA9");
    const absl::StatusOr<Job> again = ParseJob(PrintJob(job), "f");
    ASSERT_TRUE(again.ok()) << again.status();
    EXPECT_TRUE(MessageDifferencer::Equals(job, *again)) << PrintJob(job);
  }
  job.Clear();
  job.mutable_optimizer()->mutable_adam()->set_learning_rate(0.001);
  EXPECT_EQ(PrintJob(job), "optimizer {\n  adam {\n    learning_rate: 0.001\n  }\n}\n");
}

}  // namespace
}  // namespace cf::config_test
