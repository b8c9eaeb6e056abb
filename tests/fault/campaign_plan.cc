#include "tests/fault/campaign_plan.h"

#include <algorithm>
#include <random>
#include <span>
#include <sstream>

#include "common/base/check.h"

namespace cf {
namespace {

using Fault = CampaignFault;
using Phase = CampaignPhase;

struct Place {
  Phase phase;
  const char* point;
  const char* in = "";
  std::uint64_t passages = 1;  // How many a process has, or the most that are worth waiting for.
};

// A start after a loss passes the points of a start, too; it is in place that regroup's are passed.
constexpr Place kPlaces[] = {
    {Phase::kStart, "start.prepared"},
    {Phase::kStart, "start.met"},
    {Phase::kStart, "rows.open", "", 2},
    {Phase::kTraining, "train.turn", "", 0},  // As many as the recipe has turns.
    {Phase::kTraining, "train.turn", "", 0},
    {Phase::kTraining, "frame.send", "", 100},
    {Phase::kTraining, "frame.receive", "", 100},
    {Phase::kValidation, "validate", "", 3},
    {Phase::kValidation, "score.turn", "", 40},
    {Phase::kValidation, "history.append", "", 3},
    {Phase::kCommit, "row_file.open", "", 20},
    {Phase::kCommit, "row_file.sync", "", 20},
    {Phase::kCommit, "file.sync", ".manifest", 4},
    {Phase::kCommit, "file.rename", ".manifest", 4},
    {Phase::kCommit, "path.sync", "/snapshots", 12},
    {Phase::kCommit, "commit.links", "", 4},
    {Phase::kCommit, "collect.files", "", 4},
    {Phase::kRecovery, "regroup.meet"},
    {Phase::kRecovery, "regroup.claim"},
    {Phase::kRecovery, "regroup.claimed"},
    {Phase::kRecovery, "start.prepared"},
    {Phase::kRecovery, "start.met"},
    {Phase::kRecovery, "rows.open", "", 2},
};

// What only some points can do, and those.
struct Special {
  Fault fault;
  Phase phase;
  const char* point;
  const char* in = "";
  std::uint64_t passages = 1;
  bool on_disk = false;  // Where rows are on disk.
};
constexpr Special kSpecials[] = {
    {Fault::kShortWrite, Phase::kCommit, "file.write_part", ".manifest", 3},
    {Fault::kShortWrite, Phase::kTraining, "file.write_part", "/status", 3},
    {Fault::kNoSpace, Phase::kCommit, "row_file.open", "", 20},
    {Fault::kNoSpace, Phase::kCommit, "row_file.sync", "", 20},
    {Fault::kNoSpace, Phase::kCommit, "file.write", ".manifest", 3},
    {Fault::kNoSpace, Phase::kValidation, "history.append", "", 2},
    {Fault::kNoSpace, Phase::kTraining, "scratch.write", "", 40, true},
    {Fault::kBrokenDisk, Phase::kCommit, "row_file.sync", "", 20},
    {Fault::kBrokenDisk, Phase::kCommit, "path.sync", "/snapshots", 6},
    {Fault::kBrokenDisk, Phase::kTraining, "scratch.read", "", 40, true},
    {Fault::kBrokenDisk, Phase::kTraining, "scratch.write", "", 40, true},
    {Fault::kForgetfulDisk, Phase::kCommit, "file.sync", ".manifest", 4},
    {Fault::kForgetfulDisk, Phase::kCommit, "row_file.sync", "", 20},
    {Fault::kLateFrame, Phase::kTraining, "frame.send", "", 100},
    {Fault::kFlippedFrame, Phase::kTraining, "frame.queue", "", 100},
    {Fault::kFlippedFrame, Phase::kStart, "frame.queue", "", 4},
    {Fault::kRepeatedFrame, Phase::kTraining, "frame.queue", "", 100},
};

// What may happen at any place, each as likely as it is often here.
constexpr Fault kAnywhere[] = {
    Fault::kKillRank,      Fault::kKillRank,   Fault::kKillRank,       Fault::kKillAllRanks,
    Fault::kKillKeeper,    Fault::kKillMpirun, Fault::kKillCfrun,      Fault::kStopRank,
    Fault::kStopRank,      Fault::kStopKeeper, Fault::kStopMpirun,     Fault::kStopCfrun,
    Fault::kTerm,          Fault::kInt,        Fault::kUsr1,           Fault::kFullDisk,
    Fault::kDamageRows,    Fault::kDamageRows, Fault::kDamageManifest, Fault::kDamageStatus,
    Fault::kDamageHistory, Fault::kCrash,      Fault::kCrash,          Fault::kCrash,
    Fault::kStallThread};

// After which a job recovers.
bool IsLoss(Fault fault) {
  switch (fault) {
    case Fault::kStopKeeper:
    case Fault::kStopMpirun:
    case Fault::kStopCfrun:
    case Fault::kFullDisk:
    case Fault::kDamageStatus:
    case Fault::kDamageHistory:
    case Fault::kShortWrite:
    case Fault::kNoSpace:
    case Fault::kBrokenDisk:
    case Fault::kLateFrame:
      return false;
    default:
      return true;
  }
}

// Of the generator only its bits, which the standard fixes.
class Draw {
 public:
  Draw(std::uint64_t seed, std::uint64_t number) {
    std::seed_seq words{seed, seed >> 32, number};
    generator_.seed(words);
  }
  std::uint64_t Below(std::uint64_t bound) { return generator_() % bound; }
  template <class T>
  const T& Of(std::span<const T> all) {
    return all[Below(all.size())];
  }

 private:
  std::mt19937_64 generator_;
};

Phase DrawPhase(Draw& draw, bool has_loss) {
  static constexpr Phase kPhases[] = {Phase::kStart,      Phase::kTraining, Phase::kTraining,
                                      Phase::kTraining,   Phase::kCommit,   Phase::kCommit,
                                      Phase::kValidation, Phase::kRecovery, Phase::kRecovery};
  const Phase phase = draw.Of<Phase>(kPhases);
  return phase == Phase::kRecovery && !has_loss ? Phase::kTraining : phase;
}

PlannedFault DrawFault(Draw& draw, const CampaignRecipe& recipe,
                       const std::vector<PlannedFault>& before) {
  PlannedFault planned;
  std::vector<int> losses;
  for (std::size_t k = 0; k < before.size(); ++k) {
    if (IsLoss(before[k].fault)) losses.push_back(static_cast<int>(k));
  }
  std::uint64_t passages = 0;
  if (draw.Below(4) == 0) {
    std::vector<Special> possible;
    std::ranges::copy_if(kSpecials, std::back_inserter(possible),
                         [&](const Special& one) { return recipe.many_users || !one.on_disk; });
    const Special& special = draw.Of<Special>(possible);
    planned = {
        .fault = special.fault, .phase = special.phase, .point = special.point, .in = special.in};
    passages = special.passages;
  } else {
    const Phase phase = DrawPhase(draw, !losses.empty());
    std::vector<Place> places;
    std::ranges::copy_if(kPlaces, std::back_inserter(places),
                         [&](const Place& place) { return place.phase == phase; });
    const Place& place = draw.Of<Place>(places);
    planned = {
        .fault = draw.Of<Fault>(kAnywhere), .phase = phase, .point = place.point, .in = place.in};
    passages = place.passages > 0 ? place.passages : recipe.turns;
    if (phase == Phase::kRecovery) planned.after_fault = losses.back();
  }
  planned.after = draw.Below(passages);
  planned.times = planned.fault == Fault::kNoSpace ? 1 + draw.Below(3) : 1;
  planned.draw = draw.Below(std::uint64_t{1} << 62);
  return planned;
}

}  // namespace

const std::vector<CampaignRecipe>& CampaignRecipes() {
  static const std::vector<CampaignRecipe> all = {
      {.name = "factorisation, SYNC",
       .config = "ml_100k_u1_biased_mf",
       .set = {"train.epochs=4", "train.batch_size=2000"},
       .turns = 150},
      {.name = "factorisation, BLOCKS",
       .config = "ml_100k_u1_biased_mf",
       .set = {"train.epochs=4", "train.batch_size=2000", "train.schedule=BLOCKS"},
       .turns = 400},
      {.name = "factorisation, delay 2",
       .config = "ml_100k_u1_biased_mf",
       .set = {"train.epochs=4", "train.batch_size=2000", "train.delay=2"},
       .turns = 150},
      {.name = "factorisation, dense Adam",
       .config = "ml_100k_u1_biased_mf",
       .set = {"train.epochs=3", "train.batch_size=4000",
               "optimizer={ adam { learning_rate: 0.02 update: DENSE } schedule { plateau { "
               "patience: 1 factor: 0.5 } } }"},
       .turns = 60},
      {.name = "factorisation, dedicated server",
       .config = "ml_100k_u1_biased_mf",
       .set = {"train.epochs=4", "train.batch_size=2000"},
       .execution = {"--servers", "1"},
       .turns = 150},
      {.name = "implicit factorisation",
       .config = "ml_100k_u1_biased_mf",
       .set = {"train.epochs=2", "train.batch_size=2000",
               "model={ matrix_factorization { negatives: 3 dim: 16 mean: false link: SIGMOID "
               "loss: BCE "
               "reduction: SUM start_from_baseline: false } }",
               "early_stopping.monitor=val_loss"},
       .turns = 70},
      {.name = "ranker",
       .config = "ml_100k_u1_biased_mf",
       .set = {"train.epochs=3", "train.batch_size=4000",
               "model={ ranker { user { dim: 8 l2: 0.001 } item { dim: 8 } feature { source: "
               "ITEM_GENRES dim: 4 } dropout: 0.1 dense { units: 16 activation: RELU } dense { "
               "units: 1 } } }"},
       .turns = 55},
      {.name = "retrieval",
       .config = "ml_100k_u1_biased_mf",
       .set = {"train.epochs=2", "train.batch_size=2000",
               "model={ retrieval { user { dim: 8 } item { dim: 8 } reduction: MEAN } }",
               "early_stopping.monitor=train_loss", "validation.metrics=val_top_10"},
       .turns = 70},
      {.name = "towers",
       .config = "ml_100k_u1_biased_mf",
       .set =
           {"train.epochs=2", "train.batch_size=2000",
            "model={ retrieval { user { dim: 8 dense { units: 8 } } item { dim: 8 dense { units: "
            "8 activation: RELU } } reduction: MEAN } }",
            "early_stopping.monitor=train_loss", "validation.metrics=val_top_10"},
       .turns = 70},
      {.name = "BLOCKS beyond memory",
       .config = "ml_1m_biased_mf",
       .many_users = true,
       .set = {"model.matrix_factorization.dim=32", "train.epochs=2", "train.schedule=BLOCKS",
               "train.partitions=16", "early_stopping.patience=0"},
       .execution = {"--memory", "5"},
       .ranks_max = 4,
       .turns = 120},
      {.name = "SYNC beyond memory",
       .config = "ml_1m_biased_mf",
       .many_users = true,
       .set = {"model.matrix_factorization.dim=32", "train.epochs=2", "train.schedule=SYNC",
               "train.batch_size=512", "early_stopping.patience=0"},
       .execution = {"--memory", "8"},
       .ranks_max = 4,
       .turns = 250},
  };
  return all;
}

CampaignPlan DrawPlan(std::uint64_t seed, std::uint64_t number) {
  Draw draw(seed, number);
  CampaignPlan plan{.seed = seed, .number = number};
  plan.recipe = &draw.Of<CampaignRecipe>(CampaignRecipes());
  const CampaignRecipe& recipe = *plan.recipe;
  plan.ranks = 2 + static_cast<int>(draw.Below(static_cast<std::uint64_t>(recipe.ranks_max) - 1));
  plan.flags = {"--threads", std::to_string(1 + draw.Below(2))};
  plan.set = {"snapshot.every_steps=" + std::to_string(8 + draw.Below(40)),
              "snapshot.keep=" + std::to_string(1 + draw.Below(3)),
              "snapshot.copies_mib=" + std::to_string(draw.Below(2) * 64),
              "cluster.shared_memory=" + std::string(draw.Below(3) > 0 ? "true" : "false")};
  const std::uint64_t faults = 4 + draw.Below(5);
  for (std::uint64_t k = 0; k < faults; ++k) {
    PlannedFault planned = DrawFault(draw, recipe, plan.faults);
    const bool blocks = std::ranges::any_of(
        recipe.set, [](const std::string& field) { return field == "train.schedule=BLOCKS"; });
    if (blocks && planned.point == "train.turn") planned.point = "train.block";
    plan.has_own_disk = plan.has_own_disk || planned.fault == Fault::kFullDisk;
    plan.faults.push_back(std::move(planned));
  }
  return plan;
}

std::string PrintPlan(const CampaignPlan& plan) {
  std::ostringstream text;
  text << "seed " << plan.seed << ", job " << plan.number << ": " << plan.recipe->name << ", "
       << plan.ranks << " ranks";
  for (const std::string& field : plan.set) text << ", " << field;
  for (const std::string& flag : plan.flags) text << " " << flag;
  for (std::size_t k = 0; k < plan.faults.size(); ++k) {
    const PlannedFault& fault = plan.faults[k];
    text << "\n  " << k << ": " << NameOf(fault.fault) << " in " << NameOf(fault.phase) << " at "
         << fault.point << fault.in << " after " << fault.after;
    if (fault.after_fault >= 0) text << ", once " << fault.after_fault << " has happened";
  }
  return text.str();
}

const char* NameOf(CampaignFault fault) {
  static constexpr const char* kNames[] = {"rank killed",
                                           "all ranks killed",
                                           "keeper killed",
                                           "mpirun killed",
                                           "cfrun killed",
                                           "rank stopped",
                                           "keeper stopped",
                                           "mpirun stopped",
                                           "cfrun stopped",
                                           "SIGTERM",
                                           "SIGINT",
                                           "SIGUSR1",
                                           "full disk",
                                           "row file damaged",
                                           "manifest damaged",
                                           "status damaged",
                                           "history damaged",
                                           "crash at a point",
                                           "thread stalled",
                                           "short write",
                                           "no space for a call",
                                           "call fails",
                                           "unsynced file lost",
                                           "late frame",
                                           "flipped frame",
                                           "repeated frame"};
  static_assert(std::size(kNames) == static_cast<std::size_t>(CampaignFault::kCount));
  return kNames[static_cast<std::size_t>(fault)];
}

const char* NameOf(CampaignPhase phase) {
  static constexpr const char* kNames[] = {"start", "training", "validation", "commit", "recovery"};
  static_assert(std::size(kNames) == static_cast<std::size_t>(CampaignPhase::kCount));
  return kNames[static_cast<std::size_t>(phase)];
}

}  // namespace cf
