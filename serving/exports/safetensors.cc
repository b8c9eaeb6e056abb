#include "serving/exports/safetensors.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>

#include "serving/exports/converted_arrays.h"
#include "serving/exports/model_json.h"
#include "serving/exports/row_names.h"

namespace cf {
namespace {

// What readers start at is a multiple of it.
constexpr std::size_t kAlignment = 8;

const char* TypeName(ElementType type) {
  switch (type) {
    case ElementType::kFloat32:
      return "F32";
    case ElementType::kFloat16:
      return "F16";
    case ElementType::kInt32:
      return "I32";
    case ElementType::kInt64:
      return "I64";
    case ElementType::kInt8:
      return "I8";
    case ElementType::kBool:
      return "BOOL";
  }
  return "";
}

absl::StatusOr<std::string> Quoted(const std::string& text) {
  google::protobuf::Value value;
  value.set_string_value(text);
  std::string quoted;
  const auto printed = google::protobuf::util::MessageToJsonString(value, &quoted);
  if (!printed.ok()) return absl::InternalError(std::string(printed.message()));
  return quoted;
}

// The length, and the JSON with every array's place behind it (docs/export_format.md).
absl::StatusOr<std::string> HeaderOf(const std::vector<ModelArray>& arrays,
                                     const ExportedModel& model) {
  const absl::StatusOr<std::string> description = JsonOf(model);
  if (!description.ok()) return description.status();
  const absl::StatusOr<std::string> quoted = Quoted(*description);
  if (!quoted.ok()) return quoted.status();
  std::string json = absl::StrCat("{\"__metadata__\":{\"model\":", *quoted, "}");
  std::uint64_t end = 0;
  for (const ModelArray& array : arrays) {
    const std::uint64_t begin = end;
    end += BytesOf(array);
    absl::StrAppend(&json, ",\"", array.name, "\":{\"dtype\":\"", TypeName(array.type),
                    "\",\"shape\":[", absl::StrJoin(array.shape, ","), "],\"data_offsets\":[",
                    begin, ",", end, "]}");
  }
  json += "}";
  json.append((kAlignment - json.size() % kAlignment) % kAlignment, ' ');
  std::string header;
  for (std::size_t k = 0; k < sizeof(std::uint64_t); ++k) {
    header += static_cast<char>(json.size() >> (8 * k) & 0xff);
  }
  return header + json;
}

absl::Status CarriesSafetensors(const ExportSubject&, const ExportOptions&) {
  return absl::OkStatus();
}

absl::Status WriteSafetensors(const ExportSubject& subject, const ExportOptions& options,
                              ExportFiles& files, ExportedModel& model) {
  std::vector<ModelArray> arrays = AtPrecision(ArraysOf(subject), options.precision);
  // The widest elements first: so each array starts at a multiple of their size.
  std::ranges::stable_sort(arrays, [](const ModelArray& a, const ModelArray& b) {
    return BytesOf(a.type) > BytesOf(b.type);
  });
  const absl::StatusOr<std::string> header = HeaderOf(arrays, model);
  if (!header.ok()) return header.status();
  absl::StatusOr<ExportFile> file = files.Create("model.safetensors");
  if (!file.ok()) return file.status();
  file->Write(*header);
  for (const ModelArray& array : arrays) {
    absl::Status visited = array.visit([&file](const void* elements, std::size_t bytes) {
      file->Write(elements, bytes);
      return file->status();
    });
    if (!visited.ok()) return visited;
  }
  if (absl::Status closed = file->Close(); !closed.ok()) return closed;
  return WriteRowNames(subject.catalogue, files);
}

}  // namespace

ExportFormat SafetensorsFormat() {
  return {.name = "safetensors",
          .what = "one file with the same arrays",
          .precisions = {Precision::kFloat32, Precision::kFloat16, Precision::kInt8},
          .check = CarriesSafetensors,
          .write = WriteSafetensors};
}

}  // namespace cf
