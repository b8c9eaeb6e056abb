#include "serving/exports/export.h"

#include <algorithm>
#include <optional>
#include <span>
#include <vector>

#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>

#include "common/base/files.h"
#include "serving/exports/model_json.h"
#include "serving/exports/ranking_quality.h"

namespace cf {
namespace {

absl::StatusOr<const ExportFormat*> FindFormat(const std::string& name) {
  const std::span<const ExportFormat> formats = ExportFormats();
  const auto found =
      std::ranges::find_if(formats, [&name](const ExportFormat& f) { return f.name == name; });
  if (found != formats.end()) return &*found;
  const auto append_name = [](std::string* out, const ExportFormat& f) { *out += f.name; };
  return absl::InvalidArgumentError(absl::StrCat("no format \"", name, "\"; there are ",
                                                 absl::StrJoin(formats, ", ", append_name)));
}

absl::Status CheckPrecision(const ExportFormat& format, Precision precision) {
  if (std::ranges::find(format.precisions, precision) != format.precisions.end()) {
    return absl::OkStatus();
  }
  const auto append_name = [](std::string* out, Precision p) { *out += PrecisionName(p); };
  return absl::InvalidArgumentError(
      absl::StrCat(format.name, " is not written as ", PrecisionName(precision), ", only as ",
                   absl::StrJoin(format.precisions, " or ", append_name)));
}

// What a precision costs.
absl::Status AddRankingCost(const ExportSubject& subject, Precision precision,
                            ExportedModel& model) {
  if (precision == Precision::kFloat32) return absl::OkStatus();
  const absl::StatusOr<std::optional<RankingCost>> cost = MeasureRankingCost(subject, precision);
  if (!cost.ok() || !cost->has_value()) return cost.status();
  model.set_ndcg_10_before((*cost)->before);
  model.set_ndcg_10((*cost)->after);
  return absl::OkStatus();
}

}  // namespace

absl::Status WriteExport(const ExportSubject& subject, const ExportOptions& options) {
  const absl::StatusOr<const ExportFormat*> format = FindFormat(options.format);
  if (!format.ok()) return format.status();
  if (absl::Status has = CheckPrecision(**format, options.precision); !has.ok()) return has;
  if (!options.index.empty() && !(*format)->takes_index) {
    return absl::InvalidArgumentError(absl::StrCat((*format)->name, " has no --index"));
  }
  if (absl::Status carried = (*format)->check(subject, options); !carried.ok()) return carried;
  return MakeExportFolder(
      options.folder, options.overwrite, [&](ExportFiles& files) -> absl::Status {
        absl::StatusOr<ExportedModel> model = DescribeModel(subject, (*format)->name);
        if (!model.ok()) return model.status();
        model->set_precision(PrecisionName(options.precision));
        absl::Status measured = AddRankingCost(subject, options.precision, *model);
        if (!measured.ok()) return measured;
        if (absl::Status written = (*format)->write(subject, options, files, *model);
            !written.ok()) {
          return written;
        }
        *model->mutable_files() = files.written();
        const absl::StatusOr<std::string> json = JsonOf(*model);
        if (!json.ok()) return json.status();
        return WriteFileAtomically(absl::StrCat(files.folder(), "/", kModelFile), *json);
      });
}

}  // namespace cf
