#pragma once

#include <cstddef>
#include <cstdint>

namespace cf {

/// The library with the function below.
inline constexpr char kFaissPlugin[] = "cf_faiss.so";

}  // namespace cf

/// Makes an index of `count` vectors by inner product, as `factory` says, under `ids`, and writes it
/// to `path`; reads it back and checks metric, size and ids. False: what went wrong is in `error`,
/// a line of at most `error_bytes`, cut. The names of a C function are the same for whoever loads.
extern "C" bool CfBuildFaissIndex(const char* factory, std::uint32_t dim, std::size_t count,
                                  const float* vectors, const std::int64_t* ids, const char* path,
                                  char* error, std::size_t error_bytes);
