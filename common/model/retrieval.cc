#include "common/model/retrieval.h"

#include "common/model/dot_scorer.h"

namespace cf {
namespace {

class RetrievalModel final : public ModelSpec {
 public:
  explicit RetrievalModel(const Job& job) : ModelSpec(job, TraitsOf(job)) {}

  std::string Prediction() const override {
    return networks().empty() ? "score = dot(user_embeddings[u], item_embeddings[i])"
                              : "score = dot(user_vectors[u], item_vectors[i])";
  }

  std::unique_ptr<Scorer> MakeScorer(const Objective& objective,
                                     const KernelSet& kernels) const override {
    return std::make_unique<DotScorer>(TowersOf(job())->item.outputs(), networks(), objective,
                                       kernels);
  }

 private:
  static Traits TraitsOf(const Job& job) {
    const Retrieval& model = job.model().retrieval();
    const TowerShapes towers = *TowersOf(job);
    Traits traits{.batch_is_candidates = true};
    // A tower without layers gives the vector as it is; two of them are no towers.
    if (towers.layers() > 0) {
      traits.networks = {{.role = NetworkRole::kUser,
                          .name = "user_dense",
                          .shape = towers.user,
                          .layers = model.user().dense()},
                         {.role = NetworkRole::kItem,
                          .name = "item_dense",
                          .shape = towers.item,
                          .layers = model.item().dense()}};
    }
    return traits;
  }

  std::vector<TableSpec> EntryTables(std::uint32_t users, std::uint32_t items) const override {
    const Retrieval& model = job().model().retrieval();
    return {EmbeddingTable("users", users, model.user(), moments()),
            EmbeddingTable("items", items, model.item(), moments())};
  }
};

}  // namespace

std::optional<TowerShapes> TowersOf(const Job& job) {
  if (!job.model().has_retrieval()) return std::nullopt;
  const Retrieval& model = job.model().retrieval();
  return TowerShapes{.user = LayersOn(model.user().dim(), 0, model.user().dense()),
                     .item = LayersOn(model.item().dim(), 0, model.item().dense())};
}

std::optional<SoftmaxShape> SoftmaxOf(const Job& job) {
  if (!job.model().has_retrieval()) return std::nullopt;
  const Retrieval& model = job.model().retrieval();
  const bool mean = model.reduction() == Fit::MEAN;
  return SoftmaxShape{.dim = TowersOf(job)->item.outputs(),
                      .inverse_temperature = static_cast<float>(1.0 / model.temperature()),
                      .weight = mean ? 1.0F / static_cast<float>(job.train().batch_size()) : 1.0F,
                      .logq_correction = model.logq_correction(),
                      .remove_accidental_hits = model.remove_accidental_hits()};
}

std::unique_ptr<const ModelSpec> MakeRetrieval(const Job& job) {
  return std::make_unique<RetrievalModel>(job);
}

}  // namespace cf
