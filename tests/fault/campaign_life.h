#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/fault/campaign_plan.h"
#include "tests/support/cluster.h"

namespace cf {

/// One job of the campaign: cfrun, started as often as it takes, and what is done to it.
///
/// Owner:   Campaign.
/// Threads: one.
/// Bounds:  a life of cfrun may take kLifeLimit (campaign_life.cc), and there are little more of them than
///          faults.
class CampaignLife {
 public:
  /// `options` start the job, whose faults are those of `plan`; `has_own_disk`: the folder around the run
  /// is a disk that may be filled. Borrowed, both but the options.
  CampaignLife(const TestCluster& cluster, const CampaignPlan& plan, JobOptions options,
               bool has_own_disk);

  /// Starts cfrun again until the job has finished. What went wrong; empty: nothing.
  std::string Finish();

  /// By fault of the plan: the seconds from when it happened to the next snapshot, or to the end;
  /// negative: it did not happen, as the job ended before.
  const std::vector<double>& recoveries() const { return recoveries_; }
  bool Happened(CampaignFault fault) const;
  int lives() const { return lives_; }
  /// What cfrun has printed.
  const std::string& said() const { return said_; }
  /// Of the job's temporary files.
  std::string TemporaryFolder() const;

 private:
  using Clock = std::chrono::steady_clock;

  std::string TokenOf(std::size_t fault) const;
  std::string FaultsText() const;
  std::string Live();
  void LookForFaults(ClusterJob& job);
  void SetRecoveries(bool all);
  std::string NewestManifest() const;
  // Whether it could be done.
  bool Do(ClusterJob& job, const PlannedFault& fault);
  bool DoToFiles(ClusterJob& job, const PlannedFault& fault);
  // One that lives.
  pid_t Victim(const ClusterJob& job, const PlannedFault& fault,
               pid_t (ClusterJob::*find)(int) const) const;
  // All at once, and all are dead when it returns.
  bool KillAllRanks(const ClusterJob& job) const;
  std::string Ballast() const;
  bool FillDisk() const;
  void FreeDisk() const;
  void DoWhatIsDue();

  const TestCluster& cluster_;
  const CampaignPlan& plan_;
  JobOptions options_;
  const bool has_own_disk_;
  const std::string run_;
  std::vector<double> recoveries_;
  std::vector<std::optional<Clock::time_point>> happened_;  // By fault.
  // By fault: the newest snapshot when it happened, until there is another.
  std::map<std::size_t, std::string> newest_;
  std::vector<CampaignFault> life_faults_;  // In the life that runs.
  std::vector<std::pair<Clock::time_point, std::function<void()>>> due_;
  std::set<std::string> damaged_;  // Files of snapshots.
  std::string said_;
  int lives_ = 0;
  bool is_finished_ = false;
};

}  // namespace cf
