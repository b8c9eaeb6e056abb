#include "coordinator/training_data.h"

#include <string>

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include "common/base/check.h"
#include "common/config/config.h"
#include "common/dataset/import.h"
#include "tests/unit/dataset/test_files.h"

namespace cf::training_data_test {
namespace {

// There is nothing to learn of them, and no link has a scale.
TEST(TrainingData, RatingsThatAreAllEqualAreRefusedWhateverTheLink) {
  const TestFolder folder;
  const auto made = Import({.ratings = {folder.Write("r.csv", "user,item,rating\n1,1,3\n2,2,3\n")},
                            .out = folder.Path("d")});
  ASSERT_TRUE(made.ok()) << made.status();
  for (const std::string model :
       {"matrix_factorization {}", "matrix_factorization { link: STANDARDIZED }",
        "matrix_factorization { link: SIGMOID mean: false }",
        "ranker { dense {} link: STANDARDIZED }"}) {
    Job job;
    Check(google::protobuf::TextFormat::ParseFromString("model { " + model + " }", &job),
          "the test's job parses");
    job.mutable_data()->set_path(folder.Path("d"));
    FillDefaults(job);
    const absl::Status refused = TrainingData::Open(job).status();
    EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition) << model;
    EXPECT_THAT(std::string(refused.message()),
                testing::AllOf(testing::HasSubstr("all training ratings are 3"),
                               testing::HasSubstr("a model of ratings learns nothing")));
  }
}

}  // namespace
}  // namespace cf::training_data_test
