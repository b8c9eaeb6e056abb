#include "worker/trainer.h"

#include <algorithm>
#include <utility>

#include "common/base/activity.h"
#include "common/base/check.h"
#include "common/kernels/aligned.h"
#include "common/math/math.h"
#include "worker/negatives.h"

namespace cf {
namespace {

constexpr std::uint64_t kNoEpoch = ~std::uint64_t{0};

// While a minibatch is made, the places of samples this far ahead are fetched.
constexpr std::uint64_t kPlacesAhead = 12;

}  // namespace

Trainer::Trainer(Options options, const Dataset& data, const DataSplit& split)
    : options_(std::move(options)),
      data_(data),
      placement_(options_.rows->placement()),
      partitioning_(placement_.partitioning()),
      range_(placement_.workers().range(options_.rows->seat())),
      layouts_(options_.rows->layouts().begin(), options_.rows->layouts().end()),
      steps_(options_.delay + 1),
      log_training_samples_(math::Log(static_cast<double>(split.training_count()))),
      applies_at_once_(OwnsUsers() && options_.delay == 0 && !options_.ranker.has_value()),
      keeps_gradients_(!applies_at_once_ || options_.towers.has_value() ||
                       !options_.features.empty()),
      shuffled_epoch_(kNoEpoch) {
  for (StepGradients& gradients : steps_) {
    gradients.memory.resize(layouts_.size());
    gradients.first.resize(layouts_.size());
    gradients.own.resize(layouts_.size());
  }
  if (options_.ranker.has_value()) ranker_.emplace(*options_.ranker, *options_.kernels);
  if (options_.towers.has_value()) {
    const bool logq = options_.softmax->logq_correction;
    towers_.emplace(*options_.towers, *options_.softmax,
                    logq ? NegativeLogShares(data, split) : std::vector<float>(),
                    *options_.kernels);
    batch_items_.emplace(data, split, partitioning_);
  }
  Check(layers() == (ranker_.has_value()   ? ranker_->layers()
                     : towers_.has_value() ? towers_->layers()
                                           : 0),
        "the model has a table of users, one of items, and one for each layer and feature");
  for (std::uint32_t p = range_.first; p < range_.last; ++p) {
    Activity::Tick();
    samples_.emplace_back(data, split, partitioning_, PartitionId{p});
  }
  for (std::uint32_t k = 0; k < 2 * options_.delay + 3; ++k) {
    batches_.emplace_back(options_.rows->MakeBatch(), layouts_.size());
  }
  OpenFeatures();
}

absl::Status Trainer::Train(const Segment& segment, std::span<ObjectiveSums> sums) {
  if (shuffled_epoch_ != segment.epoch) {
    const Profile::Scope scope(options_.profile, Phase::kLoader);
    for (PartitionSamples& samples : samples_) {
      Activity::Tick();
      samples.Shuffle(options_.shuffle_seed, segment.epoch);
    }
    if (batch_items_.has_value()) batch_items_->TakeEpoch(options_.shuffle_seed, segment.epoch);
    shuffled_epoch_ = segment.epoch;
  }
  // Popularity takes the same turns and has nothing to push.
  return Run({.training = !options_.popularity,
              .scores_training = options_.popularity,
              .epoch = segment.epoch,
              .batches = segment.steps_per_epoch,
              .first = segment.first,
              .last = segment.last,
              .applied = segment.applied,
              .turn = segment.turn,
              .delay = options_.delay},
             sums);
}

absl::Status Trainer::Score(bool training_samples, std::uint64_t batches, std::uint64_t turn,
                            std::span<ObjectiveSums> sums) {
  if (batch_items_.has_value()) {
    batch_items_->Take(training_samples ? BatchItems::Samples::kTraining
                                        : BatchItems::Samples::kValidation);
    shuffled_epoch_ = kNoEpoch;
  }
  return Run({.training = false,
              .scores_training = training_samples,
              .epoch = 0,
              .batches = batches,
              .first = 0,
              .last = batches,
              .applied = 0,
              .turn = turn},
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
  if (batch_items_.has_value()) {
    const Profile::Scope loader(options_.profile, Phase::kLoader);
    batch_items_->Collect(t, pass.batches, batch.candidates);
  }
}

void Trainer::AddPartition(const Pass& pass, std::uint32_t p,
                           std::span<const float* const> rows_to_fetch, Minibatch& batch) {
  const Profile::Scope scope(options_.profile, Phase::kUniqueIds);
  const PartitionSamples& from = samples_[p];
  const std::span<const Sample> samples = pass.training          ? from.shuffled()
                                          : pass.scores_training ? from.training()
                                                                 : from.validation();
  const SampleRange range = SamplesOfBatch(samples.size(), batch.number, pass.batches);
  if (towers_.has_value() && range.first < range.last) TouchCandidates(p, batch);
  for (std::uint64_t k = range.first; k < range.last; ++k) {
    if (k + kPlacesAhead < range.last) {
      indices_[Index(kUsers)].Prefetch(samples[k + kPlacesAhead].user);
      indices_[Index(kItems)].Prefetch(samples[k + kPlacesAhead].item);
    }
    if (k - range.first < rows_to_fetch.size()) {
      layouts_[Index(kUsers)].Prefetch(rows_to_fetch[k - range.first]);
    }
    if (options_.negatives > 0) {
      AddWithNegatives(pass, p, samples[k], batch);
    } else {
      AddSample(p, samples[k], batch);
    }
  }
  // A layer has a part for each partition that has samples.
  for (std::size_t l = 0; l < layers() && range.first < range.last; ++l) {
    const std::size_t table = Index(kFirstLayer) + l;
    batch.tables[table].batch.Touch(indices_[table], RowId{0}, range_.first + p);
  }
  batch.positions.push_back(range.first);
  batch.samples_end.push_back(batch.samples.size());
  batch.user_parts_end.push_back(batch.tables[Index(kUsers)].batch.parts().size());
  batch.item_parts_end.push_back(batch.tables[Index(kItems)].batch.parts().size());
}

void Trainer::EndBatch(Minibatch& batch) {
  const Profile::Scope scope(options_.profile, Phase::kUniqueIds);
  batch.rows.Clear();
  for (std::uint32_t t = 0; t < layouts_.size(); ++t) {
    for (const TableBatch::Row& row : batch.tables[t].batch.rows()) {
      options_.rows->Want(batch.rows, TableId{t}, row.id);
    }
  }
}

void Trainer::TouchCandidates(std::uint32_t p, Minibatch& batch) {
  // In a row, so that the items' rows are the candidates and each partition's parts are, too.
  for (const RowId item : batch.candidates.items) {
    batch.tables[Index(kItems)].batch.Touch(indices_[Index(kItems)], item, range_.first + p);
  }
}

void Trainer::AddSample(std::uint32_t p, const Sample& sample, Minibatch& batch) {
  const TableBatch::Touched user = batch.tables[Index(kUsers)].batch.Touch(
      indices_[Index(kUsers)], sample.user, range_.first + p);
  const TableBatch::Touched item = batch.tables[Index(kItems)].batch.Touch(
      indices_[Index(kItems)], sample.item, range_.first + p);
  if (!features_.empty()) {
    if (user.is_first) TouchFeatures(FeatureSide::kUser, sample, range_.first + p, batch);
    if (item.is_first) TouchFeatures(FeatureSide::kItem, sample, range_.first + p, batch);
    TouchFeatures(FeatureSide::kSample, sample, range_.first + p, batch);
  }
  batch.samples.push_back({.user = user.part & 0x7fffffffU,
                           .user_is_first = user.is_first ? 1U : 0U,
                           .item = item.part & 0x7fffffffU,
                           .item_is_first = item.is_first ? 1U : 0U,
                           .rating = sample.rating});
}

void Trainer::AddWithNegatives(const Pass& pass, std::uint32_t p, const Sample& positive,
                               Minibatch& batch) {
  const RowId user = positive.user;
  const auto draw = [&](const Negatives& negatives, const auto& taken, const auto& item_of) {
    const auto taken_at = [&](std::uint32_t j) {
      return static_cast<std::uint32_t>(item_of(taken[j]));
    };
    negatives.Draw(user, positive.item, data_.items(), static_cast<std::uint32_t>(taken.size()),
                   taken_at, negatives_);
  };
  if (pass.training) {
    draw(Negatives::OfEpoch(options_.shuffle_seed, pass.epoch, options_.negatives),
         samples_[p].TrainingOf(partitioning_.SlotOf(user)),
         [](const Sample& sample) { return sample.item; });
  } else {
    // Of what the user has, whatever the split says of it, nothing is a negative.
    const std::uint64_t first = data_.user_offsets()[Index(user)];
    const std::uint64_t count = data_.user_offsets()[Index(user) + 1] - first;
    draw(Negatives::OfScoring(options_.negatives), data_.item_column().subspan(first, count),
         [](RowId item) { return item; });
  }
  for (const RowId item : negatives_) indices_[Index(kItems)].Prefetch(item);
  AddSample(p, {user, positive.item, 1.0F}, batch);
  for (const RowId item : negatives_) AddSample(p, {user, item, 0.0F}, batch);
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
  return options_.rows->ApplyOwn(kUsers, pass.StepOf(batch), ids_, pointers_);
}

}  // namespace cf
