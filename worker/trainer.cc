#include "worker/trainer.h"

#include <cstdint>

#include "common/base/activity.h"
#include "common/base/check.h"
#include "common/kernels/aligned.h"

namespace cf {

Trainer::Trainer(const Options& options, const Dataset& data, const DataSplit& split)
    : options_(options),
      placement_(options_.rows->placement()),
      partitioning_(placement_.partitioning()),
      range_(placement_.workers().range(options_.rows->seat())),
      layouts_(options_.rows->layouts().begin(), options_.rows->layouts().end()),
      model_(options_.make_steps({.model = options_.model,
                                  .kernels = options_.kernels,
                                  .objective = options_.objective,
                                  .features = options_.features,
                                  .data = &data,
                                  .split = &split,
                                  .partitioning = partitioning_,
                                  .range = range_,
                                  .layouts = layouts_,
                                  .seed = options_.shuffle_seed,
                                  .profile = options_.profile})),
      samples_(data, split, partitioning_, range_, options_.samples_scratch, options_.kept_samples),
      indices_(layouts_.size()),
      steps_(options_.delay + 1),
      applies_at_once_(OwnsUsers() && options_.delay == 0 && !model_->traits().computes_together),
      keeps_gradients_(!applies_at_once_ || model_->traits().keeps_user_gradients) {
  Check(layouts_.size() == Index(kFirstLayer) + options_.model->layers() + options_.features.size(),
        "the model has a table of users, one of items, and one for each layer "
        "and feature");
  for (StepGradients& gradients : steps_) {
    gradients.memory.resize(layouts_.size());
    gradients.first.resize(layouts_.size());
    gradients.own.resize(layouts_.size());
  }
  for (std::uint32_t k = 0; k < 2 * options_.delay + 3 + options_.lookahead; ++k) {
    batches_.emplace_back(options_.rows->MakeBatch(), layouts_.size());
    batches_.back().features.resize(options_.features.size());
  }
}

absl::Status Trainer::Train(const Segment& segment, std::span<ObjectiveSums> sums) {
  // A model that does not train takes the same turns and has nothing to push.
  const bool trains = model_->traits().trains;
  if (taken_epoch_ != segment.epoch) {
    const Profile::Scope scope(options_.profile, Phase::kLoader);
    absl::Status taken = trains ? samples_.TakeEpoch(options_.shuffle_seed, segment.epoch,
                                                     options_.user_group, segment.steps_per_epoch)
                                : samples_.TakeCanonical();
    if (!taken.ok()) return taken;
    taken_epoch_ = segment.epoch;
  }
  return Run({.training = trains,
              .scores_training = !trains,
              .epoch = segment.epoch,
              .batches = segment.steps_per_epoch,
              .first = segment.first,
              .last = segment.last,
              .applied = segment.applied,
              .turn = segment.turn,
              .delay = options_.delay},
             sums);
}

absl::Status Trainer::Score(const Scoring& scoring, std::span<ObjectiveSums> sums) {
  if (scoring.training_samples) {
    const Profile::Scope scope(options_.profile, Phase::kLoader);
    taken_epoch_.reset();
    if (absl::Status taken = samples_.TakeCanonical(); !taken.ok()) return taken;
  }
  return Run({.training = false,
              .scores_training = scoring.training_samples,
              .epoch = 0,
              .batches_of_partition = scoring.batches_of_partition,
              .batches = scoring.batches,
              .first = 0,
              .last = scoring.batches,
              .applied = 0,
              .turn = scoring.turn},
             sums);
}

void Trainer::Make(const Pass& pass, std::uint64_t t, Minibatch& batch) {
  BeginBatch(pass, t, batch);
  for (std::uint32_t p = 0; p < range_.size(); ++p) AddPartition(pass, p, {}, batch);
  EndBatch(batch);
}

void Trainer::BeginBatch(const Pass& pass, std::uint64_t t, Minibatch& batch) {
  const Profile::Scope scope(options_.profile, Phase::kUniqueIds);
  batch.samples.clear();
  batch.samples_end.clear();
  batch.user_parts_end.clear();
  batch.item_parts_end.clear();
  batch.positions.clear();
  batch.number = t;
  for (FeatureLinks& links : batch.features) links.Clear();
  for (std::size_t table = 0; table < layouts_.size(); ++table)
    batch.tables[table].batch.Clear(indices_[table]);
  foreseen_.clear();
  next_uses_.clear();
  model_->BeginBatch(pass, batch);
}

void Trainer::AddPartition(const Pass& pass, std::uint32_t p,
                           std::span<const float* const> rows_to_fetch, Minibatch& batch) {
  const Profile::Scope scope(options_.profile, Phase::kUniqueIds);
  const SampleKind kind =
      pass.training || pass.scores_training ? SampleKind::kTraining : SampleKind::kValidation;
  const SampleRange range = pass.training
                                ? samples_.OfBatch(p, batch.number, pass.batches)
                                : pass.SamplesOf(samples_.Count(kind, p), p, batch.number);
  const std::span<const Sample> samples =
      range.first < range.last ? samples_.Take(kind, p, range) : std::span<const Sample>();
  if (!samples.empty()) {
    model_->AddPartition(pass,
                         {.partition = range_.first + p,
                          .samples = samples,
                          .rows_to_fetch = rows_to_fetch,
                          .indices = indices_},
                         batch);
    if (pass.training && options_.lookahead > 0) Foresee(p, range, samples);
  }
  batch.positions.push_back(range.first);
  batch.samples_end.push_back(batch.samples.size());
  batch.user_parts_end.push_back(batch.tables[Index(kUsers)].batch.parts().size());
  batch.item_parts_end.push_back(batch.tables[Index(kItems)].batch.parts().size());
}

void Trainer::EndBatch(Minibatch& batch) {
  const Profile::Scope scope(options_.profile, Phase::kUniqueIds);
  model_->EndBatch(batch);
  batch.rows.Clear();
  for (std::uint32_t t = 0; t < layouts_.size(); ++t) {
    const std::span<const TableBatch::Row> rows = batch.tables[t].batch.rows();
    options_.rows->Want(batch.rows, TableId{t}, rows.size(),
                        [rows](std::size_t k) { return rows[k].id; });
  }
  if (options_.lookahead == 0) return;
  options_.rows->Announce(batch.rows);
  if (!foreseen_.empty()) options_.rows->Foresee(kUsers, foreseen_, next_uses_);
}

void Trainer::Foresee(std::uint32_t p, SampleRange range, std::span<const Sample> samples) {
  const std::span<const std::uint16_t> uses = samples_.NextUsesOf(p, range);
  if (uses.empty()) return;
  for (const Sample& sample : samples) foreseen_.push_back(sample.user);
  next_uses_.insert(next_uses_.end(), uses.begin(), uses.end());
}

absl::Status Trainer::Compute(const Pass& pass, Minibatch& batch, Minibatch* next,
                              std::span<ObjectiveSums> sums) {
  const Profile::Scope scope(options_.profile, Phase::kGradient);
  if (pass.training) MakeRoomForGradients(batch);
  const Step step = StepOf(pass, batch);
  model_->BeginStep(step, sums);
  std::size_t first_sample = 0;
  std::size_t first_user = 0;
  std::size_t turn = 0;  // Of the partitions that have samples.
  for (std::uint32_t p = 0; p < range_.size(); ++p) {
    const std::span<const PairSample> samples =
        std::span(batch.samples).subspan(first_sample, batch.samples_end[p] - first_sample);
    if (pass.training && applies_at_once_ && options_.rows->moves_rows()) {
      absl::Status done = CatchUpOwnUsers(pass, batch, first_user, batch.user_parts_end[p]);
      if (!done.ok()) return done;
    }
    if (!samples.empty()) {
      model_->ComputePartition(step,
                               {.p = p,
                                .turn = turn,
                                .samples = samples,
                                .first_user_gradient = FirstGradient(first_user)},
                               sums[p]);
      ++turn;
    }
    if (next != nullptr) AddPartition(pass, p, UserRowsOf(batch, p + 1), *next);
    if (pass.training && applies_at_once_) {
      absl::Status applied = ApplyOwnUsers(pass, batch, first_user, batch.user_parts_end[p]);
      if (!applied.ok()) return applied;
    }
    first_sample = batch.samples_end[p];
    first_user = batch.user_parts_end[p];
  }
  return absl::OkStatus();
}

std::span<const float* const> Trainer::UserRowsOf(const Minibatch& batch, std::uint32_t p) const {
  if (p == range_.size()) return {};
  const std::size_t first = p == 0 ? 0 : batch.user_parts_end[p - 1];
  return std::span(batch.tables[Index(kUsers)].part_rows)
      .subspan(first, batch.user_parts_end[p] - first);
}

void Trainer::MakeRoomForGradients(const Minibatch& batch) {
  StepGradients& gradients = GradientsOf(batch);
  for (std::size_t table = 0; table < layouts_.size(); ++table) {
    const std::size_t floats =
        batch.tables[table].batch.parts().size() * layouts_[table].gradient_stride();
    std::vector<float>& memory = gradients.memory[table];
    if (memory.size() >= floats + kLanes) continue;
    memory.resize(2 * floats + kLanes);
    gradients.first[table] = memory.data() + FloatsBeforeLine(memory);
  }
}

absl::Status Trainer::CatchUpOwnUsers(const Pass& pass, const Minibatch& batch,
                                      std::size_t first_part, std::size_t last_part) {
  const Profile::Scope scope(options_.profile, Phase::kPull);
  const TableBatch& users = batch.tables[Index(kUsers)].batch;
  ids_.clear();
  for (std::size_t part = first_part; part < last_part; ++part) {
    ids_.push_back(users.rows()[users.parts()[part].row].id);
  }
  return options_.rows->CatchUpOwn(kUsers, pass.StepOf(batch.number), ids_);
}

absl::Status Trainer::ApplyOwnUsers(const Pass& pass, const Minibatch& batch,
                                    std::size_t first_part, std::size_t last_part) {
  const Profile::Scope scope(options_.profile, Phase::kApply);
  const TableBatch& users = batch.tables[Index(kUsers)].batch;
  const std::size_t stride = layouts_[Index(kUsers)].gradient_stride();
  const float* gradient =
      GradientsOf(batch).first[Index(kUsers)] + (first_part - FirstGradient(first_part)) * stride;
  ids_.clear();
  pointers_.clear();
  for (std::size_t part = first_part; part < last_part; ++part) {
    ids_.push_back(users.rows()[users.parts()[part].row].id);
    pointers_.push_back(gradient);
    gradient += stride;
  }
  return options_.rows->ApplyOwn(kUsers, pass.StepOf(batch.number), ids_, pointers_);
}

}  // namespace cf
