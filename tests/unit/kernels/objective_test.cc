#include "common/kernels/objective.h"

#include <cmath>

#include <gtest/gtest.h>

namespace cf::objective_test {
namespace {

Objective MakeObjective(Objective::Link link, Objective::Loss loss) {
  return {.link = link,
          .loss = loss,
          .mean = 0,
          .rating_min = 1,
          .rating_range = 4,
          .rating_deviation = 1.5F,
          .inverse_batch = 0.125F};
}

double LossAt(const Objective& objective, float raw, float rating) {
  ObjectiveSums sums;
  Observe(objective, raw, rating, sums);
  return sums.loss;
}

/// The slope that Observe returns is the derivative of the loss that it adds, over the batch. The
/// raw sums are multiples of the difference's step, so that no float is rounded.
void ExpectSlopeIsDerivative(const Objective& objective) {
  constexpr float kStep = 0x1p-12F;
  for (float raw = -6; raw <= 6; raw += 0.375F) {
    for (float rating = 1; rating <= 5; rating += 0.5F) {
      ObjectiveSums sums;
      const float slope = Observe(objective, raw, rating, sums);
      const double derivative =
          (LossAt(objective, raw + kStep, rating) - LossAt(objective, raw - kStep, rating)) /
          static_cast<double>(2 * kStep);
      EXPECT_NEAR(static_cast<double>(slope), derivative / 8, 1e-6) << raw << ", " << rating;
    }
  }
}

TEST(Objective, SlopeOfSquaredErrorWithIdentity) {
  ExpectSlopeIsDerivative(MakeObjective(Objective::Link::kIdentity, Objective::Loss::kSquared));
}

TEST(Objective, SlopeOfSquaredErrorWithSigmoid) {
  ExpectSlopeIsDerivative(MakeObjective(Objective::Link::kSigmoid, Objective::Loss::kSquared));
}

TEST(Objective, SlopeOfSquaredErrorWithScaledSigmoid) {
  ExpectSlopeIsDerivative(
      MakeObjective(Objective::Link::kScaledSigmoid, Objective::Loss::kSquared));
}

TEST(Objective, SlopeOfSquaredErrorInDeviations) {
  ExpectSlopeIsDerivative(MakeObjective(Objective::Link::kStandardized, Objective::Loss::kSquared));
}

TEST(Objective, SlopeOfCrossEntropyWithSigmoid) {
  ExpectSlopeIsDerivative(MakeObjective(Objective::Link::kSigmoid, Objective::Loss::kCrossEntropy));
}

// Errors are on the scale of the ratings whatever the link; the loss on the scale it predicts on.
TEST(Objective, FiguresAreOnTheirScales) {
  ObjectiveSums sums;
  Observe(MakeObjective(Objective::Link::kSigmoid, Objective::Loss::kSquared), 0, 4, sums);
  EXPECT_DOUBLE_EQ(sums.loss, 0.0625);  // 0.5 where 0.75 is right.
  EXPECT_DOUBLE_EQ(sums.squared_error, 1.0);
  EXPECT_DOUBLE_EQ(sums.absolute_error, 1.0);
  Observe(MakeObjective(Objective::Link::kIdentity, Objective::Loss::kSquared), 3, 5, sums);
  EXPECT_DOUBLE_EQ(sums.loss, 4.0625);
  EXPECT_DOUBLE_EQ(sums.squared_error, 5.0);
  EXPECT_DOUBLE_EQ(sums.absolute_error, 3.0);
  EXPECT_EQ(sums.samples, 2U);
  Observe(MakeObjective(Objective::Link::kStandardized, Objective::Loss::kSquared), 4, 3, sums);
  EXPECT_DOUBLE_EQ(sums.loss, 8.0625);  // Two deviations.
  EXPECT_DOUBLE_EQ(sums.squared_error, 14.0);
  EXPECT_DOUBLE_EQ(sums.absolute_error, 6.0);
}

TEST(Objective, CrossEntropyIsFiniteWhereTheSigmoidIsNot) {
  const Objective objective =
      MakeObjective(Objective::Link::kSigmoid, Objective::Loss::kCrossEntropy);
  EXPECT_DOUBLE_EQ(LossAt(objective, 1000, 1), 1000);
  EXPECT_DOUBLE_EQ(LossAt(objective, 1000, 5), 0);
  EXPECT_DOUBLE_EQ(LossAt(objective, -1000, 5), 1000);
}

TEST(Objective, PredictedRatingIsTheLinkOfTheRawSum) {
  const Objective identity = MakeObjective(Objective::Link::kIdentity, Objective::Loss::kSquared);
  EXPECT_EQ(PredictedRating(identity, 7.25F), 7.25F);
  const Objective standardized =
      MakeObjective(Objective::Link::kStandardized, Objective::Loss::kSquared);
  EXPECT_EQ(PredictedRating(standardized, 2), 3.0F);
  const Objective scaled =
      MakeObjective(Objective::Link::kScaledSigmoid, Objective::Loss::kSquared);
  EXPECT_EQ(PredictedRating(scaled, 0), 3.0F);
  EXPECT_EQ(PredictedRating(scaled, 100), 5.0F);
  EXPECT_EQ(PredictedRating(scaled, -100), 1.0F);
}

}  // namespace
}  // namespace cf::objective_test
