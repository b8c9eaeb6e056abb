// Goal: ranks, masks, lists and samples of candidates are those that docs/metrics.md defines.
// Method: a slow, obvious evaluation in double of the same rows, over more items than a chunk has,
// for every kind of model, with ties and with scores that are no numbers; on one seat and on three.

#include "worker/evaluator.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <functional>
#include <limits>
#include <memory>
#include <numeric>
#include <ostream>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "common/config/config.h"
#include "common/dataset/writer.h"
#include "common/features/feature_lists.h"
#include "common/math/random.h"
#include "common/metrics/names.h"
#include "common/model/ranker.h"
#include "common/model/retrieval.h"
#include "tests/unit/paramserver/local_rows.h"

namespace cf::evaluator_test {
namespace {

constexpr std::uint32_t kPartitions = 8;
constexpr std::uint32_t kUserCount = 50;
constexpr std::uint32_t kBusyUsers = 30;  // The others have one sample each.
constexpr std::uint32_t kItemCount = Evaluator::kItemsMax + 90;
constexpr std::uint32_t kSampleCount = 1800;

using Vector = std::vector<double>;

/// A data set of more items than a chunk has, half of them with one sample, as some users have.
class EvaluatorData {
 public:
  EvaluatorData() {
    std::string name = ::testing::TempDir() + "cf-evaluator-XXXXXX";
    Check(::mkdtemp(name.data()) != nullptr, "a test can make a folder");
    folder_ = name;
    DatasetWriter writer =
        DatasetWriter::Create({.folder = path(), .name = "evaluated", .threads = 1}).value();
    writer.Append(DrawSamples());
    writer.SetUsers(Numbers(kUserCount));
    writer.SetItems(Numbers(kItemCount));
    std::vector<ItemText> texts(kItemCount);
    for (std::uint32_t item = 0; item < kItemCount; ++item) {
      texts[item] = {.title = "Film " + std::to_string(item),
                     .genres = item % 3 == 0 ? "War" : "Drama|War"};
    }
    writer.SetItemTexts(std::move(texts));
    Check(writer.Finish().ok(), "a test can write a data set");
  }
  EvaluatorData(const EvaluatorData&) = delete;
  EvaluatorData& operator=(const EvaluatorData&) = delete;
  ~EvaluatorData() { std::filesystem::remove_all(folder_); }

  std::string path() const { return folder_ + "/data"; }

 private:
  static Vocabulary Numbers(std::uint32_t count) {
    std::vector<std::int64_t> numbers(count);
    std::iota(numbers.begin(), numbers.end(), 1);
    return Vocabulary(std::move(numbers));
  }

  static SampleChunk DrawSamples() {
    const CounterRandom random(20261128, Purpose::kSynth);
    std::set<std::pair<std::uint32_t, std::uint32_t>> taken;
    // A data set has no items without samples.
    for (std::uint32_t item = 0; item < kItemCount; ++item) {
      taken.insert({item % kBusyUsers, item});
    }
    for (std::uint32_t user = kBusyUsers; user < kUserCount; ++user) taken.insert({user, user});
    for (std::uint64_t n = 0; taken.size() < kSampleCount; n += 3) {
      const auto user = static_cast<std::uint32_t>(
          std::min(random.Below(n, kBusyUsers), random.Below(n + 1, kBusyUsers)));
      taken.insert({user, static_cast<std::uint32_t>(random.Below(n + 2, kItemCount))});
    }
    SampleChunk chunk;
    for (const auto& [user, item] : taken) {
      chunk.users.push_back(user);
      chunk.items.push_back(item);
      chunk.ratings.push_back(static_cast<float>(1 + (user + item) % 5));
    }
    return chunk;
  }

  std::string folder_;
};

/// Of every figure, what the users' parts add up to.
struct Sums {
  std::vector<MetricSum> by_metric;
  std::vector<std::set<std::uint32_t>> listed;  // By metric: of coverages.
  std::uint64_t users = 0;
  std::uint64_t positives = 0;
  std::uint64_t cold_users = 0;
  std::uint64_t cold_positives = 0;
};

/// Evaluation as the definitions have it, one user after the other, with all items sorted.
class SlowEvaluation {
 public:
  /// By user: the score of every item, and by item the vector that distances are taken of.
  struct Scores {
    std::vector<Vector> of_users;
    std::vector<Vector> item_vectors;
  };

  SlowEvaluation(const Dataset& data, const DataSplit& split, Scores scores)
      : data_(data), scores_(std::move(scores)), training_(data.items()) {
    for (std::uint32_t user = 0; user < data.users(); ++user) {
      std::set<std::uint32_t>& seen = seen_.emplace_back();
      std::set<std::uint32_t>& positives = positives_.emplace_back();
      for (std::uint64_t s = data.user_offsets()[user]; s < data.user_offsets()[user + 1]; ++s) {
        const auto item = static_cast<std::uint32_t>(data.item_column()[s]);
        (split.is_validation(s) ? positives : seen).insert(item);
        if (!split.is_validation(s)) ++training_[item];
      }
    }
  }

  Sums Evaluate(const std::vector<RankingMetric>& metrics) const {
    Sums sums;
    sums.by_metric.resize(metrics.size());
    sums.listed.resize(metrics.size());
    for (std::uint32_t user = 0; user < data_.users(); ++user) {
      if (positives_[user].empty()) continue;
      ++sums.users;
      sums.positives += positives_[user].size();
      if (seen_[user].empty()) ++sums.cold_users;
      for (const std::uint32_t item : positives_[user]) {
        if (training_[item] == 0) ++sums.cold_positives;
      }
      for (std::size_t m = 0; m < metrics.size(); ++m) {
        const std::vector<std::uint32_t> candidates = CandidatesOf(user, metrics[m]);
        if (GoesByPlaces(metrics[m].figure)) {
          AddRanked(user, metrics[m], candidates, sums.by_metric[m]);
        } else {
          AddListed(metrics[m], ListOf(user, metrics[m].k, candidates), sums.by_metric[m],
                    sums.listed[m]);
        }
      }
    }
    return sums;
  }

 private:
  double Score(std::uint32_t user, std::uint32_t item) const {
    return scores_.of_users[user][item];
  }

  std::vector<std::uint32_t> CandidatesOf(std::uint32_t user, const RankingMetric& metric) const {
    std::vector<std::uint32_t> others;  // Of which samples are drawn.
    std::vector<std::uint32_t> candidates;
    for (std::uint32_t item = 0; item < data_.items(); ++item) {
      const bool seen = seen_[user].contains(item);
      if (!seen && !positives_[user].contains(item)) others.push_back(item);
      if (metric.unmasked || !seen) candidates.push_back(item);
    }
    if (metric.sampled == 0) return candidates;
    // Floyd's way to draw n of m.
    const CounterRandom random(0, Purpose::kNegatives,
                               CounterRandom::Stream((std::uint64_t{1} << 24) - 2, user));
    const auto m = static_cast<std::uint32_t>(others.size());
    const std::uint32_t n = std::min(metric.sampled, m);
    std::set<std::uint32_t> places;
    for (std::uint32_t k = 0; k < n; ++k) {
      const auto place = static_cast<std::uint32_t>(random.Below(k, m - n + k + 1));
      if (!places.insert(place).second) places.insert(m - n + k);
    }
    candidates.assign(positives_[user].begin(), positives_[user].end());
    for (const std::uint32_t place : places) candidates.push_back(others[place]);
    return candidates;
  }

  /// How many of the candidates that `counts` is true of do not score below `score`.
  std::uint32_t NotBelow(std::uint32_t user, const std::vector<std::uint32_t>& candidates,
                         double score, const std::function<bool(std::uint32_t)>& counts) const {
    const Vector& scores = scores_.of_users[user];
    return static_cast<std::uint32_t>(
        std::ranges::count_if(candidates, [&](std::uint32_t candidate) {
          return !(scores[candidate] < score) && counts(candidate);
        }));
  }

  void AddRanked(std::uint32_t user, const RankingMetric& metric,
                 const std::vector<std::uint32_t>& candidates, MetricSum& sum) const {
    Vector scores;  // Of the positives that have one, the best first.
    std::uint32_t within_k = 0;
    for (const std::uint32_t positive : positives_[user]) {
      const double score = Score(user, positive);
      if (!std::isfinite(score)) continue;
      scores.push_back(score);
      const std::uint32_t rank =
          1 + NotBelow(user, candidates, score,
                       [positive](std::uint32_t candidate) { return candidate != positive; });
      if (rank <= metric.k) ++within_k;
    }
    std::ranges::sort(scores, std::greater<>());
    std::vector<std::uint32_t> hits;  // The positions that are within k.
    for (std::uint32_t j = 0; j < scores.size(); ++j) {
      const std::uint32_t position =
          1 + j + NotBelow(user, candidates, scores[j], [&](std::uint32_t candidate) {
            return !positives_[user].contains(candidate);
          });
      if (position <= metric.k) hits.push_back(position);
    }
    const std::size_t positives = positives_[user].size();
    double gain = 0;
    double ideal = 0;
    for (const std::uint32_t position : hits) gain += 1 / std::log2(1.0 + position);
    for (std::uint32_t p = 1; p <= std::min<std::size_t>(positives, metric.k); ++p) {
      ideal += 1 / std::log2(1.0 + p);
    }
    switch (metric.figure) {
      case RankingFigure::kTop:
        return sum.Add(within_k, positives);
      case RankingFigure::kRecall:
        return sum.Add(static_cast<double>(hits.size()) / static_cast<double>(positives));
      case RankingFigure::kHitRate:
        return sum.Add(hits.empty() ? 0 : 1);
      case RankingFigure::kNdcg:
        return sum.Add(gain / ideal);
      default:
        return sum.Add(hits.empty() ? 0 : 1.0 / hits.front());
    }
  }

  std::vector<std::uint32_t> ListOf(std::uint32_t user, std::uint32_t k,
                                    std::vector<std::uint32_t> candidates) const {
    std::erase_if(candidates,
                  [&](std::uint32_t item) { return !std::isfinite(Score(user, item)); });
    std::ranges::stable_sort(candidates, [&](std::uint32_t a, std::uint32_t b) {
      return Score(user, a) > Score(user, b);
    });
    candidates.resize(std::min<std::size_t>(candidates.size(), k));
    return candidates;
  }

  void AddListed(const RankingMetric& metric, const std::vector<std::uint32_t>& list,
                 MetricSum& sum, std::set<std::uint32_t>& listed) const {
    if (metric.figure == RankingFigure::kCoverage) {
      listed.insert(list.begin(), list.end());
    } else if (metric.figure == RankingFigure::kNovelty && !list.empty()) {
      double information = 0;
      for (const std::uint32_t item : list) {
        information -= std::log2(std::max(training_[item], 1.0) / data_.users());
      }
      sum.Add(information / static_cast<double>(list.size()));
    } else if (metric.figure == RankingFigure::kIntraListDistance && list.size() > 1) {
      double distance = 0;
      std::size_t pairs = 0;
      for (std::size_t a = 0; a < list.size(); ++a) {
        for (std::size_t b = a + 1; b < list.size(); ++b) {
          distance += Distance(scores_.item_vectors[list[a]], scores_.item_vectors[list[b]]);
          ++pairs;
        }
      }
      sum.Add(distance / static_cast<double>(pairs));
    }
  }

  static double Distance(const Vector& a, const Vector& b) {
    const double lengths = std::sqrt(std::inner_product(a.begin(), a.end(), a.begin(), 0.0)) *
                           std::sqrt(std::inner_product(b.begin(), b.end(), b.begin(), 0.0));
    if (lengths == 0) return 1;
    return 1 - std::inner_product(a.begin(), a.end(), b.begin(), 0.0) / lengths;
  }

  const Dataset& data_;
  const Scores scores_;
  std::vector<double> training_;                    // By item: its training samples.
  std::vector<std::set<std::uint32_t>> seen_;       // By user: in training,
  std::vector<std::set<std::uint32_t>> positives_;  // and in validation.
};

Vector Through(const NetworkShape& network, const Vector* layers, Vector values) {
  for (std::size_t l = 0; l < network.layers.size(); ++l) {
    const LayerShape& layer = network.layers[l];
    Vector outputs(layer.units);
    for (std::size_t u = 0; u < layer.units; ++u) {
      outputs[u] = layers[l][layer.inputs * layer.units + u];
      for (std::size_t i = 0; i < layer.inputs; ++i) {
        outputs[u] += values[i] * layers[l][i * layer.units + u];
      }
      if (layer.relu) outputs[u] = std::max(outputs[u], 0.0);
    }
    values = outputs;
  }
  return values;
}

struct EvaluatorCase {
  const char* name;
  const char* model;
  /// What overwrites the items' biases: few values, so that most items tie, some of them no
  /// numbers.
  bool ties = false;
};

void PrintTo(const EvaluatorCase& test, std::ostream* out) {
  *out << test.name;
}

class EvaluatorOf : public ::testing::TestWithParam<EvaluatorCase> {
 protected:
  EvaluatorOf() : data_(Dataset::Open(files_.path()).value()) {
    job_ = ParseJob(std::string("model {") + GetParam().model +
                        "} split { random { fraction: 0.35 } } optimizer { sgd {} }",
                    "test")
               .value();
    FillDefaults(job_);
    EXPECT_TRUE(ValidateJob(job_).ok()) << ValidateJob(job_);
    EXPECT_GT(data_.items(), Evaluator::kItemsMax);
    model_ = ModelSpec::Make(job_);
    split_.emplace(DataSplit::Make(data_, job_.split()).value());
    features_ = MakeFeatureLists(job_, data_, *split_).value();
    training_samples_ = CountTrainingSamples(data_, *split_);
    for (const char* name :
         {"val_top_10", "val_top_40_unmasked", "val_recall_20", "val_hr_10", "val_hr_30_unmasked",
          "val_ndcg_10", "val_ndcg_700_unmasked", "val_mrr_50", "val_coverage_3",
          "val_coverage_9_unmasked", "val_ild_6", "val_ild_4_unmasked", "val_novelty_7",
          "val_ndcg_10_sampled_50", "val_top_20_sampled_1000", "val_hr_5_sampled_50"}) {
      metrics_.push_back(ParseRankingMetric(name).value());
    }
  }

  std::vector<TableSpec> Tables() const {
    std::vector<std::uint32_t> rows;
    for (const FeatureLists& lists : features_) rows.push_back(lists.rows());
    return model_->Tables({.users = data_.users(), .items = data_.items(), .features = rows});
  }

  std::unique_ptr<LocalRows> MakeRows(std::uint32_t seats) const {
    auto local = std::make_unique<LocalRows>(LocalRows::Options{.partitions = kPartitions,
                                                                .seats = seats,
                                                                .tables = Tables(),
                                                                .optimizer = job_.optimizer()});
    local->Initialize();
    if (!GetParam().ties) return local;
    std::vector<float> biases;
    for (std::uint32_t item = 0; item < data_.items(); ++item) {
      biases.push_back(item % 13 == 5   ? std::numeric_limits<float>::quiet_NaN()
                       : item % 17 == 3 ? -std::numeric_limits<float>::infinity()
                                        : static_cast<float>(item % 7));
    }
    InitialRows rows = local->Initial();
    rows.SetBiases(kItems, biases);
    local->Initialize(rows);
    return local;
  }

  /// By partition, and into `listed` by metric the items of coverages.
  std::vector<PartitionRanking> Evaluate(std::uint32_t seats,
                                         std::vector<std::set<std::uint32_t>>& listed) const {
    const std::unique_ptr<LocalRows> local = MakeRows(seats);
    const KernelSet& kernels = *KernelsFor(KernelTarget::kBest).value();
    std::vector<PartitionRanking> found(kPartitions);
    std::vector<std::unique_ptr<Evaluator>> evaluators(seats);
    {
      std::vector<std::jthread> threads;
      for (std::uint32_t seat = 0; seat < seats; ++seat) {
        threads.emplace_back([&, seat] {
          SetFloatMode();
          const SeatRange range = local->placement().workers().range(seat);
          evaluators[seat] = std::make_unique<Evaluator>(
              Evaluator::Options{.rows = &local->client(seat),
                                 .data = &data_,
                                 .split = &*split_,
                                 .training_samples = training_samples_,
                                 .metrics = metrics_,
                                 .scorer = model_->MakeScorer(Objective(), kernels),
                                 .added = {.features = features_,
                                           .first_table = model_->first_feature(),
                                           .kernels = &kernels}});
          const absl::Status done =
              evaluators[seat]->Run(std::span(found).subspan(range.first, range.size()));
          EXPECT_TRUE(done.ok()) << done;
        });
      }
    }
    listed.assign(metrics_.size(), {});
    for (const std::unique_ptr<Evaluator>& evaluator : evaluators) {
      for (std::size_t m = 0; m < metrics_.size(); ++m) {
        const std::vector<std::uint8_t>& bits = evaluator->listed()[m];
        for (std::uint32_t item = 0; item < 8 * bits.size(); ++item) {
          if ((bits[item / 8] >> item % 8 & 1) != 0) listed[m].insert(item);
        }
      }
    }
    return found;
  }

  /// Every pair's score by the model's definition.
  SlowEvaluation::Scores SlowScores() const {
    const std::unique_ptr<LocalRows> local = MakeRows(1);
    const std::vector<TableSpec> tables = Tables();
    std::vector<std::vector<Vector>>
        rows;  // By table and row: vector and, where there is one, bias.
    for (std::uint32_t t = 0; t < tables.size(); ++t) {
      std::vector<Vector>& of_table = rows.emplace_back();
      for (std::uint32_t id = 0; id < tables[t].shape.rows; ++id) {
        const std::vector<float> record = local->Record(TableId{t}, RowId{id});
        of_table.emplace_back(record.begin(), record.end());
      }
    }
    std::vector<Vector> layers;
    for (std::size_t l = 0; l < model_->layers(); ++l) {
      layers.push_back(rows[Index(kFirstLayer) + l][0]);
    }
    AddFeatures(rows);
    SlowEvaluation::Scores scores;
    for (const Vector& item : rows[1]) scores.item_vectors.push_back(ItemVector(item, layers));
    for (const Vector& user : rows[0]) {
      Vector& of_user = scores.of_users.emplace_back();
      for (std::uint32_t item = 0; item < data_.items(); ++item) {
        of_user.push_back(Score(user, rows[1][item], scores.item_vectors[item], layers));
      }
    }
    return scores;
  }

  const EvaluatorData files_;
  const Dataset data_;
  Job job_;
  std::unique_ptr<const ModelSpec> model_;
  std::optional<DataSplit> split_;
  std::vector<FeatureLists> features_;
  std::vector<std::uint32_t> training_samples_;
  std::vector<RankingMetric> metrics_;

 private:
  void AddFeatures(std::vector<std::vector<Vector>>& rows) const {
    for (std::size_t k = 0; k < features_.size(); ++k) {
      const std::vector<Vector>& table = rows[Index(model_->first_feature()) + k];
      const bool of_users = features_[k].side() == FeatureSide::kUser;
      std::vector<Vector>& to = rows[of_users ? 0 : 1];
      for (std::uint32_t entry = 0; entry < to.size(); ++entry) {
        const std::span<const RowId> has = features_[k].RowsOf(RowId{entry});
        const auto n = static_cast<double>(std::max<std::size_t>(has.size(), 1));
        for (const RowId row : has) {
          for (std::size_t d = 0; d < to[entry].size(); ++d) {
            to[entry][d] += table[Index(row)][d] / (of_users ? std::sqrt(n) : n);
          }
        }
      }
    }
  }

  Vector ItemVector(const Vector& item, const std::vector<Vector>& layers) const {
    if (const auto towers = TowersOf(job_); towers.has_value()) {
      return Through(towers->item, layers.data() + towers->user.layers.size(), item);
    }
    return {item.begin(),
            item.end() - (job_.model().has_ranker() ? 0 : 1)};  // The bias is no part.
  }

  double Score(const Vector& user, const Vector& item, const Vector& item_vector,
               const std::vector<Vector>& layers) const {
    if (const auto ranker = RankerOf(job_); ranker.has_value()) {
      Vector input = user;
      input.insert(input.end(), item.begin(), item.end());
      return Through(ranker->network, layers.data(), input)[0];
    }
    Vector user_vector = user;
    double bias = 0;
    if (const auto towers = TowersOf(job_); towers.has_value()) {
      user_vector = Through(towers->user, layers.data(), user);
    } else {
      bias = item.back();
    }
    return std::inner_product(item_vector.begin(), item_vector.end(), user_vector.begin(), bias);
  }
};

TEST_P(EvaluatorOf, FindsWhatASlowEvaluationFinds) {
  const Sums expected = SlowEvaluation(data_, *split_, SlowScores()).Evaluate(metrics_);
  EXPECT_GT(expected.cold_positives, 0U);
  EXPECT_GT(expected.cold_users, 0U);
  EXPECT_LT(expected.users, data_.users());
  std::vector<std::set<std::uint32_t>> listed;
  const std::vector<PartitionRanking> found = Evaluate(1, listed);
  Sums sums;
  for (const PartitionRanking& partition : found) {
    sums.users += partition.users;
    sums.positives += partition.positives;
    sums.cold_users += partition.cold_users;
    sums.cold_positives += partition.cold_positives;
  }
  EXPECT_EQ(sums.users, expected.users);
  EXPECT_EQ(sums.positives, expected.positives);
  EXPECT_EQ(sums.cold_users, expected.cold_users);
  EXPECT_EQ(sums.cold_positives, expected.cold_positives);
  for (std::size_t m = 0; m < metrics_.size(); ++m) {
    const std::string name = NameOf(metrics_[m]);
    EXPECT_EQ(listed[m], expected.listed[m]) << name;
    MetricSum sum;
    for (const PartitionRanking& partition : found) {
      sum.Add(partition.sums[m].sum, partition.sums[m].count);
    }
    EXPECT_EQ(sum.count, expected.by_metric[m].count) << name;
    EXPECT_NEAR(sum.sum, expected.by_metric[m].sum, 1e-5) << name;
  }
}

TEST_P(EvaluatorOf, FindsTheSameForAPartitionOnAnySeat) {
  std::vector<std::set<std::uint32_t>> listed;
  std::vector<std::set<std::uint32_t>> listed_by_three;
  const std::vector<PartitionRanking> found = Evaluate(1, listed);
  const std::vector<PartitionRanking> by_three = Evaluate(3, listed_by_three);
  EXPECT_EQ(listed, listed_by_three);
  for (std::uint32_t p = 0; p < kPartitions; ++p) {
    EXPECT_EQ(found[p].sums, by_three[p].sums) << p;
    EXPECT_EQ(found[p].users, by_three[p].users) << p;
    EXPECT_EQ(found[p].positives, by_three[p].positives) << p;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Models, EvaluatorOf,
    ::testing::Values(
        EvaluatorCase{"Factorization",
                      "matrix_factorization { dim: 7 vectors { uniform { min: -1 max: 1 } }"
                      "  bias_values { uniform { min: -1 max: 1 } } }"},
        EvaluatorCase{"FactorizationWithFeatures",
                      "matrix_factorization { dim: 7 vectors { uniform { min: -1 max: 1 } }"
                      "  feature { source: USER_HISTORY vectors { normal { deviation: 0.5 } } }"
                      "  feature { source: ITEM_GENRES vectors { normal { deviation: 0.5 } } } }"},
        EvaluatorCase{"Ranker",
                      "ranker { user { dim: 5 } item { dim: 19 vectors { normal {} } }"
                      "  dense { units: 21 activation: RELU } dense {} }"},
        EvaluatorCase{"Retrieval",
                      "retrieval { user { dim: 6 vectors { normal {} } }"
                      "  item { dim: 4 vectors { normal {} } dense { units: 6 } } }"},
        EvaluatorCase{"TiesAndNoNumbers", "popularity { }", true}),
    [](const ::testing::TestParamInfo<EvaluatorCase>& test) { return test.param.name; });

}  // namespace
}  // namespace cf::evaluator_test
