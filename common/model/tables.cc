#include "common/model/tables.h"

#include "common/base/check.h"

namespace cf {

const char* FeatureTableName(Feature::Source source) {
  switch (source) {
    case Feature::ITEM_GENRES:
      return "genres";
    case Feature::TIMESTAMP_YEAR:
      return "timestamp_year";
    case Feature::TIMESTAMP_WEEKDAY:
      return "timestamp_weekday";
    case Feature::USER_HISTORY:
      return "history";
    case Feature::SOURCE_UNSPECIFIED:
      break;
  }
  Check(false, "a validated job's features have a source");
  return "";
}

NetworkShape LayersOn(std::uint32_t inputs, double dropout,
                      const google::protobuf::RepeatedPtrField<Dense>& layers) {
  NetworkShape network{.inputs = inputs, .dropout = dropout, .layers = {}};
  for (const Dense& layer : layers) {
    network.layers.push_back({.inputs = inputs,
                              .units = layer.units(),
                              .relu = layer.activation() == Dense::RELU,
                              .dropout = layer.dropout()});
    inputs = layer.units();
  }
  return network;
}

std::vector<RowLayout> LayoutsOf(const std::vector<TableSpec>& tables) {
  std::vector<RowLayout> layouts;
  for (const TableSpec& table : tables) layouts.emplace_back(table.shape);
  return layouts;
}

}  // namespace cf
