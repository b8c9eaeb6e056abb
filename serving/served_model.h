#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include <absl/status/statusor.h>

#include "common/base/ids.h"
#include "common/kernels/kernels.h"
#include "common/kernels/objective.h"
#include "common/model/model_spec.h"
#include "common/model/scorer.h"
#include "common/snapshot/snapshot.h"
#include "serving/catalogue.h"
#include "serving/mapped_export.h"
#include "serving/served_features.h"
#include "serving/weight_table.h"

namespace cf {

/// The model of a snapshot's job, which comes out of a file, perhaps of another program: it is
/// judged before it is believed. FailedPrecondition: the job is none that this program could run.
absl::StatusOr<std::unique_ptr<const ModelSpec>> SpecOf(const Manifest& manifest);

/// The tables of that model, with the rows that the manifest says. FailedPrecondition: the manifest
/// has another number of them.
absl::StatusOr<std::vector<TableSpec>> TablesOf(const Manifest& manifest, const ModelSpec& spec);

/// Where a served model's users are.
enum class ServedUsers : std::uint8_t {
  kInMemory,
  kInSnapshot,  ///< Read from it when they are visited.
};

/// Bytes of the weights of the snapshot's model, as ServedModel has them, and of the ItemSieve that a
/// Recommender adds to them.
std::uint64_t BytesOfWeights(const Manifest& manifest, const ModelSpec& spec, ServedUsers users);

/// Whether users may be in the snapshot: what they are served as is their rows alone, without
/// towers and without features.
bool CanStreamUsers(const ModelSpec& spec);

/// A user who is in no table, as scores need one: somebody folded in.
struct UserRow {
  std::vector<float> vector;  ///< As a row of ServedModel::users(), with its padding.
  float bias = 0;
  /// By feature of the model: the vector of a user's feature that stands beside the user's own, with
  /// its padding; else empty.
  std::vector<std::vector<float>> features = {};
};

/// A trained model as serving needs it: weights without optimizer state, and the scorer that makes
/// raw sums of them. These have the bits that training and validation compute: the same kernels in
/// the same order (docs/arithmetic.md).
///
/// Owner:   whoever loaded it.
/// Threads: any; constant after loading. Threads that score have called SetFloatMode().
/// Bounds:  BytesOfWeights: one WeightTable of users, unless they are in the snapshot, and one of
///          items, two each where they have towers of layers, and the networks; for each feature one
///          of its own and perhaps another of users or items. Of an export these are mapped, but for
///          the networks. A catalogue that it was loaded with outlives it.
/// Invariants: all weights are finite, as far as an export is what its writer wrote.
class ServedModel {
 public:
  /// What one thread scores in.
  class Workspace {
   private:
    friend class ServedModel;
    std::unique_ptr<Scorer::Workspace> scorer_;
    std::vector<FeatureView> features_;                  // Those that stand beside the vectors.
    std::vector<std::vector<const float*>> of_samples_;  // By feature: by pair, where it has one.
  };

  /// Sets the float mode of the calling thread. DataLoss if rows cannot be read; FailedPrecondition
  /// if the job is none that this program could run, its tables are not the snapshot's, it is of
  /// another version of the arithmetic, or has weights that are not finite numbers. A model with
  /// features needs the catalogue of the snapshot.
  /// Of users that are in the snapshot nothing can be scored. Requires: CanStreamUsers, then.
  static absl::StatusOr<ServedModel> Load(const Snapshot& snapshot,
                                          const Catalogue* catalogue = nullptr,
                                          ServedUsers users = ServedUsers::kInMemory);

  /// Of an export: weights are mapped, and only the layers of networks are read, so that it takes the
  /// same time however many rows there are. `catalogue` is that of the export. DataLoss if an array
  /// is missing or of another form; FailedPrecondition as Load.
  static absl::StatusOr<ServedModel> Map(const MappedExport& from, const Catalogue& catalogue);

  const ModelSpec& spec() const { return *spec_; }
  const Scorer& scorer() const { return *scorer_; }
  const Objective& objective() const { return objective_; }
  const KernelSet& kernels() const { return *kernels_; }

  /// What a score is made of: the towers' outputs where there are towers, else the rows, of a
  /// factorisation with its features added.
  const WeightTable& users() const { return users_; }
  const WeightTable& items() const { return items_; }
  /// What went into the towers; without towers the same as users() and items().
  const WeightTable& user_embeddings() const { return has_towers() ? user_embeddings_ : users_; }
  const WeightTable& item_embeddings() const { return has_towers() ? item_embeddings_ : items_; }
  /// Whether the users' weights are here; else they are in the snapshot.
  bool has_users() const { return !users_in_.has_value(); }
  bool has_towers() const { return scorer_->tower(NetworkRole::kUser) != nullptr; }
  /// Whether a raw sum is the dot product of two vectors, with biases and the mean.
  bool compares_vectors() const;
  /// In the order of the job.
  const std::vector<ServedFeature>& features() const { return features_; }

  /// Calls `visit` with the vector and the bias of each of users(), by ascending id, wherever they
  /// are; an error ends it. DataLoss and FailedPrecondition as Load.
  absl::Status VisitUsers(
      const std::function<absl::Status(std::span<const float> vector, float bias)>& visit) const;

  Workspace MakeWorkspace() const;

  /// raw[k] = the raw sum of `user` and item `first` + k: the sum before the link, which is ranked
  /// by. Requires: ids within the tables.
  void ScoreItems(RowId user, RowId first, Workspace& workspace, std::span<float> raw) const;

  /// The same for a user who is in no table. What a pair has of a feature of samples is that of the
  /// newest sample. Requires: `user` is of this model's form.
  void ScoreItems(const UserRow& user, RowId first, Workspace& workspace,
                  std::span<float> raw) const;

  /// raw[k] = the raw sum of user `first` + k and `item`. Requires: as ScoreItems.
  void ScoreUsers(RowId item, RowId first, Workspace& workspace, std::span<float> raw) const;

  /// The same for one pair.
  float RawScore(RowId user, RowId item) const;

  /// The predicted rating. Requires: as RawScore.
  float Predict(RowId user, RowId item) const {
    return PredictedRating(objective_, RawScore(user, item));
  }

 private:
  ServedModel() = default;
  // All but weights.
  static absl::StatusOr<ServedModel> Describe(const Manifest& manifest);
  absl::Status MapLayers(const MappedExport& from);
  absl::Status MapTables(const MappedExport& from);
  absl::Status MapFeatures(const MappedExport& from, const Catalogue& catalogue);
  absl::Status TakeRows(const Snapshot& snapshot);
  void TakeWeights(TableId table, RowId id, std::span<const float> row);
  void RunTowers();
  void ComposeFeatures();
  // Pairs to score: of one user with items from `item` on, or of users from `user` on with one
  // item.
  struct Pairs {
    RowId user{};
    RowId item{};
    bool of_one_user = true;

    // Pair number k, and the rows of all users or items in their tables.
    RowId UserAt(std::uint32_t k) const {
      return of_one_user ? user : RowId{static_cast<std::uint32_t>(user) + k};
    }
    RowId ItemAt(std::uint32_t k) const {
      return of_one_user ? RowId{static_cast<std::uint32_t>(item) + k} : item;
    }
    RowsView UsersIn(const WeightTable& table) const;
    RowsView ItemsIn(const WeightTable& table) const;
  };
  void Score(const Pairs& pairs, Workspace& workspace, std::span<float> raw) const;
  void FindFeatures(const Pairs& pairs, std::size_t count, Workspace& workspace) const;
  void FindFeatures(const UserRow& user, RowId first, Workspace& workspace) const;

  std::unique_ptr<const ModelSpec> spec_;
  std::unique_ptr<Scorer> scorer_;
  Objective objective_;
  const KernelSet* kernels_ = nullptr;
  std::optional<Snapshot> users_in_;  // Nothing where they are in memory.
  WeightTable users_;
  WeightTable items_;
  WeightTable user_embeddings_;  // With towers,
  WeightTable item_embeddings_;  // as is this.
  std::vector<ServedFeature> features_;
};

/// What a model's numbers are called where they stand in a table: "predicted" where they are
/// ratings, else "probability", "ratings" (a count of them) or "score".
const char* ScoreName(const ServedModel& model);

}  // namespace cf
