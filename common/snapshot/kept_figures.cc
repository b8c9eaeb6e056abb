#include "common/snapshot/kept_figures.h"

#include <google/protobuf/descriptor.h>

namespace cf {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

bool IsFigure(const FieldDescriptor& field) {
  return field.cpp_type() == FieldDescriptor::CPPTYPE_DOUBLE && !field.is_repeated();
}

}  // namespace

EpochFigures FiguresOf(const EpochMetrics& kept) {
  EpochFigures epoch = {.epoch = kept.epoch(), .step = kept.step()};
  const Descriptor& fields = *EpochMetrics::descriptor();
  const Reflection& reflection = *EpochMetrics::GetReflection();
  for (int k = 0; k < fields.field_count(); ++k) {
    const FieldDescriptor* field = fields.field(k);
    if (!IsFigure(*field)) continue;
    if (field->has_presence() && !reflection.HasField(kept, field)) continue;
    epoch.figures.Set(field->name(), reflection.GetDouble(kept, field));
  }
  for (const MetricFigure& figure : kept.figures())
    epoch.figures.Set(figure.name(), figure.value());
  return epoch;
}

EpochMetrics KeptOf(const EpochFigures& epoch) {
  EpochMetrics kept;
  SetFigureFields(epoch, kept);
  for (const Figure& figure : epoch.figures) {
    if (IsUsual(figure.name)) continue;
    MetricFigure& other = *kept.add_figures();
    other.set_name(figure.name);
    other.set_value(figure.value);
  }
  return kept;
}

void SetFigureFields(const EpochFigures& epoch, Message& into) {
  const Descriptor& fields = *into.GetDescriptor();
  const Reflection& reflection = *into.GetReflection();
  if (const FieldDescriptor* field = fields.FindFieldByName("epoch")) {
    reflection.SetUInt32(&into, field, epoch.epoch);
  }
  if (const FieldDescriptor* field = fields.FindFieldByName("step")) {
    reflection.SetUInt64(&into, field, epoch.step);
  }
  for (const Figure& figure : epoch.figures) {
    const FieldDescriptor* field = fields.FindFieldByName(figure.name);
    if (field != nullptr && IsFigure(*field)) reflection.SetDouble(&into, field, figure.value);
  }
}

}  // namespace cf
