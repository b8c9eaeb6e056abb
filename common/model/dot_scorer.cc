#include "common/model/dot_scorer.h"

namespace cf {
namespace {

constexpr float kNoBias = 0;

// RawSum where the user's bias and the mean are zeros, which change nothing but the sign of a zero:
// what evaluation asks for.
void AddItemBiases(const RowsView& items, std::span<float> scores) {
  if (items.biases == nullptr) return;
  const float* bias = items.biases;
  for (float& score : scores) {
    score += *bias;
    bias += items.bias_stride;
  }
}

}  // namespace

void DotScorer::Score(const RowsView& users, const RowsView& items, std::span<const FeatureView>,
                      Workspace&, std::span<float> scores) const {
  const bool of_one_user = users.stride == 0;
  const RowsView& query = of_one_user ? users : items;
  const RowsView& rows = of_one_user ? items : users;
  kernels_.score_rows(query.vectors, rows.vectors, rows.stride, scores.size(), padded_dim_,
                      scores.data());
  if (users.biases == nullptr && objective_.mean == 0) return AddItemBiases(items, scores);
  AddAll(users, items, scores);
}

void DotScorer::AddAll(const RowsView& users, const RowsView& items,
                       std::span<float> scores) const {
  // Copies, which the compiler knows that no score overwrites.
  const Objective objective = objective_;
  const float* user_bias = users.biases != nullptr ? users.biases : &kNoBias;
  const float* item_bias = items.biases != nullptr ? items.biases : &kNoBias;
  if (users.bias_stride == 0) {
    const float of_user = *user_bias;
    if (items.bias_stride == 1) {
      for (std::size_t k = 0; k < scores.size(); ++k) {
        scores[k] = RawSum(objective, of_user, item_bias[k], scores[k]);
      }
      return;
    }
    for (float& score : scores) {
      score = RawSum(objective, of_user, *item_bias, score);
      item_bias += items.bias_stride;
    }
    return;
  }
  const float of_item = *item_bias;
  for (float& score : scores) {
    score = RawSum(objective, *user_bias, of_item, score);
    user_bias += users.bias_stride;
  }
}

}  // namespace cf
