#include "common/features/rating_biases.h"

#include <cmath>
#include <cstdint>
#include <map>
#include <vector>

#include <gtest/gtest.h>

#include "common/config/config.h"
#include "tests/unit/worker/tiny_data.h"

namespace cf::rating_biases_test {
namespace {

struct Rating {
  std::uint32_t user = 0;
  std::uint32_t item = 0;
  double value = 0;
};

class RatingBiasesTest : public ::testing::Test {
 protected:
  RatingBiasesTest() {
    for (std::uint32_t user = 0; user < data_.users(); ++user) {
      for (std::uint64_t s = data_.user_offsets()[user]; s < data_.user_offsets()[user + 1]; ++s) {
        (split_.is_validation(s) ? validation_ : training_)
            .push_back({user, static_cast<std::uint32_t>(data_.item_column()[s]),
                        static_cast<double>(data_.ratings()[s])});
      }
    }
    for (const Rating& rating : training_) mean_ += rating.value;
    mean_ /= static_cast<double>(training_.size());
  }

  static Split RandomSplit() {
    Split split;
    split.mutable_random()->set_fraction(0.2);
    split.mutable_random()->set_seed(42);
    return split;
  }

  TinyData tiny_;
  const Dataset data_ = Dataset::Open(tiny_.path()).value();
  const DataSplit split_ = DataSplit::Make(data_, RandomSplit()).value();
  std::vector<Rating> training_;
  std::vector<Rating> validation_;
  double mean_ = 0;
};

// Method: the damped means once more, by lists of ratings.
TEST_F(RatingBiasesTest, TheRmseIsThatOfThreeSweepsOfDampedMeans) {
  std::map<std::uint32_t, double> users;
  std::map<std::uint32_t, double> items;
  for (int sweep = 0; sweep < 3; ++sweep) {
    std::map<std::uint32_t, std::vector<double>> of_items;
    for (const Rating& r : training_) of_items[r.item].push_back(r.value - mean_ - users[r.user]);
    for (const auto& [item, rests] : of_items) {
      items[item] = 0;
      for (const double rest : rests) items[item] += rest / (static_cast<double>(rests.size()) + 3);
    }
    std::map<std::uint32_t, std::vector<double>> of_users;
    for (const Rating& r : training_) of_users[r.user].push_back(r.value - mean_ - items[r.item]);
    for (const auto& [user, rests] : of_users) {
      users[user] = 0;
      for (const double rest : rests) users[user] += rest / (static_cast<double>(rests.size()) + 5);
    }
  }
  const RatingBiases found = FitRatingBiases(data_, split_, mean_);
  EXPECT_EQ(FitItemBiases(data_, split_, mean_), found.items);
  for (const bool validation : {true, false}) {
    const std::vector<Rating>& samples = validation ? validation_ : training_;
    double squares = 0;
    for (const Rating& r : samples) {
      squares += std::pow(r.value - mean_ - users[r.user] - items[r.item], 2);
    }
    EXPECT_NEAR(RmseOfBiases(data_, split_, mean_, found.items, validation),
                std::sqrt(squares / static_cast<double>(samples.size())), 1e-9);
  }
}

class StartingBiasesTest : public RatingBiasesTest {
 protected:
  /// What a model predicts that starts with these biases and has vectors of zeros.
  static double Predicted(const Objective& objective, const RatingBiases& start, std::uint32_t user,
                          std::uint32_t item) {
    const float raw = RawSum(objective, static_cast<float>(start.users[user]),
                             static_cast<float>(start.items[item]), 0);
    return static_cast<double>(PredictedRating(objective, raw));
  }
};

TEST_F(StartingBiasesTest, ASumPredictsWhatTheBiasesDo) {
  const RatingBiases alone = FitRatingBiases(data_, split_, mean_);
  const auto mean = static_cast<float>(mean_);
  for (const Objective& objective :
       {Objective{}, Objective{.mean = mean},
        Objective{.link = Objective::Link::kStandardized, .rating_deviation = 1.25F},
        Objective{.link = Objective::Link::kStandardized,
        .mean = mean / 1.25F,
        .rating_deviation = 1.25F}}) {
    const RatingBiases start = BiasesOfRawSum(alone, objective);
    EXPECT_NEAR(Predicted(objective, start, 3, 5), alone.mean + alone.users[3] + alone.items[5],
                1e-5);
  }
}

TEST_F(StartingBiasesTest, BehindASigmoidEachBiasPredictsWhatItDoesAlone) {
  const Objective sigmoid = {
      .link = Objective::Link::kSigmoid, .rating_min = 0.5F, .rating_range = 4.5F};
  const RatingBiases alone = {.mean = 3.5, .users = {0, -0.5}, .items = {0, 0.75, 90}};
  const RatingBiases start = BiasesOfRawSum(alone, sigmoid);
  EXPECT_NEAR(Predicted(sigmoid, start, 0, 0), 3.5, 1e-5);
  EXPECT_NEAR(Predicted(sigmoid, start, 1, 0), 3.0, 1e-5);
  EXPECT_NEAR(Predicted(sigmoid, start, 0, 1), 4.25, 1e-5);
  EXPECT_NEAR(Predicted(sigmoid, start, 0, 2), 0.5 + 0.98 * 4.5, 1e-5);  // Not off the scale.
}

}  // namespace
}  // namespace cf::rating_biases_test
