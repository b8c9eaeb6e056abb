#pragma once

#include <cstdint>
#include <span>
#include <string>

#include <absl/status/status.h>

namespace cf {

/// What libfaiss is asked for.
struct FaissIndexOptions {
  std::string factory;  ///< As index_factory reads it: "IVF256,Flat".
  std::uint32_t dim = 0;
  std::span<const float> vectors;  ///< ids.size() * dim.
  std::span<const std::int64_t> ids;
  std::string path;  ///< Where the index is written.
};

/// Whether libfaiss is here: it is a library of ours that is loaded when it is needed, so that
/// nothing else waits for it and its matrix library, or needs them installed. FailedPrecondition:
/// this program was built without it, or what it needs in its turn is missing.
absl::Status FindFaissLibrary();

/// Trains an index by inner product, fills it, writes it, and reads it back to see that it is one.
/// FailedPrecondition as FindFaissLibrary; InvalidArgument: what FAISS said of the factory or of
/// the vectors.
absl::Status BuildFaissIndex(const FaissIndexOptions& options);

}  // namespace cf
