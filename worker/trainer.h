#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <absl/status/status.h>

#include "common/base/profile.h"
#include "common/dataset/dataset.h"
#include "common/dataset/split.h"
#include "common/features/feature_lists.h"
#include "common/kernels/kernels.h"
#include "common/model/model_spec.h"
#include "common/model/tables.h"
#include "common/rows/id_index.h"
#include "common/rows/row_client.h"
#include "worker/minibatch.h"
#include "worker/models/models.h"
#include "worker/pass.h"
#include "worker/samples.h"
#include "worker/step_model.h"

namespace cf {

/// Works through the samples of one worker seat: for each global batch the rows, the gradient, the
/// push.
///
/// A turn of the exchange ends one step and prepares another (StepTurns): a push carries the
/// gradients of one and the ids of the other, whose rows come in return. Meanwhile the batch after
/// that is made, and turns of the own server are served as soon as they can be, so that peers are
/// not waited for idly. A seat with several partitions makes the batch after that in between their
/// gradients, where it fetches the users' rows of the next one: memory is waited for while ids are
/// looked up (AddPartition).
///
/// Owner:   the seat's process, one for each compute thread that works.
/// Threads: the seat's compute thread.
/// Bounds:  the seat's samples, three minibatches and those that it looks ahead, and the gradients of
///          one, of a delay two more and one more for each of its steps; no allocation and no system
///          call a sample.
class Trainer {
 public:
  struct Options {
    RowClient* rows = nullptr;  ///< Of the same thread. Borrowed, as are the others.
    const KernelSet* kernels = nullptr;
    Objective objective;
    const ModelSpec* model = nullptr;
    /// How the model takes its steps: as its kind in the list does, or one that is not in it.
    std::unique_ptr<StepModel> (*make_steps)(const StepModel::Options&) = &MakeStepModel;
    std::span<const FeatureLists> features{};  ///< Of the model, in its order.
    std::uint64_t shuffle_seed = 0;            ///< Of dropout and negatives, too.
    std::uint32_t user_group = 1;              ///< As in SeatSamples::TakeEpoch.
    std::uint32_t delay = 0;                   ///< Of training.
    /// How many batches more are made ahead, so that the own server hears early which rows they want;
    /// 0 where all rows are in memory.
    std::uint32_t lookahead = 0;
    /// As SeatSamples has it: where samples are on disk.
    std::string samples_scratch = {};
    KeptSamples* kept_samples = nullptr;  ///< As SeatSamples has it. For the constructor only.
    Profile* profile = nullptr;           ///< Of the same thread; null for none.
  };

  /// `data` and `split` are borrowed.
  Trainer(const Options& options, const Dataset& data, const DataSplit& split);

  /// As SeatSamples' does.
  void GiveSamplesTo(KeptSamples& kept) { samples_.GiveTo(kept); }

  /// A run of steps `first` to `last` - 1 of `epoch` (counted from 0), as turns from `turn` on;
  /// `sums`, by partition of the seat's range, are added to. `applied` is how many global steps
  /// there were before `first`. The exchange's error if a peer is lost.
  struct Segment {
    std::uint64_t epoch = 0;
    std::uint64_t first = 0;
    std::uint64_t last = 0;
    std::uint64_t steps_per_epoch = 0;
    std::uint64_t applied = 0;
    std::uint64_t turn = 0;
  };
  absl::Status Train(const Segment& segment, std::span<ObjectiveSums> sums);

  /// The figures of all validation samples, or of all training samples in canonical order. What
  /// they are does not depend on how the samples are cut into batches, unless these are candidates
  /// against each other. The exchange's error if a peer is lost, the store's if rows cannot be read.
  struct Scoring {
    bool training_samples = false;
    std::uint64_t batches_of_partition = 0;  ///< As in Pass.
    std::uint64_t batches = 0;               ///< The same for every seat: a turn each,
    std::uint64_t turn = 0;                  ///< from this one on.
  };
  absl::Status Score(const Scoring& scoring, std::span<ObjectiveSums> sums);

 private:
  // What a step leaves to its end.
  struct StepGradients {
    std::vector<std::vector<float>> memory;  // By table,
    std::vector<float*> first;               // and in it: aligned, `gradient_stride` floats a part.
    std::vector<OwnPartials> own;            // By table: what this thread's own server is to apply.
  };

  absl::Status Run(const Pass& pass, std::span<ObjectiveSums> sums);
  absl::Status Rest(const Pass& pass);  // What is left to do behind the last step.
  // Makes batch `t`: at once, or begun, then by partition of the range, then ended.
  void Make(const Pass& pass, std::uint64_t t, Minibatch& batch);
  void BeginBatch(const Pass& pass, std::uint64_t t, Minibatch& batch);
  // Meanwhile fetches users' rows, about one a sample.
  void AddPartition(const Pass& pass, std::uint32_t p, std::span<const float* const> rows_to_fetch,
                    Minibatch& batch);
  void EndBatch(Minibatch& batch);
  // Notes when the users of samples in `range` of a partition come again, where that is known.
  void Foresee(std::uint32_t p, SampleRange range, std::span<const Sample> samples);
  // The gradient of a step, or its figures alone. Where `next` is not null, adds its partitions in
  // between.
  absl::Status Compute(const Pass& pass, Minibatch& batch, Minibatch* next,
                       std::span<ObjectiveSums> sums);
  std::span<const float* const> UserRowsOf(const Minibatch& batch, std::uint32_t p) const;
  void MakeRoomForGradients(const Minibatch& batch);
  // The users of these parts are the seat's own, and of one partition if steps are applied at once.
  absl::Status CatchUpOwnUsers(const Pass& pass, const Minibatch& batch, std::size_t first_part,
                               std::size_t last_part);
  absl::Status ApplyOwnUsers(const Pass& pass, const Minibatch& batch, std::size_t first_part,
                             std::size_t last_part);
  // The part of users whose gradient is the first in memory, in a partition whose first part is
  // `first_part`.
  std::size_t FirstGradient(std::size_t first_part) const {
    return keeps_gradients_ ? 0 : first_part;
  }
  void Push(const Pass& pass, std::uint64_t turn);
  void CollectTables(const Step& done, std::uint32_t server, std::span<OwnPartials> into);
  void CollectParts(const Step& done, TableId table, std::uint32_t server, OwnPartials& into);
  // As this thread's server: the turns of the pass before `due`, and of those before `pushed` what
  // can be served without waiting.
  absl::Status Serve(const Pass& pass, std::uint64_t due, std::uint64_t pushed);
  absl::Status ServeTurn(const Pass& pass, std::uint64_t turn);
  ServedTurn::Use UseOf(const Pass& pass) const;
  absl::Status TakeRows(std::uint64_t turn, Minibatch& batch);
  Minibatch& BatchAt(std::uint64_t t) { return batches_[t % batches_.size()]; }
  StepGradients& GradientsOf(const Minibatch& batch) {
    return steps_[batch.number % steps_.size()];
  }
  Step StepOf(const Pass& pass, Minibatch& batch) {
    return {.pass = pass, .batch = batch, .gradients = GradientsOf(batch).first};
  }
  bool OwnsUsers() const { return options_.rows->has_own_server(); }

  const Options options_;
  const Placement& placement_;
  const Partitioning partitioning_;
  const SeatRange range_;
  const std::vector<RowLayout> layouts_;
  const std::unique_ptr<StepModel> model_;
  SeatSamples samples_;
  // For which the training samples have been taken, in its order if the model trains.
  std::optional<std::uint64_t> taken_epoch_;
  std::vector<IdIndex> indices_;  // By table.
  // A batch is made a turn before it is asked for or some more (lookahead), and needed until the own server has ended its
  // step, which may be 2 delay + 1 turns later.
  std::vector<Minibatch> batches_;
  std::vector<StepGradients> steps_;  // Batch t is in t mod their number, as above.
  // Nobody but this seat reads or changes its users in a step, so it may apply theirs when it
  // likes: partition by partition, while the rows are in the cache. A model that computes together
  // has all partitions' gradients at once, and with a delay another batch may have to read the rows
  // first: they apply them behind the pushes.
  bool applies_at_once_;
  // Whether the users' gradients of a partition outlive it. Where they need not, the next
  // partition's take their place, which is in the cache.
  bool keeps_gradients_;

  std::uint64_t served_ = 0;  // Turns of the current pass that the own server has.

  // Of the batch that is made: by sample its user, and in how many batches that comes again.
  std::vector<RowId> foreseen_;
  std::vector<std::uint16_t> next_uses_;

  // Scratch.
  std::vector<RowId> ids_;
  std::vector<const float*> pointers_;
  std::vector<TreePart> chain_;
};

}  // namespace cf
