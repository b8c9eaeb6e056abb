#include "launch/snapshot_serving.h"

#include <utility>

#include <absl/status/status.h>
#include <absl/strings/ascii.h>
#include <absl/strings/str_cat.h>

namespace cf {
namespace {

// The title in lower case without its brackets, but for the last: "m*a*s*h (1970)".
std::string PlainTitle(const std::string& title) {
  const std::size_t year = title.rfind('(');
  std::string plain;
  std::size_t depth = 0;
  for (std::size_t k = 0; k < title.size(); ++k) {
    if (k == year) depth = 0;
    if (title[k] == '(' && k < year) ++depth;
    if (depth == 0 && !(title[k] == ' ' && !plain.empty() && plain.back() == ' ')) {
      plain += absl::ascii_tolower(static_cast<unsigned char>(title[k]));
    }
    if (title[k] == ')' && depth > 0) --depth;
  }
  return plain;
}

}  // namespace

absl::StatusOr<std::unique_ptr<OpenModel>> OpenModel::Open(const ModelFlags& flags) {
  SetFloatMode();
  absl::StatusOr<Snapshot> snapshot = Snapshot::Open(flags.snapshot);
  if (!snapshot.ok()) return snapshot.status();
  // First, because it tells of a data set that has moved before anything large is read.
  absl::StatusOr<Catalogue> catalogue = Catalogue::Open(snapshot->manifest(), flags.data);
  if (!catalogue.ok()) return catalogue.status();
  absl::StatusOr<ServedModel> model = ServedModel::Load(*snapshot, &*catalogue);
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

absl::StatusOr<std::vector<RowId>> OpenModel::FindTitle(const std::string& title) const {
  std::vector<RowId> items = data().FindTitle(title);
  if (items.empty()) {
    const std::string plain = PlainTitle(title);
    for (std::uint32_t k = 0; k < data().items(); ++k) {
      if (PlainTitle(data().title(RowId{k})) == plain) items.push_back(RowId{k});
    }
  }
  if (!items.empty()) return items;
  return absl::NotFoundError(
      absl::StrCat("no item with the title \"", title, "\" in the data set ", data().name()));
}

std::string OpenModel::NameOf(RowId item) const {
  const std::string title = data().title(item);
  return title.empty() ? data().item_raw_id(item) : title;
}

}  // namespace cf
