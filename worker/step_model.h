#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "common/base/ids.h"
#include "common/base/partition.h"
#include "common/base/profile.h"
#include "common/dataset/dataset.h"
#include "common/dataset/split.h"
#include "common/features/feature_lists.h"
#include "common/kernels/kernels.h"
#include "common/model/layout.h"
#include "common/model/model_spec.h"
#include "common/rows/id_index.h"
#include "common/rows/row_host.h"
#include "worker/minibatch.h"
#include "worker/pass.h"
#include "worker/samples.h"

namespace cf {

/// What a batch that is being made takes from one partition. All is borrowed.
struct PartitionShare {
  std::uint32_t partition = 0;      ///< Of the job.
  std::span<const Sample> samples;  ///< The batch's, in their order: at least one.
  /// Rows of users that are soon asked for. Who looks ids up waits for memory and may fetch them
  /// meanwhile, about one a sample.
  std::span<const float* const> rows_to_fetch;
  std::span<IdIndex> indices;  ///< By table: of the batch that is being made.
};

/// A batch whose rows have come. All is borrowed.
struct Step {
  const Pass& pass;
  Minibatch& batch;
  /// By table, where the pass trains: the gradients of its parts, gradient_stride floats each. Else
  /// null or of another step.
  std::span<float* const> gradients;
};

/// The samples of one partition in a step: at least one.
struct PartitionStep {
  std::uint32_t p = 0;   ///< Of the seat's range.
  std::size_t turn = 0;  ///< How many partitions with samples there are before it.
  std::span<const PairSample> samples;
  /// The part of users whose gradient is the first in memory: where users' gradients need not
  /// outlive the partition, they all begin anew with it.
  std::size_t first_user_gradient = 0;
};

/// What a model of one kind does with minibatches: which rows samples want, and what they make of
/// these, a gradient or figures alone. Batches, turns, memory of gradients and their sums over
/// partitions are the Trainer's.
///
/// A kind is a class that derives from this one, in files of its own (worker/models), and an entry
/// of the list of kinds (worker/models/models.h). A partition costs two virtual calls and a sample
/// none: the loops over samples are the kinds' own.
///
/// Owner:   Trainer.
/// Threads: the seat's compute thread.
/// Bounds:  the kinds'; no allocation a sample.
/// Invariants: of a batch the calls are BeginBatch, AddPartition for each partition that has
///          samples, ascending, EndBatch, and once its rows have come BeginStep, ComputePartition for
///          the same ones, and Collect. Another batch's BeginBatch and AddPartition may fall between
///          the last three, and its EndBatch before Collect.
class StepModel {
 public:
  /// All that is not a value is borrowed for as long as the model lives.
  struct Options {
    const ModelSpec* model = nullptr;
    const KernelSet* kernels = nullptr;
    Objective objective;
    std::span<const FeatureLists> features;  ///< Of the model, in its order.
    const Dataset* data = nullptr;
    const DataSplit* split = nullptr;
    Partitioning partitioning;
    SeatRange range;
    std::span<const RowLayout> layouts;  ///< By table.
    std::uint64_t seed = 0;              ///< Of shuffling, dropout and negatives.
    Profile* profile = nullptr;          ///< Null for none.
  };

  /// What the Trainer must know of a kind.
  struct Traits {
    /// Else epochs are only scored.
    bool trains = true;
    /// Whether BeginStep computes all partitions: no user's gradient is complete before.
    bool computes_together = false;
    /// Whether users' gradients are looked at later than in their own partition's turn, or lie where
    /// the batch's parts do.
    bool keeps_user_gradients = false;
  };

  virtual ~StepModel() = default;
  StepModel(const StepModel&) = delete;
  StepModel& operator=(const StepModel&) = delete;

  const Traits& traits() const { return traits_; }

  /// The next batches are those of `pass`.
  virtual void BeginPass(const Pass& /*pass*/) {}

  /// Begins batch number `batch.number`, which is empty.
  virtual void BeginBatch(const Pass& /*pass*/, Minibatch& /*batch*/) {}

  /// Adds samples to the batch and touches the rows that they want. Of users and items it may touch
  /// none; a part that is touched has its gradient written whole when the batch is computed.
  virtual void AddPartition(const Pass& pass, const PartitionShare& share, Minibatch& batch) = 0;

  /// Adds to the batch what is known once all partitions have added theirs.
  virtual void EndBatch(Minibatch& /*batch*/) {}

  /// Takes what is the same for all partitions from the rows: layers, candidates, features. Kinds
  /// that compute together add their figures to `sums`, by partition of the seat's range.
  virtual void BeginStep(const Step& /*step*/, std::span<ObjectiveSums> /*sums*/) {}

  /// Computes the gradients of a partition's parts, or if the pass does not train its figures
  /// alone, and adds these to `sums`.
  virtual void ComputePartition(const Step& step, const PartitionStep& part,
                                ObjectiveSums& sums) = 0;

  /// Hands over what the model has added up over the seat's partitions itself: of `table` what
  /// belongs to `server`, of the last step. False where the parts are yet to be added up along the
  /// tree, which the Trainer then does.
  virtual bool Collect(const Step& /*step*/, TableId /*table*/, std::uint32_t /*server*/,
                       OwnPartials& /*into*/) {
    return false;
  }

 protected:
  StepModel(const Options& options, Traits traits) : options_(options), traits_(traits) {}

  const Options& options() const { return options_; }
  const RowLayout& layout(TableId table) const { return options_.layouts[Index(table)]; }

 private:
  const Options options_;
  const Traits traits_;
};

}  // namespace cf
