// Makes a fuzzer of the one target that it is linked with. `--write_seeds=FOLDER` before libFuzzer's own arguments writes the
// target's seeds there: a corpus to begin with.

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "common/base/files.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerInitialize(int* count, char*** arguments);
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerInitialize(int* count, char*** arguments) {
  constexpr std::string_view kFlag = "--write_seeds=";
  for (int k = 1; k < *count; ++k) {
    const std::string_view argument = (*arguments)[k];
    if (!argument.starts_with(kFlag)) continue;
    const std::string folder(argument.substr(kFlag.size()));
    std::filesystem::create_directories(folder);
    int number = 0;
    for (const std::string& seed : cf::fuzz::Targets().front().seeds()) {
      const std::string path = folder + "/seed_" + std::to_string(number++);
      if (!cf::WriteFileAtomically(path, seed).ok()) {
        std::fprintf(stderr, "cannot write %s\n", path.c_str());
        std::exit(1);
      }
    }
  }
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  cf::fuzz::Targets().front().run(std::as_bytes(std::span(data, size)));
  return 0;
}
