#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace cf {

/// What goes wrong in a job of the campaign.
enum class CampaignFault {
  // What the campaign does to the job when a thread of it passes a fault point.
  kKillRank,
  kKillAllRanks,
  kKillKeeper,
  kKillMpirun,
  kKillCfrun,
  kStopRank,
  kStopKeeper,
  kStopMpirun,
  kStopCfrun,  ///< And wakes it again.
  kTerm,       ///< A signal to cfrun, as the two that follow.
  kInt,
  kUsr1,
  kFullDisk,
  kDamageRows,      ///< Of the newest snapshot, as the next; then all ranks are dead.
  kDamageManifest,  //
  kDamageStatus,
  kDamageHistory,
  // What the fault point does by itself.
  kCrash,
  kStallThread,
  kShortWrite,
  kNoSpace,
  kBrokenDisk,
  kForgetfulDisk,
  kLateFrame,
  kFlippedFrame,
  kRepeatedFrame,
  kCount
};
const char* NameOf(CampaignFault fault);

enum class CampaignPhase { kStart, kTraining, kValidation, kCommit, kRecovery, kCount };
const char* NameOf(CampaignPhase phase);

struct PlannedFault {
  CampaignFault fault = CampaignFault::kKillRank;
  CampaignPhase phase = CampaignPhase::kTraining;
  std::string point = {};   ///< Of common/base/fault_point.h.
  std::string in = {};      ///< What the path of the file at hand contains.
  std::uint64_t after = 0;  ///< Passages of a process before it.
  std::uint64_t times = 1;
  int after_fault =
      -1;  ///< The fault of the plan from which on passages count; -1: from the start.
  std::uint64_t draw = 0;  ///< Chooses victim, file and byte.
};

/// A kind of job: model and schedule. Its result does not depend on the plan.
struct CampaignRecipe {
  std::string name;
  std::string config;                       ///< Of configs/.
  bool many_users = false;                  ///< Trained on users that memory has no room for.
  std::vector<std::string> set = {};        ///< What decides the result,
  std::vector<std::string> execution = {};  ///< and what does not, words of the command line.
  int ranks_max = 8;
  std::uint64_t turns = 80;  ///< Some number of steps or blocks that a thread has.
};
const std::vector<CampaignRecipe>& CampaignRecipes();

/// One job of the campaign: a pure function of seed and number.
struct CampaignPlan {
  std::uint64_t seed = 0;
  std::uint64_t number = 0;
  const CampaignRecipe* recipe = nullptr;
  int ranks = 2;
  std::vector<std::string> set = {};  ///< Beside the recipe's: places, threads, snapshots.
  std::vector<std::string> flags = {};
  std::vector<PlannedFault> faults = {};
  bool has_own_disk = false;  ///< One of the faults fills it.
};
CampaignPlan DrawPlan(std::uint64_t seed, std::uint64_t number);

/// The plan as a few lines, for a person.
std::string PrintPlan(const CampaignPlan& plan);

}  // namespace cf
