#include "common/model/factorization.h"

#include "common/model/dot_scorer.h"

namespace cf {
namespace {

class Factorization final : public ModelSpec {
 public:
  explicit Factorization(const Job& job) : ModelSpec(job, TraitsOf(job)) {}

  std::string Prediction() const override {
    return RatingText(
        "user_biases[u] + item_biases[i] + mean + dot(user_embeddings[u], item_embeddings[i])");
  }

  std::unique_ptr<Scorer> MakeScorer(const Objective& objective,
                                     const KernelSet& kernels) const override {
    return std::make_unique<DotScorer>(options().dim(), networks(), objective, kernels);
  }

 private:
  static Traits TraitsOf(const Job& job) {
    const MatrixFactorization& model = job.model().matrix_factorization();
    return {.features = {model.feature().begin(), model.feature().end()},
            .adds_features = true,
            .feature_biases = model.biases(),
            .feature_bias_rate = model.bias_rate(),
            .link = model.link(),
            .loss = model.loss(),
            .adds_mean = model.mean(),
            .sums_gradients = model.reduction() == Fit::SUM,
            .negatives = model.negatives(),
            .starts_from_baseline = model.start_from_baseline()};
  }

  const MatrixFactorization& options() const { return job().model().matrix_factorization(); }

  std::vector<TableSpec> EntryTables(std::uint32_t users, std::uint32_t items) const override {
    const auto table = [&](const char* name, std::uint32_t rows) {
      return TableSpec{.shape = {.name = name,
                                 .rows = rows,
                                 .dim = options().dim(),
                                 .biases = options().biases(),
                                 .moments = moments()},
                       .layer = {},
                       .vectors = options().vectors(),
                       .biases = options().bias_values(),
                       .l2_vectors = options().l2_vectors(),
                       .l2_biases = options().l2_biases(),
                       .bias_rate = options().bias_rate()};
    };
    return {table("users", users), table("items", items)};
  }
};

}  // namespace

std::unique_ptr<const ModelSpec> MakeFactorization(const Job& job) {
  return std::make_unique<Factorization>(job);
}

}  // namespace cf
