#include "serving/exports/model_file.h"

#include <absl/status/status.h>
#include <absl/strings/str_cat.h>
#include <google/protobuf/util/json_util.h>

#include "common/base/files.h"

namespace cf {

absl::StatusOr<ExportedModel> ParseModelJson(const std::string& text, const std::string& path) {
  ExportedModel model;
  google::protobuf::util::JsonParseOptions lenient;
  lenient.ignore_unknown_fields = true;
  const auto parsed = google::protobuf::util::JsonStringToMessage(text, &model, lenient);
  if (parsed.ok() && model.format_version() > 0) return model;
  return absl::FailedPreconditionError(absl::StrCat(path, " is not one of an export"));
}

absl::StatusOr<ExportedModel> ReadModelJson(const std::string& folder) {
  const std::string path = absl::StrCat(folder, "/", kModelFile);
  const absl::StatusOr<std::string> text = ReadFile(path);
  if (!text.ok()) return text.status();
  return ParseModelJson(*text, path);
}

}  // namespace cf
