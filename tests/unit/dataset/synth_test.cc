#include "common/dataset/synth.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/files.h"
#include "common/dataset/synth_shape.h"
#include "common/math/random.h"

namespace cf::synth_test {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

/// Whether `figure` is within a tenth of what is wanted.
void ExpectNear(double figure, double wanted, const std::string& what) {
  EXPECT_NEAR(figure, wanted, 0.1 * std::abs(wanted)) << what;
}

double MedianOf(std::vector<std::uint32_t> counts) {
  std::sort(counts.begin(), counts.end());
  const std::size_t n = counts.size();
  return 0.5 * (counts[(n - 1) / 2] + counts[n / 2]);
}

/// What the figures of a preset are about.
struct Figures {
  std::uint64_t samples = 0;
  std::vector<std::uint32_t> user_counts;
  std::vector<std::uint32_t> item_counts;
  double mean = 0;
  double deviation = 0;
  double lowest = 10;
  double highest = 0;
};

Figures FiguresOf(const SynthData& data) {
  Figures figures;
  figures.user_counts.resize(data.users.size());
  figures.item_counts.resize(data.items.size());
  double sum = 0.0, squares = 0.0;
  for (const SampleChunk& chunk : data.chunks) {
    for (std::size_t k = 0; k < chunk.users.size(); ++k) {
      ++figures.user_counts[chunk.users[k]];
      ++figures.item_counts[chunk.items[k]];
      const auto rating = static_cast<double>(chunk.ratings[k]);
      sum += rating;
      squares += rating * rating;
      figures.lowest = std::min(figures.lowest, rating);
      figures.highest = std::max(figures.highest, rating);
      ++figures.samples;
    }
  }
  figures.mean = sum / static_cast<double>(figures.samples);
  figures.deviation =
      std::sqrt(squares / static_cast<double>(figures.samples) - figures.mean * figures.mean);
  return figures;
}

/// A number that any change of any sample, or of their order, changes.
std::uint64_t DigestOf(const SynthData& data) {
  std::uint64_t digest = 0;
  const auto add = [&digest](std::uint64_t bits) {
    digest = (digest ^ bits) * 0x9e3779b97f4a7c15U;
    digest ^= digest >> 29;
  };
  for (const SampleChunk& chunk : data.chunks) {
    for (std::size_t k = 0; k < chunk.users.size(); ++k) {
      add(chunk.users[k]);
      add(chunk.items[k]);
      add(std::bit_cast<std::uint32_t>(chunk.ratings[k]));
      add(static_cast<std::uint64_t>(chunk.timestamps[k]));
    }
  }
  for (const ItemText& text : data.texts) {
    for (const char c : text.title + text.genres) add(static_cast<std::uint8_t>(c));
  }
  return digest;
}

SynthData Make(const SynthOptions& options, unsigned threads = 2) {
  absl::StatusOr<SynthData> data = Synthesize(options, threads, {});
  EXPECT_TRUE(data.ok()) << data.status();
  return *std::move(data);
}

SynthOptions Preset(const std::string& name) {
  const absl::StatusOr<SynthOptions> preset = SynthPreset(name);
  EXPECT_TRUE(preset.ok()) << preset.status();
  return *preset;
}

// Goal: a preset has its data set's shape: counts exactly, the other figures within a tenth.
void ExpectShapeOf(const std::string& name) {
  SCOPED_TRACE(name);
  const SynthOptions preset = Preset(name);
  const Figures figures = FiguresOf(Make(preset));
  EXPECT_EQ(figures.samples, preset.ratings);
  EXPECT_EQ(figures.user_counts.size(), preset.users);
  EXPECT_EQ(figures.item_counts.size(), preset.items);
  const auto [user_min, user_max] = std::ranges::minmax(figures.user_counts);
  const auto [item_min, item_max] = std::ranges::minmax(figures.item_counts);
  EXPECT_GE(user_min, 20U);
  EXPECT_LE(user_min, 22U);
  ExpectNear(MedianOf(figures.user_counts), preset.user_median, "median of users");
  ExpectNear(user_max, preset.user_max, "maximum of users");
  EXPECT_GE(item_min, 1U);
  ExpectNear(MedianOf(figures.item_counts), preset.item_median, "median of items");
  ExpectNear(item_max, preset.item_max, "maximum of items");
  ExpectNear(figures.mean, preset.mean, "mean");
  ExpectNear(figures.deviation, preset.deviation, "deviation");
  EXPECT_EQ(figures.lowest, preset.lowest);
  EXPECT_EQ(figures.highest, preset.highest);
}

TEST(Synth, Ml100kHasItsShape) {
  ExpectShapeOf("ml-100k");
}
TEST(Synth, Ml1mHasItsShape) {
  ExpectShapeOf("ml-1m");
}
TEST(Synth, MlLatestSmallHasItsShape) {
  ExpectShapeOf("ml-latest-small");
}
TEST(Synth, Ml20mHasItsShape) {
  ExpectShapeOf("ml-20m");
}

// The preset's own figures are those of the data set it is named after.
TEST(Synth, Ml20mIsThePublishedDataSet) {
  const SynthOptions preset = Preset("ml-20m");
  EXPECT_EQ(preset.users, 138'493U);
  EXPECT_EQ(preset.items, 26'744U);
  EXPECT_EQ(preset.ratings, 20'000'263U);
  EXPECT_EQ(preset.user_median, 68);
  EXPECT_EQ(preset.user_max, 9254);
  EXPECT_EQ(preset.item_median, 18);
  EXPECT_EQ(preset.item_max, 67'310);
  EXPECT_NEAR(preset.mean, 3.53, 0.01);
  EXPECT_NEAR(preset.deviation, 1.05, 0.01);
}

TEST(Synth, NoPairComesTwiceAndRatingsAreOnTheScale) {
  for (const char* const name : {"ml-100k", "ml-latest-small"}) {
    const SynthOptions preset = Preset(name);
    std::set<std::pair<std::uint32_t, std::uint32_t>> pairs;
    for (const SampleChunk& chunk : Make(preset).chunks) {
      for (std::size_t k = 0; k < chunk.users.size(); ++k) {
        pairs.insert({chunk.users[k], chunk.items[k]});
        const double steps = static_cast<double>(chunk.ratings[k]) / preset.step;
        ASSERT_EQ(steps, std::floor(steps));
      }
    }
    EXPECT_EQ(pairs.size(), preset.ratings);
  }
}

TEST(Synth, TimesOfAUserRiseFromWithinThePeriod) {
  const SynthOptions preset = Preset("ml-100k");
  for (const SampleChunk& chunk : Make(preset).chunks) {
    for (std::size_t k = 0; k < chunk.users.size(); ++k) {
      ASSERT_GE(chunk.timestamps[k], preset.first_time);
      if (k > 0 && chunk.users[k] == chunk.users[k - 1]) {
        ASSERT_GT(chunk.timestamps[k], chunk.timestamps[k - 1]);
      } else {
        ASSERT_LE(chunk.timestamps[k], preset.last_time + 60);
      }
    }
  }
}

TEST(Synth, TitlesAreUniqueWithYearAndGenres) {
  std::set<std::string> titles;
  const SynthData data = Make(Preset("ml-latest-small"));
  for (const ItemText& text : data.texts) {
    titles.insert(text.title);
    EXPECT_THAT(text.title, testing::MatchesRegex(".+ \\((19|20)[0-9][0-9]\\)"));
    EXPECT_FALSE(text.genres.empty());
  }
  EXPECT_EQ(titles.size(), 9724U);
}

// Goal: the samples depend on the seed and on nothing else: not on threads, time or machine.
TEST(Synth, SameSeedSameBytes) {
  SynthOptions options = Preset("ml-100k");
  const std::uint64_t digest = DigestOf(Make(options, 2));
  EXPECT_EQ(digest, 0x7e51d4556c666912U) << "golden: the same on every machine";
  EXPECT_EQ(DigestOf(Make(options, 1)), digest);
  EXPECT_EQ(DigestOf(Make(options, 5)), digest);
  options.seed = 43;
  EXPECT_NE(DigestOf(Make(options, 2)), digest);
}

TEST(Synth, AnySizesGetAFittingShape) {
  struct Sizes {
    std::uint32_t users;
    std::uint32_t items;
    std::uint64_t ratings;
  };
  for (const Sizes& sizes : std::vector<Sizes>{{10, 10, 50},
                                               {10'000, 2'000, 1'000'000},
                                               {200, 5'000, 25'000},
                                               {5'000, 200, 125'000},
                                               {1'000, 1'000, 125'000},
                                               {50'000, 50'000, 250'000},
                                               {50'000, 10'000, 150'000},
                                               {50'000, 2'000, 100'000}}) {
    const SynthOptions options = {
        .users = sizes.users, .items = sizes.items, .ratings = sizes.ratings};
    const absl::StatusOr<SynthData> data = Synthesize(options, 2, {});
    if (sizes.users == 10) {
      EXPECT_THAT(std::string(data.status().message()), HasSubstr("an eighth of all pairs"));
      continue;
    }
    ASSERT_TRUE(data.ok()) << data.status() << " for " << sizes.users << " users";
    const Figures figures = FiguresOf(*data);
    EXPECT_EQ(figures.samples, sizes.ratings);
    EXPECT_GE(std::ranges::min(figures.user_counts), 1U);
    EXPECT_GE(std::ranges::min(figures.item_counts), 1U);
    ExpectNear(figures.mean, options.mean, "mean");
  }
}

TEST(Synth, RefusesWhatItCannotMake) {
  const auto message = [](const SynthOptions& options) {
    const absl::StatusOr<SynthData> data = Synthesize(options, 1, {});
    EXPECT_EQ(data.status().code(), absl::StatusCode::kInvalidArgument);
    return std::string(data.status().message());
  };
  EXPECT_THAT(message({.users = 5}), HasSubstr("10 users"));
  EXPECT_THAT(message({.ratings = 30'000'000}), StartsWith("30000000 ratings: for 10000 users"));
  EXPECT_THAT(message({.ratings = 100}), HasSubstr("20000 (2 for each user, 5 for each item)"));
  EXPECT_THAT(message({.dim = 5000}), HasSubstr("dim is 5000"));
  EXPECT_THAT(message({.noise = -1}), HasSubstr("noise is -1"));
  EXPECT_THAT(message({.noise = 2}), HasSubstr("leaves nothing to learn"));
  const absl::StatusOr<SynthOptions> preset = SynthPreset("ml-30m");
  EXPECT_THAT(std::string(preset.status().message()),
              testing::AllOf(HasSubstr("ml-30m"), HasSubstr("ml-20m")));
}

// Goal: the ratings can be learnt as far as the noise lets them: removing what the truth's biases
// explain leaves clearly less variance, and never less than the noise.
TEST(Synth, BiasesExplainTheirShare) {
  const SynthData data = Make(Preset("ml-1m"));
  std::vector<double> user_sum(data.users.size()), item_sum(data.items.size());
  const Figures figures = FiguresOf(data);
  const auto each = [&data](auto visit) {
    for (const SampleChunk& chunk : data.chunks) {
      for (std::size_t k = 0; k < chunk.users.size(); ++k) {
        visit(chunk.users[k], chunk.items[k], static_cast<double>(chunk.ratings[k]));
      }
    }
  };
  each([&](std::uint32_t, std::uint32_t item, double r) { item_sum[item] += r - figures.mean; });
  const auto item_bias = [&](std::uint32_t item) {
    return item_sum[item] / figures.item_counts[item];
  };
  each([&](std::uint32_t user, std::uint32_t item, double r) {
    user_sum[user] += r - figures.mean - item_bias(item);
  });
  double squares = 0.0;
  each([&](std::uint32_t user, std::uint32_t item, double r) {
    const double error =
        r - figures.mean - item_bias(item) - user_sum[user] / figures.user_counts[user];
    squares += error * error;
  });
  const double rmse = std::sqrt(squares / static_cast<double>(figures.samples));
  EXPECT_LT(rmse, 0.86 * figures.deviation);
  EXPECT_GT(rmse, 0.80);
}

TEST(Synth, CsvIsWrittenOnceAndReadsAsMovieLens) {
  const std::string folder = testing::TempDir() + "/synth_csv_test";
  std::filesystem::remove_all(folder);
  const SynthData data = Make({.users = 100, .items = 50, .ratings = 600});
  ASSERT_TRUE(WriteSynthCsv(data, folder).ok());
  const absl::StatusOr<std::string> ratings = ReadFile(folder + "/ratings.csv");
  ASSERT_TRUE(ratings.ok());
  EXPECT_THAT(*ratings, StartsWith("userId,movieId,rating,timestamp\n1,"));
  EXPECT_EQ(std::count(ratings->begin(), ratings->end(), '\n'), 601);
  const absl::StatusOr<std::string> films = ReadFile(folder + "/movies.csv");
  ASSERT_TRUE(films.ok());
  EXPECT_THAT(*films, StartsWith("movieId,title,genres\n1,"));
  EXPECT_THAT(*films, HasSubstr(", The ("));
  EXPECT_EQ(std::count(films->begin(), films->end(), '\n'), 51);
  EXPECT_FALSE(WriteSynthCsv(data, folder).ok());
}

TEST(SynthShape, ActivityHasItsFiguresAndSum) {
  const auto curve =
      ActivityCurve({.users = 1001, .ratings = 100'000, .min = 20, .median = 60, .max = 1500});
  ASSERT_TRUE(curve.ok()) << curve.status();
  std::uint64_t sum = 0;
  for (const std::uint32_t count : *curve) sum += count;
  EXPECT_EQ(sum, 100'000U);
  EXPECT_TRUE(std::is_sorted(curve->begin(), curve->end()));
  EXPECT_NEAR(curve->at(500), 60, 1);
  EXPECT_NEAR(curve->back(), 1500, 1);
  EXPECT_GE(curve->front(), 20U);
  EXPECT_FALSE(
      ActivityCurve({.users = 1001, .ratings = 10'000'000, .min = 20, .median = 60, .max = 1500})
          .ok());
}

TEST(SynthShape, WeightedDrawFollowsTheWeights) {
  const std::vector<double> weights = {1, 2, 3, 4};
  const WeightedDraw draw(weights);
  std::vector<int> counts(4);
  const CounterRandom random(1, Purpose::kFault);
  for (std::uint64_t n = 0; n < 100'000; ++n) ++counts.at(draw.At(random.Bits64(n)));
  for (int i = 0; i < 4; ++i)
    EXPECT_NEAR(counts[static_cast<std::size_t>(i)], 10'000 * (i + 1), 600);
}

}  // namespace
}  // namespace cf::synth_test
