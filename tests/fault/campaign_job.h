#pragma once

#include <map>
#include <string>
#include <vector>

#include "tests/fault/campaign_plan.h"
#include "tests/support/cluster.h"

namespace cf {

/// What the campaign compares of a run: all that must not depend on what went wrong.
struct CampaignResult {
  std::string latest;                ///< Digests of the last state
  std::string best;                  ///< and of the best one.
  std::vector<std::string> columns;  ///< Of history.csv,
  /// and its lines by their epoch, without the columns that have times in them.
  std::map<std::string, std::vector<std::string>> history;
};

struct CampaignReport {
  CampaignPlan plan;
  /// By fault of the plan: the seconds from when it happened to the next snapshot, or to the end;
  /// negative: it did not happen, as the job ended before.
  std::vector<double> recoveries = {};
  int lives = 0;  ///< Of cfrun.
  double seconds = 0;
  std::string failure = {};  ///< Empty: all is well. Else what is not, and where the run folder is.
};

/// Runs the jobs of a campaign. As root each has a /dev/shm of its own, and those whose disk is full a
/// disk of their own; elsewhere no disk is full and /dev/shm is not looked at.
///
/// Owner:   the test program, one.
/// Threads: one.
/// Bounds:  a job at a time; the results of undisturbed jobs, one for each recipe.
class Campaign {
 public:
  Campaign();

  /// Runs a job to its end, whatever that takes, and looks at what it has left.
  CampaignReport Run(const CampaignPlan& plan);

 private:
  void MakeManyUsers() const;
  const CampaignResult& ResultOf(const CampaignRecipe& recipe);
  JobOptions OptionsOf(const CampaignRecipe& recipe, const std::string& run) const;

  TestCluster cluster_;
  bool is_root_ = false;
  std::map<std::string, CampaignResult> results_;  // By recipe.
};

}  // namespace cf
