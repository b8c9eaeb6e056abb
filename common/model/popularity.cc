#include "common/model/popularity.h"

#include "common/model/dot_scorer.h"

namespace cf {
namespace {

class PopularityModel final : public ModelSpec {
 public:
  explicit PopularityModel(const Job& job) : ModelSpec(job, {.counts_items = true}) {}

  std::string Prediction() const override { return "score = item_biases[i]"; }

  std::unique_ptr<Scorer> MakeScorer(const Objective& objective,
                                     const KernelSet& kernels) const override {
    return std::make_unique<DotScorer>(0, networks(), objective, kernels);
  }

 private:
  // Without vectors, and alike as those of a factorisation are: the users' biases stay 0.
  std::vector<TableSpec> EntryTables(std::uint32_t users, std::uint32_t items) const override {
    Initial zeros;
    zeros.mutable_zeros();
    const auto table = [&zeros](const char* name, std::uint32_t rows) {
      return TableSpec{
          .shape = {.name = name, .rows = rows, .dim = 0, .biases = true, .moments = 0},
          .layer = {},
          .vectors = zeros,
          .biases = zeros};
    };
    return {table("users", users), table("items", items)};
  }
};

}  // namespace

std::unique_ptr<const ModelSpec> MakePopularity(const Job& job) {
  return std::make_unique<PopularityModel>(job);
}

}  // namespace cf
