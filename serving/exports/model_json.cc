#include "serving/exports/model_json.h"

#include <cstdint>
#include <filesystem>
#include <system_error>

#include <absl/strings/str_cat.h>
#include <google/protobuf/util/json_util.h>

#include "common/model/tables.h"
#include "common/snapshot/kept_figures.h"

namespace cf {
namespace {

namespace fs = std::filesystem;

constexpr std::uint32_t kExportFormat = 1;

const char* LinkName(Objective::Link link) {
  switch (link) {
    case Objective::Link::kIdentity:
      return "identity";
    case Objective::Link::kSigmoid:
      return "sigmoid";
    case Objective::Link::kScaledSigmoid:
      return "scaled_sigmoid";
    case Objective::Link::kStandardized:
      return "standardized";
  }
  return "";
}

google::protobuf::RepeatedPtrField<ExportedLayer>& LayersOf(NetworkRole role,
                                                            ExportedModel& exported) {
  switch (role) {
    case NetworkRole::kPair:
      break;
    case NetworkRole::kUser:
      return *exported.mutable_user_layers();
    case NetworkRole::kItem:
      return *exported.mutable_item_layers();
  }
  return *exported.mutable_layers();
}

void AddLayers(const NetworkSpec& network, ExportedModel& exported) {
  for (const LayerShape& layer : network.shape.layers) {
    ExportedLayer& out = *LayersOf(network.role, exported).Add();
    out.set_inputs(layer.inputs);
    out.set_units(layer.units);
    out.set_activation(layer.relu ? "relu" : "linear");
  }
}

void DescribeFeatures(const ServedModel& model, ExportedModel& exported) {
  for (const ServedFeature& feature : model.features()) {
    ExportedFeature& out = *exported.add_features();
    out.set_name(FeatureTableName(feature.lists.source()));
    out.set_of(OwnersOf(feature));
    out.set_dim(feature.rows.dim());
    for (const std::string& name : feature.lists.names()) out.add_names(name);
    if (feature.lists.side() == FeatureSide::kSample) {
      out.set_newest(static_cast<std::uint32_t>(feature.lists.newest()));
    }
  }
}

// The figures of the epoch that the snapshot holds; none for one taken in mid-epoch.
const EpochMetrics* MetricsOf(const Manifest& manifest) {
  if (manifest.has_last_metrics() && manifest.last_metrics().step() == manifest.position().step()) {
    return &manifest.last_metrics();
  }
  return nullptr;
}

// The job that made it, without the paths and the processes of the machine where it ran.
Job PublicJob(const Job& job) {
  Job kept;
  *kept.mutable_split() = job.split();
  *kept.mutable_model() = job.model();
  *kept.mutable_optimizer() = job.optimizer();
  kept.mutable_train()->set_batch_size(job.train().batch_size());
  return kept;
}

}  // namespace

absl::StatusOr<ExportedModel> DescribeModel(const ExportSubject& subject,
                                            const std::string& format) {
  const ServedModel& model = subject.model;
  const Snapshot& snapshot = subject.snapshot;
  const Manifest& manifest = snapshot.manifest();
  const absl::StatusOr<std::string> digest = snapshot.Digest();
  if (!digest.ok()) return digest.status();
  ExportedModel exported;
  exported.set_format_version(kExportFormat);
  exported.set_format(format);
  const ModelSpec& spec = model.spec();
  exported.set_prediction(spec.Prediction());
  exported.set_users(model.users().rows());
  exported.set_items(model.items().rows());
  exported.set_dim(model.user_embeddings().dim());
  exported.set_item_dim(model.item_embeddings().dim());
  if (model.has_towers()) exported.set_vector_dim(model.users().dim());
  exported.set_item_first(spec.item_first());
  for (const NetworkSpec& network : spec.networks()) AddLayers(network, exported);
  DescribeFeatures(model, exported);
  exported.set_mean(model.objective().mean);
  exported.set_rating_deviation(model.objective().rating_deviation);
  exported.set_link(LinkName(model.objective().link));
  // Of interactions a probability is predicted.
  const bool rates = spec.negatives() == 0;
  exported.set_rating_min(rates ? static_cast<float>(manifest.statistics().min()) : 0);
  exported.set_rating_max(rates ? static_cast<float>(manifest.statistics().max()) : 1);
  if (const EpochMetrics* metrics = MetricsOf(manifest)) {
    SetFigureFields(FiguresOf(*metrics), *exported.mutable_metrics());
  }
  exported.set_split(manifest.data().split());
  exported.set_training_samples(static_cast<double>(manifest.statistics().training_samples()));
  exported.set_validation_samples(static_cast<double>(manifest.statistics().validation_samples()));
  ExportSource& source = *exported.mutable_source();
  std::error_code ignored;
  source.set_run(fs::absolute(snapshot.folder(), ignored)
                     .lexically_normal()
                     .parent_path()
                     .filename()
                     .string());
  source.set_snapshot(manifest.name());
  source.set_digest(*digest);
  source.set_data(manifest.data().name());
  source.set_data_digest(manifest.data().digest());
  *exported.mutable_job() = PublicJob(spec.job());
  return exported;
}

absl::StatusOr<std::string> JsonOf(const ExportedModel& model) {
  google::protobuf::util::JsonPrintOptions print;
  print.add_whitespace = true;
  print.always_print_primitive_fields = true;
  print.preserve_proto_field_names = true;
  std::string json;
  const auto printed = google::protobuf::util::MessageToJsonString(model, &json, print);
  if (!printed.ok()) return absl::InternalError(std::string(printed.message()));
  return json;
}

const char* OwnersOf(const ServedFeature& feature) {
  switch (feature.lists.side()) {
    case FeatureSide::kUser:
      return "users";
    case FeatureSide::kItem:
      return "items";
    case FeatureSide::kSample:
      return "samples";
  }
  return "";
}

}  // namespace cf
