// The job reader over hostile text: as a libFuzzer target, and as a test over mutations of the
// ready jobs drawn from a fixed seed.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <random>
#include <span>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "common/base/check.h"
#include "common/base/files.h"
#include "common/config/config.h"
#include "tests/support/paths.h"

namespace cf {
namespace {

/// Any bytes are a job, which prints to the same job and can be judged, or an error of one line.
/// Returns which.
bool ReadJob(std::span<const std::byte> bytes) {
  const std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const absl::StatusOr<Job> job = ParseJob(text, "f");
  if (!job.ok()) {
    const std::string message(job.status().message());
    Check(absl::IsInvalidArgument(job.status()), "a bad text is the user's input");
    Check(message.starts_with("f:") && message.find('\n') == std::string::npos,
          "an error is one line that starts with the file");
    return false;
  }
  const absl::StatusOr<Job> again = ParseJob(PrintJob(*job) + "# not empty", "printed");
  Check(again.ok() && PrintJob(*again) == PrintJob(*job), "a printed job reads back");
  Job filled = *job;
  FillDefaults(filled);
  Check(ValidateJob(filled).ok() == ValidateJob(*job).ok(), "defaults change no verdict");
  Check(CheckSameResult(*job, filled, "run").ok(), "defaults change no result");
  return true;
}

}  // namespace
}  // namespace cf

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  cf::ReadJob(std::as_bytes(std::span(data, size)));
  return 0;
}

namespace cf {
namespace {

/// Texts to start from: the ready jobs, and one with every token that textproto knows.
std::vector<std::string> Seeds() {
  std::vector<std::string> seeds = {
      "\xEF\xBB\xBFtrain < epochs: 0x1F, seed: 017; > # end\n"
      "optimizer { adam { beta1: -1.5e+3f beta2: inf epsilon: nan } }\n"
      "data { path: 'a' \"b\\n\\x41\\101\\u00e9\" } kernels { target: 2 }\n"
      "[type.googleapis.com/cf.Job] { } split { given: { } }"};
  for (const auto& file :
       std::filesystem::directory_iterator(std::filesystem::path(CF_SOURCE_DIR) / "configs")) {
    if (file.path().extension() == ".textproto") seeds.push_back(*ReadFile(file.path()));
  }
  return seeds;
}

TEST(JobFuzz, AnyTextIsAJobOrOneLine) {
  const std::vector<std::string> seeds = Seeds();
  std::mt19937_64 random(20261121);
  const auto below = [&random](std::size_t n) { return static_cast<std::size_t>(random() % n); };
  int jobs = 0;
  int errors = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string text = seeds[below(seeds.size())];
    for (std::size_t changes = below(4); changes > 0 && !text.empty(); --changes) {
      const std::size_t at = below(text.size());
      const std::string& other = seeds[below(seeds.size())];
      switch (below(5)) {
        case 0:
          text[at] = static_cast<char>(below(256));
          break;
        case 1:
          text.erase(at, 1 + below(20));
          break;
        case 2:
          text.resize(at);
          break;
        case 3:
          text.insert(at, other.substr(below(other.size()), 1 + below(40)));
          break;
        default:
          text.insert(at, 1, ":{}<>-\"'#.0e\n\r\t"[below(15)]);
      }
    }
    (ReadJob(std::as_bytes(std::span(text))) ? jobs : errors) += 1;
  }
  // Neither side may be starved: mutations in comments leave jobs, the others make errors.
  EXPECT_GT(jobs, 2000);
  EXPECT_GT(errors, 2000);
}

TEST(JobFuzz, SurvivesDeepAndLongText) {
  std::string deep;
  for (int k = 0; k < 20000; ++k) deep += "model {";
  EXPECT_FALSE(ReadJob(std::as_bytes(std::span(deep))));
  const std::string braces((1U << 20) - 1, '{');
  EXPECT_FALSE(ReadJob(std::as_bytes(std::span(braces))));
  const std::string name((1U << 20) - 1, 'x');
  EXPECT_FALSE(ReadJob(std::as_bytes(std::span(name))));
}

}  // namespace
}  // namespace cf
