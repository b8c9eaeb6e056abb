#include "bench/sgemm.h"

#include <dlfcn.h>

namespace cf {

std::optional<Sgemm> Sgemm::Find() {
  void* library = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return std::nullopt;
  const auto sgemm = reinterpret_cast<Function>(dlsym(library, "cblas_sgemm"));
  const auto set_threads =
      reinterpret_cast<void (*)(int)>(dlsym(library, "openblas_set_num_threads"));
  if (sgemm == nullptr || set_threads == nullptr) return std::nullopt;
  set_threads(1);
  return Sgemm(sgemm);
}

void Sgemm::Multiply(const MatrixProduct& product) const {
  constexpr int kRowMajor = 101;
  constexpr int kAsItIs = 111;
  constexpr int kTransposed = 112;
  const bool transposed = product.a_step != 1;
  const auto as_int = [](std::size_t n) { return static_cast<int>(n); };
  sgemm_(kRowMajor, transposed ? kTransposed : kAsItIs, kAsItIs, as_int(product.rows),
         as_int(product.columns), as_int(product.steps), 1.0F, product.a,
         as_int(transposed ? product.a_step : product.a_row), product.b, as_int(product.b_stride),
         product.start != nullptr ? 0.0F : 1.0F, product.c, as_int(product.c_stride));
}

}  // namespace cf
