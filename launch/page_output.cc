#include "launch/page_output.h"

#include <filesystem>
#include <system_error>
#include <utility>

#include "common/base/files.h"
#include "common/base/status.h"
#include "common/page/html_page.h"

namespace cf {
namespace {

bool IsOwnPage(const std::string& path) {
  std::error_code error;
  // Of a pipe or a device nothing can be known before somebody writes to it.
  if (!std::filesystem::is_regular_file(path, error)) return false;
  const absl::StatusOr<std::string> text = ReadFile(path);
  return text.ok() && IsHtmlPage(*text);
}

}  // namespace

absl::StatusOr<OutputFile> OpenPageOutput(const std::string& flag, const std::string& path,
                                          bool overwrite) {
  absl::StatusOr<OutputFile> file =
      OutputFile::Create(path, {.overwrite = overwrite || IsOwnPage(path)});
  return file.ok() ? std::move(file) : Because(file.status(), flag);
}

}  // namespace cf
