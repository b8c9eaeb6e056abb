#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <absl/status/statusor.h>

#include "coordinator/console.h"
#include "coordinator/control.pb.h"
#include "coordinator/participant.h"
#include "coordinator/reception.h"
#include "coordinator/resume_choice.h"
#include "coordinator/storage_plan.h"
#include "run/run_folder.h"
#include "run/status.pb.h"

namespace cf {

/// The member that leads a generation: it agrees with the others on threads, has all of them open
/// their parts, runs the Coordinator, and tells everybody how it ended. Whatever only it needs is
/// made here, from what every member has.
///
/// Owner:   RunGeneration.
/// Threads: the rank's first.
/// Bounds:  one command under way.
class Leader {
 public:
  struct Options {
    const RunFolder* claim =
        nullptr;  ///< With the generation's claim. Borrowed, as is the console.
    Console* console = nullptr;
    std::optional<BatchJob> batch = {};  ///< That the ranks run in.
    std::function<bool()> stop_requested;
    bool profile = false;
    std::optional<std::chrono::steady_clock::time_point> ended_at = {};  ///< As GenerationOptions',
    bool after_loss = true;                                              ///< as is this,
    Reception* reception = nullptr;                                      ///< this,
    std::uint32_t ranks_wanted = 1;                                      ///< and this.
  };
  Leader(Participant& participant, Options options);

  /// Leads to the end, and tells the others which it is.
  GenerationEnd Run();

 private:
  absl::StatusOr<Verdict> Coordinate();
  absl::StatusOr<TrainingData> OpenData() const;
  absl::StatusOr<SetUp> AgreeOnSetUp();
  void AgreeOnThreads(SetUp& set_up) const;
  // Ends the generation where somebody is to join or to leave; then this is the end's error. Called when
  // nothing, or next to nothing, is lost by it.
  absl::Status ResizeIfWanted();
  // What ends the generation so that balance returns after a loss, if that is worth it.
  std::optional<GenerationEnd::Resized> PlanNewDeal(double epochs_left) const;
  absl::Status BalanceIfWorthIt(double epochs_left);
  // Ranks that have had partitions in a generation before keep what they can of them.
  void KeepPlaces(SetUp& set_up) const;
  // Until every rank has all rows of one snapshot: where some are not as they were written, all
  // take the next older one that is whole, if the user has not named this one.
  absl::StatusOr<std::vector<Reply>> SetUpEverywhere(SetUp set_up, RunStatus& status);
  // The path of the newest snapshot but for these; tells of it.
  absl::StatusOr<std::string> PassOver(const std::vector<PassedOver>& damaged, RunStatus& status);
  absl::StatusOr<std::vector<Reply>> ExecuteEverywhere(Command command);

  const Job& job() const { return participant_.job(); }

  Participant& participant_;
  const Options options_;
  std::uint64_t sequence_ = 0;               // Of the last command.
  std::vector<StoragePlan> storage_;         // By rank.
  bool reads_all_again_ = false;             // WorkAhead's.
  std::set<std::string> damaged_snapshots_;  // Of the run, newer than what it goes on from.
};

}  // namespace cf
