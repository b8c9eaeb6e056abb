#include "launch/model_summary.h"

#include <cstdint>

#include <absl/strings/str_cat.h>

#include "common/text/numbers.h"

namespace cf {
namespace {

std::uint64_t ParametersOf(const TableShape& shape) {
  return std::uint64_t{shape.rows} * (shape.dim + (shape.biases ? 1 : 0));
}

// The cells between a layer's name and its parameters.
struct Cells {
  std::string kind;
  std::string shape;
  std::string activation = {};
  std::string dropout = {};
};

Cells CellsOf(const TableSpec& table) {
  if (!table.layer.has_value()) {
    const TableShape& shape = table.shape;
    return {.kind = "embedding",
            .shape = absl::StrCat(shape.rows, " x ", shape.dim, shape.biases ? " + bias" : "")};
  }
  const LayerShape& layer = *table.layer;
  return {.kind = "dense",
          .shape = absl::StrCat(layer.inputs, " x ", layer.units, " + bias"),
          .activation = layer.relu ? "relu" : "linear",
          .dropout = layer.dropout > 0 ? absl::StrCat(layer.dropout) : ""};
}

}  // namespace

std::string SummaryText(const ModelSpec& spec, std::span<const TableSpec> tables,
                        TableFormat format) {
  TextTable rows({{.name = "layer"},
                  {.name = "kind"},
                  {.name = "shape"},
                  {.name = "activation", .words = true},
                  {.name = "dropout", .words = true},
                  {.name = "parameters", .right = true}});
  std::uint64_t sum = 0;
  for (const TableSpec& table : tables) {
    const Cells cells = CellsOf(table);
    const std::uint64_t parameters = ParametersOf(table.shape);
    sum += parameters;
    rows.AddRow(
        {table.shape.name, cells.kind, cells.shape, cells.activation, cells.dropout,
         format == TableFormat::kCsv ? absl::StrCat(parameters) : WithThousands(parameters)});
  }
  std::string text = rows.Format(format);
  if (format == TableFormat::kCsv) return text;
  absl::StrAppend(&text, "  ", spec.kind_name(), ", ", WithThousands(sum), " parameters; ",
                  spec.Prediction(), "\n");
  return text;
}

}  // namespace cf
