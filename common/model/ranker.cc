#include "common/model/ranker.h"

#include <string>
#include <utility>

#include <absl/strings/str_cat.h>

#include "common/model/scorer.h"

namespace cf {
namespace {

/// The output of the network for each pair.
class RankerScorer final : public Scorer {
 public:
  RankerScorer(RankerShape shape, std::span<const NetworkSpec> networks, const KernelSet& kernels)
      : Scorer(networks, kernels), shape_(std::move(shape)) {}

  std::unique_ptr<Workspace> MakeWorkspace() const override {
    return std::make_unique<Passing>(shape_.network);
  }

  void Score(const RowsView& users, const RowsView& items, std::span<const FeatureView> features,
             Workspace& workspace, std::span<float> scores) const override {
    Network::Passage& passage = static_cast<Passing&>(workspace).passage;
    for (std::size_t done = 0; done < scores.size(); done += Network::kChunk) {
      const std::size_t n = std::min(Network::kChunk, scores.size() - done);
      for (std::size_t s = 0; s < n; ++s) {
        const std::size_t k = done + s;
        shape_.FillInput(
            users.vector(k), items.vector(k),
            [&features, k](std::size_t f) { return features[f].vector(k); }, passage.input(s));
      }
      networks().front().Forward(n, passage);
      for (std::size_t s = 0; s < n; ++s) scores[done + s] = passage.output(s);
    }
  }

 private:
  struct Passing final : Workspace {
    explicit Passing(const NetworkShape& shape) : passage(shape, Network::Passage::Use::kForward) {}
    Network::Passage passage;
  };

  const RankerShape shape_;
};

class RankerModel final : public ModelSpec {
 public:
  explicit RankerModel(const Job& job) : ModelSpec(job, TraitsOf(job)) {}

  std::string Prediction() const override {
    std::string raw = item_first()
                          ? "the dense layers' output for (item_embeddings[i], user_embeddings[u]"
                          : "the dense layers' output for (user_embeddings[u], item_embeddings[i]";
    for (const Feature& feature : features()) {
      absl::StrAppend(&raw, ", ", FeatureTableName(feature.source()));
    }
    return RatingText(raw + ")");
  }

  std::unique_ptr<Scorer> MakeScorer(const Objective&, const KernelSet& kernels) const override {
    return std::make_unique<RankerScorer>(*RankerOf(job()), networks(), kernels);
  }

 private:
  static Traits TraitsOf(const Job& job) {
    const Ranker& model = job.model().ranker();
    return {.networks = {{.role = NetworkRole::kPair,
                          .name = "dense",
                          .shape = RankerOf(job)->network,
                          .layers = model.dense()}},
            .features = {model.feature().begin(), model.feature().end()},
            .item_first = model.item_first(),
            .link = model.link(),
            .loss = model.loss()};
  }

  std::vector<TableSpec> EntryTables(std::uint32_t users, std::uint32_t items) const override {
    const Ranker& model = job().model().ranker();
    return {EmbeddingTable("users", users, model.user(), moments()),
            EmbeddingTable("items", items, model.item(), moments())};
  }
};

}  // namespace

std::optional<RankerShape> RankerOf(const Job& job) {
  if (!job.model().has_ranker()) return std::nullopt;
  const Ranker& model = job.model().ranker();
  const std::uint32_t user_dim = model.user().dim();
  const std::uint32_t item_dim = model.item().dim();
  std::uint32_t inputs = user_dim + item_dim;
  std::vector<std::uint32_t> feature_dims;
  for (const Feature& feature : model.feature()) {
    feature_dims.push_back(feature.dim());
    inputs += feature.dim();
  }
  return RankerShape{.user_dim = user_dim,
                     .item_dim = item_dim,
                     .item_first = model.item_first(),
                     .feature_dims = feature_dims,
                     .network = LayersOn(inputs, model.dropout(), model.dense())};
}

std::unique_ptr<const ModelSpec> MakeRanker(const Job& job) {
  return std::make_unique<RankerModel>(job);
}

}  // namespace cf
