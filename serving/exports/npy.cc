#include "serving/exports/npy.h"

#include <string>

#include "serving/exports/npy_header.h"
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

absl::Status Carries(const ExportSubject&, const ExportOptions&) {
  return absl::OkStatus();
}

absl::Status Write(const ExportSubject& subject, const ExportOptions&, ExportFiles& files,
                   ExportedModel&) {
  for (const ModelArray& array : ArraysOf(subject)) {
    if (absl::Status written = WriteNpy(array, files); !written.ok()) return written;
  }
  return WriteRowNames(subject.catalogue, files);
}

}  // namespace

ExportFormat NpyFormat() {
  return {.name = "npy", .what = "NumPy arrays, CSV and JSON", .check = Carries, .write = Write};
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
