// What evaluation ranks by and what is served: each model's score by its definition, in double, and
// the same bits for a pair whatever is scored beside it and whoever stands still.

#include "common/model/scorer.h"

#include <algorithm>
#include <numeric>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "common/config/config.h"
#include "common/math/random.h"
#include "common/model/ranker.h"
#include "common/model/retrieval.h"

namespace cf::scorer_test {
namespace {

constexpr std::uint32_t kUserRows = 3;
constexpr std::uint32_t kItemRows = 150;  // More than two blocks of a network.
constexpr double kMean = 3.25;

using Vector = std::vector<double>;

Vector Through(const NetworkShape& network, const std::vector<Vector>& layers, std::size_t first,
               Vector values) {
  for (std::size_t l = 0; l < network.layers.size(); ++l) {
    const LayerShape& layer = network.layers[l];
    const Vector& row = layers[first + l];
    Vector outputs(layer.units);
    for (std::size_t u = 0; u < layer.units; ++u) {
      outputs[u] = row[layer.inputs * layer.units + u];
      for (std::size_t i = 0; i < layer.inputs; ++i) {
        outputs[u] += values[i] * row[i * layer.units + u];
      }
      if (layer.relu) outputs[u] = std::max(outputs[u], 0.0);
    }
    values = outputs;
  }
  return values;
}

std::vector<std::uint32_t> Numbers(std::uint32_t count) {
  std::vector<std::uint32_t> numbers(count);
  std::iota(numbers.begin(), numbers.end(), 0U);
  return numbers;
}

class ScorerOf : public ::testing::TestWithParam<const char*> {
 protected:
  ScorerOf() {
    absl::StatusOr<Job> job = ParseJob(std::string("model {") + GetParam() + "}", "test");
    EXPECT_TRUE(job.ok()) << job.status();
    job_ = *std::move(job);
    FillDefaults(job_);
    specs_ = ModelSpec::Make(job_)->Tables({.users = kUserRows, .items = kItemRows});
    for (const TableSpec& spec : specs_) {
      rows_.emplace_back(spec.shape.rows, Vector(spec.shape.dim + (spec.shape.biases ? 1 : 0)));
      for (Vector& row : rows_.back()) {
        for (double& w : row) w = static_cast<double>(random_.UniformFloat(drawn_++)) - 0.5;
      }
    }
    for (std::size_t t = Index(kFirstLayer); t < rows_.size(); ++t) layers_.push_back(rows_[t][0]);
  }

  /// Rows of a table as they are scored: behind the tower where there is one.
  struct Rows {
    std::vector<float> vectors;
    std::vector<float> biases;
    std::size_t stride = 0;

    RowsView view() const {
      return {
          .vectors = vectors.data(), .stride = stride, .biases = biases.data(), .bias_stride = 1};
    }
  };

  Rows Read(TableId table, std::span<const std::uint32_t> ids, const Scorer& scorer) const {
    const TableShape& shape = specs_[Index(table)].shape;
    Rows read{.vectors = {}, .biases = {}, .stride = PaddedDim(shape.dim)};
    for (const std::uint32_t id : ids) {
      const Vector& row = rows_[Index(table)][id];
      for (std::uint32_t d = 0; d < read.stride; ++d) {
        read.vectors.push_back(d < shape.dim ? static_cast<float>(row[d]) : 0.0F);
      }
      read.biases.push_back(shape.biases ? static_cast<float>(row.back()) : 0.0F);
    }
    const Network* tower = scorer.tower(table == kUsers ? NetworkRole::kUser : NetworkRole::kItem);
    if (tower == nullptr) return read;
    Rows through{
        .vectors = {}, .biases = read.biases, .stride = PaddedDim(tower->shape().outputs())};
    through.vectors.resize(ids.size() * through.stride);
    RunTower(*tower, read.view(), ids.size(), through.vectors.data(), through.stride);
    return through;
  }

  std::unique_ptr<Scorer> Make() const {
    const std::unique_ptr<const ModelSpec> model = ModelSpec::Make(job_);
    std::unique_ptr<Scorer> scorer =
        model->MakeScorer(model->ObjectiveFor({.mean = kMean, .min = 1, .max = 5}),
                          *KernelsFor(KernelTarget::kBest).value());
    EXPECT_EQ(scorer->layers(), layers_.size());
    EXPECT_EQ(model->layers(), layers_.size());
    for (std::size_t l = 0; l < layers_.size(); ++l) {
      const std::vector<float> row(layers_[l].begin(), layers_[l].end());
      scorer->SetLayer(l, row.data());
    }
    return scorer;
  }

  double Expected(std::uint32_t user, std::uint32_t item) const {
    const Vector& p = rows_[0][user];
    const Vector& q = rows_[1][item];
    if (const auto ranker = RankerOf(job_); ranker.has_value()) {
      Vector input = ranker->item_first ? q : p;
      const Vector& second = ranker->item_first ? p : q;
      input.insert(input.end(), second.begin(), second.end());
      return Through(ranker->network, layers_, 0, input)[0];
    }
    Vector user_vector = p;
    Vector item_vector = q;
    double score = 0;
    if (const auto towers = TowersOf(job_); towers.has_value()) {
      user_vector = Through(towers->user, layers_, 0, p);
      item_vector = Through(towers->item, layers_, towers->user.layers.size(), q);
    } else {
      score = p.back() + q.back() + (job_.model().matrix_factorization().mean() ? kMean : 0);
      if (job_.model().has_popularity()) score = p.back() + q.back();
      user_vector.pop_back();
    }
    for (std::size_t d = 0; d < user_vector.size(); ++d) score += user_vector[d] * item_vector[d];
    return score;
  }

  Job job_;
  std::vector<TableSpec> specs_;
  std::vector<std::vector<Vector>> rows_;  // By table; exact in float.
  std::vector<Vector> layers_;

 private:
  CounterRandom random_{3, Purpose::kSynth};
  std::uint64_t drawn_ = 0;
};

TEST_P(ScorerOf, ScoresAsTheModelIsDefinedAndAlikeInEveryBlock) {
  SetFloatMode();
  const std::vector<std::uint32_t> users = Numbers(kUserRows);
  const std::vector<std::uint32_t> items = Numbers(kItemRows);
  const std::unique_ptr<Scorer> scorer = Make();
  const std::unique_ptr<Scorer::Workspace> workspace = scorer->MakeWorkspace();
  const Rows user_rows = Read(kUsers, users, *scorer);
  const Rows item_rows = Read(kItems, items, *scorer);
  std::vector<std::vector<float>> scores(kUserRows, std::vector<float>(kItemRows));
  for (std::uint32_t u = 0; u < kUserRows; ++u) {
    scorer->Score(user_rows.view().Only(u), item_rows.view(), {}, *workspace, scores[u]);
    for (std::uint32_t i = 0; i < kItemRows; ++i) {
      EXPECT_NEAR(static_cast<double>(scores[u][i]), Expected(u, i), 1e-5) << u << " " << i;
    }
  }
  // As positives are scored: a few items, one at a time, and a slice of one user.
  const std::vector<std::uint32_t> few = {2, 77, 149};
  const Rows few_rows = Read(kItems, few, *scorer);
  const Rows last_user = Read(kUsers, std::span(users).last(1), *scorer);
  for (std::size_t k = 0; k < few.size(); ++k) {
    float score = 0;
    scorer->Score(last_user.view().Only(0), few_rows.view().From(k), {}, *workspace,
                  std::span(&score, 1));
    EXPECT_EQ(score, scores.back()[few[k]]) << few[k];
  }
  // As users of an item are found.
  std::vector<float> of_item(kUserRows);
  for (const std::uint32_t i : few) {
    scorer->Score(user_rows.view(), item_rows.view().Only(i), {}, *workspace, of_item);
    for (std::uint32_t u = 0; u < kUserRows; ++u) EXPECT_EQ(of_item[u], scores[u][i]);
  }
}

// Goal: what evaluation leaves out -- a user's bias, the mean -- is what is the same for all items.
TEST_P(ScorerOf, WithoutUserBiasAndMeanOnlyWhatIsTheSameForAllItemsIsMissing) {
  SetFloatMode();
  const std::unique_ptr<Scorer> whole = Make();
  const std::unique_ptr<const ModelSpec> model = ModelSpec::Make(job_);
  const std::unique_ptr<Scorer> bare =
      model->MakeScorer(Objective(), *KernelsFor(KernelTarget::kBest).value());
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    const std::vector<float> row(layers_[l].begin(), layers_[l].end());
    bare->SetLayer(l, row.data());
  }
  const Rows user_rows = Read(kUsers, Numbers(kUserRows), *whole);
  const Rows item_rows = Read(kItems, Numbers(kItemRows), *whole);
  std::vector<float> scores(kItemRows);
  std::vector<float> bare_scores(kItemRows);
  for (std::uint32_t u = 0; u < kUserRows; ++u) {
    RowsView user = user_rows.view().Only(u);
    whole->Score(user, item_rows.view(), {}, *whole->MakeWorkspace(), scores);
    user.biases = nullptr;
    bare->Score(user, item_rows.view(), {}, *bare->MakeWorkspace(), bare_scores);
    for (std::uint32_t i = 0; i < kItemRows; ++i) {
      EXPECT_NEAR(static_cast<double>(scores[i] - bare_scores[i]),
                  static_cast<double>(scores[0] - bare_scores[0]), 1e-5)
          << u << " " << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Models, ScorerOf,
    ::testing::Values(
        "matrix_factorization { dim: 21 biases: true }",
        "matrix_factorization { dim: 0 mean: false }", "popularity { }",
        "retrieval { user { dim: 7 } item { dim: 7 } }",
        "ranker { user { dim: 5 } item { dim: 18 } dense { units: 19 activation: RELU }"
        "  dense {} }",
        "ranker { user { dim: 5 } item { dim: 18 } item_first: true dense {} }",
        "retrieval { user { dim: 5 dense { units: 18 activation: RELU }"
        "    dense { units: 7 } } item { dim: 7 } }",
        "retrieval { user { dim: 7 } item { dim: 5 dense { units: 7 } } }"));

}  // namespace
}  // namespace cf::scorer_test
