#include "launch/snapshot_serving.h"

#include <utility>

#include <absl/status/status.h>
#include <absl/strings/str_cat.h>

namespace cf {

absl::StatusOr<std::unique_ptr<OpenModel>> OpenModel::Open(const ModelFlags& flags) {
  SetFloatMode();
  absl::StatusOr<Snapshot> snapshot = Snapshot::Open(flags.snapshot);
  if (!snapshot.ok()) return snapshot.status();
  // First, because it tells of a data set that has moved before anything large is read.
  absl::StatusOr<Catalogue> catalogue = Catalogue::Open(snapshot->manifest(), flags.data);
  if (!catalogue.ok()) return catalogue.status();
  absl::StatusOr<ServedModel> model = ServedModel::Load(*snapshot);
  if (!model.ok()) return model.status();
  std::unique_ptr<OpenModel> open(
      new OpenModel(*std::move(snapshot), *std::move(model), *std::move(catalogue)));
  absl::StatusOr<Recommender> recommender = Recommender::Make(open->model_, open->catalogue_);
  if (!recommender.ok()) return recommender.status();
  open->recommender_ = *recommender;
  return open;
}

OpenModel::OpenModel(Snapshot snapshot, ServedModel model, Catalogue catalogue)
    : snapshot_(std::move(snapshot)), model_(std::move(model)), catalogue_(std::move(catalogue)) {
}

absl::StatusOr<RowId> OpenModel::FindUser(const std::string& raw) const {
  const std::optional<RowId> user = data().FindUser(raw);
  if (user) return *user;
  return absl::NotFoundError(absl::StrCat("no user ", raw, " in the data set ", data().name()));
}

absl::StatusOr<RowId> OpenModel::FindItem(const std::string& raw) const {
  const std::optional<RowId> item = data().FindItem(raw);
  if (item) return *item;
  return absl::NotFoundError(absl::StrCat("no item ", raw, " in the data set ", data().name()));
}

std::string OpenModel::NameOf(RowId item) const {
  const std::string title = data().title(item);
  return title.empty() ? data().item_raw_id(item) : title;
}

}  // namespace cf
