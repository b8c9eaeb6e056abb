#include "serving/exports/npy.h"

#include <string>

#include "serving/exports/npy_header.h"
#include "serving/exports/npy_index.h"
#include "serving/exports/npy_names.h"
#include "serving/exports/row_names.h"

namespace cf {
namespace {

// What NumPy calls the type.
const char* DescriptionOf(ElementType type) {
  switch (type) {
    case ElementType::kFloat32:
      return "<f4";
    case ElementType::kFloat16:
      return "<f2";
    case ElementType::kInt32:
      return "<i4";
    case ElementType::kInt64:
      return "<i8";
    case ElementType::kInt8:
      return "|i1";
    case ElementType::kBool:
      return "|b1";
  }
  return "";
}

// An array, and its copy with padded rows where that is what is mapped.
absl::Status WriteServed(const ModelArray& array, ExportFiles& files) {
  if (!PaddedRows::Need(array)) return WriteNpy(array, files);
  absl::StatusOr<PaddedRows> padded = PaddedRows::Create(array, files);
  if (!padded.ok()) return padded.status();
  ModelArray both = array;
  both.visit = [&](const TakeElements& take) {
    return array.visit([&](const void* elements, std::size_t bytes) {
      padded->Write(elements, bytes);
      return take(elements, bytes);
    });
  };
  absl::Status written = WriteNpy(both, files);
  return written.ok() ? padded->Close() : written;
}

absl::Status CarriesNpy(const ExportSubject&, const ExportOptions&) {
  return absl::OkStatus();
}

absl::Status WriteNpy(const ExportSubject& subject, const ExportOptions&, ExportFiles& files,
                      ExportedModel& model) {
  for (const ModelArray& array : ArraysOf(subject)) {
    if (absl::Status written = WriteServed(array, files); !written.ok()) return written;
  }
  if (absl::Status written = WriteNpyIndex(subject, files); !written.ok()) return written;
  model.set_index_version(kIndexVersion);
  return WriteRowNames(subject.catalogue, files);
}

}  // namespace

ExportFormat NpyFormat() {
  return {
      .name = "npy", .what = "NumPy arrays, CSV and JSON", .check = CarriesNpy, .write = WriteNpy};
}

absl::Status WriteNpy(const ModelArray& array, ExportFiles& files) {
  absl::StatusOr<ExportFile> file = files.Create(array.name + ".npy");
  if (!file.ok()) return file.status();
  file->Write(NpyHeader(DescriptionOf(array.type), array.shape));
  absl::Status visited = array.visit([&file](const void* elements, std::size_t bytes) {
    file->Write(elements, bytes);
    return file->status();
  });
  return visited.ok() ? file->Close() : visited;
}

}  // namespace cf
