// The reader of jobs.

#include <filesystem>

#include "common/base/check.h"
#include "common/base/files.h"
#include "common/config/config.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/paths.h"

namespace cf::fuzz::job_target {
namespace {

/// Any bytes are a job, which prints to the same job and can be judged, or an error of one line.
bool RunTarget(std::span<const std::byte> bytes) {
  const std::string text = TextOf(bytes);
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

/// The ready jobs, and one with every token that textproto knows.
std::vector<std::string> Seeds() {
  std::vector<std::string> seeds = {
      "\xEF\xBB\xBFtrain < epochs: 0x1F, seed: 017; > # end\n"
      "optimizer { adam { beta1: -1.5e+3f beta2: inf epsilon: nan } }\n"
      "data { path: 'a' \"b\\n\\x41\\101\\u00e9\" } kernels { target: AVX2 }\n"
      "split { given: { } }"};
  for (const auto& file :
       std::filesystem::directory_iterator(std::filesystem::path(CF_SOURCE_DIR) / "configs")) {
    if (file.path().extension() == ".textproto") seeds.push_back(*ReadFile(file.path()));
  }
  std::sort(seeds.begin(), seeds.end());
  return seeds;
}

const bool kAdded = AddTarget({.name = "job", .run = RunTarget, .seeds = Seeds});

}  // namespace
}  // namespace cf::fuzz::job_target
