// The one file that includes FAISS, in a library of its own (faiss_library.h says why).

#include "serving/exports/faiss_plugin.h"

#include <algorithm>
#include <cstring>
#include <exception>
#include <faiss/IndexIDMap.h>
#include <faiss/index_factory.h>
#include <faiss/index_io.h>
#include <memory>
#include <string>

// OpenBLAS's: FAISS has threads of its own, which would each start as many again.
extern "C" void openblas_set_num_threads(int threads);

namespace {

// Ids of any index, also of those that have none themselves.
std::unique_ptr<faiss::IndexIDMap> WithIds(std::unique_ptr<faiss::Index> index) {
  if (auto* const mapped = dynamic_cast<faiss::IndexIDMap*>(index.get())) {
    index.release();
    return std::unique_ptr<faiss::IndexIDMap>(mapped);
  }
  auto mapped = std::make_unique<faiss::IndexIDMap>(index.get());
  mapped->own_fields = true;
  index.release();
  return mapped;
}

// What is wrong with the index in the file; empty where it is as it should be.
std::string Complaint(const char* path, const std::int64_t* ids, std::size_t count) {
  const std::unique_ptr<faiss::Index> read(faiss::read_index(path));
  const auto* const mapped = dynamic_cast<const faiss::IndexIDMap*>(read.get());
  if (mapped == nullptr) return "was read back without ids";
  if (mapped->metric_type != faiss::METRIC_INNER_PRODUCT ||
      mapped->index->metric_type != faiss::METRIC_INNER_PRODUCT) {
    return "is not an index by inner product";
  }
  if (static_cast<std::size_t>(mapped->ntotal) != count ||
      !std::equal(mapped->id_map.begin(), mapped->id_map.end(), ids, ids + count)) {
    return "was read back with other ids";
  }
  return "";
}

}  // namespace

bool CfBuildFaissIndex(const char* factory, std::uint32_t dim, std::size_t count,
                       const float* vectors, const std::int64_t* ids, const char* path, char* error,
                       std::size_t error_bytes) {
  std::string complaint;
  try {
    openblas_set_num_threads(1);
    const auto rows = static_cast<faiss::Index::idx_t>(count);
    const std::unique_ptr<faiss::IndexIDMap> index = WithIds(std::unique_ptr<faiss::Index>(
        faiss::index_factory(static_cast<int>(dim), factory, faiss::METRIC_INNER_PRODUCT)));
    index->train(rows, vectors);
    index->add_with_ids(rows, vectors, ids);
    faiss::write_index(index.get(), path);
    complaint = Complaint(path, ids, count);
  } catch (const std::exception& thrown) {
    complaint = thrown.what();
  }
  std::ranges::replace(complaint, '\n', ' ');
  const std::size_t kept = std::min(complaint.size(), error_bytes - 1);
  std::memcpy(error, complaint.data(), kept);
  error[kept] = '\0';
  return complaint.empty();
}
