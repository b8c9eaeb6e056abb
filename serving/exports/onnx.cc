#include "serving/exports/onnx.h"

#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include <absl/strings/str_cat.h>

#include "common/base/status.h"
#include "serving/exports/converted_arrays.h"
#include "serving/exports/model_json.h"
#include "serving/exports/onnx_graph.h"
#include "serving/exports/pair_model.h"
#include "serving/exports/row_names.h"

namespace cf {
namespace {

using DataType = onnx::TensorProto::DataType;

/// What all graphs of an export are made of.
struct Parts {
  PairModel model;
  Precision precision = Precision::kFloat32;
  std::vector<std::string> user_ids = {};
  std::vector<std::string> item_ids = {};
  DataType user_type = onnx::TensorProto::STRING;
  DataType item_type = onnx::TensorProto::STRING;
};

/// One graph of an export, while it is made: what the graphs have in common as methods.
class PartGraph {
 public:
  PartGraph(const std::string& name, const Parts& parts, OnnxTables* tables)
      : parts_(parts), graph_(name, tables) {}

  OnnxGraph& graph() { return graph_; }
  const Parts& parts() const { return parts_; }

  OnnxValue UserRows(const OnnxValue& ids) {
    return graph_.Rows(ids, parts_.user_ids, parts_.user_type);
  }
  OnnxValue ItemRows(const OnnxValue& ids) {
    return graph_.Rows(ids, parts_.item_ids, parts_.item_type);
  }

  // The vectors of a table's rows, or of the whole table where there are no `rows`.
  absl::StatusOr<OnnxValue> Vectors(const ModelArray& table, const std::optional<OnnxValue>& rows) {
    // A column of biases alone is not rounded.
    const bool biases = parts_.model.has_biases;
    if (parts_.precision == Precision::kInt8 && table.shape[1] > (biases ? 1U : 0U)) {
      return FromSteps(InInt8(table, biases), rows);
    }
    const bool halves = parts_.precision == Precision::kFloat16;
    const absl::StatusOr<OnnxValue> stored =
        RowsOrAll(halves ? AtPrecision({table}, parts_.precision)[0] : table, rows);
    if (!stored.ok() || !halves) return stored;
    return graph_.Node("Cast", {*stored}, "to", onnx::TensorProto::FLOAT);
  }

  OnnxValue Kernel(const GraphLayer& layer, std::uint32_t first, std::uint32_t inputs) {
    const auto begin = layer.kernel.begin() + static_cast<std::ptrdiff_t>(first) * layer.units;
    return graph_.Floats({begin, begin + static_cast<std::ptrdiff_t>(inputs) * layer.units},
                         {inputs, layer.units});
  }

  // activation(sum + bias).
  OnnxValue Activated(const OnnxValue& sum, const GraphLayer& layer) {
    const OnnxValue biased = graph_.Node("Add", {sum, graph_.Floats(layer.bias, {layer.units})});
    return layer.relu ? graph_.Node("Relu", {biased}) : biased;
  }

  OnnxValue Through(OnnxValue h, const std::vector<GraphLayer>& layers, std::size_t first = 0) {
    for (std::size_t l = first; l < layers.size(); ++l) {
      h = Activated(graph_.Node("MatMul", {h, Kernel(layers[l], 0, layers[l].inputs)}), layers[l]);
    }
    return h;
  }

  // What the first layer of pairs makes of users' and items' rows, each by itself: the layer's input
  // is one behind the other, so their shares of its sums are added.
  OnnxValue UserShare(const OnnxValue& users) {
    const auto dim = static_cast<std::uint32_t>(parts_.model.users.shape[1]);
    return graph_.Node("MatMul", {users, Kernel(parts_.model.pair[0], 0, dim)});
  }
  OnnxValue ItemShare(const OnnxValue& items) {
    const auto first = static_cast<std::uint32_t>(parts_.model.users.shape[1]);
    const auto dim = static_cast<std::uint32_t>(parts_.model.items.shape[1]);
    return graph_.Node("MatMul", {items, Kernel(parts_.model.pair[0], first, dim)});
  }

  // Raw sums as scores.
  OnnxValue Linked(const OnnxValue& raw) {
    const PairModel& model = parts_.model;
    OnnxValue score = model.sigmoid ? graph_.Node("Sigmoid", {raw}) : raw;
    if (model.scale != 1) score = graph_.Node("Mul", {score, graph_.Floats({model.scale}, {1})});
    if (model.offset != 0) score = graph_.Node("Add", {score, graph_.Floats({model.offset}, {1})});
    return score;
  }

 private:
  absl::StatusOr<OnnxValue> RowsOrAll(const ModelArray& table,
                                      const std::optional<OnnxValue>& rows) {
    absl::StatusOr<OnnxValue> all = graph_.Table(table);
    if (!all.ok() || !rows.has_value()) return all;
    return graph_.Node("Gather", {*all, *rows}, "axis", 0);
  }

  absl::StatusOr<OnnxValue> FromSteps(const Int8Table& table,
                                      const std::optional<OnnxValue>& rows) {
    const absl::StatusOr<OnnxValue> steps = RowsOrAll(table.steps, rows);
    if (!steps.ok()) return steps.status();
    const absl::StatusOr<OnnxValue> scales = RowsOrAll(table.scales, rows);
    if (!scales.ok()) return scales.status();
    const OnnxValue vectors = graph_.Node(
        "Mul", {graph_.Node("Cast", {*steps}, "to", onnx::TensorProto::FLOAT), *scales});
    if (!table.last.has_value()) return vectors;
    const absl::StatusOr<OnnxValue> last = RowsOrAll(*table.last, rows);
    if (!last.ok()) return last.status();
    return graph_.Node("Concat", {vectors, *last}, "axis", 1);
  }

  const Parts& parts_;
  OnnxGraph graph_;
};

// Ids of users and items, side by side, to the scores of these pairs.
absl::Status MakeScore(PartGraph& part) {
  OnnxGraph& graph = part.graph();
  const PairModel& model = part.parts().model;
  const OnnxValue user_rows = part.UserRows(graph.Input("user", part.parts().user_type, {"pairs"}));
  const OnnxValue item_rows = part.ItemRows(graph.Input("item", part.parts().item_type, {"pairs"}));
  const absl::StatusOr<OnnxValue> users = part.Vectors(model.users, user_rows);
  if (!users.ok()) return users.status();
  const absl::StatusOr<OnnxValue> items = part.Vectors(model.items, item_rows);
  if (!items.ok()) return items.status();
  OnnxValue raw;
  if (model.pair.empty()) {
    const OnnxValue products = graph.Node(
        "Mul", {part.Through(*users, model.user_tower), part.Through(*items, model.item_tower)});
    const OnnxValue dots = graph.Node("ReduceSum", {products, graph.Ints({1})}, "keepdims", 0);
    const absl::StatusOr<OnnxValue> constants = graph.Table(model.user_constants);
    if (!constants.ok()) return constants.status();
    raw = graph.Node("Add", {dots, graph.Node("Gather", {*constants, user_rows}, "axis", 0)});
  } else {
    const OnnxValue sum = graph.Node("Add", {part.UserShare(*users), part.ItemShare(*items)});
    const OnnxValue output = part.Through(part.Activated(sum, model.pair[0]), model.pair, 1);
    raw = graph.Node("Squeeze", {output, graph.Ints({1})});
  }
  graph.Output("score", part.Linked(raw), onnx::TensorProto::FLOAT, {"pairs"});
  return absl::OkStatus();
}

// Raw sums of some users with all items, (users, items + 1).
absl::StatusOr<OnnxValue> RawOfAll(PartGraph& part, const OnnxValue& user_rows) {
  OnnxGraph& graph = part.graph();
  const PairModel& model = part.parts().model;
  const absl::StatusOr<OnnxValue> users = part.Vectors(model.users, user_rows);
  if (!users.ok()) return users.status();
  const absl::StatusOr<OnnxValue> items = part.Vectors(model.items, std::nullopt);
  if (!items.ok()) return items.status();
  if (!model.pair.empty()) {
    const OnnxValue each = graph.Node("Unsqueeze", {part.UserShare(*users), graph.Ints({1})});
    const OnnxValue sum = graph.Node("Add", {each, part.ItemShare(*items)});
    const OnnxValue output = part.Through(part.Activated(sum, model.pair[0]), model.pair, 1);
    return graph.Node("Squeeze", {output, graph.Ints({2})});
  }
  const OnnxValue columns = graph.Node("Transpose", {part.Through(*items, model.item_tower)});
  const OnnxValue dots = graph.Node("MatMul", {part.Through(*users, model.user_tower), columns});
  const absl::StatusOr<OnnxValue> constants = graph.Table(model.user_constants);
  if (!constants.ok()) return constants.status();
  const OnnxValue own = graph.Node("Gather", {*constants, user_rows}, "axis", 0);
  return graph.Node("Add", {dots, graph.Node("Unsqueeze", {own, graph.Ints({1})})});
}

// Ids of users, k, and for each user ids of items to leave out, to the k best items and their
// scores.
absl::Status MakeTopK(PartGraph& part) {
  OnnxGraph& graph = part.graph();
  const Parts& parts = part.parts();
  const float none = -std::numeric_limits<float>::infinity();
  const OnnxValue users = part.UserRows(graph.Input("user", parts.user_type, {"users"}));
  const OnnxValue k = graph.Input("k", onnx::TensorProto::INT64, {"1"});
  const OnnxValue excluded =
      part.ItemRows(graph.Input("exclude", parts.item_type, {"users", "excluded"}));
  const absl::StatusOr<OnnxValue> raw = RawOfAll(part, users);
  if (!raw.ok()) return raw.status();
  const auto columns = static_cast<std::int64_t>(parts.model.item_penalties.size());
  const OnnxValue offered =
      graph.Node("Add", {*raw, graph.Floats(parts.model.item_penalties, {columns})});
  const OnnxValue nothing =
      graph.Node("Expand", {graph.Floats({none}, {1}), graph.Node("Shape", {excluded})});
  const OnnxValue masked = graph.Node("ScatterElements", {offered, excluded, nothing}, "axis", 1);
  const auto [best, places] = graph.TopK(masked, k);
  // Of an item that must not be there, which comes last, the score stays minus infinity.
  const OnnxValue is_none = graph.Node("IsInf", {best});
  const OnnxValue scores =
      graph.Node("Where", {is_none, graph.Floats({none}, {1}), part.Linked(best)});
  std::vector<std::string> names = parts.item_ids;
  const bool numbers = parts.item_type == onnx::TensorProto::INT64;
  names.push_back(numbers ? "-1" : "");
  OnnxValue ids;
  if (numbers) {
    std::vector<std::int64_t> each;
    for (const std::string& name : names) each.push_back(std::stoll(name));
    ids = graph.Ints(each);
  } else {
    ids = graph.Strings(names);
  }
  graph.Output("item", graph.Node("Gather", {ids, places}, "axis", 0), parts.item_type,
               {"users", "k"});
  graph.Output("score", scores, onnx::TensorProto::FLOAT, {"users", "k"});
  return absl::OkStatus();
}

// Ids to vectors whose inner products order as the model does.
absl::Status MakeTower(PartGraph& part, bool of_users) {
  OnnxGraph& graph = part.graph();
  const Parts& parts = part.parts();
  const ModelArray& table = of_users ? parts.model.users : parts.model.items;
  const std::vector<GraphLayer>& tower = of_users ? parts.model.user_tower : parts.model.item_tower;
  const OnnxValue rows = of_users ? part.UserRows(graph.Input("user", parts.user_type, {"rows"}))
                                  : part.ItemRows(graph.Input("item", parts.item_type, {"rows"}));
  const absl::StatusOr<OnnxValue> vectors = part.Vectors(table, rows);
  if (!vectors.ok()) return vectors.status();
  const std::uint64_t dim = tower.empty() ? table.shape[1] : tower.back().units;
  graph.Output("vector", part.Through(*vectors, tower), onnx::TensorProto::FLOAT,
               {"rows", absl::StrCat(dim)});
  return absl::OkStatus();
}

absl::Status CarriesOnnx(const ExportSubject&, const ExportOptions&) {
  return absl::OkStatus();
}

Parts PartsOf(const ExportSubject& subject, const ExportOptions& options) {
  const Dataset& data = subject.catalogue.data();
  Parts parts = {.model = PairModelOf(subject), .precision = options.precision};
  for (std::uint32_t row = 0; row < data.users(); ++row) {
    parts.user_ids.push_back(data.user_raw_id(RowId{row}));
  }
  for (std::uint32_t row = 0; row < data.items(); ++row) {
    parts.item_ids.push_back(data.item_raw_id(RowId{row}));
  }
  if (AllAreIntegers(parts.user_ids)) parts.user_type = onnx::TensorProto::INT64;
  if (AllAreIntegers(parts.item_ids)) parts.item_type = onnx::TensorProto::INT64;
  return parts;
}

absl::Status WriteOnnx(const ExportSubject& subject, const ExportOptions& options,
                       ExportFiles& files, ExportedModel& model) {
  const Parts parts = PartsOf(subject, options);
  const absl::StatusOr<std::string> description = JsonOf(model);
  if (!description.ok()) return description.status();
  const std::uint64_t bytes = BytesOf(parts.model.users) + BytesOf(parts.model.items);
  OnnxTables tables(&files, /*beside=*/bytes >> 20 >= options.single_file_mib_max);
  const auto write = [&](const char* name,
                         const std::function<absl::Status(PartGraph&)>& make) -> absl::Status {
    PartGraph part(name, parts, &tables);
    if (absl::Status made = make(part); !made.ok()) return made;
    const absl::StatusOr<std::string> graph = part.graph().Serialize(*description);
    if (!graph.ok()) return graph.status();
    absl::StatusOr<ExportFile> file = files.Create(absl::StrCat(name, ".onnx"));
    if (!file.ok()) return file.status();
    file->Write(*graph);
    return file->Close();
  };
  absl::Status written = write("score", MakeScore);
  if (written.ok()) written = write("top_k", MakeTopK);
  if (written.ok() && parts.model.pair.empty()) {
    written = write("user_tower", [](PartGraph& part) { return MakeTower(part, true); });
    if (written.ok()) {
      written = write("item_tower", [](PartGraph& part) { return MakeTower(part, false); });
    }
  }
  if (written.ok()) written = tables.Close();
  return written.ok() ? WriteRowNames(subject.catalogue, files) : written;
}

}  // namespace

ExportFormat OnnxFormat() {
  return {.name = "onnx",
          .what = "graphs of scores and best items, ids in and out",
          .precisions = {Precision::kFloat32, Precision::kFloat16, Precision::kInt8},
          .check = CarriesOnnx,
          .write = WriteOnnx};
}

}  // namespace cf
