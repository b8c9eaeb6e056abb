// What evaluation ranks by: each model's score by its definition, in double, and the same bits for
// a pair whatever is scored beside it.

#include "worker/item_scorer.h"

#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "common/config/config.h"
#include "common/math/random.h"

namespace cf {
namespace {

constexpr std::uint32_t kUserRows = 3;
constexpr std::uint32_t kItemRows = 150;  // More than two blocks of a network.

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

class ItemScorerOf : public ::testing::TestWithParam<const char*> {
 protected:
  ItemScorerOf() {
    absl::StatusOr<Job> job = ParseJob(std::string("model {") + GetParam() + "}", "test");
    EXPECT_TRUE(job.ok()) << job.status();
    job_ = *std::move(job);
    FillDefaults(job_);
    specs_ = TablesOf(job_, kUserRows, kItemRows);
    for (const TableSpec& spec : specs_) {
      rows_.emplace_back(spec.shape.rows, Vector(spec.shape.dim + (spec.shape.biases ? 1 : 0)));
      for (Vector& row : rows_.back()) {
        for (double& w : row) w = static_cast<double>(random_.UniformFloat(drawn_++)) - 0.5;
      }
    }
    for (std::size_t t = Index(kFirstLayer); t < rows_.size(); ++t) layers_.push_back(rows_[t][0]);
  }

  /// Rows of a table as evaluation reads them.
  RowBlock Read(TableId table, std::span<const RowId> ids) const {
    const RowLayout layout(specs_[Index(table)].shape);
    RowBlock block;
    block.Resize(ids.size(), layout);
    for (std::size_t k = 0; k < ids.size(); ++k) {
      const Vector& row = rows_[Index(table)][Index(ids[k])];
      const std::uint32_t dim = specs_[Index(table)].shape.dim;
      std::fill_n(block.row(k), block.stride(), 0.0F);
      for (std::uint32_t d = 0; d < dim; ++d) block.row(k)[d] = static_cast<float>(row[d]);
      if (row.size() > dim) block.row(k)[layout.padded_dim()] = static_cast<float>(row.back());
    }
    return block;
  }

  std::unique_ptr<ItemScorer> Make() const {
    std::unique_ptr<ItemScorer> scorer =
        MakeItemScorer(RankerOf(job_), TowersOf(job_), RowLayout(specs_[Index(kItems)].shape),
                       *KernelsFor(KernelTarget::kBest).value());
    EXPECT_EQ(scorer->layers(), layers_.size());
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
      score = q.back();
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

TEST_P(ItemScorerOf, ScoresAsTheModelIsDefinedAndAlikeInEveryBlock) {
  std::vector<RowId> users;
  std::vector<RowId> items;
  for (std::uint32_t u = 0; u < kUserRows; ++u) users.push_back(RowId{u});
  for (std::uint32_t i = 0; i < kItemRows; ++i) items.push_back(RowId{i});
  const RowBlock user_rows = Read(kUsers, users);
  const RowBlock item_rows = Read(kItems, items);
  const std::unique_ptr<ItemScorer> scorer = Make();
  scorer->SetUsers(users, user_rows);
  scorer->SetItems(items, item_rows);
  std::vector<std::vector<float>> scores(kUserRows, std::vector<float>(kItemRows));
  for (std::uint32_t u = 0; u < kUserRows; ++u) {
    scorer->Score(u, 0, scores[u]);
    for (std::uint32_t i = 0; i < kItemRows; ++i) {
      EXPECT_NEAR(static_cast<double>(scores[u][i]), Expected(u, i), 1e-5) << u << " " << i;
    }
  }
  // As positives are scored: a few items, one at a time, and a slice of one user.
  const std::vector<RowId> few = {RowId{2}, RowId{77}, RowId{149}};
  const RowBlock few_rows = Read(kItems, few);
  const RowBlock last_user = Read(kUsers, std::span(users).last(1));
  scorer->SetUsers(std::span(users).last(1), last_user);
  scorer->SetItems(few, few_rows);
  for (std::size_t k = 0; k < few.size(); ++k) {
    float score = 0;
    scorer->Score(0, k, std::span(&score, 1));
    EXPECT_EQ(score, scores.back()[Index(few[k])]) << Index(few[k]);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Models, ItemScorerOf,
    ::testing::Values(
        "matrix_factorization { dim: 21 biases: true }",
        "ranker { user { dim: 5 } item { dim: 18 } dense { units: 19 activation: RELU }"
        "  dense {} }",
        "ranker { user { dim: 5 } item { dim: 18 } item_first: true dense {} }",
        "retrieval { user { dim: 5 dense { units: 18 activation: RELU }"
        "    dense { units: 7 } } item { dim: 7 } }",
        "retrieval { user { dim: 7 } item { dim: 5 dense { units: 7 } } }"));

}  // namespace
}  // namespace cf
