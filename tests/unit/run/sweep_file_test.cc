// Goal: a sweep's file means what it says, or is refused with the place and the reason; a made one
// has the same bytes everywhere. Method: small texts against a small configuration.

#include "run/sweep_file.h"

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/files.h"
#include "common/config/config.h"
#include "run/sweep_make.h"

namespace cf::sweep_file_test {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using ::testing::StartsWith;

Job Base() {
  return ParseJob(
             "model { matrix_factorization {} } split { random {} } optimizer { adam { beta1: 0.8 "
             "} }",
             "base")
      .value();
}

Sweep Parse(const std::string& text) {
  absl::StatusOr<Sweep> sweep = ParseSweep(text, "f", Base());
  EXPECT_TRUE(sweep.ok()) << sweep.status();
  return sweep.ok() ? *std::move(sweep) : Sweep();
}

std::string ParseError(const std::string& text) {
  const absl::StatusOr<Sweep> sweep = ParseSweep(text, "f", Base());
  if (sweep.ok()) return "accepted";
  EXPECT_EQ(sweep.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(sweep.status().message().find('\n'), absl::string_view::npos) << "one line";
  return std::string(sweep.status().message());
}

std::vector<std::string> Names(const Sweep& sweep) {
  std::vector<std::string> names;
  for (const SweepJob& job : sweep.jobs) names.push_back(job.name);
  return names;
}

TEST(ParseSweep, AColumnIsAFieldPathAlone) {
  for (const char* const header : {"data.path=", "train.epochs=3", "\"data.path \""}) {
    const std::string error = ParseError(std::string(header) + ",train.seed\n1,2\n");
    EXPECT_THAT(error, StartsWith("f:1: ")) << header;
  }
  EXPECT_EQ(ParseError("data.path=,train.seed\n1,2\n"),
            "f:1: data.path=: expected a field path alone");
}

TEST(ParseSweep, ALineIsAJob) {
  const Sweep sweep = Parse(
      "optimizer.adam.learning_rate,model.matrix_factorization.dim\n"
      "1e-3,64\n"
      "0.01,128\n");
  EXPECT_THAT(sweep.labels, ElementsAre("learning_rate", "dim"));
  EXPECT_THAT(Names(sweep),
              ElementsAre("learning_rate=0.001_dim=64", "learning_rate=0.01_dim=128"));
  const SweepJob& job = sweep.jobs[1];
  EXPECT_EQ(job.line, 3);
  EXPECT_THAT(job.values, ElementsAre("0.01", "128"));
  EXPECT_EQ(job.job.optimizer().adam().learning_rate(), 0.01);
  EXPECT_EQ(job.job.model().matrix_factorization().dim(), 128U);
  EXPECT_EQ(job.job.optimizer().adam().beta1(), 0.8) << "the configuration's";
  EXPECT_EQ(job.job.optimizer().adam().beta2(), 0.999) << "the schema's";
}

TEST(ParseSweep, TakesWhatEditorsAndSpreadsheetsMake) {
  const Sweep sweep = Parse(
      "\xEF\xBB\xBF# a comment, with commas\r\n"
      "\r\n"
      "\"train.seed\", split \r\n"
      "  # another\r\n"
      "\"1\",\"{ global_time { fraction: .2 } }\"\r\n"
      ",\r\n"
      "2,\r\n"
      "3,{given{}}");
  ASSERT_THAT(sweep.jobs, SizeIs(3));
  EXPECT_EQ(sweep.jobs[0].line, 5);
  EXPECT_EQ(sweep.jobs[0].job.split().global_time().fraction(), 0.2);
  EXPECT_EQ(sweep.jobs[1].line, 7);
  EXPECT_TRUE(sweep.jobs[1].job.split().has_random()) << "an empty cell changes nothing";
  EXPECT_TRUE(sweep.jobs[2].job.split().has_given());
}

TEST(ParseSweep, NamesComeFromTheValuesAlone) {
  const std::string header = "train.seed,kernels.target,cluster.interface\n";
  const Sweep sweep = Parse(header + "1,AVX2,eth0\n2,,\n");
  EXPECT_THAT(Names(sweep), ElementsAre("seed=1_target=AVX2_interface=eth0", "seed=2"));
  const Sweep other_order = Parse(header + "# more\n3,,\n2,,\n1,AVX2,eth0\n");
  EXPECT_EQ(other_order.jobs[1].name, sweep.jobs[1].name);
  EXPECT_EQ(other_order.jobs[2].name, sweep.jobs[0].name);
}

TEST(ParseSweep, NamesOfFieldsThatEndAlikeHaveTheWholePath) {
  EXPECT_THAT(Names(Parse("model.seed,train.seed,train.epochs\n1,2,3\n")),
              ElementsAre("model.seed=1_train.seed=2_epochs=3"));
}

TEST(ParseSweep, NamesAreSafeShortAndDifferent) {
  const Sweep sweep = Parse("cluster.interface\n../x\n..-x\n" + std::string(200, 'a') + "\n" +
                            std::string(201, 'a') + "\n");
  EXPECT_THAT(sweep.jobs[0].name, StartsWith("interface=..-x-"));
  EXPECT_EQ(sweep.jobs[1].name, "interface=..-x");
  std::set<std::string> names;
  for (const std::string& name : Names(sweep)) {
    EXPECT_LE(name.size(), 100U);
    EXPECT_EQ(name.find('/'), std::string::npos);
    names.insert(name);
  }
  EXPECT_THAT(names, SizeIs(4));
  // A folder that was made yesterday is found tomorrow, by another build too.
  EXPECT_EQ(sweep.jobs[0].name, "interface=..-x-92692d2d40616b52");
}

TEST(ParseSweep, TwoKindsMayTakeTurns) {
  const Sweep sweep =
      Parse("optimizer.adam.learning_rate,optimizer.sgd.learning_rate\n0.1,\n,0.1\n");
  EXPECT_TRUE(sweep.jobs[0].job.optimizer().has_adam());
  EXPECT_TRUE(sweep.jobs[1].job.optimizer().has_sgd());
  EXPECT_THAT(Names(sweep),
              ElementsAre("optimizer.adam.learning_rate=0.1", "optimizer.sgd.learning_rate=0.1"));
}

TEST(ParseSweep, ALayerGoesByItsNumber) {
  Job base = Base();
  base.mutable_model()->mutable_ranker()->add_dense()->set_units(8);
  base.mutable_model()->mutable_ranker()->add_dense();
  const absl::StatusOr<Sweep> sweep =
      ParseSweep("model.ranker.dense.0.units,train.seed\n64,1\n,2\n", "f", base);
  ASSERT_TRUE(sweep.ok()) << sweep.status();
  EXPECT_THAT(Names(*sweep), ElementsAre("units=64_seed=1", "seed=2"));
  EXPECT_EQ(sweep->jobs[0].job.model().ranker().dense(0).units(), 64U);
  EXPECT_EQ(sweep->jobs[1].job.model().ranker().dense(0).units(), 8U);
  EXPECT_EQ(ParseSweep("model.ranker.dense.2.units\n64\n", "f", base).status().message(),
            "f:2: model.ranker.dense.2.units: no \"2\" in dense, of which there are 2, numbered "
            "from 0");
}

TEST(ParseSweep, ErrorsSayWhereAndWhatWasExpected) {
  const std::vector<std::pair<std::string, std::string>> wrong = {
      {"",
       "f: no jobs; expected a header line of field paths, such as "
       "optimizer.adam.learning_rate,train.seed, and a line for each job"},
      {"\n# nothing\n",
       "f: no jobs; expected a header line of field paths, such as "
       "optimizer.adam.learning_rate,train.seed, and a line for each job"},
      {"train.seed\n", "f: no jobs; expected a line for each under the header"},
      {"train.seed,,train.epochs\n1,2,3\n", "f:1: column 2 has no name; expected a field path"},
      {"\n\ntrain.sed\n1\n", "f:3: train.sed: no field \"sed\" in Train; did you mean \"seed\"?"},
      {"train.seed.x\n1\n", "f:1: train.seed.x: seed is a value and has no fields"},
      {"train.seed,train.epochs,train.seed\n1,2,3\n", "f:1: train.seed has two columns"},
      {"data.path\nx\n", "f:1: data.path: a sweep has one data set, which --data DIR names"},
      {"cluster.threads\n2\n",
       "f:1: cluster.threads: it does not change a result, and --threads sets it"},
      {"train.seed\n1\nx\n",
       "f:3: train.seed: expected a whole number from 0 to 18446744073709551615, not \"x\""},
      {"train.seed\n1\n-1\n",
       "f:3: train.seed: expected a whole number from 0 to 18446744073709551615, not \"-1\""},
      {"kernels.target\nSSE\n", "f:2: kernels.target: expected BEST, AVX2 or AVX512, not \"SSE\""},
      {"split\ngiven\n", "f:2: split: expected the fields of Split in braces, not \"given\""},
      {"train.epochs\n0\n", "f:2: train.epochs is 0; expected at least 1"},
      {"model.matrix_factorization.loss\nBCE\n",
       "f:2: model.matrix_factorization.link is IDENTITY; expected SIGMOID, as loss is BCE"},
      {"train.seed,train.epochs\n1\n", "f:2: 1 cell; expected 2, as the header has"},
      {"train.seed\n1,2\n", "f:2: 2 cells; expected 1, as the header has"},
      {"train.seed\n\"1\n", "f:2: a quote is not closed"},
      {"optimizer.adam.learning_rate\n0.001\n0.01\n1e-3\n", "f:4: repeats line 2"},
      {"optimizer.adam.beta1,train.seed\n,1\n0.8,1\n", "f:3: repeats line 2"},
      {"optimizer.adam.beta1,optimizer.sgd.learning_rate\n0.8,0.1\n",
       "f:2: optimizer.adam.beta1 and optimizer.sgd.learning_rate exclude each other; expected one "
       "of the cells to be empty"},
  };
  for (const auto& [text, error] : wrong) EXPECT_EQ(ParseError(text), error);
}

TEST(ParseSweep, HasALimit) {
  std::string text = "train.seed\n";
  for (std::size_t k = 0; k <= kSweepJobsMax; ++k) text += std::to_string(k) + "\n";
  EXPECT_EQ(ParseError(text), "f:10002: more than 10000 jobs");
}

class SweepFolder : public ::testing::Test {
 protected:
  SweepFolder()
      : folder_(::testing::TempDir() + "sweep_file_" + std::to_string(::getpid()) + "_" +
                ::testing::UnitTest::GetInstance()->current_test_info()->name()) {
    std::filesystem::create_directories(folder_);
  }
  ~SweepFolder() override { std::filesystem::remove_all(folder_); }

  std::string folder_;
};

TEST_F(SweepFolder, ReadsAFile) {
  const std::string path = folder_ + "/jobs.csv";
  std::ofstream(path) << "train.seed\n7\n";
  const absl::StatusOr<Sweep> sweep = ReadSweep(path, Base());
  ASSERT_TRUE(sweep.ok()) << sweep.status();
  EXPECT_EQ(sweep->jobs[0].job.train().seed(), 7U);

  EXPECT_TRUE(absl::IsNotFound(ReadSweep(folder_ + "/none.csv", Base()).status()));
  EXPECT_THAT(std::string(ReadSweep(folder_, Base()).status().message()),
              EndsWith(": a folder; expected a file of jobs"));
}

TEST_F(SweepFolder, AFileIsNeverReplaced) {
  const std::string path = folder_ + "/jobs.csv";
  EXPECT_TRUE(WriteNewFile(path, "first").ok());
  const absl::Status again = WriteNewFile(path, "second");
  EXPECT_EQ(again.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(std::string(again.message()), EndsWith("jobs.csv is there already; choose another "
                                                     "name, or remove it"));
  EXPECT_EQ(ReadFile(path).value(), "first");
}

std::string Make(const SweepMakeOptions& options) {
  const absl::StatusOr<std::string> text = MakeSweep(options, "f", Base());
  return text.ok() ? *text : "error: " + std::string(text.status().message());
}

std::vector<std::string> LinesOf(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

TEST(MakeSweep, AllCombinationsTheFirstFieldSlowest) {
  EXPECT_EQ(Make({.specs = {"optimizer.adam.learning_rate=0.001,0.01",
                            "model.matrix_factorization.dim=16,32,64"}}),
            "# all combinations: optimizer.adam.learning_rate=0.001,0.01 "
            "model.matrix_factorization.dim=16,32,64\n"
            "optimizer.adam.learning_rate,model.matrix_factorization.dim\n"
            "0.001,16\n0.001,32\n0.001,64\n0.01,16\n0.01,32\n0.01,64\n");
}

TEST(MakeSweep, RandomJobsAreTheSameEverywhere) {
  EXPECT_EQ(Make({.specs = {"optimizer.adam.learning_rate=log:1e-4..1e-2",
                            "optimizer.adam.beta2=0.9..0.999",
                            "model.matrix_factorization.dim=log:8..256", "train.seed=0..99",
                            "model.matrix_factorization.biases=true,false"},
                  .random = 6,
                  .seed = 7}),
            "# random, seed 7: optimizer.adam.learning_rate=log:1e-4..1e-2 "
            "optimizer.adam.beta2=0.9..0.999 model.matrix_factorization.dim=log:8..256 "
            "train.seed=0..99 model.matrix_factorization.biases=true,false\n"
            "optimizer.adam.learning_rate,optimizer.adam.beta2,model.matrix_factorization.dim,"
            "train.seed,model.matrix_factorization.biases\n"
            "0.0002237,0.9593,8,0,true\n"
            "0.0001083,0.9054,49,43,true\n"
            "0.001352,0.9752,10,37,true\n"
            "0.0002622,0.9231,12,82,false\n"
            "0.001366,0.9567,76,18,true\n"
            "0.005766,0.9626,21,25,true\n");
}

TEST(MakeSweep, MoreJobsBeginWithTheSameOnesAndASeedChangesAll) {
  SweepMakeOptions options = {.specs = {"train.seed=0..1000000"}, .random = 5};
  const std::vector<std::string> five = LinesOf(Make(options));
  options.random = 50;
  const std::vector<std::string> fifty = LinesOf(Make(options));
  ASSERT_THAT(fifty, SizeIs(52));
  EXPECT_TRUE(std::equal(five.begin(), five.end(), fifty.begin()));
  options.seed = 43;
  const std::vector<std::string> other = LinesOf(Make(options));
  for (std::size_t k = 2; k < 52; ++k) EXPECT_NE(other[k], fifty[k]);
}

TEST(MakeSweep, RandomNumbersKeepToTheirRangeAndReachItsEnds) {
  const std::vector<std::string> lines =
      LinesOf(Make({.specs = {"model.matrix_factorization.dim=log:3..6"}, .random = 4}));
  EXPECT_EQ(std::set<std::string>(lines.begin() + 2, lines.end()),
            (std::set<std::string>{"3", "4", "5", "6"}));

  // Rounding to four digits would leave this range at both ends.
  const std::vector<std::string> reals =
      LinesOf(Make({.specs = {"optimizer.adam.beta1=0.12341..0.12359"}, .random = 3}));
  EXPECT_EQ(std::set<std::string>(reals.begin() + 2, reals.end()),
            (std::set<std::string>{"0.12341", "0.1235", "0.12359"}));
  // All numbers that there are.
  EXPECT_THAT(LinesOf(Make({.specs = {"train.seed=0..18446744073709551615"}, .random = 3})),
              SizeIs(5));
}

TEST(MakeSweep, ErrorsNameTheFieldAndWhatWasExpected) {
  const std::vector<std::pair<SweepMakeOptions, std::string>> wrong = {
      {{}, "--make: expected at least one FIELD=VALUES, such as train.seed=1,2,3"},
      {{.specs = {"train.seed"}}, "train.seed: expected FIELD=VALUES, such as train.seed=1,2,3"},
      {{.specs = {"train.sed=1"}}, "train.sed: no field \"sed\" in Train; did you mean \"seed\"?"},
      {{.specs = {"train.seed="}},
       "train.seed=: expected values, such as 0.001,0.01, or a range such as 1..8"},
      {{.specs = {"train.seed=1,,2"}},
       "train.seed=1,,2: expected values, such as 0.001,0.01, or a range such as 1..8"},
      {{.specs = {"train.seed=1,2,1"}}, "train.seed=1,2,1: 1 is there twice"},
      {{.specs = {"train.seed=1", "train.seed=2"}}, "train.seed=2: the field is there twice"},
      {{.specs = {"train.seed=1..8"}},
       "train.seed=1..8: a range needs --random N; all combinations need lists, such as 1,2,4"},
      {{.specs = {"train.seed=log:5"}, .random = 1}, "train.seed=log:5: expected log:LOW..HIGH"},
      {{.specs = {"train.seed=1..x"}, .random = 1},
       "train.seed=1..x: expected whole numbers as the ends of the range"},
      {{.specs = {"train.seed=.5..2"}, .random = 1},
       "train.seed=.5..2: expected whole numbers as the ends of the range"},
      {{.specs = {"optimizer.adam.beta1=0..nan"}, .random = 1},
       "optimizer.adam.beta1=0..nan: expected numbers as the ends of the range"},
      {{.specs = {"train.seed=8..1"}, .random = 1},
       "train.seed=8..1: expected the smaller end of the range first"},
      {{.specs = {"train.seed=log:0..1"}, .random = 1},
       "train.seed=log:0..1: a logarithmic range begins above 0"},
      {{.specs = {"kernels.target=AVX2..AVX512"}, .random = 1},
       "kernels.target=AVX2..AVX512: a range is for numbers; expected a list of values"},
      {{.specs = {"train.seed=1..5"}, .random = 6},
       "--random 6: the values allow only 5 different jobs, or few more; expected fewer jobs or "
       "more values"},
      {{.specs = {"train.seed=1..5"}, .random = 10001},
       "--random 10001: expected at most 10000 jobs"},
      {{.specs = {"train.epochs=1,0"}}, "f:4: train.epochs is 0; expected at least 1"},
      {{.specs = {"train.epochs=1,one"}},
       "f:4: train.epochs: expected a whole number from 0 to 4294967295, not \"one\""},
  };
  for (const auto& [options, error] : wrong) EXPECT_EQ(Make(options), "error: " + error);

  std::string many = "train.seed=0";
  for (int k = 1; k < 200; ++k) many += "," + std::to_string(k);
  std::string more = "model.seed" + many.substr(many.find('='));
  EXPECT_THAT(Make({.specs = {many, more}}), HasSubstr("more than 10000 combinations"));
}

}  // namespace
}  // namespace cf::sweep_file_test
