#include "serving/export.h"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>
#include <system_error>
#include <unistd.h>
#include <utility>
#include <vector>

#include <absl/cleanup/cleanup.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_replace.h>
#include <google/protobuf/util/json_util.h>

#include "common/base/files.h"
#include "common/base/output_file.h"
#include "common/base/status.h"
#include "common/model/tables.h"
#include "common/snapshot/kept_figures.h"
#include "common/text/csv.h"
#include "serving/export.pb.h"
#include "serving/npy_header.h"
#include "serving/substance.h"

namespace cf {
namespace {

namespace fs = std::filesystem;

constexpr std::uint32_t kExportFormat = 1;
constexpr char kModelFile[] = "model.json";

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

absl::Status WriteVectors(const std::string& path, const WeightTable& table) {
  absl::StatusOr<OutputFile> file = OutputFile::Create(path);
  if (!file.ok()) return file.status();
  file->Write(NpyHeader("<f4", {table.rows(), table.dim()}));
  for (std::uint32_t row = 0; row < table.rows(); ++row) {
    file->Write(table.vector(RowId{row}), table.dim() * sizeof(float));
  }
  return file->Close();
}

// Users' vectors and biases, in one pass, wherever they are.
absl::Status WriteUserWeights(const std::string& vectors_path, const std::string& biases_path,
                              const ServedModel& model) {
  absl::StatusOr<OutputFile> vectors = OutputFile::Create(vectors_path);
  if (!vectors.ok()) return vectors.status();
  absl::StatusOr<OutputFile> biases = OutputFile::Create(biases_path);
  if (!biases.ok()) return biases.status();
  vectors->Write(NpyHeader("<f4", {model.users().rows(), model.users().dim()}));
  biases->Write(NpyHeader("<f4", {model.users().rows()}));
  absl::Status written = model.VisitUsers([&](std::span<const float> vector, float bias) {
    vectors->Write(vector.data(), vector.size_bytes());
    biases->Write(&bias, sizeof bias);
    return vectors->status();
  });
  written.Update(vectors->Close());
  written.Update(biases->Close());
  return written;
}

// Files `path`_0_kernel.npy, `path`_0_bias.npy and so on.
absl::Status WriteLayers(const std::string& path, const Network& network) {
  for (std::size_t l = 0; l < network.shape().layers.size(); ++l) {
    const LayerShape& layer = network.shape().layers[l];
    absl::StatusOr<OutputFile> kernel =
        OutputFile::Create(absl::StrCat(path, "_", l, "_kernel.npy"));
    if (!kernel.ok()) return kernel.status();
    kernel->Write(NpyHeader("<f4", {layer.inputs, layer.units}));
    for (std::uint32_t i = 0; i < layer.inputs; ++i) {
      kernel->Write(network.kernel_row(l, i), layer.units * sizeof(float));
    }
    absl::StatusOr<OutputFile> biases = OutputFile::Create(absl::StrCat(path, "_", l, "_bias.npy"));
    if (!biases.ok()) return biases.status();
    biases->Write(NpyHeader("<f4", {layer.units}));
    biases->Write(network.biases(l), layer.units * sizeof(float));
    absl::Status written = kernel->Close();
    written.Update(biases->Close());
    if (!written.ok()) return written;
  }
  return absl::OkStatus();
}

absl::Status WriteColumn(const std::string& path, const std::string& descr, const void* values,
                         std::size_t count, std::size_t bytes_each) {
  absl::StatusOr<OutputFile> file = OutputFile::Create(path);
  if (!file.ok()) return file.status();
  file->Write(NpyHeader(descr, {count}));
  file->Write(values, count * bytes_each);
  return file->Close();
}

absl::Status WriteUsers(const std::string& path, const Catalogue& catalogue) {
  absl::StatusOr<OutputFile> file = OutputFile::Create(path);
  if (!file.ok()) return file.status();
  file->Write("row,user,training_ratings\n");
  for (std::uint32_t row = 0; row < catalogue.data().users(); ++row) {
    const RowId user{row};
    file->Write(absl::StrCat(row, ",", CsvField(catalogue.data().user_raw_id(user)), ",",
                             catalogue.UserTrainingRatings(user), "\n"));
  }
  return file->Close();
}

absl::Status WriteItems(const std::string& path, const Catalogue& catalogue) {
  absl::StatusOr<OutputFile> file = OutputFile::Create(path);
  if (!file.ok()) return file.status();
  const Dataset& data = catalogue.data();
  file->Write("row,item,title,genres,training_ratings\n");
  for (std::uint32_t row = 0; row < data.items(); ++row) {
    const RowId item{row};
    file->Write(absl::StrCat(row, ",", CsvField(data.item_raw_id(item)), ",",
                             CsvField(data.title(item)), ",", CsvField(data.genres(item)), ",",
                             catalogue.ItemTrainingRatings(item), "\n"));
  }
  return file->Close();
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

// What a feature is of, as model.json and file names have it.
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

void AddFeatures(const ServedModel& model, ExportedModel& exported) {
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

absl::StatusOr<std::string> ModelJson(const Snapshot& snapshot, const ServedModel& model) {
  const Manifest& manifest = snapshot.manifest();
  const absl::StatusOr<std::string> digest = snapshot.Digest();
  if (!digest.ok()) return digest.status();
  ExportedModel exported;
  exported.set_format_version(kExportFormat);
  const ModelSpec& spec = model.spec();
  exported.set_prediction(spec.Prediction());
  exported.set_users(model.users().rows());
  exported.set_items(model.items().rows());
  exported.set_dim(model.user_embeddings().dim());
  exported.set_item_dim(model.item_embeddings().dim());
  if (model.has_towers()) exported.set_vector_dim(model.users().dim());
  exported.set_item_first(spec.item_first());
  for (const NetworkSpec& network : spec.networks()) AddLayers(network, exported);
  AddFeatures(model, exported);
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

  google::protobuf::util::JsonPrintOptions print;
  print.add_whitespace = true;
  print.always_print_primitive_fields = true;
  print.preserve_proto_field_names = true;
  std::string json;
  const auto printed = google::protobuf::util::MessageToJsonString(exported, &json, print);
  if (!printed.ok()) return absl::InternalError(std::string(printed.message()));
  return json;
}

absl::Status WriteFeatures(const std::string& folder, const ServedModel& model) {
  absl::Status written;
  for (const ServedFeature& feature : model.features()) {
    const std::string path = absl::StrCat(folder, "/", FeatureTableName(feature.lists.source()));
    written.Update(WriteVectors(path + ".npy", feature.rows));
    if (model.spec().adds_features()) {
      written.Update(WriteColumn(path + "_biases.npy", "<f4", feature.rows.biases(),
                                 feature.rows.rows(), sizeof(float)));
    }
    if (feature.lists.side() == FeatureSide::kSample) continue;
    written.Update(
        WriteVectors(absl::StrCat(path, "_of_", OwnersOf(feature), ".npy"), feature.composed));
  }
  return written;
}

// A byte for each of `count` numbers from 0 on: whether `is` holds of it.
template <class Is>
absl::Status WriteTruth(const std::string& path, std::size_t count, const Is& is) {
  constexpr std::size_t kPiece = std::size_t{64} << 10;
  absl::StatusOr<OutputFile> file = OutputFile::Create(path);
  if (!file.ok()) return file.status();
  file->Write(NpyHeader("|b1", {count}));
  std::vector<std::uint8_t> bytes;
  for (std::size_t first = 0; first < count; first += kPiece) {
    bytes.clear();
    for (std::size_t k = first; k < std::min(first + kPiece, count); ++k) {
      bytes.push_back(is(k) ? 1 : 0);
    }
    file->Write(bytes.data(), bytes.size());
  }
  return file->Close();
}

// What lists are made by beside the scores: of what the model has learned something, and what is
// masked.
absl::Status WriteRules(const std::string& folder, const ServedModel& model,
                        const Catalogue& catalogue) {
  const auto path = [&](const char* name) { return absl::StrCat(folder, "/", name); };
  const Dataset& data = catalogue.data();
  const Substance substance(model, catalogue);
  const auto row = [](std::size_t k) { return RowId{static_cast<std::uint32_t>(k)}; };
  absl::Status written;
  written.Update(WriteTruth(path("user_learned.npy"), data.users(),
                            [&](std::size_t k) { return substance.OfUser(row(k)); }));
  written.Update(WriteTruth(path("item_learned.npy"), data.items(),
                            [&](std::size_t k) { return substance.OfItem(row(k)); }));
  // Offsets are far below 2^63 and ids below 2^31, so the signed numbers have the same bytes.
  written.Update(WriteColumn(path("seen_offsets.npy"), "<i8", data.user_offsets().data(),
                             data.user_offsets().size(), 8));
  written.Update(WriteColumn(path("seen_items.npy"), "<i4", data.item_column().data(),
                             data.item_column().size(), 4));
  written.Update(WriteTruth(path("seen_in_training.npy"), data.samples(),
                            [&](std::size_t s) { return !catalogue.split().is_validation(s); }));
  return written;
}

absl::Status WriteFiles(const std::string& folder, const Snapshot& snapshot,
                        const ServedModel& model, const Catalogue& catalogue) {
  const auto path = [&](const char* name) { return absl::StrCat(folder, "/", name); };
  const WeightTable& items = model.items();
  static_assert(sizeof(RowId) == sizeof(std::int32_t));
  absl::Status written;
  const char* const users = model.has_towers() ? "user_vectors.npy" : "user_embeddings.npy";
  written.Update(WriteUserWeights(path(users), path("user_biases.npy"), model));
  written.Update(WriteVectors(path("item_embeddings.npy"), model.item_embeddings()));
  if (model.has_towers()) {
    written.Update(WriteVectors(path("user_embeddings.npy"), model.user_embeddings()));
    written.Update(WriteVectors(path("item_vectors.npy"), items));
  }
  for (std::size_t k = 0; k < model.spec().networks().size(); ++k) {
    written.Update(
        WriteLayers(path(model.spec().networks()[k].name), model.scorer().networks()[k]));
  }
  written.Update(WriteFeatures(folder, model));
  written.Update(WriteColumn(path("item_biases.npy"), "<f4", items.biases(), items.rows(), 4));
  written.Update(WriteRules(folder, model, catalogue));
  written.Update(WriteUsers(path("users.csv"), catalogue));
  written.Update(WriteItems(path("items.csv"), catalogue));
  if (!written.ok()) return written;
  const absl::StatusOr<std::string> json = ModelJson(snapshot, model);
  if (!json.ok()) return json.status();
  written.Update(WriteFileAtomically(path(kModelFile), *json));
  written.Update(SyncPath(folder));
  return written;
}

bool IsExport(const std::string& folder) {
  const absl::StatusOr<std::string> json = ReadFile(absl::StrCat(folder, "/", kModelFile));
  if (!json.ok()) return false;
  ExportedModel model;
  google::protobuf::util::JsonParseOptions lenient;
  lenient.ignore_unknown_fields = true;
  return google::protobuf::util::JsonStringToMessage(*json, &model, lenient).ok() &&
         model.format_version() > 0;
}

// Whether a name is one that an export has: what else lies there is somebody's own.
bool IsOfExport(const fs::path& name) {
  return name == kModelFile || name == "users.csv" || name == "items.csv" ||
         name.extension() == ".npy";
}

// `folder` is where the export is to be, `shown` what the user calls it.
absl::Status CheckPlace(const std::string& folder, const std::string& shown, bool overwrite) {
  std::error_code error;
  if (!fs::exists(folder, error)) return absl::OkStatus();
  if (fs::is_directory(folder, error) && fs::is_empty(folder, error)) return absl::OkStatus();
  if (!IsExport(folder)) {
    return absl::AlreadyExistsError(
        absl::StrCat(shown, ": there is something that is not an export"));
  }
  if (!overwrite) {
    return absl::AlreadyExistsError(
        absl::StrCat(shown, ": there is an earlier export (--overwrite replaces it)"));
  }
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    if (IsOfExport(entry->path().filename())) continue;
    return absl::AlreadyExistsError(absl::StrCat(shown, "/", entry->path().filename().string(),
                                                 " is not of an export and would be lost: move it, "
                                                 "or choose another folder"));
  }
  return error ? ErrnoError(error.value(), shown) : absl::OkStatus();
}

absl::Status Rename(const std::string& from, const std::string& to) {
  std::error_code error;
  fs::rename(from, to, error);
  return error ? ErrnoError(error.value(), to) : absl::OkStatus();
}

}  // namespace

absl::Status ExportNpy(const Snapshot& snapshot, const ServedModel& model,
                       const Catalogue& catalogue, const ExportOptions& options) {
  // Where links lead, and without a slash at its end, so that names can be put behind it.
  std::error_code error;
  fs::path place = fs::weakly_canonical(options.folder, error);
  if (error) return ErrnoError(error.value(), options.folder);
  if (!place.has_filename()) place = place.parent_path();
  const std::string folder = place.string();
  absl::Status free = CheckPlace(folder, options.folder, options.overwrite);
  if (!free.ok()) return free;

  const std::string suffix = absl::StrCat(".", getpid());
  const std::string temporary = folder + suffix + ".new";
  const std::string replaced = folder + suffix + ".old";
  fs::create_directories(temporary, error);
  if (error) return ErrnoError(error.value(), options.folder);
  const absl::Cleanup remove = [&temporary] {
    std::error_code ignored;
    fs::remove_all(temporary, ignored);
  };
  if (absl::Status written = WriteFiles(temporary, snapshot, model, catalogue); !written.ok()) {
    // By the names that they would have had.
    return absl::Status(written.code(),
                        absl::StrReplaceAll(written.message(), {{temporary, options.folder}}));
  }
  const bool replaces = fs::exists(folder, error) && !fs::is_empty(folder, error);
  if (replaces) {
    if (absl::Status aside = Rename(folder, replaced); !aside.ok()) return aside;
  }
  if (absl::Status moved = Rename(temporary, folder); !moved.ok()) {
    if (replaces) fs::rename(replaced, folder, error);
    return moved;
  }
  if (replaces) fs::remove_all(replaced, error);
  const std::string parent = place.parent_path().string();
  return SyncPath(parent.empty() ? "." : parent);
}

}  // namespace cf
