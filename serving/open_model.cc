#include "serving/open_model.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
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

// Says what would do instead of something that is neither a snapshot nor an export, as far as that
// can be guessed.
absl::Status CheckMayBeSnapshot(const std::string& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) {
    return absl::InvalidArgumentError(
        absl::StrCat(path,
                     ": a folder without a model.json; expected a snapshot, such as "
                     "RUN/snapshots/best, or an npy export"));
  }
  const std::string folder = std::filesystem::path(path).parent_path().string();
  if (folder.empty() || !MappedExport::IsAt(folder)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(path, ": a file of an export; it is the folder ", folder, " that is opened"));
}

}  // namespace

absl::StatusOr<std::unique_ptr<OpenModel>> OpenModel::Open(const Options& options) {
  SetFloatMode();
  return MappedExport::IsAt(options.snapshot) ? OpenExport(options) : OpenSnapshot(options);
}

absl::StatusOr<std::unique_ptr<OpenModel>> OpenModel::OpenSnapshot(const Options& options) {
  if (absl::Status neither = CheckMayBeSnapshot(options.snapshot); !neither.ok()) return neither;
  absl::StatusOr<Snapshot> snapshot = Snapshot::Open(options.snapshot);
  if (!snapshot.ok()) return snapshot.status();
  const absl::StatusOr<ServedUsers> users = PlaceUsers(options, snapshot->manifest());
  if (!users.ok()) return users.status();
  // First, because it tells of a data set that has moved before anything large is read.
  absl::StatusOr<Catalogue> catalogue = Catalogue::Open(snapshot->manifest(), options.data);
  if (!catalogue.ok()) return catalogue.status();
  // What is answered is of the data set that the model was trained on, to the byte.
  if (absl::Status whole = catalogue->data().CheckColumns(); !whole.ok()) return whole;
  absl::StatusOr<ServedModel> model = ServedModel::Load(*snapshot, &*catalogue, *users);
  if (!model.ok()) return model.status();
  std::unique_ptr<OpenModel> open(new OpenModel(*std::move(model), *std::move(catalogue)));
  open->snapshot_ = *std::move(snapshot);
  if (absl::Status made = open->MakeRecommender(); !made.ok()) return made;
  return open;
}

absl::StatusOr<std::unique_ptr<OpenModel>> OpenModel::OpenExport(const Options& options) {
  if (!options.data.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(options.snapshot, ": an export has what it needs of its data set, so that ",
                     options.data, " changes nothing (--data)"));
  }
  absl::StatusOr<MappedExport> from = MappedExport::Open(options.snapshot);
  if (!from.ok()) return from.status();
  absl::StatusOr<Catalogue> catalogue = from->MakeCatalogue();
  if (!catalogue.ok()) return catalogue.status();
  absl::StatusOr<ServedModel> model = ServedModel::Map(*from, *catalogue);
  if (!model.ok()) return model.status();
  if (absl::Status same = from->CheckUnchanged(); !same.ok()) return same;
  std::unique_ptr<OpenModel> open(new OpenModel(*std::move(model), *std::move(catalogue)));
  open->export_ = *std::move(from);
  if (absl::Status made = open->MakeRecommender(); !made.ok()) return made;
  return open;
}

OpenModel::OpenModel(ServedModel model, Catalogue catalogue)
    : model_(std::move(model)), catalogue_(std::move(catalogue)), lookup_(catalogue_) {
}

absl::Status OpenModel::MakeRecommender() {
  absl::StatusOr<Recommender> recommender = Recommender::Make(model_, catalogue_);
  if (!recommender.ok()) return recommender.status();
  recommender_ = *std::move(recommender);
  return absl::OkStatus();
}

absl::StatusOr<std::string> OpenModel::Digest() const {
  if (export_.has_value()) return export_->digest();
  return snapshot_->Digest();
}

}  // namespace cf
