#include "common/kernels/kernels.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/math/random.h"
#include "tests/unit/kernels/kernels_fixture.h"
#include "tests/unit/kernels/slow_kernels.h"

namespace cf::kernels_test {
namespace {

using slow::BitsOf;
using ::testing::Each;
using ::testing::ElementsAre;

constexpr std::uint32_t kUsersTouched = 7;
constexpr std::uint32_t kItemsTouched = 5;

Objective MakeObjective(Objective::Link link, Objective::Loss loss) {
  return {.link = link,
          .loss = loss,
          .mean = link == Objective::Link::kIdentity ? 3.53F : 0.0F,
          .rating_min = 0.5F,
          .rating_range = 4.5F,
          .inverse_batch = 1.0F / 24};
}

const Objective kObjectives[] = {
    MakeObjective(Objective::Link::kIdentity, Objective::Loss::kSquared),
    MakeObjective(Objective::Link::kSigmoid, Objective::Loss::kSquared),
    MakeObjective(Objective::Link::kScaledSigmoid, Objective::Loss::kSquared),
    MakeObjective(Objective::Link::kSigmoid, Objective::Loss::kCrossEntropy)};

/// A minibatch with rows and gradients of its own. Nothing is aligned, every row is touched, and
/// the gradients start as NaN: whatever is read before it is written shows.
struct TestBatch {
  TestBatch(std::size_t n, std::uint64_t stream)
      : user_floats(Draw(stream, kUsersTouched * (n + 1) + 1)),
        item_floats(Draw(stream + 1, kItemsTouched * (n + 1) + 1)),
        user_gradients(kUsersTouched * (n + 3) + 1, std::numeric_limits<float>::quiet_NaN()),
        item_gradients(kItemsTouched * (n + 3) + 1, std::numeric_limits<float>::quiet_NaN()) {
    for (std::size_t k = 0; k < kUsersTouched; ++k)
      user_rows.push_back(user_floats.data() + 1 + k * (n + 1));
    for (std::size_t k = 0; k < kItemsTouched; ++k)
      item_rows.push_back(item_floats.data() + 1 + k * (n + 1));
    const CounterRandom random(7, Purpose::kSynth, stream);
    std::vector<bool> user_seen(kUsersTouched);
    std::vector<bool> item_seen(kItemsTouched);
    for (std::uint32_t s = 0; s < 24; ++s) {
      const std::uint32_t user =
          s < kUsersTouched ? s : static_cast<std::uint32_t>(random.Below(s, kUsersTouched));
      const std::uint32_t item =
          s < kItemsTouched ? s : static_cast<std::uint32_t>(random.Below(s + 100, kItemsTouched));
      samples.push_back({.user = user & 0x7fffffffU,
                         .user_is_first = user_seen[user] ? 0U : 1U,
                         .item = item & 0x7fffffffU,
                         .item_is_first = item_seen[item] ? 0U : 1U,
                         .rating = 0.5F * static_cast<float>(1 + random.Below(s + 200, 10))});
      user_seen[user] = true;
      item_seen[item] = true;
    }
    batch = {.samples = samples,
             .user_rows = user_rows.data(),
             .item_rows = item_rows.data(),
             .user_gradients = user_gradients.data() + 1,
             .item_gradients = item_gradients.data() + 1,
             .gradient_stride = n + 3,
             .padded_dim = n};
  }
  TestBatch(const TestBatch&) = delete;
  TestBatch& operator=(const TestBatch&) = delete;

  std::vector<float> user_floats;
  std::vector<float> item_floats;
  std::vector<float> user_gradients;
  std::vector<float> item_gradients;
  std::vector<const float*> user_rows;
  std::vector<const float*> item_rows;
  std::vector<PairSample> samples;
  PairBatch batch;
};

TEST_P(KernelsTest, DotHasTheBitsOfSixteenLanesAndOneTree) {
  for (const std::size_t n : kSizes) {
    for (const std::size_t offset : {0U, 1U, 5U}) {
      const std::vector<float> a = Draw(n, n + offset);
      const std::vector<float> b = Draw(n + 1, n + offset);
      const float dot = kernels_->dot(a.data() + offset, b.data(), n);
      const float expected = slow::Dot(a.data() + offset, b.data(), n);
      EXPECT_EQ(std::bit_cast<std::uint32_t>(dot), std::bit_cast<std::uint32_t>(expected)) << n;
    }
  }
}

TEST_P(KernelsTest, AddGradientAddsTheVectorAndTheBiasAndNoMore) {
  for (const std::size_t n : kSizes) {
    std::vector<float> a = Draw(n, n + 3);
    const std::vector<float> b = Draw(n + 1, n + 3);
    std::vector<float> expected = a;
    for (std::size_t k = 1; k < n + 2; ++k) expected[k] += b[k];
    kernels_->add_gradient(a.data() + 1, b.data() + 1, n);
    EXPECT_EQ(BitsOf(a), BitsOf(expected)) << n;
  }
}

TEST_P(KernelsTest, PairGradientStartsGradientsOverGarbageAndAddsInTheOrderOfTheSamples) {
  for (const std::size_t n : kSizes) {
    for (const Objective& objective : kObjectives) {
      TestBatch fast(n, n);
      TestBatch slow(n, n);
      ObjectiveSums fast_sums{.loss = 1, .squared_error = 2, .absolute_error = 3, .samples = 4};
      ObjectiveSums slow_sums = fast_sums;
      kernels_->pair_gradient(fast.batch, objective, fast_sums);
      slow::PairGradient(slow.batch, objective, slow_sums);
      EXPECT_EQ(BitsOf(fast_sums), BitsOf(slow_sums));
      EXPECT_EQ(BitsOf(fast.user_gradients), BitsOf(slow.user_gradients)) << n;
      EXPECT_EQ(BitsOf(fast.item_gradients), BitsOf(slow.item_gradients)) << n;
      for (std::size_t k = 0; k < kUsersTouched; ++k) {
        const std::span gradient(fast.batch.user_gradients + k * fast.batch.gradient_stride, n + 1);
        EXPECT_TRUE(std::ranges::all_of(gradient, [](float g) { return std::isfinite(g); }));
      }
    }
  }
}

TEST_P(KernelsTest, UsersGradientsMayBeginAtALaterEntry) {
  constexpr std::uint32_t kFirst = 3;
  TestBatch from_zero(16, 16);
  TestBatch later(16, 16);
  for (PairSample& sample : later.samples) sample.user = (sample.user + kFirst) & 0x7fffffffU;
  later.user_rows.insert(later.user_rows.begin(), kFirst, nullptr);
  later.batch.user_rows = later.user_rows.data();
  later.batch.first_user = kFirst;
  ObjectiveSums from_zero_sums;
  ObjectiveSums later_sums;
  kernels_->pair_gradient(from_zero.batch, kObjectives[0], from_zero_sums);
  kernels_->pair_gradient(later.batch, kObjectives[0], later_sums);
  EXPECT_EQ(BitsOf(later_sums), BitsOf(from_zero_sums));
  EXPECT_EQ(BitsOf(later.user_gradients), BitsOf(from_zero.user_gradients));
  EXPECT_EQ(BitsOf(later.item_gradients), BitsOf(from_zero.item_gradients));
}

TEST_P(KernelsTest, PairScoreHasTheFiguresOfPairGradient) {
  for (const std::size_t n : kSizes) {
    for (const Objective& objective : kObjectives) {
      TestBatch test(n, n);
      ObjectiveSums scored;
      ObjectiveSums trained;
      kernels_->pair_score(test.batch, objective, scored);
      EXPECT_THAT(test.user_gradients, Each(::testing::IsNan())) << "scoring writes no gradient";
      kernels_->pair_gradient(test.batch, objective, trained);
      EXPECT_EQ(BitsOf(scored), BitsOf(trained)) << n;
    }
  }
}

// Goal: what is not summed changes no bit. Method: the same batch with sums for everybody.
TEST_P(KernelsTest, UsersWithOneSampleNeedNoSum) {
  for (const float clip_norm : {0.0F, 0.3F}) {
    for (const std::size_t n : kSizes) {
      TestBatch summed(n, 20);
      TestBatch direct(n, 20);
      // Each user once, two of them twice.
      for (TestBatch* test : {&summed, &direct}) {
        test->batch.samples = test->batch.samples.first(kUsersTouched + 2);
      }
      std::vector<std::uint8_t> has_one(kUsersTouched);
      for (std::size_t user = 0; user < has_one.size(); ++user) {
        has_one[user] = std::ranges::count_if(
                            direct.batch.samples,
                            [user](const PairSample& sample) { return sample.user == user; }) == 1;
      }
      ASSERT_THAT(has_one, testing::Contains(1));
      std::vector<RowGradient> gradients(kUsersTouched);
      for (std::size_t user = 0; user < has_one.size(); ++user) {
        gradients[user].sum = direct.batch.user_gradients + user * direct.batch.gradient_stride;
      }
      direct.batch.user_has_one = has_one.data();
      direct.batch.one_gradients = gradients.data();
      ObjectiveSums summed_sums;
      ObjectiveSums direct_sums;
      kernels_->pair_gradient(summed.batch, kObjectives[0], summed_sums);
      kernels_->pair_gradient(direct.batch, kObjectives[0], direct_sums);
      EXPECT_EQ(BitsOf(summed_sums), BitsOf(direct_sums));

      OptimizerStep step = MakeStep(OptimizerStep::Kind::kAdam, n);
      step.clip_norm = clip_norm;
      TestRows summed_rows(OptimizerStep::Kind::kAdam, n);
      TestRows direct_rows(OptimizerStep::Kind::kAdam, n);
      for (std::size_t user = 0; user < has_one.size(); ++user) {
        summed_rows.updates[user].gradient = {.sum = summed.batch.user_gradients +
                                                     user * summed.batch.gradient_stride};
        direct_rows.updates[user].gradient = gradients[user];
      }
      kernels_->update_rows(step, std::span(summed_rows.updates).first(kUsersTouched), nullptr);
      kernels_->update_rows(step, std::span(direct_rows.updates).first(kUsersTouched), nullptr);
      EXPECT_EQ(BitsOf(summed_rows.rows), BitsOf(direct_rows.rows)) << n;
    }
  }
}

TEST_P(KernelsTest, ScoreRowsIsOneDotARow) {
  constexpr std::size_t kRows = 41;  // More than twice as many as are taken together.
  for (const std::size_t n : kSizes) {
    const std::size_t stride = n + 3;
    const std::vector<float> query = Draw(1, n + 1);
    const std::vector<float> rows = Draw(2, kRows * stride + 1);
    std::vector<float> scores(kRows + 1, 77.0F);
    kernels_->score_rows(query.data() + 1, rows.data() + 1, stride, kRows, n, scores.data());
    std::vector<float> expected;
    for (std::size_t r = 0; r < kRows; ++r)
      expected.push_back(slow::Dot(query.data() + 1, rows.data() + 1 + r * stride, n));
    expected.push_back(77.0F);
    EXPECT_EQ(BitsOf(scores), BitsOf(expected)) << n;
  }
}

TEST_P(KernelsTest, AnEmptyBatchChangesNothing) {
  ObjectiveSums sums{.loss = 1, .squared_error = 2, .absolute_error = 3, .samples = 4};
  kernels_->pair_gradient(PairBatch{}, kObjectives[0], sums);
  kernels_->pair_score(PairBatch{}, kObjectives[0], sums);
  kernels_->update_rows(MakeStep(OptimizerStep::Kind::kAdam, 16), {}, nullptr);
  EXPECT_EQ(sums.loss, 1);
  EXPECT_EQ(sums.samples, 4U);
}

/// The loss of a batch as the formulas say it, in double with the library's functions: independent
/// of everything above. `users` and `items` are rows of n weights and a bias.
double LossOf(const TestBatch& test, const Objective& objective, const std::vector<double>& users,
              const std::vector<double>& items, std::size_t n) {
  double loss = 0;
  for (const PairSample& sample : test.samples) {
    const double* user = users.data() + sample.user * (n + 1);
    const double* item = items.data() + sample.item * (n + 1);
    double raw = user[n] + item[n] + static_cast<double>(objective.mean);
    for (std::size_t k = 0; k < n; ++k) raw += user[k] * item[k];
    const double share = 1 / (1 + std::exp(-raw));
    const auto rating = static_cast<double>(sample.rating);
    const double target = (rating - 0.5) / 4.5;
    if (objective.loss == Objective::Loss::kCrossEntropy) {
      loss -= target * std::log(share) + (1 - target) * std::log(1 - share);
    } else if (objective.link == Objective::Link::kIdentity) {
      loss += (raw - rating) * (raw - rating);
    } else if (objective.link == Objective::Link::kSigmoid) {
      loss += (share - target) * (share - target);
    } else {
      loss += std::pow(0.5 + 4.5 * share - rating, 2);
    }
  }
  return loss / 24;
}

TEST_P(KernelsTest, GradientsAreTheDerivativesOfTheLoss) {
  constexpr std::size_t kDim = 16;
  constexpr double kStep = 1e-5;
  for (const Objective& objective : kObjectives) {
    TestBatch test(kDim, 3);
    ObjectiveSums sums;
    kernels_->pair_gradient(test.batch, objective, sums);
    std::vector<double> users(test.user_floats.begin() + 1, test.user_floats.end());
    std::vector<double> items(test.item_floats.begin() + 1, test.item_floats.end());
    EXPECT_NEAR(sums.loss / 24, LossOf(test, objective, users, items, kDim), 1e-5);
    const auto check = [&](std::vector<double>& weights, const float* gradients) {
      for (std::size_t k = 0; k < weights.size(); ++k) {
        const double w = weights[k];
        weights[k] = w + kStep;
        const double above = LossOf(test, objective, users, items, kDim);
        weights[k] = w - kStep;
        const double below = LossOf(test, objective, users, items, kDim);
        weights[k] = w;
        const float* gradient =
            gradients + k / (kDim + 1) * test.batch.gradient_stride + k % (kDim + 1);
        EXPECT_NEAR(static_cast<double>(*gradient), (above - below) / (2 * kStep), 2e-6) << k;
      }
    };
    check(users, test.batch.user_gradients);
    check(items, test.batch.item_gradients);
  }
}

/// FNV-1a over bits, the lowest byte first.
std::uint64_t HashOf(std::span<const float> values) {
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const std::uint32_t bits : BitsOf(values)) {
    for (int shift = 0; shift < 32; shift += 8)
      hash = (hash ^ (bits >> shift & 0xffU)) * 0x100000001b3U;
  }
  return hash;
}

// Whoever changes these on purpose raises kArithmeticVersion with them: snapshots of before would
// continue to another digest.
TEST_P(KernelsTest, GoldenBits) {
  std::vector<std::uint64_t> hashes;
  for (const Objective& objective : kObjectives) {
    TestBatch test(48, 9);
    ObjectiveSums sums;
    kernels_->pair_gradient(test.batch, objective, sums);
    std::vector<float> all(test.user_gradients.begin() + 1, test.user_gradients.end());
    all.insert(all.end(), test.item_gradients.begin() + 1, test.item_gradients.end());
    std::erase_if(all, [](float g) { return std::isnan(g); });  // Between the gradients.
    hashes.push_back(HashOf(all));
  }
  EXPECT_THAT(hashes, ElementsAre(8075530016358191433U, 8285673325339777032U, 11618544182529378877U,
                                  8799750084945435872U));
  hashes.clear();
  for (const OptimizerStep::Kind kind : kKinds) {
    TestRows test(kind, 48);
    for (int repeat = 0; repeat < 3; ++repeat)
      kernels_->update_rows(MakeStep(kind, 48), test.updates, nullptr);
    hashes.push_back(HashOf(test.rows));
  }
  EXPECT_THAT(hashes,
              ElementsAre(13705091123014997953U, 15572517351826413907U, 540285152310238471U));
}

// A moment that has decayed to a denormal must be zero at every width, in vectors and in biases.
TEST_P(KernelsTest, DenormalsAreZeroOnAThreadThatComputes) {
  const float denormal = std::numeric_limits<float>::min() / 4;
  std::vector<float> tiny(17, denormal);
  float dot = 1;
  std::jthread([&] {
    SetFloatMode();
    const std::vector<float> large(17, 1e30F);
    dot = kernels_->dot(tiny.data(), large.data(), 16);
    kernels_->add_gradient(tiny.data(), tiny.data(), 16);
  }).join();
  EXPECT_EQ(dot, 0.0F);
  EXPECT_THAT(BitsOf(tiny), Each(0U));
}

INSTANTIATE_TEST_SUITE_P(Targets, KernelsTest, kKernelTargets, NameOfKernelTarget);

TEST(Kernels, TheTargetsAgreeBitForBit) {
  const absl::StatusOr<const KernelSet*> wide = KernelsFor(KernelTarget::kAvx512);
  if (!wide.ok()) GTEST_SKIP() << wide.status();
  const KernelSet* const narrow = KernelsFor(KernelTarget::kAvx2).value();
  ASSERT_STRNE(narrow->name, (*wide)->name);
  for (const std::size_t n : kSizes) {
    TestBatch a(n, 50);
    TestBatch b(n, 50);
    ObjectiveSums a_sums;
    ObjectiveSums b_sums;
    narrow->pair_gradient(a.batch, kObjectives[3], a_sums);
    (*wide)->pair_gradient(b.batch, kObjectives[3], b_sums);
    EXPECT_EQ(BitsOf(a.user_gradients), BitsOf(b.user_gradients));
    EXPECT_EQ(BitsOf(a.item_gradients), BitsOf(b.item_gradients));
    EXPECT_EQ(BitsOf(a_sums), BitsOf(b_sums));
    for (const OptimizerStep::Kind kind : kKinds) {
      TestRows a_rows(kind, n);
      TestRows b_rows(kind, n);
      OptimizerStep step = MakeStep(kind, n);
      narrow->update_rows(step, a_rows.updates, nullptr);
      (*wide)->update_rows(step, b_rows.updates, nullptr);
      EXPECT_EQ(BitsOf(a_rows.rows), BitsOf(b_rows.rows));
      step.clip_norm = 0.2F;
      narrow->update_rows(step, a_rows.updates, nullptr);
      (*wide)->update_rows(step, b_rows.updates, nullptr);
      EXPECT_EQ(BitsOf(a_rows.rows), BitsOf(b_rows.rows));
    }
  }
}

TEST(Kernels, TheBestTargetIsTheWidest) {
  const KernelSet* const best = KernelsFor(KernelTarget::kBest).value();
  const absl::StatusOr<const KernelSet*> wide = KernelsFor(KernelTarget::kAvx512);
  EXPECT_STREQ(best->name, wide.ok() ? "AVX512" : "AVX2");
}

}  // namespace
}  // namespace cf::kernels_test
