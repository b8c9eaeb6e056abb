#include "serving/exports/faiss_library.h"

#include <dlfcn.h>
#include <filesystem>
#include <system_error>

#include <absl/status/statusor.h>
#include <absl/strings/str_cat.h>

#include "serving/exports/faiss_plugin.h"

namespace cf {
namespace {

namespace fs = std::filesystem;

using Build = decltype(&CfBuildFaissIndex);

// Beside the program, as a build has it, or in lib/ next to bin/, as a package has it.
absl::StatusOr<Build> Load() {
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error).parent_path();
  for (const fs::path& folder : {program, program.parent_path() / "lib"}) {
    const std::string path = folder / kFaissPlugin;
    if (!fs::exists(path, error)) continue;
    // Never unloaded: it has threads of its own.
    void* const library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) {
      return absl::FailedPreconditionError(absl::StrCat(
          "libfaiss cannot be loaded, only --index Flat is there without it: ", dlerror()));
    }
    if (void* const build = dlsym(library, "CfBuildFaissIndex"); build != nullptr) {
      return reinterpret_cast<Build>(build);
    }
  }
  return absl::FailedPreconditionError(
      "this program was built without libfaiss: only --index Flat is there");
}

}  // namespace

absl::Status FindFaissLibrary() {
  return Load().status();
}

absl::Status BuildFaissIndex(const FaissIndexOptions& options) {
  const absl::StatusOr<Build> build = Load();
  if (!build.ok()) return build.status();
  char error[1024] = {};
  const bool built =
      (*build)(options.factory.c_str(), options.dim, options.ids.size(), options.vectors.data(),
               options.ids.data(), options.path.c_str(), error, sizeof error);
  if (built) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("--index ", options.factory, ": ", error));
}

}  // namespace cf
