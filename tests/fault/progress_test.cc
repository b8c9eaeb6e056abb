// Goal: a job that gets on between its deaths is started again as often as it takes; only deaths
// without a new snapshot count. Method: a worker that leaves one of some prepared manifests in
// each life, and dies.

#include <filesystem>
#include <fstream>
#include <string>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/files.h"
#include "common/base/status.h"
#include "common/snapshot/manifest.h"
#include "tests/support/paths.h"
#include "tests/support/process.h"

namespace cf::progress_test {
namespace {

using ::testing::HasSubstr;

constexpr std::uint64_t kSnapshots = 3;

constexpr char kWorker[] = R"sh(#!/bin/bash
cd "$(dirname "$0")/run"
echo life >> lives
printf 'launch: %s\nbegun: now\n' "$CF_LAUNCH" > "generation/$(($(ls generation | wc -l) + 1))"
for manifest in prepared/*.manifest; do
  [[ ! -e $manifest ]] || mv "$manifest" snapshots/
  break
done
kill -9 $$
)sh";

/// The least that is a snapshot: of no rows.
Manifest ManifestAt(std::uint64_t step) {
  Manifest manifest;
  manifest.set_format_version(kManifestFormat);
  manifest.set_generation(1);
  manifest.mutable_position()->set_step(step);
  manifest.set_name(SnapshotName(TimeOf(manifest)));
  manifest.set_partitions(1);
  manifest.add_files()->set_kind(BASE);
  return manifest;
}

TEST(DyingJobThatGetsOn, IsGivenUpOnlyWhenItGetsOnNoMore) {
  const std::string folder = ::testing::TempDir() + "progress_" + std::to_string(::getpid());
  std::filesystem::remove_all(folder);
  for (const char* const name : {"generation", "snapshots", "prepared"}) {
    std::filesystem::create_directories(folder + "/run/" + name);
  }
  std::filesystem::copy(CF_BIN_DIR "/cfrun", folder + "/cfrun");
  std::ofstream(folder + "/cfworker") << kWorker;
  std::filesystem::permissions(folder + "/cfworker", std::filesystem::perms::owner_all);
  for (std::uint64_t step = 1; step <= kSnapshots; ++step) {
    const Manifest manifest = ManifestAt(step);
    ASSERT_TRUE(
        ReplaceFile(folder + "/run/prepared/" + manifest.name(), FormatManifest(manifest)).ok());
  }
  const Process::Result result =
      Process({folder + "/cfrun", "-n", "1", "config", "--restarts", "1", "--run", folder + "/run"})
          .Wait();
  EXPECT_EQ(result.exit_code, kExitFailed);
  EXPECT_THAT(result.errors, HasSubstr("giving up after 1 restarts without a new snapshot"));
  // A life for each snapshot, and the one restart behind the last, which brings none.
  const std::string lives = ReadFile(folder + "/run/lives").value_or("");
  EXPECT_EQ(lives.size(), (kSnapshots + 1) * std::string("life\n").size()) << result.errors;
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace cf::progress_test
