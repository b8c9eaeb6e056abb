#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include <absl/status/status.h>

#include "common/dataset/dataset.h"
#include "common/dataset/split.h"
#include "common/metrics/ranking.h"
#include "common/model/scorer.h"
#include "common/model/top_list.h"
#include "common/rows/row_client.h"
#include "worker/feature_reader.h"
#include "worker/row_reader.h"
#include "worker/sampled_candidates.h"

namespace cf {

/// How often each item is in the training samples.
std::vector<std::uint32_t> CountTrainingSamples(const Dataset& data, const DataSplit& split);

/// What is ranked instead of the validation samples: pairs of some other source, in order, each
/// once, and what they are ranked among. A pair is always among its user's candidates.
struct RankedPairs {
  std::vector<UserItem> pairs;
  bool masks_training = true;     ///< Whether candidates leave out the users' training samples,
  bool masks_validation = false;  ///< and their validation samples.

  std::span<const UserItem> Of(RowId user) const;
};

/// What ranking found for the users of one partition.
struct PartitionRanking {
  std::vector<MetricSum> sums;  ///< By metric; a coverage has none.
  std::uint64_t users = 0;      ///< With a positive.
  std::uint64_t positives = 0;
  std::uint64_t cold_users = 0;      ///< Of them, without a training sample.
  std::uint64_t cold_positives = 0;  ///< Of them, of items without a training sample.
};

/// Ranks the validation samples of one worker seat's users, or other pairs, among all items.
///
/// Users come in slices of a partition. For each slice all items pass twice, in chunks: first the
/// rows of the positives, for their scores; then all rows, against which these are counted. A third
/// pass brings the rows of listed items where their distances are asked for. Positives and
/// candidates are scored by one Scorer, the one that serves.
///
/// Owner:   the seat's process, for one command.
/// Threads: the seat's compute thread.
/// Bounds:  kUsersMax users with their positives and lists, kItemsMax rows of items, and what towers
///          make of them.
/// Invariants: all seats take TurnsOf() turns. What is found for a partition does not depend on
/// which seat works on it.
class Evaluator {
 public:
  static constexpr std::uint32_t kUsersMax = 4096;
  static constexpr std::uint32_t kItemsMax = 1024;

  struct Options {
    RowClient* rows = nullptr;      ///< Of the same thread. Borrowed.
    std::uint64_t turn = 0;         ///< The first to take.
    const Dataset* data = nullptr;  ///< Borrowed, as is the split.
    const DataSplit* split = nullptr;
    std::span<const std::uint32_t> training_samples;  ///< By item: CountTrainingSamples.
    std::vector<RankingMetric> metrics;
    const RankedPairs* pairs = nullptr;  ///< Instead of the validation samples. Borrowed.
    /// Of an objective without a mean, which is the same for all items.
    std::unique_ptr<Scorer> scorer;
    FeatureReader::Options added;  ///< Features that are added to rows: a factorisation's.
  };

  /// How many turns of the exchange every seat of the job takes for a model of so many dense
  /// layers.
  static std::uint64_t TurnsOf(const Placement& placement, const Dataset& data,
                               std::span<const RankingMetric> metrics, std::size_t layers,
                               std::span<const FeatureLists> added);

  explicit Evaluator(Options options);

  /// Ranks; `found` is by partition of the seat's range. The exchange's error if a peer is lost.
  absl::Status Run(std::span<PartitionRanking> found);

  /// By metric: which items are in some user's list, a bit each; empty but for coverages.
  const std::vector<std::vector<std::uint8_t>>& listed() const { return listed_; }

 private:
  enum Mask : std::uint8_t { kMasked = 0, kUnmasked = 1 };
  struct User {
    RowId id{};
    std::uint64_t next = 0;   // The first of its samples that is not below the chunk of items.
    std::uint32_t first = 0;  // Its positives in positives_
    std::uint32_t last = 0;   // and one past them.
    bool cold = true;         // Without a training sample.
  };
  struct Sampled {
    SampledCandidates candidates;
    std::vector<std::uint32_t> not_below;  // By positive.
  };

  absl::Status ReadLayers();
  absl::Status ReadUsers();
  absl::Status ReadItems(std::span<const RowId> ids);
  Sampled& SampledOf(std::uint32_t sampled);
  absl::Status Add(FeatureSide side, std::span<const RowId> ids, RowCopies& rows);
  // What the tower of a side makes of its rows, in `vectors`; the rows where there is no tower.
  RowsView Through(NetworkRole side, const RowCopies& rows, RowCopies& vectors) const;
  void Score(std::size_t user, std::size_t first_row, std::span<float> scores);
  void Gather(PartitionId partition, std::uint32_t slice);
  bool Masks(const User& user, std::uint64_t sample) const;
  absl::Status ScorePositives();
  absl::Status CountCandidates();
  void CountUser(std::uint32_t u, std::uint32_t first_item, std::span<float> scores);
  void Count(Mask mask, std::uint32_t u, std::uint32_t first_item, std::span<const float> scores);
  void TakeLists();
  std::span<const ScoredRow> ListOf(const RankingMetric& metric, std::uint32_t u) const;
  absl::Status AddDistances(PartitionRanking& found);
  void AddDirections(const RankingMetric& metric, std::uint32_t first_item, std::uint32_t last_item,
                     std::vector<double>& directions, std::vector<std::uint32_t>& counts);
  void AddFigures(PartitionRanking& found);
  template <class Among>
  void AddRanks(const User& user, std::span<const std::uint32_t> not_below, const Among& among,
                PartitionRanking& found);
  std::uint32_t ChunkEnd(std::uint32_t first_item) const;

  const Options options_;
  const Partitioning partitioning_;
  Scorer& scorer_;
  const std::unique_ptr<Scorer::Workspace> workspace_;
  const std::uint32_t items_;
  const std::size_t vector_dim_;  // Of an item, padded.
  RowReader reader_;
  FeatureReader features_;
  bool counts_[2] = {};                // By mask: whether a metric goes by places,
  std::uint32_t list_length_[2] = {};  // and how long the longest list is; 0 for none.
  bool distances_ = false;
  std::vector<Sampled> sampled_;  // By the number of items that metrics ask for.
  std::vector<std::vector<std::uint8_t>> listed_;

  // Of the slice.
  std::vector<User> users_;
  std::vector<RowId> positives_;                  // User after user, ascending.
  std::vector<float> positive_scores_;            // By positive,
  std::vector<std::uint32_t> not_below_[2];       // by mask and positive,
  std::vector<TopList> tops_[2];                  // by mask and user,
  std::vector<std::vector<ScoredRow>> lists_[2];  // and these once all items have passed.
  RowCopies user_rows_;
  RowCopies user_vectors_;  // With towers.
  RowsView users_view_;     // What is scored.

  // Of the chunk.
  RowCopies item_rows_;
  RowCopies item_vectors_;
  RowsView items_view_;

  // Scratch.
  std::vector<RowId> ids_;
  std::vector<float> scores_;
  UserPlaces places_;
};

}  // namespace cf
