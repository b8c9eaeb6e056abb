#include "serving/open_model.h"

#include <utility>

namespace cf {

absl::StatusOr<std::unique_ptr<OpenModel>> OpenModel::Open(const Options& options) {
  SetFloatMode();
  absl::StatusOr<Snapshot> snapshot = Snapshot::Open(options.snapshot);
  if (!snapshot.ok()) return snapshot.status();
  // First, because it tells of a data set that has moved before anything large is read.
  absl::StatusOr<Catalogue> catalogue = Catalogue::Open(snapshot->manifest(), options.data);
  if (!catalogue.ok()) return catalogue.status();
  absl::StatusOr<ServedModel> model = ServedModel::Load(*snapshot, &*catalogue);
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
