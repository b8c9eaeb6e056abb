#include "common/config/loss_text.h"

#include <absl/strings/str_cat.h>

namespace cf {
namespace {

template <class Model>
std::string FitText(const Model& model) {
  // Where the link has a scale of its own, an error is measured on it, whatever the ratings.
  const char* scale = "";
  if (model.link() == Fit::SIGMOID && model.loss() == Fit::MSE) scale = " on [0, 1]";
  if (model.link() == Fit::STANDARDIZED) scale = " in deviations";
  return absl::StrCat(Fit::Loss_Name(model.loss()), scale);
}

}  // namespace

std::string LossText(const Job& job) {
  switch (job.model().kind_case()) {
    case Model::kMatrixFactorization:
      return absl::StrCat(
          FitText(job.model().matrix_factorization()),
          job.model().matrix_factorization().negatives() > 0 ? " of interactions" : "");
    case Model::kRanker:
      return FitText(job.model().ranker());
    case Model::kRetrieval:
      // Each sample is told from the others of its batch: the larger that is, the harder.
      return absl::StrCat("softmax of ", job.train().batch_size());
    case Model::kPopularity:
      return "log of shares";
    case Model::KIND_NOT_SET:
      break;
  }
  return "";
}

}  // namespace cf
