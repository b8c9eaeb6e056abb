#include "serving/open_model.h"

#include <algorithm>
#include <utility>

#include <absl/strings/str_cat.h>

namespace cf {

namespace {

// What a program takes that has opened nothing.
constexpr std::uint64_t kProgramBytes = std::uint64_t{48} << 20;

// Of what streams: a read-ahead buffer, a block and an index for each file.
constexpr std::uint64_t kStreamedFileBytes = std::uint64_t{512} << 10;

/// Bytes of all but the weights.
std::uint64_t OtherBytes(const Manifest& manifest) {
  const SnapshotStatistics& statistics = manifest.statistics();
  const std::uint64_t samples = statistics.training_samples() + statistics.validation_samples();
  // The split, and how often each row was trained, with a bit for what was learned of it.
  return kProgramBytes + samples / 8 + 5 * (manifest.data().users() + manifest.data().items());
}

/// Where users are within the memory that may be taken.
absl::StatusOr<ServedUsers> PlaceUsers(const OpenModel::Options& options,
                                       const Manifest& manifest) {
  if (options.memory == 0) return ServedUsers::kInMemory;
  const absl::StatusOr<std::unique_ptr<const ModelSpec>> spec = SpecOf(manifest);
  if (!spec.ok()) return spec.status();
  const std::uint64_t other = OtherBytes(manifest);
  std::uint64_t needed = other + BytesOfWeights(manifest, **spec, ServedUsers::kInMemory);
  if (needed <= options.memory) return ServedUsers::kInMemory;
  if (options.streams_users && CanStreamUsers(**spec)) {
    const std::uint64_t streamed =
        other + BytesOfWeights(manifest, **spec, ServedUsers::kInSnapshot) +
        sizeof(float) * manifest.data().users() +  // Biases that were met on the way.
        static_cast<std::uint64_t>(manifest.files_size()) * kStreamedFileBytes;
    if (streamed <= options.memory) return ServedUsers::kInSnapshot;
    needed = std::min(needed, streamed);
  }
  return absl::FailedPreconditionError(
      absl::StrCat(options.snapshot, " needs ", (needed >> 20) + 1, " MiB of memory, and may take ",
                   options.memory >> 20, " (--memory): give it ", (needed >> 20) + 1));
}

}  // namespace

absl::StatusOr<std::unique_ptr<OpenModel>> OpenModel::Open(const Options& options) {
  SetFloatMode();
  absl::StatusOr<Snapshot> snapshot = Snapshot::Open(options.snapshot);
  if (!snapshot.ok()) return snapshot.status();
  const absl::StatusOr<ServedUsers> users = PlaceUsers(options, snapshot->manifest());
  if (!users.ok()) return users.status();
  // First, because it tells of a data set that has moved before anything large is read.
  absl::StatusOr<Catalogue> catalogue = Catalogue::Open(snapshot->manifest(), options.data);
  if (!catalogue.ok()) return catalogue.status();
  absl::StatusOr<ServedModel> model = ServedModel::Load(*snapshot, &*catalogue, *users);
  if (!model.ok()) return model.status();
  std::unique_ptr<OpenModel> open(
      new OpenModel(*std::move(snapshot), *std::move(model), *std::move(catalogue)));
  absl::StatusOr<Recommender> recommender = Recommender::Make(open->model_, open->catalogue_);
  if (!recommender.ok()) return recommender.status();
  open->recommender_ = *std::move(recommender);
  return open;
}

OpenModel::OpenModel(Snapshot snapshot, ServedModel model, Catalogue catalogue)
    : snapshot_(std::move(snapshot)),
      model_(std::move(model)),
      catalogue_(std::move(catalogue)),
      lookup_(catalogue_) {
}

}  // namespace cf
