#include "tests/fault/campaign_job.h"

#include <chrono>
#include <filesystem>
#include <fstream>
#include <sched.h>
#include <set>
#include <sstream>
#include <sys/mount.h>
#include <system_error>
#include <unistd.h>

#include <gtest/gtest.h>

#include "common/base/check.h"
#include "common/snapshot/snapshot_store.h"
#include "tests/fault/campaign_life.h"

namespace cf {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> CellsOf(const std::string& line) {
  std::vector<std::string> cells;
  std::istringstream stream(line + ",");
  for (std::string cell; std::getline(stream, cell, ',');) cells.push_back(cell);
  return cells;
}

// The lines by epoch, without times. `names`: of the columns, where somebody has taken the first line away.
std::map<std::string, std::vector<std::string>> ReadHistory(const std::string& run,
                                                            std::vector<std::string> names) {
  static const std::set<std::string> times = {"samples_per_second", "seconds", "pause_seconds"};
  std::map<std::string, std::vector<std::string>> history;
  for (const std::string& line : LinesOf(run + "/history.csv")) {
    const std::vector<std::string> cells = CellsOf(line);
    if (!cells.empty() && cells[0] == "epoch") names = cells;
    std::vector<std::string>& kept = history[cells.empty() ? "" : cells[0]];
    if (!kept.empty()) kept.emplace_back("twice");
    for (std::size_t k = 0; k < cells.size(); ++k) {
      if (k >= names.size() || !times.contains(names[k])) kept.push_back(cells[k]);
    }
  }
  return history;
}

// What is left behind that should not be; empty: nothing. `slept`: a thread was stopped, which may have
// been made to write on when the others had left it behind, and was killed in the middle; the next life
// would collect that.
std::string Leftovers(const std::string& run, bool slept) {
  std::set<std::string> named;
  const absl::StatusOr<SnapshotStore> store = SnapshotStore::View(run + "/snapshots");
  if (!store.ok()) return "there are no snapshots";
  const absl::StatusOr<SnapshotStore::Listing> listing = store->List();
  if (!listing.ok()) return std::string(listing.status().message());
  for (const Manifest& manifest : listing->snapshots) {
    for (const FileEntry& entry : manifest.files()) named.insert(entry.file());
  }
  for (const auto& entry : fs::recursive_directory_iterator(run)) {
    const std::string name = entry.path().filename();
    const std::string folder = entry.path().parent_path().filename();
    const bool is_left = name.find(".tmp") != std::string::npos || folder == "scratch" ||
                         folder == "meeting" ||
                         (folder == "rows" && !slept && !named.contains(name));
    if (is_left) return entry.path().string() + " is left";
  }
  return "";
}

std::string FirstIn(const std::string& folder) {
  for (const auto& entry : fs::directory_iterator(folder))
    return entry.path().string() + " is left";
  return "";
}

void Empty(const std::string& folder) {
  for (const auto& entry : fs::directory_iterator(folder)) fs::remove_all(entry.path());
}

// A disk as small as that is full soon.
bool MountDisk(const std::string& folder, const char* size) {
  fs::create_directories(folder);
  return ::mount("campaign", folder.c_str(), "tmpfs", 0, size) == 0;
}

}  // namespace

Campaign::Campaign() {
  // What is mounted here nobody else sees, and it is gone with this process.
  is_root_ = ::geteuid() == 0 && ::unshare(CLONE_NEWNS) == 0 &&
             ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
             MountDisk("/dev/shm", "size=1g");
}

void Campaign::MakeManyUsers() const {
  const Process::Result made =
      RunProgram("cfdata", {"synth", "--users", "30000", "--items", "500", "--ratings", "75000",
                            "--out", cluster_.Path("many-users")});
  Check(made.exit_code == 0, "a data set for the campaign is made");
}

JobOptions Campaign::OptionsOf(const CampaignRecipe& recipe, const std::string& run) const {
  return {.config = recipe.config,
          .data = recipe.many_users ? cluster_.Path("many-users") : "",
          .run = run,
          .set = recipe.set};
}

const CampaignResult& Campaign::ResultOf(const CampaignRecipe& recipe) {
  const auto [result, is_new] = results_.try_emplace(recipe.name);
  if (!is_new) return result->second;
  if (recipe.many_users && !fs::exists(cluster_.Path("many-users"))) MakeManyUsers();
  JobOptions options = OptionsOf(recipe, "undisturbed-" + std::to_string(results_.size()));
  options.launcher = Launcher::kAlone;
  result->second.latest = cluster_.Train(options);
  result->second.best = cluster_.Digest(options.run, "best");
  const std::string run = cluster_.Path(options.run);
  result->second.columns = CellsOf(LinesOf(run + "/history.csv").at(0));
  result->second.history = ReadHistory(run, result->second.columns);
  return result->second;
}

CampaignReport Campaign::Run(const CampaignPlan& plan) {
  CampaignReport report{.plan = plan};
  const CampaignRecipe& recipe = *plan.recipe;
  const CampaignResult& expected = ResultOf(recipe);
  const std::string folder = "job-" + std::to_string(plan.number);
  const bool has_own_disk =
      plan.has_own_disk && is_root_ &&
      MountDisk(cluster_.Path(folder), recipe.many_users ? "size=200m" : "size=64m");
  JobOptions options = OptionsOf(recipe, folder + "/run");
  options.launcher = Launcher::kCfrun;
  options.ranks = plan.ranks;
  options.set.insert(options.set.end(), plan.set.begin(), plan.set.end());
  options.set.insert(options.set.end(),
                     {"cluster.timeout_seconds=3", "cluster.progress_timeout_seconds=4"});
  options.flags = plan.flags;
  options.flags.insert(options.flags.end(), recipe.execution.begin(), recipe.execution.end());
  options.flags.insert(options.flags.end(), {"--restarts", "50", "--meeting-seconds", "10"});

  if (is_root_) Empty("/dev/shm");
  const std::string run = cluster_.Path(options.run);
  const auto begin = std::chrono::steady_clock::now();
  CampaignLife job(cluster_, plan, options, has_own_disk);
  report.failure = job.Finish();
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  report.recoveries = job.recoveries();
  report.lives = job.lives();
  if (report.failure.empty()) {
    report.failure = Leftovers(
        run, job.Happened(CampaignFault::kStopRank) || job.Happened(CampaignFault::kStallThread));
  }
  if (report.failure.empty()) report.failure = FirstIn(job.TemporaryFolder());
  if (report.failure.empty() && is_root_) report.failure = FirstIn("/dev/shm");
  if (report.failure.empty()) {
    if (cluster_.Digest(options.run) != expected.latest) report.failure = "the digest is wrong";
    if (cluster_.Digest(options.run, "best") != expected.best)
      report.failure = "the best digest is wrong";
    auto history = ReadHistory(run, expected.columns);
    if (job.Happened(CampaignFault::kDamageHistory)) {
      // Lines may be lost, and what somebody wrote be there; what is there of ours is right.
      std::erase_if(history,
                    [&](const auto& line) { return !expected.history.contains(line.first); });
      for (const auto& [epoch, line] : expected.history) history.try_emplace(epoch, line);
    }
    if (history != expected.history) report.failure = "the history is wrong";
  }
  if (!report.failure.empty()) {
    const std::string kept = ::testing::TempDir() + "cf_campaign_" + std::to_string(plan.seed) +
                             "_" + std::to_string(plan.number) + "_" + std::to_string(::getpid());
    std::error_code error;
    fs::copy(cluster_.Path(folder), kept,
             fs::copy_options::recursive | fs::copy_options::copy_symlinks, error);
    std::ofstream(kept + "/said") << job.said();
    report.failure += "; what is left of it is in " + kept;
  }
  if (has_own_disk) ::umount2(cluster_.Path(folder).c_str(), MNT_DETACH);
  std::error_code ignored;
  fs::remove_all(cluster_.Path(folder), ignored);
  return report;
}

}  // namespace cf
