#include "serving/exports/tflite.h"

#include <string>
#include <vector>

#include <absl/strings/str_cat.h>

#include "serving/exports/converted_arrays.h"
#include "serving/exports/model_json.h"
#include "serving/exports/pair_model.h"
#include "serving/exports/row_names.h"
#include "serving/exports/tflite_graph.h"

namespace cf {
namespace {

using Value = TfliteModel::Value;

absl::StatusOr<Value> Rows(TfliteModel& lite, const ModelArray& table, Value rows) {
  const absl::StatusOr<Value> all = lite.Table(table);
  if (!all.ok()) return all.status();
  return lite.Gather(*all, rows);
}

absl::StatusOr<Value> FromSteps(TfliteModel& lite, const Int8Table& table, Value rows) {
  const absl::StatusOr<Value> steps = Rows(lite, table.steps, rows);
  if (!steps.ok()) return steps.status();
  const absl::StatusOr<Value> scales = Rows(lite, table.scales, rows);
  if (!scales.ok()) return scales.status();
  const Value vectors = lite.Multiply(lite.Cast(*steps), *scales);
  if (!table.last.has_value()) return vectors;
  const absl::StatusOr<Value> last = Rows(lite, *table.last, rows);
  if (!last.ok()) return last.status();
  return lite.Concatenate(vectors, *last);
}

// The vectors of rows of a table.
absl::StatusOr<Value> Vectors(TfliteModel& lite, const ModelArray& table, bool has_biases,
                              Value rows, Precision precision) {
  // A column of biases alone is not rounded.
  if (precision == Precision::kInt8 && table.shape[1] > (has_biases ? 1U : 0U)) {
    return FromSteps(lite, InInt8(table, has_biases), rows);
  }
  if (precision != Precision::kFloat16) return Rows(lite, table, rows);
  const absl::StatusOr<Value> halves = lite.Table(AtPrecision({table}, precision)[0]);
  if (!halves.ok()) return halves.status();
  return lite.Gather(lite.Dequantize(*halves), rows);
}

// Weights are by unit and then input here.
std::vector<float> Transposed(const GraphLayer& layer) {
  std::vector<float> weights(layer.kernel.size());
  for (std::size_t i = 0; i < layer.inputs; ++i) {
    for (std::size_t u = 0; u < layer.units; ++u) {
      weights[u * layer.inputs + i] = layer.kernel[i * layer.units + u];
    }
  }
  return weights;
}

Value Through(TfliteModel& lite, Value h, const std::string& name,
              const std::vector<GraphLayer>& layers) {
  for (std::size_t l = 0; l < layers.size(); ++l) {
    const auto inputs = static_cast<std::int32_t>(layers[l].inputs);
    const auto units = static_cast<std::int32_t>(layers[l].units);
    const Value weights =
        lite.Floats(absl::StrCat(name, "_", l, "_weights"), Transposed(layers[l]), {units, inputs});
    const Value bias = lite.Floats(absl::StrCat(name, "_", l, "_bias"), layers[l].bias, {units});
    h = lite.Dense(h, weights, bias, layers[l].relu);
  }
  return h;
}

absl::Status AddScore(TfliteModel& lite, const PairModel& model, Precision precision) {
  lite.BeginGraph("score");
  const Value user = lite.Input("user");
  const Value item = lite.Input("item");
  const absl::StatusOr<Value> users = Vectors(lite, model.users, model.has_biases, user, precision);
  if (!users.ok()) return users.status();
  const absl::StatusOr<Value> items = Vectors(lite, model.items, model.has_biases, item, precision);
  if (!items.ok()) return items.status();
  Value score = 0;
  if (model.pair.empty()) {
    const absl::StatusOr<Value> constants = lite.Table(model.user_constants);
    if (!constants.ok()) return constants.status();
    const Value products = lite.Multiply(Through(lite, *users, "user_dense", model.user_tower),
                                         Through(lite, *items, "item_dense", model.item_tower));
    score = lite.Add(lite.RowSums(products), lite.Gather(*constants, user));
  } else {
    score = lite.RowSums(Through(lite, lite.Concatenate(*users, *items), "dense", model.pair));
  }
  if (model.sigmoid) score = lite.Logistic(score);
  if (model.scale != 1) score = lite.Multiply(score, lite.Floats("scale", {model.scale}, {1}));
  if (model.offset != 0) score = lite.Add(score, lite.Floats("offset", {model.offset}, {1}));
  lite.Output("score", score);
  return absl::OkStatus();
}

absl::Status AddTower(TfliteModel& lite, const PairModel& model, bool of_users,
                      Precision precision) {
  const std::string owner = of_users ? "user" : "item";
  const ModelArray& table = of_users ? model.users : model.items;
  const std::vector<GraphLayer>& tower = of_users ? model.user_tower : model.item_tower;
  lite.BeginGraph(owner + "_tower");
  const Value rows = lite.Input(owner);
  const absl::StatusOr<Value> vectors = Vectors(lite, table, model.has_biases, rows, precision);
  if (!vectors.ok()) return vectors.status();
  lite.Output("vector", Through(lite, *vectors, owner + "_dense", tower));
  return absl::OkStatus();
}

absl::Status CarriesTflite(const ExportSubject&, const ExportOptions&) {
  return absl::OkStatus();
}

absl::Status WriteTflite(const ExportSubject& subject, const ExportOptions& options,
                         ExportFiles& files, ExportedModel& model) {
  const PairModel pair = PairModelOf(subject);
  TfliteModel lite;
  absl::Status made = AddScore(lite, pair, options.precision);
  if (made.ok() && pair.pair.empty()) {
    made = AddTower(lite, pair, /*of_users=*/true, options.precision);
    if (made.ok()) made = AddTower(lite, pair, /*of_users=*/false, options.precision);
  }
  if (!made.ok()) return made;
  const absl::StatusOr<std::string> description = JsonOf(model);
  if (!description.ok()) return description.status();
  lite.file().description = *description;
  absl::StatusOr<ExportFile> file = files.Create("model.tflite");
  if (!file.ok()) return file.status();
  file->Write(BytesOf(lite.file()));
  if (absl::Status closed = file->Close(); !closed.ok()) return closed;
  return WriteRowNames(subject.catalogue, files);
}

}  // namespace

ExportFormat TfliteFormat() {
  return {.name = "tflite",
          .what = "a TensorFlow Lite model of scores, rows in",
          .precisions = {Precision::kFloat32, Precision::kFloat16, Precision::kInt8},
          .check = CarriesTflite,
          .write = WriteTflite};
}

}  // namespace cf
