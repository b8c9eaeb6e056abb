#include "serving/exports/inner_product.h"

#include <algorithm>
#include <array>
#include <memory>
#include <span>
#include <string_view>

#include <absl/strings/str_cat.h>

#include "serving/exports/arrays.h"
#include "serving/exports/npy.h"
#include "serving/exports/row_names.h"
#include "serving/substance.h"

namespace cf {
namespace {

// What a user has in an inner product with the vector of an item: the vector, and 1 for the bias.
ModelArray Queries(const ServedModel& model, std::uint32_t dim) {
  return {.name = "queries",
          .rows_of = RowsOf::kUser,
          .shape = {model.users().rows(), dim},
          .visit = [&model, dim](const TakeElements& take) {
            std::vector<float> query(dim, 1.0F);
            return model.VisitUsers([&](std::span<const float> vector, float) {
              std::ranges::copy(vector, query.begin());
              return take(query.data(), query.size() * sizeof(float));
            });
          }};
}

// What makes raw sums of a user's inner products.
ModelArray Constants(const ServedModel& model) {
  return {.name = "user_constants",
          .rows_of = RowsOf::kUser,
          .shape = {model.users().rows()},
          .visit = [&model](const TakeElements& take) {
            return model.VisitUsers([&](std::span<const float>, float bias) {
              const float constant = bias + model.objective().mean;
              return take(&constant, sizeof constant);
            });
          }};
}

}  // namespace

absl::Status InnerProductItems::Check(const ExportSubject& subject, const std::string& format) {
  for (const NetworkSpec& network : subject.model.spec().networks()) {
    if (network.role != NetworkRole::kPair) continue;
    return absl::FailedPreconditionError(
        absl::StrCat(format,
                     " ranks by inner products, and this model by dense layers on user and item "
                     "together: onnx and tflite carry it"));
  }
  return absl::OkStatus();
}

InnerProductItems::InnerProductItems(const ExportSubject& subject) : subject_(subject) {
  const WeightTable& items = subject.model.items();
  const std::span<const float> biases(items.biases(), items.rows());
  biases_ = std::ranges::any_of(biases, [](float bias) { return bias != 0; });
  // A model without vectors has one number for an item all the same.
  dim_ = std::max<std::uint32_t>(items.dim() + (biases_ ? 1 : 0), 1);
  const Substance substance(subject.model, subject.catalogue);
  for (std::uint32_t row = 0; row < items.rows(); ++row) {
    if (substance.OfItem(RowId{row})) rows_.push_back(RowId{row});
  }
  const std::optional<std::vector<std::int64_t>> raw_ids = IntegerItemIds(subject.catalogue);
  has_raw_ids_ = raw_ids.has_value() && std::ranges::all_of(*raw_ids, [](std::int64_t id) {
                   return id >= 0;  // What libraries have for "none" is below.
                 });
  for (const RowId row : rows_) {
    ids_.push_back(has_raw_ids_ ? (*raw_ids)[Index(row)] : static_cast<std::int64_t>(Index(row)));
  }
}

void InnerProductItems::CopyVector(std::size_t k, float* to) const {
  const WeightTable& items = subject_.model.items();
  to[dim_ - 1] = 0;
  std::copy_n(items.vector(rows_[k]), items.dim(), to);
  if (biases_) to[dim_ - 1] = items.bias(rows_[k]);
}

void InnerProductItems::Describe(const std::string& file, const std::string& kind,
                                 ExportedModel& model) const {
  ExportedIndex& index = *model.mutable_index();
  index.set_file(file);
  index.set_kind(kind);
  index.set_dim(dim_);
  index.set_items(static_cast<std::uint32_t>(size()));
  index.set_ids(has_raw_ids_ ? "raw" : "rows");
}

absl::Status InnerProductItems::WriteQueries(ExportFiles& files) const {
  const ServedModel& model = subject_.model;
  std::vector<ModelArray> arrays = {Queries(model, dim_), Constants(model)};
  constexpr std::array<std::string_view, 5> kRules = {
      "user_learned", "item_learned", "seen_offsets", "seen_items", "seen_in_training"};
  for (ModelArray& array : ArraysOf(subject_)) {
    if (std::ranges::find(kRules, array.name) != kRules.end()) arrays.push_back(std::move(array));
  }
  for (const ModelArray& array : arrays) {
    if (absl::Status written = WriteNpy(array, files); !written.ok()) return written;
  }
  return WriteRowNames(subject_.catalogue, files);
}

}  // namespace cf
