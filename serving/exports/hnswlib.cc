// The one file that includes hnswlib's header, which defines functions that are not inline.

#include "serving/exports/hnswlib.h"

#include <cstdint>
#include <exception>
#include <hnswlib/hnswlib.h>
#include <string>
#include <vector>

#include <absl/strings/str_cat.h>

#include "serving/exports/inner_product.h"

namespace cf {
namespace {

constexpr char kIndexFile[] = "items.hnsw";

// The library's own choices: links of a vector, and how many candidates are looked at to find them.
constexpr std::size_t kLinks = 16;
constexpr std::size_t kCandidates = 200;

using Graph = hnswlib::HierarchicalNSW<float>;

// Builds the graph, writes it and reads it back: the library does not say whether it could write.
// Empty, or what went wrong.
std::string Build(const InnerProductItems& items, const std::string& path) {
  try {
    hnswlib::InnerProductSpace space(items.dim());
    Graph graph(&space, items.size(), kLinks, kCandidates);
    std::vector<float> vector(items.dim());
    for (std::size_t k = 0; k < items.size(); ++k) {
      items.CopyVector(k, vector.data());
      graph.addPoint(vector.data(), static_cast<hnswlib::labeltype>(items.ids()[k]));
    }
    graph.saveIndex(path);
    const Graph read(&space, path);
    return read.cur_element_count == items.size() ? "" : "the graph was read back with other items";
  } catch (const std::exception& thrown) {
    return thrown.what();
  }
}

// What a reader must know before it opens the graph.
absl::Status WriteSidecar(const InnerProductItems& items, ExportFiles& files) {
  absl::StatusOr<ExportFile> file = files.Create(absl::StrCat(kIndexFile, ".json"));
  if (!file.ok()) return file.status();
  file->Write(absl::StrCat("{\n \"space\": \"ip\",\n \"dim\": ", items.dim(),
                           ",\n \"elements\": ", items.size(), ",\n \"M\": ", kLinks,
                           ",\n \"ef_construction\": ", kCandidates, "\n}\n"));
  return file->Close();
}

absl::Status CarriesHnswlib(const ExportSubject& subject, const ExportOptions&) {
  if (subject.model.items().dim() == 0) {
    return absl::FailedPreconditionError(
        "hnswlib finds near vectors, and a model of popularity has none: faiss and npy carry it");
  }
  return InnerProductItems::Check(subject, "hnswlib");
}

absl::Status WriteHnswlib(const ExportSubject& subject, const ExportOptions&, ExportFiles& files,
                          ExportedModel& model) {
  const InnerProductItems items(subject);
  const std::string path = absl::StrCat(files.folder(), "/", kIndexFile);
  if (const std::string complaint = Build(items, path); !complaint.empty()) {
    return absl::InternalError(absl::StrCat(path, ": ", complaint));
  }
  if (absl::Status noted = files.AddWritten(kIndexFile); !noted.ok()) return noted;
  if (absl::Status written = WriteSidecar(items, files); !written.ok()) return written;
  items.Describe(kIndexFile, "hnsw", model);
  return items.WriteQueries(files);
}

}  // namespace

ExportFormat HnswlibFormat() {
  return {.name = "hnswlib",
          .what = "a graph of the items by inner product",
          .check = CarriesHnswlib,
          .write = WriteHnswlib};
}

}  // namespace cf
