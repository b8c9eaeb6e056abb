// Goal: whatever goes wrong in a job, and wherever, it ends by itself, with the digests and the history of
// one in which nothing did, and leaves nothing behind. Method: real jobs of every kind of model and
// schedule, with faults drawn from a seed that happen where the job passes fault points. ctest runs
// a few; by hand any number:
//
//   fault_campaign_test --seed=S --jobs=FIRST:LAST    (or one: --jobs=N)
//
// What has failed is printed with its plan, and fails again with the same seed and number.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "tests/fault/campaign_job.h"
#include "tests/fault/campaign_plan.h"

namespace cf {
namespace {

struct Extent {
  std::uint64_t seed = 1;
  std::uint64_t first = 5;
  std::uint64_t last = 6;
};
Extent extent;

constexpr std::size_t kFaults = static_cast<std::size_t>(CampaignFault::kCount);
constexpr std::size_t kPhases = static_cast<std::size_t>(CampaignPhase::kCount);

std::string Seconds(std::vector<double> times, double quantile) {
  if (times.empty()) return "";
  std::ranges::sort(times);
  char text[32];
  (void)std::snprintf(
      text, sizeof text, "%.1f",
      times[static_cast<std::size_t>(quantile * static_cast<double>(times.size() - 1))]);
  return text;
}

unsigned long long Long(std::uint64_t number) {
  return number;
}

// The faults of a job that happened, by their numbers in the plan.
std::string Happened(const CampaignReport& report) {
  std::string text;
  for (std::size_t k = 0; k < report.recoveries.size(); ++k) {
    if (report.recoveries[k] < 0) continue;
    char seconds[32];
    (void)std::snprintf(seconds, sizeof seconds, " %.1f s", report.recoveries[k]);
    text += "; " + std::to_string(k) + ": " + NameOf(report.plan.faults[k].fault) + " in " +
            NameOf(report.plan.faults[k].phase) + seconds;
  }
  return text;
}

// Faults by kind and phase, in Markdown.
void PrintTable(const std::vector<CampaignReport>& reports) {
  std::vector<std::vector<int>> counts(kFaults, std::vector<int>(kPhases));
  std::vector<std::vector<double>> times(kFaults);
  std::vector<double> of_jobs;
  std::map<std::string, int> recipes;
  int total = 0;
  for (const CampaignReport& report : reports) {
    of_jobs.push_back(report.seconds);
    ++recipes[report.plan.recipe->name];
    for (std::size_t k = 0; k < report.recoveries.size(); ++k) {
      if (report.recoveries[k] < 0) continue;
      const PlannedFault& fault = report.plan.faults[k];
      ++counts[static_cast<std::size_t>(fault.fault)][static_cast<std::size_t>(fault.phase)];
      times[static_cast<std::size_t>(fault.fault)].push_back(report.recoveries[k]);
      ++total;
    }
  }
  std::printf(
      "| fault | start | training | validation | commit | recovery | median s | worst s |\n");
  std::printf("|---|---|---|---|---|---|---|---|\n");
  for (std::size_t fault = 0; fault < kFaults; ++fault) {
    std::printf("| %s |", NameOf(static_cast<CampaignFault>(fault)));
    for (const int count : counts[fault])
      std::printf(" %s |", count > 0 ? std::to_string(count).c_str() : "");
    std::printf(" %s | %s |\n", Seconds(times[fault], 0.5).c_str(),
                Seconds(times[fault], 1).c_str());
  }
  std::printf("\n%d faults in %zu jobs; a job took %s s in the median, %s at most.\n", total,
              reports.size(), Seconds(of_jobs, 0.5).c_str(), Seconds(of_jobs, 1).c_str());
  for (const auto& [name, count] : recipes) std::printf("%s: %d\n", name.c_str(), count);
}

TEST(CampaignPlan, IsAFunctionOfSeedAndNumber) {
  EXPECT_EQ(PrintPlan(DrawPlan(3, 5)), PrintPlan(DrawPlan(3, 5)));
  EXPECT_NE(PrintPlan(DrawPlan(3, 5)), PrintPlan(DrawPlan(3, 6)));
  EXPECT_NE(PrintPlan(DrawPlan(3, 5)), PrintPlan(DrawPlan(4, 5)));
}

TEST(Campaign, EveryJobEndsByItselfAsIfNothingHadBeen) {
  Campaign campaign;
  std::vector<CampaignReport> reports;
  for (std::uint64_t number = extent.first; number <= extent.last; ++number) {
    const CampaignReport& report =
        reports.emplace_back(campaign.Run(DrawPlan(extent.seed, number)));
    std::printf("job %llu: %s, %d ranks, %d lives, %.1f s%s\n", Long(number),
                report.plan.recipe->name.c_str(), report.plan.ranks, report.lives, report.seconds,
                Happened(report).c_str());
    std::fflush(stdout);
    if (report.failure.empty()) continue;
    ADD_FAILURE() << report.failure << "\n" << PrintPlan(report.plan);
  }
  PrintTable(reports);
}

bool ReadWord(const char* word) {
  unsigned long long seed = 0;
  unsigned long long first = 0;
  unsigned long long last = 0;
  char rest = 0;
  if (std::sscanf(word, "--seed=%llu%c", &seed, &rest) == 1) {
    extent.seed = seed;
    return true;
  }
  const int read = std::sscanf(word, "--jobs=%llu:%llu%c", &first, &last, &rest);
  if (read != 1 && read != 2) return false;
  extent.first = first;
  extent.last = read == 2 ? last : first;
  return true;
}

}  // namespace
}  // namespace cf

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  for (int k = 1; k < argc; ++k) {
    if (cf::ReadWord(argv[k])) continue;
    std::fprintf(stderr, "%s: expected --seed=S or --jobs=FIRST:LAST\n", argv[k]);
    return 2;
  }
  return RUN_ALL_TESTS();
}
