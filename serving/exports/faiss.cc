#include "serving/exports/faiss.h"

#include <cstdint>
#include <string>
#include <vector>

#include <absl/strings/str_cat.h>

#include "common/base/ids.h"
#include "serving/exports/faiss_library.h"
#include "serving/exports/inner_product.h"

namespace cf {
namespace {

constexpr char kIndexFile[] = "items.faiss";
constexpr char kExact[] = "Flat";

template <class T>
void Append(T number, std::string& bytes) {
  bytes.append(reinterpret_cast<const char*>(&number), sizeof number);
}

// What every index begins with: its kind in four letters, and the header that they share.
std::string HeaderOf(const char* kind, const InnerProductItems& items) {
  std::string bytes = kind;
  Append(static_cast<std::int32_t>(items.dim()), bytes);
  Append(static_cast<std::int64_t>(items.size()), bytes);
  // Two numbers that readers ignore, and writers have there all the same.
  Append(std::int64_t{1} << 20, bytes);
  Append(std::int64_t{1} << 20, bytes);
  Append(std::uint8_t{1}, bytes);  // It is trained.
  Append(std::int32_t{0}, bytes);  // The metric is the inner product.
  return bytes;
}

// IndexIDMap of an IndexFlat (docs/exports.md).
absl::Status WriteExact(const InnerProductItems& items, ExportFiles& files) {
  absl::StatusOr<ExportFile> file = files.Create(kIndexFile);
  if (!file.ok()) return file.status();
  std::string bytes = HeaderOf("IxMp", items) + HeaderOf("IxFI", items);
  Append(std::uint64_t{items.size()} * items.dim(), bytes);
  file->Write(bytes);
  std::vector<float> vector(items.dim());
  for (std::size_t k = 0; k < items.size() && file->status().ok(); ++k) {
    items.CopyVector(k, vector.data());
    file->Write(vector.data(), vector.size() * sizeof(float));
  }
  bytes.clear();
  Append(std::uint64_t{items.size()}, bytes);
  file->Write(bytes);
  file->Write(items.ids().data(), items.ids().size() * sizeof(std::int64_t));
  return file->Close();
}

absl::Status WriteByLibrary(const InnerProductItems& items, const std::string& factory,
                            ExportFiles& files) {
  std::vector<float> vectors(items.size() * items.dim());
  for (std::size_t k = 0; k < items.size(); ++k) {
    items.CopyVector(k, vectors.data() + k * items.dim());
  }
  absl::Status built = BuildFaissIndex({.factory = factory,
                                        .dim = items.dim(),
                                        .vectors = vectors,
                                        .ids = items.ids(),
                                        .path = absl::StrCat(files.folder(), "/", kIndexFile)});
  return built.ok() ? files.AddWritten(kIndexFile) : built;
}

absl::Status CarriesFaiss(const ExportSubject& subject, const ExportOptions& options) {
  if (absl::Status inner = InnerProductItems::Check(subject, "faiss"); !inner.ok()) return inner;
  // Before work is done for it.
  if (options.index.empty() || options.index == kExact) return absl::OkStatus();
  return FindFaissLibrary();
}

absl::Status WriteFaiss(const ExportSubject& subject, const ExportOptions& options,
                        ExportFiles& files, ExportedModel& model) {
  const InnerProductItems items(subject);
  const std::string kind = options.index.empty() ? kExact : options.index;
  absl::Status written =
      kind == kExact ? WriteExact(items, files) : WriteByLibrary(items, kind, files);
  if (!written.ok()) return written;
  items.Describe(kIndexFile, kind, model);
  return items.WriteQueries(files);
}

}  // namespace

ExportFormat FaissFormat() {
  return {.name = "faiss",
          .what = "an index of the items by inner product (--index)",
          .takes_index = true,
          .check = CarriesFaiss,
          .write = WriteFaiss};
}

}  // namespace cf
