#include "common/dataset/synth.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <numeric>
#include <optional>
#include <span>
#include <utility>

#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>

#include "common/dataset/parallel.h"
#include "common/dataset/synth_streams.h"
#include "common/dataset/synth_titles.h"
#include "common/math/math.h"
#include "common/math/random.h"

namespace cf {
namespace {

// How the variance that a model can learn is shared out.
constexpr double kUserShare = 0.35;
constexpr double kItemShare = 0.35;
constexpr double kVectorShare = 0.30;

std::vector<SynthOptions> Presets() {
  SynthOptions ml100k = {.name = "ml-100k",
                         .users = 943,
                         .items = 1682,
                         .ratings = 100'000,
                         .user_min = 20,
                         .user_median = 65,
                         .user_max = 737,
                         .item_median = 27,
                         .item_max = 583,
                         .mean = 3.530,
                         .deviation = 1.126,
                         .lowest = 1,
                         .step = 1,
                         .noise = 0.90,
                         .first_time = 874'724'710,
                         .last_time = 893'286'638};
  SynthOptions ml1m = {.name = "ml-1m",
                       .users = 6040,
                       .items = 3706,
                       .ratings = 1'000'209,
                       .user_min = 20,
                       .user_median = 96,
                       .user_max = 2314,
                       .item_median = 123.5,
                       .item_max = 3428,
                       .mean = 3.582,
                       .deviation = 1.117,
                       .lowest = 1,
                       .step = 1,
                       .noise = 0.84,
                       .first_time = 956'703'932,
                       .last_time = 1'046'454'590};
  SynthOptions small = {.name = "ml-latest-small",
                        .users = 610,
                        .items = 9724,
                        .ratings = 100'836,
                        .user_min = 20,
                        .user_median = 70.5,
                        .user_max = 2698,
                        .item_median = 3,
                        .item_max = 329,
                        .mean = 3.502,
                        .deviation = 1.043,
                        .noise = 0.80,
                        .first_time = 828'124'615,
                        .last_time = 1'537'799'250};
  SynthOptions ml20m = {.name = "ml-20m",
                        .users = 138'493,
                        .items = 26'744,
                        .ratings = 20'000'263,
                        .user_min = 20,
                        .user_median = 68,
                        .user_max = 9254,
                        .item_median = 18,
                        .item_max = 67'310,
                        .mean = 3.526,
                        .deviation = 1.052,
                        .noise = 0.803};
  return {ml100k, ml1m, small, ml20m};
}

/// Makes the figures per user and per item that are missing, in the proportions of MovieLens.
void FillShape(SynthOptions& options) {
  const double users = options.users;
  const double items = options.items;
  const auto ratings = static_cast<double>(options.ratings);
  if (options.user_max == 0) {
    constexpr double kSigma = 1.35;
    const double mean = ratings / users;
    options.user_min = std::clamp(std::floor(mean / 5), 1.0, 20.0);
    const double above = (mean - options.user_min) * math::Exp(-0.5 * kSigma * kSigma);
    options.user_median = options.user_min + above;
    const double top = math::InverseNormalCdf(1.0 - 0.5 / users);
    options.user_max =
        std::min(0.6 * items, options.user_min + 0.5 * above * math::Exp(kSigma * top));
  }
  if (options.item_max == 0) {
    // max ((1 + q) / (rank + q))^2 with q = items / 20 has 21 times its mean at the top and a sixth
    // in the middle, unless there are too few users for such a top.
    const double mean = ratings / items;
    const bool fits = 21.0 * mean <= 0.8 * users;
    options.item_max = fits ? 21.0 * mean : 0.8 * users;
    options.item_median = fits ? mean / 6.0 : mean / 2.0;
  }
}

absl::Status CheckOptions(const SynthOptions& options) {
  const auto bad = [](auto&&... parts) {
    return absl::InvalidArgumentError(absl::StrCat(parts...));
  };
  if (options.users < 10 || options.items < 10) return bad("synth needs 10 users and 10 items");
  if (options.users > 1'000'000'000) return bad("synth makes at most a billion users");
  if (options.items > 10'000'000) return bad("synth makes at most 10 million items");
  const std::uint64_t pairs = std::uint64_t{options.users} * options.items;
  const std::uint64_t least =
      std::max(2 * std::uint64_t{options.users}, 5 * std::uint64_t{options.items});
  if (options.ratings < least || options.ratings > pairs / 8) {
    return bad(options.ratings, " ratings: for ", options.users, " users and ", options.items,
               " items synth takes ", least, " (2 for each user, 5 for each item) to ", pairs / 8,
               " (an eighth of all pairs)");
  }
  if (options.dim > 4096) return bad("dim is ", options.dim, ", not 0 to 4096");
  if (!(options.noise >= 0) || !(options.noise < 10)) {
    return bad("noise is ", options.noise, ", not 0 to 10");
  }
  return absl::OkStatus();
}

/// What ratings are before they are rounded and cut: normal.
struct Latent {
  double mean = 0;
  double deviation = 0;
};

double RoundRating(const SynthOptions& options, double value) {
  const double rounded = options.step * std::floor(value / options.step + 0.5);
  return std::clamp(rounded, options.lowest, options.highest);
}

/// The normal distribution that has the wanted mean and deviation once it is rounded and cut.
Latent FitLatent(const SynthOptions& options) {
  constexpr int kQuantiles = 4096;
  Latent latent{options.mean, options.deviation};
  for (int round = 0; round < 30; ++round) {
    double sum = 0.0, squares = 0.0;
    for (int k = 0; k < kQuantiles; ++k) {
      const double z = math::InverseNormalCdf((k + 0.5) / kQuantiles);
      const double rating = RoundRating(options, latent.mean + latent.deviation * z);
      sum += rating;
      squares += rating * rating;
    }
    const double mean = sum / kQuantiles;
    const double deviation = std::sqrt(squares / kQuantiles - mean * mean);
    latent.mean += options.mean - mean;
    latent.deviation *= options.deviation / deviation;
  }
  return latent;
}

/// Everything that decides the samples, and the items drawn so far.
///
/// Owner:   Synthesize.
/// Threads: DrawItemsOf and RateAs of different users may run at the same time.
class Generator {
 public:
  Generator(const SynthOptions& options, unsigned threads, const ProgressFunction& progress)
      : options_(options), threads_(threads), progress_(progress) {}

  /// Shapes, films and vectors.
  absl::Status Prepare();
  void DrawItems();
  /// Gives every item that nobody drew to one user, in exchange for one that has others.
  void PlaceMissingItems();
  std::vector<SampleChunk> Rate();
  std::vector<ItemText> Texts() const;

 private:
  /// What a thread needs again and again.
  struct Scratch {
    std::vector<std::uint64_t> taken;  // A bit for each item; all 0 between users.
    std::vector<std::pair<double, std::uint32_t>> keys;
    std::vector<float> vector;
    std::vector<float> noise;
  };

  void MakeItemVectors();
  void DrawItemsOf(std::uint32_t user, Scratch& scratch);
  void DrawManyItemsOf(std::uint32_t user, Scratch& scratch);
  void RateAs(std::uint32_t user, Scratch& scratch, SampleChunk& chunk) const;
  void AppendTimes(std::uint32_t user, SampleChunk& chunk) const;

  /// Calls work(user, scratch, chunk) for every user; a chunk's users rise, on one thread.
  template <class Work>
  void ForEachUser(const std::string& doing, const Work& work);

  std::size_t chunks() const { return (options_.users + kChunkUsers - 1) / kChunkUsers; }
  std::span<std::uint32_t> ItemsOf(std::uint32_t user) {
    return std::span(items_).subspan(offsets_[user], offsets_[user + 1] - offsets_[user]);
  }

  static constexpr std::uint32_t kChunkUsers = 512;

  const SynthOptions& options_;
  const unsigned threads_;
  const ProgressFunction& progress_;

  Latent latent_;
  double user_deviation_ = 0;
  std::vector<SynthFilm> films_;
  std::vector<float> item_vectors_;  // dim + 1 each: the bias, then the vector.
  std::vector<double> weights_;
  std::optional<WeightedDraw> draw_;

  std::vector<std::uint64_t> offsets_;  // The samples of user u begin at offsets_[u].
  std::vector<std::uint32_t> items_;    // Of all samples, user by user.
};

absl::Status Generator::Prepare() {
  latent_ = FitLatent(options_);
  const double learnable = latent_.deviation * latent_.deviation - options_.noise * options_.noise;
  if (!(learnable > 0)) {
    return absl::InvalidArgumentError(absl::StrCat("noise ", options_.noise,
                                                   " leaves nothing to learn of ratings with "
                                                   "deviation ",
                                                   options_.deviation));
  }
  user_deviation_ = std::sqrt(kUserShare * learnable);

  absl::StatusOr<std::vector<std::uint32_t>> activity =
      ActivityCurve({.users = options_.users,
                     .ratings = options_.ratings,
                     .min = options_.user_min,
                     .median = options_.user_median,
                     .max = options_.user_max});
  if (!activity.ok()) return activity.status();
  absl::StatusOr<std::vector<double>> popularity = PopularityCurve({.items = options_.items,
                                                                    .ratings = options_.ratings,
                                                                    .median = options_.item_median,
                                                                    .max = options_.item_max});
  if (!popularity.ok()) return popularity.status();
  const std::vector<double> weights = DrawingWeights(*activity, *popularity);

  std::vector<std::uint32_t> order(options_.users);
  std::iota(order.begin(), order.end(), 0U);
  Shuffle(std::span(order), SynthRandom(options_.seed, SynthStream::kActivityOrder, 0));
  offsets_.assign(std::size_t{options_.users} + 1, 0);
  for (std::size_t k = 0; k < order.size(); ++k) offsets_[order[k] + 1] = (*activity)[k];
  std::partial_sum(offsets_.begin(), offsets_.end(), offsets_.begin());
  items_.resize(options_.ratings);

  order.resize(options_.items);
  std::iota(order.begin(), order.end(), 0U);
  Shuffle(std::span(order), SynthRandom(options_.seed, SynthStream::kPopularityOrder, 0));
  weights_.resize(options_.items);
  for (std::size_t k = 0; k < order.size(); ++k) weights_[order[k]] = weights[k];
  draw_.emplace(weights_);

  const std::chrono::sys_seconds last{std::chrono::seconds(options_.last_time)};
  const std::chrono::year_month_day day{std::chrono::floor<std::chrono::days>(last)};
  films_ = MakeFilms(options_.items, static_cast<int>(day.year()), options_.seed);
  MakeItemVectors();
  return absl::OkStatus();
}

void Generator::MakeItemVectors() {
  const std::size_t dim = options_.dim;
  const double learnable = user_deviation_ * user_deviation_ / kUserShare;
  const double bias_deviation = std::sqrt(kItemShare * learnable);
  // Components count less and less, as the singular values of real ratings do. Users' components
  // have variance 1, so these deviations are those of the products.
  std::vector<double> deviations(dim);
  double total = 0.0;
  for (std::size_t k = 0; k < dim; ++k) total += 1.0 / static_cast<double>(k + 1);
  for (std::size_t k = 0; k < dim; ++k) {
    deviations[k] = std::sqrt(kVectorShare * learnable / total / static_cast<double>(k + 1));
  }

  std::vector<float> genres(kSynthGenres * dim);
  FillNormal(SynthRandom(options_.seed, SynthStream::kGenreVector, 0), 0, 0.0, 1.0, genres);
  item_vectors_.resize((dim + 1) * options_.items);
  for (std::uint32_t item = 0; item < options_.items; ++item) {
    const std::span<float> row = std::span(item_vectors_).subspan(item * (dim + 1), dim + 1);
    FillNormal(SynthRandom(options_.seed, SynthStream::kItemVector, item), 0, 0.0, 1.0, row);
    row[0] *= static_cast<float>(bias_deviation);
    const std::vector<std::uint32_t>& of_item = films_[item].genres;
    const double genre_scale = std::sqrt(0.5 / static_cast<double>(of_item.size()));
    for (std::size_t k = 0; k < dim; ++k) {
      double value = std::sqrt(0.5) * static_cast<double>(row[k + 1]);
      for (const std::uint32_t genre : of_item) {
        value += genre_scale * static_cast<double>(genres[genre * dim + k]);
      }
      row[k + 1] = static_cast<float>(deviations[k] * value);
    }
  }
}

template <class Work>
void Generator::ForEachUser(const std::string& doing, const Work& work) {
  std::vector<Scratch> scratches(threads_);
  for (Scratch& scratch : scratches) scratch.taken.resize((options_.items + 63) / 64);
  std::atomic<std::uint64_t> done = 0;
  RunParallel(threads_, chunks(), [&](std::size_t chunk, unsigned thread) {
    const auto first = static_cast<std::uint32_t>(chunk * kChunkUsers);
    const std::uint32_t last = first + std::min(kChunkUsers, options_.users - first);
    for (std::uint32_t user = first; user < last; ++user) work(user, scratches[thread], chunk);
    done += offsets_[last] - offsets_[first];
    if (thread == 0 && progress_) progress_(doing, done, options_.ratings);
  });
  if (progress_) progress_(doing, options_.ratings, options_.ratings);
}

void Generator::DrawItems() {
  ForEachUser("drawing items", [this](std::uint32_t user, Scratch& scratch, std::size_t) {
    // Drawing again what is taken costs little for users who take few items.
    if (offsets_[user + 1] - offsets_[user] <= options_.items / 16) {
      DrawItemsOf(user, scratch);
    } else {
      DrawManyItemsOf(user, scratch);
    }
  });
}

void Generator::DrawItemsOf(std::uint32_t user, Scratch& scratch) {
  const CounterRandom random = SynthRandom(options_.seed, SynthStream::kItems, user);
  const std::span<std::uint32_t> items = ItemsOf(user);
  std::size_t count = 0;
  const auto take = [&](std::uint32_t low, std::uint32_t high) {
    const std::uint32_t item = draw_->At(low | std::uint64_t{high} << 32);
    std::uint64_t& word = scratch.taken[item / 64];
    const std::uint64_t bit = std::uint64_t{1} << (item % 64);
    if (count == items.size() || (word & bit) != 0) return;
    word |= bit;
    items[count++] = item;
  };
  for (std::uint64_t n = 0; count < items.size(); ++n) {
    const PhiloxBlock block = random.Block(n);
    take(block[0], block[1]);
    take(block[2], block[3]);
  }
  for (const std::uint32_t item : items) scratch.taken[item / 64] = 0;
}

// Drawing without replacement is a race: item i arrives after an exponential time of rate
// weight[i], and the user takes those that arrive first.
void Generator::DrawManyItemsOf(std::uint32_t user, Scratch& scratch) {
  const CounterRandom random = SynthRandom(options_.seed, SynthStream::kItemKeys, user);
  const std::span<std::uint32_t> items = ItemsOf(user);
  scratch.keys.resize(options_.items);
  for (std::uint32_t item = 0; item < options_.items; ++item) {
    scratch.keys[item] = {-math::Log(1.0 - random.UniformDouble(item)) / weights_[item], item};
  }
  std::partial_sort(scratch.keys.begin(),
                    scratch.keys.begin() + static_cast<std::ptrdiff_t>(items.size()),
                    scratch.keys.end());
  for (std::size_t k = 0; k < items.size(); ++k) items[k] = scratch.keys[k].second;
}

void Generator::PlaceMissingItems() {
  std::vector<std::uint32_t> counts(options_.items, 0);
  for (const std::uint32_t item : items_) ++counts[item];
  const CounterRandom random = SynthRandom(options_.seed, SynthStream::kMissing, 0);
  std::uint64_t n = 0;
  for (std::uint32_t missing = 0; missing < options_.items; ++missing) {
    while (counts[missing] == 0) {
      std::uint32_t& item = items_[random.Below(n++, options_.ratings)];
      if (counts[item] < 2) continue;
      --counts[item];
      item = missing;
      ++counts[missing];
    }
  }
}

std::vector<SampleChunk> Generator::Rate() {
  std::vector<SampleChunk> samples(chunks());
  ForEachUser("rating", [&](std::uint32_t user, Scratch& scratch, std::size_t chunk) {
    RateAs(user, scratch, samples[chunk]);
    AppendTimes(user, samples[chunk]);
  });
  return samples;
}

void Generator::RateAs(std::uint32_t user, Scratch& scratch, SampleChunk& chunk) const {
  const std::size_t dim = options_.dim;
  const std::size_t count = offsets_[user + 1] - offsets_[user];
  scratch.vector.resize(dim + 1);
  scratch.noise.resize(count);
  FillNormal(SynthRandom(options_.seed, SynthStream::kUserVector, user), 0, 0.0, 1.0,
             scratch.vector);
  FillNormal(SynthRandom(options_.seed, SynthStream::kNoise, user), 0, 0.0, options_.noise,
             scratch.noise);
  const double level = latent_.mean + user_deviation_ * static_cast<double>(scratch.vector[0]);
  for (std::size_t j = 0; j < count; ++j) {
    const std::uint32_t item = items_[offsets_[user] + j];
    const float* row = &item_vectors_[item * (dim + 1)];
    float sum = row[0];
    for (std::size_t k = 1; k <= dim; ++k) sum = std::fma(row[k], scratch.vector[k], sum);
    const double value = level + static_cast<double>(sum) + static_cast<double>(scratch.noise[j]);
    chunk.users.push_back(user);
    chunk.items.push_back(item);
    chunk.ratings.push_back(static_cast<float>(RoundRating(options_, value)));
  }
}

// People rate in sittings of about sixty films, seconds apart, with weeks between the sittings.
void Generator::AppendTimes(std::uint32_t user, SampleChunk& chunk) const {
  constexpr std::uint64_t kSitting = 60;
  constexpr std::int64_t kBetween = std::int64_t{20} * 86'400;
  const CounterRandom random = SynthRandom(options_.seed, SynthStream::kTime, user);
  const auto below = [&random](std::uint64_t n, std::int64_t bound) {
    return static_cast<std::int64_t>(random.Below(n, static_cast<std::uint64_t>(bound)));
  };
  const std::uint64_t count = offsets_[user + 1] - offsets_[user];
  const auto sittings = static_cast<std::int64_t>(1 + count / kSitting);
  const std::int64_t joined =
      options_.first_time + below(count, options_.last_time - options_.first_time);
  const std::int64_t pause = std::min(kBetween, (options_.last_time - joined) / sittings);
  std::int64_t time = joined;
  for (std::uint64_t j = 0; j < count; ++j) {
    const auto sitting = static_cast<std::int64_t>(j / kSitting);
    time = std::max(time, joined + sitting * pause) + 3 + below(j, 57);
    chunk.timestamps.push_back(time);
  }
}

std::vector<ItemText> Generator::Texts() const {
  std::vector<ItemText> texts;
  texts.reserve(films_.size());
  for (const SynthFilm& film : films_) texts.push_back({film.title, GenreNames(film.genres)});
  return texts;
}

Vocabulary CountingFromOne(std::uint32_t count) {
  std::vector<std::int64_t> raw_ids(count);
  std::iota(raw_ids.begin(), raw_ids.end(), std::int64_t{1});
  return Vocabulary(std::move(raw_ids));
}

}  // namespace

absl::StatusOr<SynthOptions> SynthPreset(const std::string& name) {
  std::vector<std::string> names;
  for (const SynthOptions& preset : Presets()) {
    if (preset.name == name) return preset;
    names.push_back(preset.name);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("no preset \"", name, "\"; there are ", absl::StrJoin(names, ", ")));
}

absl::StatusOr<SynthData> Synthesize(const SynthOptions& asked, unsigned threads,
                                     const ProgressFunction& progress) {
  absl::Status status = CheckOptions(asked);
  if (!status.ok()) return status;
  SynthOptions options = asked;
  FillShape(options);
  Generator generator(options, threads, progress);
  status = generator.Prepare();
  if (!status.ok()) return status;
  generator.DrawItems();
  generator.PlaceMissingItems();
  return SynthData{.chunks = generator.Rate(),
                   .users = CountingFromOne(options.users),
                   .items = CountingFromOne(options.items),
                   .texts = generator.Texts()};
}

}  // namespace cf
