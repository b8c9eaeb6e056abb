#include "worker/item_scorer.h"

#include <algorithm>

#include "common/base/check.h"

namespace cf {
namespace {

/// <user vector, item vector> + item bias.
class DotScorer : public ItemScorer {
 public:
  DotScorer(std::size_t padded_dim, const KernelSet& kernels)
      : kernels_(kernels), padded_dim_(padded_dim) {}

  void SetLayer(std::size_t, const float*) override { Check(false, "there are no layers"); }
  void SetUsers(std::span<const RowId>, const RowBlock& rows) override { users_ = &rows; }
  void SetItems(std::span<const RowId>, const RowBlock& rows) override { items_ = &rows; }

  void Score(std::size_t user, std::size_t first, std::span<float> scores) override {
    kernels_.score_rows(users_->row(user), items_->row(first), items_->stride(), scores.size(),
                        padded_dim_, scores.data());
    for (std::size_t k = 0; k < scores.size(); ++k) {
      scores[k] += items_->row(first + k)[padded_dim_];
    }
  }

  const float* ItemVector(std::size_t item) const override { return items_->row(item); }
  std::size_t vector_dim() const override { return padded_dim_; }

 private:
  const KernelSet& kernels_;
  const std::size_t padded_dim_;
  const RowBlock* users_ = nullptr;
  const RowBlock* items_ = nullptr;
};

/// The rows of a slice or a block behind a tower.
class TowerRows {
 public:
  TowerRows(const NetworkShape& shape, const KernelSet& kernels)
      : tower_(shape, kernels), passage_(shape, Network::Passage::Use::kForward, 0) {}

  std::size_t layers() const { return tower_.shape().layers.size(); }
  void SetLayer(std::size_t l, const float* row) { tower_.SetLayer(l, row); }

  void Take(const RowBlock& rows) {
    passage_.Reserve(rows.rows());
    for (std::size_t k = 0; k < rows.rows(); ++k) {
      std::copy_n(rows.row(k), tower_.shape().inputs, passage_.input(k));
    }
    tower_.Forward(rows.rows(), passage_);
  }

  const float* row(std::size_t k) const { return passage_.outputs(k); }
  std::size_t stride() const { return passage_.output_stride(); }
  std::size_t padded_dim() const { return PaddedDim(tower_.shape().outputs()); }

 private:
  Network tower_;
  Network::Passage passage_;
};

/// <output of the user tower, output of the item tower>.
class TowerScorer : public ItemScorer {
 public:
  TowerScorer(const TowerShapes& towers, const KernelSet& kernels)
      : kernels_(kernels), users_(towers.user, kernels), items_(towers.item, kernels) {}

  std::size_t layers() const override { return users_.layers() + items_.layers(); }
  void SetLayer(std::size_t l, const float* row) override {
    if (l < users_.layers()) return users_.SetLayer(l, row);
    items_.SetLayer(l - users_.layers(), row);
  }
  void SetUsers(std::span<const RowId>, const RowBlock& rows) override { users_.Take(rows); }
  void SetItems(std::span<const RowId>, const RowBlock& rows) override { items_.Take(rows); }

  void Score(std::size_t user, std::size_t first, std::span<float> scores) override {
    kernels_.score_rows(users_.row(user), items_.row(first), items_.stride(), scores.size(),
                        items_.padded_dim(), scores.data());
  }

  const float* ItemVector(std::size_t item) const override { return items_.row(item); }
  std::size_t vector_dim() const override { return items_.padded_dim(); }

 private:
  const KernelSet& kernels_;
  TowerRows users_;
  TowerRows items_;
};

/// The output of a ranker's network for each pair.
class RankerScorer : public ItemScorer {
 public:
  RankerScorer(const RankerShape& shape, const KernelSet& kernels)
      : shape_(shape),
        network_(shape.network, kernels),
        passage_(shape.network, Network::Passage::Use::kForward) {}

  std::size_t layers() const override { return network_.shape().layers.size(); }
  void SetLayer(std::size_t l, const float* row) override { network_.SetLayer(l, row); }
  void SetUsers(std::span<const RowId>, const RowBlock& rows) override { users_ = &rows; }
  void SetItems(std::span<const RowId>, const RowBlock& rows) override { items_ = &rows; }

  void Score(std::size_t user, std::size_t first, std::span<float> scores) override {
    for (std::size_t done = 0; done < scores.size(); done += Network::kBlock) {
      const std::size_t n = std::min(Network::kBlock, scores.size() - done);
      for (std::size_t s = 0; s < n; ++s) {
        float* input = passage_.input(s);
        std::copy_n(users_->row(user), shape_.user_dim, input + shape_.user_at());
        std::copy_n(items_->row(first + done + s), shape_.item_dim, input + shape_.item_at());
      }
      network_.Forward(n, passage_);
      for (std::size_t s = 0; s < n; ++s) scores[done + s] = passage_.output(s);
    }
  }

  const float* ItemVector(std::size_t item) const override { return items_->row(item); }
  std::size_t vector_dim() const override { return shape_.item_dim; }

 private:
  const RankerShape shape_;
  Network network_;
  Network::Passage passage_;
  const RowBlock* users_ = nullptr;
  const RowBlock* items_ = nullptr;
};

}  // namespace

std::unique_ptr<ItemScorer> MakeItemScorer(const std::optional<RankerShape>& ranker,
                                           const std::optional<TowerShapes>& towers,
                                           const RowLayout& items, const KernelSet& kernels) {
  if (towers.has_value() && towers->layers() > 0) {
    return std::make_unique<TowerScorer>(*towers, kernels);
  }
  if (ranker.has_value()) return std::make_unique<RankerScorer>(*ranker, kernels);
  return std::make_unique<DotScorer>(items.padded_dim(), kernels);
}

}  // namespace cf
