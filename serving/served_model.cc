#include "serving/served_model.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <string>
#include <utility>

#include <absl/status/status.h>
#include <absl/strings/str_cat.h>

#include "common/base/check.h"
#include "common/base/status.h"
#include "common/config/config.h"
#include "common/model/optimizer.h"
#include "common/model/ranker.h"
#include "common/model/row_optimizer.h"
#include "common/snapshot/row_stream.h"
#include "serving/item_sieve.h"

namespace cf {

absl::StatusOr<std::unique_ptr<const ModelSpec>> SpecOf(const Manifest& manifest) {
  Job job = manifest.job();
  FillDefaults(job);
  if (const absl::Status valid = ValidateJob(job); !valid.ok()) {
    return absl::FailedPreconditionError(
        absl::StrCat("the snapshot's job is not one that is served: ", valid.message()));
  }
  return ModelSpec::Make(job);
}

absl::StatusOr<std::vector<TableSpec>> TablesOf(const Manifest& manifest, const ModelSpec& spec) {
  const std::size_t first_feature = Index(spec.first_feature());
  if (static_cast<std::size_t>(manifest.tables_size()) != first_feature + spec.features().size()) {
    return absl::FailedPreconditionError("the snapshot has other tables than its model's job says");
  }
  std::vector<std::uint32_t> features;
  for (std::size_t k = 0; k < spec.features().size(); ++k) {
    features.push_back(manifest.tables(static_cast<int>(first_feature + k)).rows());
  }
  return spec.Tables({.users = manifest.tables(0).rows(),
                      .items = manifest.tables(1).rows(),
                      .features = features});
}

namespace {

absl::Status CheckTables(const Manifest& manifest, const ModelSpec& spec) {
  const absl::StatusOr<std::vector<TableSpec>> expected = TablesOf(manifest, spec);
  if (!expected.ok()) return expected.status();
  for (std::size_t t = 0; t < expected->size(); ++t) {
    const SnapshotTable& table = manifest.tables(static_cast<int>(t));
    const TableShape& shape = (*expected)[t].shape;
    if (table.rows() == shape.rows && table.dim() == shape.dim && table.bias() == shape.biases &&
        table.last_step() == shape.last_step) {
      continue;
    }
    return absl::FailedPreconditionError(absl::StrCat(
        "table ", table.name(), " of the snapshot has another form than its model's job says"));
  }
  return absl::OkStatus();
}

// The weights of records of a snapshot.
class RecordReader {
 public:
  // After `steps` global steps. The rule is borrowed.
  RecordReader(const OptimizerRule& rule, const KernelSet& kernels,
               const std::vector<TableSpec>& tables, std::uint64_t steps)
      : optimizer_(&rule, &kernels, tables), tables_(tables), steps_(steps) {}

  // The vector, and the bias where there is one; valid until the next.
  std::span<const float> Weights(TableId table, std::span<const float> record) {
    const TableShape& shape = tables_[Index(table)].shape;
    const std::size_t floats = shape.dim + (shape.biases ? 1 : 0);
    if (!optimizer_.moves_rows()) return record.first(floats);
    const RowLayout layout(shape);
    row_.resize(layout.stride());
    layout.FromRecord(record.data(), row_.data());
    weights_.resize(layout.wire_floats());
    const float* const stored = row_.data();
    optimizer_.Read(table, steps_, {&stored, 1}, weights_.data(), weights_.size());
    if (shape.biases) weights_[shape.dim] = weights_.back();
    return std::span(weights_).first(floats);
  }

 private:
  RowOptimizer optimizer_;
  std::vector<TableSpec> tables_;
  std::uint64_t steps_;
  std::vector<float> row_;
  std::vector<float> weights_;
};

absl::Status CheckFinite(const std::string& table, RowId id, std::span<const float> row) {
  if (std::all_of(row.begin(), row.end(), [](float w) { return std::isfinite(w); })) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(
      absl::StrCat("table ", table, ", id ", Index(id),
                   " has a weight that is not a finite number: training diverged"));
}

// What a tower makes of all rows of `from`.
WeightTable Through(const Network& tower, const WeightTable& from) {
  WeightTable to(from.rows(), tower.shape().outputs());
  RunTower(tower, from.view(), from.rows(), to.mutable_vector(RowId{0}), to.padded_dim());
  return to;
}

}  // namespace

std::uint64_t BytesOfWeights(const Manifest& manifest, const ModelSpec& spec, ServedUsers users) {
  const SnapshotTable& user_rows = manifest.tables(0);
  const SnapshotTable& item_rows = manifest.tables(1);
  std::uint64_t bytes = WeightTable::BytesFor(item_rows.rows(), item_rows.dim());
  if (users == ServedUsers::kInMemory) {
    bytes += WeightTable::BytesFor(user_rows.rows(), user_rows.dim());
  }
  std::uint32_t compared = item_rows.dim();  // Numbers of an item's vector, as users' meet it.
  for (const NetworkSpec& network : spec.networks()) {
    if (network.role == NetworkRole::kPair) continue;
    if (network.role == NetworkRole::kItem) compared = network.shape.outputs();
    const std::uint32_t rows =
        network.role == NetworkRole::kUser ? user_rows.rows() : item_rows.rows();
    bytes += WeightTable::BytesFor(rows, network.shape.outputs());
  }
  for (int t = static_cast<int>(Index(kFirstLayer)); t < manifest.tables_size(); ++t) {
    const SnapshotTable& table = manifest.tables(t);
    bytes += WeightTable::BytesFor(table.rows(), table.dim());
    // A feature may have a vector for each user or item, too.
    if (t >= static_cast<int>(Index(spec.first_feature()))) {
      bytes += WeightTable::BytesFor(std::max(user_rows.rows(), item_rows.rows()), table.dim());
    }
  }
  if (!RankerOf(spec.job()).has_value()) bytes += ItemSieve::BytesFor(item_rows.rows(), compared);
  return bytes;
}

bool CanStreamUsers(const ModelSpec& spec) {
  return spec.networks().empty() && spec.features().empty();
}

absl::StatusOr<ServedModel> ServedModel::Describe(const Manifest& manifest) {
  absl::StatusOr<std::unique_ptr<const ModelSpec>> spec = SpecOf(manifest);
  if (!spec.ok()) return spec.status();
  if (absl::Status tables = CheckTables(manifest, **spec); !tables.ok()) return tables;
  if (manifest.arithmetic_version() != kArithmeticVersion) {
    return absl::FailedPreconditionError(
        absl::StrCat("the snapshot was computed by version ", manifest.arithmetic_version(),
                     " of the arithmetic; this program has version ", kArithmeticVersion));
  }
  const absl::StatusOr<const KernelSet*> kernels = KernelsFor(KernelTarget::kBest);
  if (!kernels.ok()) return kernels.status();
  ServedModel model;
  model.spec_ = *std::move(spec);
  model.kernels_ = *kernels;
  const SnapshotStatistics& statistics = manifest.statistics();
  model.objective_ = model.spec_->ObjectiveFor({.mean = statistics.mean(),
                                                .deviation = statistics.deviation(),
                                                .min = static_cast<float>(statistics.min()),
                                                .max = static_cast<float>(statistics.max())});
  if (model.objective_.link == Objective::Link::kStandardized && !(statistics.deviation() > 0)) {
    return absl::FailedPreconditionError(
        absl::StrCat("the deviation of the snapshot's training ratings is ", statistics.deviation(),
                     ", and link STANDARDIZED needs one above 0"));
  }
  model.scorer_ = model.spec_->MakeScorer(model.objective_, **kernels);
  SetFloatMode();
  return model;
}

absl::StatusOr<ServedModel> ServedModel::Load(const Snapshot& snapshot, const Catalogue* catalogue,
                                              ServedUsers users) {
  const Manifest& manifest = snapshot.manifest();
  absl::StatusOr<ServedModel> described = Describe(manifest);
  if (!described.ok()) return described.status();
  ServedModel model = *std::move(described);
  if (users == ServedUsers::kInSnapshot) {
    Check(CanStreamUsers(*model.spec_), "users that are made of more than rows are in memory");
    model.users_in_ = snapshot;
    model.users_ = WeightTable::WithoutWeights(manifest.tables(0).rows(), manifest.tables(0).dim());
  } else {
    model.users_ = WeightTable(manifest.tables(0).rows(), manifest.tables(0).dim());
  }
  model.items_ = WeightTable(manifest.tables(1).rows(), manifest.tables(1).dim());
  absl::StatusOr<std::vector<ServedFeature>> features =
      OpenFeatures(manifest, *model.spec_, catalogue);
  if (!features.ok()) return features.status();
  model.features_ = *std::move(features);
  if (absl::Status taken = model.TakeRows(snapshot); !taken.ok()) return taken;
  if (model.has_towers()) model.RunTowers();
  model.ComposeFeatures();
  return model;
}

absl::Status ServedModel::TakeRows(const Snapshot& snapshot) {
  const Manifest& manifest = snapshot.manifest();
  const absl::StatusOr<std::vector<TableSpec>> tables = TablesOf(manifest, *spec_);
  if (!tables.ok()) return tables.status();
  OptimizerRule rule(spec_->job().optimizer(), manifest.position().steps_per_epoch());
  rule.SetPlateauFactors(PlateauFactorsOf(manifest));
  RecordReader reader(rule, *kernels_, *tables, manifest.position().step());
  const auto take = [&](TableId table, RowId id, std::span<const float> record) -> absl::Status {
    if (table == kUsers && users_in_.has_value()) return absl::OkStatus();
    const std::span<const float> row = reader.Weights(table, record);
    const std::string& name = manifest.tables(static_cast<int>(Index(table))).name();
    if (absl::Status finite = CheckFinite(name, id, row); !finite.ok()) return finite;
    TakeWeights(table, id, row);
    return absl::OkStatus();
  };
  for (std::uint32_t p = 0; p < manifest.partitions(); ++p) {
    if (absl::Status read = snapshot.ReadPartition(PartitionId{p}, take); !read.ok()) return read;
  }
  return absl::OkStatus();
}

absl::Status ServedModel::VisitUsers(
    const std::function<absl::Status(std::span<const float> vector, float bias)>& visit) const {
  if (!users_in_.has_value()) {
    for (std::uint32_t k = 0; k < users_.rows(); ++k) {
      const RowId user{k};
      absl::Status visited = visit({users_.vector(user), users_.dim()}, users_.bias(user));
      if (!visited.ok()) return visited;
    }
    return absl::OkStatus();
  }
  const Manifest& manifest = users_in_->manifest();
  const absl::StatusOr<std::vector<TableSpec>> tables = TablesOf(manifest, *spec_);
  if (!tables.ok()) return tables.status();
  OptimizerRule rule(spec_->job().optimizer(), manifest.position().steps_per_epoch());
  rule.SetPlateauFactors(PlateauFactorsOf(manifest));
  RecordReader reader(rule, *kernels_, *tables, manifest.position().step());
  absl::StatusOr<RowStream> stream = RowStream::Open(users_in_->folder(), manifest);
  if (!stream.ok()) return stream.status();
  RowStream::Row row;
  for (std::uint32_t k = 0; k < users_.rows(); ++k) {
    // Users come first, by ascending id.
    const absl::StatusOr<bool> more = stream->Next(&row);
    if (!more.ok()) return more.status();
    const std::span<const float> weights = reader.Weights(kUsers, row.record);
    absl::Status visited = CheckFinite(manifest.tables(0).name(), row.id, weights);
    if (visited.ok()) {
      visited =
          visit(weights.first(users_.dim()), weights.size() > users_.dim() ? weights.back() : 0.0F);
    }
    if (!visited.ok()) return visited;
  }
  return absl::OkStatus();
}

void ServedModel::TakeWeights(TableId table, RowId id, std::span<const float> row) {
  const TableId first_feature = spec_->first_feature();
  if (table >= kFirstLayer && table < first_feature) {
    return scorer_->SetLayer(Index(table) - Index(kFirstLayer), row.data());
  }
  WeightTable& target = table == kUsers   ? users_
                        : table == kItems ? items_
                                          : features_[Index(table) - Index(first_feature)].rows;
  std::copy_n(row.begin(), target.dim(), target.mutable_vector(id));
  if (row.size() > target.dim()) target.mutable_bias(id) = row.back();
}

bool ServedModel::compares_vectors() const {
  return !RankerOf(spec_->job()).has_value();
}

void ServedModel::RunTowers() {
  user_embeddings_ = std::move(users_);
  item_embeddings_ = std::move(items_);
  users_ = Through(*scorer_->tower(NetworkRole::kUser), user_embeddings_);
  items_ = Through(*scorer_->tower(NetworkRole::kItem), item_embeddings_);
}

void ServedModel::ComposeFeatures() {
  for (ServedFeature& feature : features_) {
    const FeatureSide side = feature.lists.side();
    if (side == FeatureSide::kSample) continue;
    feature.Compose(side == FeatureSide::kUser ? users_.rows() : items_.rows(), *kernels_);
  }
  if (!spec_->adds_features()) return;
  AddFeatures(features_, FeatureSide::kUser, *kernels_, users_);
  AddFeatures(features_, FeatureSide::kItem, *kernels_, items_);
}

ServedModel::Workspace ServedModel::MakeWorkspace() const {
  Workspace workspace;
  workspace.scorer_ = scorer_->MakeWorkspace();
  return workspace;
}

RowsView ServedModel::Pairs::UsersIn(const WeightTable& table) const {
  return of_one_user ? table.view().Only(Index(user)) : table.view().From(Index(user));
}

RowsView ServedModel::Pairs::ItemsIn(const WeightTable& table) const {
  return of_one_user ? table.view().From(Index(item)) : table.view().Only(Index(item));
}

void ServedModel::FindFeatures(const Pairs& pairs, std::size_t count, Workspace& workspace) const {
  workspace.features_.clear();
  if (spec_->adds_features()) return;
  workspace.of_samples_.resize(features_.size());
  for (std::size_t f = 0; f < features_.size(); ++f) {
    const ServedFeature& feature = features_[f];
    switch (feature.lists.side()) {
      case FeatureSide::kUser:
        workspace.features_.push_back({.rows = pairs.UsersIn(feature.composed)});
        break;
      case FeatureSide::kItem:
        workspace.features_.push_back({.rows = pairs.ItemsIn(feature.composed)});
        break;
      case FeatureSide::kSample: {
        std::vector<const float*>& each = workspace.of_samples_[f];
        each.resize(count);
        for (std::uint32_t k = 0; k < count; ++k) {
          each[k] = feature.VectorOfSample(pairs.UserAt(k), pairs.ItemAt(k));
        }
        workspace.features_.push_back({.rows = {}, .each = each.data()});
        break;
      }
    }
  }
}

void ServedModel::Score(const Pairs& pairs, Workspace& workspace, std::span<float> raw) const {
  FindFeatures(pairs, raw.size(), workspace);
  scorer_->Score(pairs.UsersIn(users_), pairs.ItemsIn(items_), workspace.features_,
                 *workspace.scorer_, raw);
}

void ServedModel::ScoreItems(RowId user, RowId first, Workspace& workspace,
                             std::span<float> raw) const {
  Score({.user = user, .item = first, .of_one_user = true}, workspace, raw);
}

void ServedModel::FindFeatures(const UserRow& user, RowId first, Workspace& workspace) const {
  workspace.features_.clear();
  if (spec_->adds_features()) return;
  for (std::size_t f = 0; f < features_.size(); ++f) {
    const ServedFeature& feature = features_[f];
    switch (feature.lists.side()) {
      case FeatureSide::kUser:
        workspace.features_.push_back({.rows = {.vectors = user.features[f].data()}});
        break;
      case FeatureSide::kItem:
        workspace.features_.push_back({.rows = feature.composed.view().From(Index(first))});
        break;
      case FeatureSide::kSample:
        workspace.features_.push_back(
            {.rows = {.vectors = feature.rows.vector(feature.lists.newest())}});
        break;
    }
  }
}

void ServedModel::ScoreItems(const UserRow& user, RowId first, Workspace& workspace,
                             std::span<float> raw) const {
  FindFeatures(user, first, workspace);
  const RowsView of_user = {.vectors = user.vector.data(), .biases = &user.bias};
  scorer_->Score(of_user, items_.view().From(Index(first)), workspace.features_, *workspace.scorer_,
                 raw);
}

void ServedModel::ScoreUsers(RowId item, RowId first, Workspace& workspace,
                             std::span<float> raw) const {
  Score({.user = first, .item = item, .of_one_user = false}, workspace, raw);
}

float ServedModel::RawScore(RowId user, RowId item) const {
  Workspace workspace = MakeWorkspace();
  float raw = 0;
  ScoreItems(user, item, workspace, std::span(&raw, 1));
  return raw;
}

const char* ScoreName(const ServedModel& model) {
  if (model.spec().predicts_ratings()) return "predicted";
  if (model.spec().counts_items()) return "ratings";
  return model.objective().link == Objective::Link::kIdentity ? "score" : "probability";
}

}  // namespace cf
