// Goal: the loss of a rating in double precision is the one that training observes.

#include "serving/point_loss.h"

#include <gtest/gtest.h>

namespace cf::point_loss_test {
namespace {

std::vector<Objective> Objectives() {
  std::vector<Objective> all;
  for (const Objective::Link link : {Objective::Link::kIdentity, Objective::Link::kStandardized,
                                     Objective::Link::kSigmoid, Objective::Link::kScaledSigmoid}) {
    all.push_back({.link = link, .rating_min = 1, .rating_range = 4, .rating_deviation = 1.25F});
  }
  Objective cross_entropy = all[2];
  cross_entropy.loss = Objective::Loss::kCrossEntropy;
  all.push_back(cross_entropy);
  return all;
}

TEST(PointLoss, IsWhatTrainingObserves) {
  for (const Objective& objective : Objectives()) {
    for (const float raw : {-9.0F, -1.5F, 0.0F, 0.25F, 4.0F, 12.0F}) {
      for (const float rating : {1.0F, 2.5F, 5.0F}) {
        ObjectiveSums sums;
        const auto slope = static_cast<double>(Observe(objective, raw, rating, sums));
        const PointLoss loss =
            LossAt(objective, static_cast<double>(raw), static_cast<double>(rating));
        EXPECT_NEAR(loss.value, sums.loss, 1e-6 * (1 + sums.loss));
        EXPECT_NEAR(loss.slope, slope, 1e-6 * (1 + std::abs(slope)));
      }
    }
  }
}

TEST(PointLoss, SlopesAndCurvaturesAreDerivatives) {
  constexpr double kStep = 1e-5;
  for (const Objective& objective : Objectives()) {
    // Where the target is met, nothing is left out of the curvature of squared errors.
    const double met = objective.link == Objective::Link::kIdentity       ? 3.0
                       : objective.link == Objective::Link::kStandardized ? 3.0 / 1.25
                                                                          : 0.0;
    const auto at = [&](double raw) { return LossAt(objective, raw, 3); };
    for (const double raw : {met, met + 0.5}) {
      EXPECT_NEAR(at(raw).slope, (at(raw + kStep).value - at(raw - kStep).value) / (2 * kStep),
                  1e-8);
    }
    EXPECT_NEAR(at(met).curvature, (at(met + kStep).slope - at(met - kStep).slope) / (2 * kStep),
                1e-8);
    EXPECT_GE(at(met + 30).curvature, 0);
  }
}

}  // namespace
}  // namespace cf::point_loss_test
