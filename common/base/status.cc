#include "common/base/status.h"

#include <cerrno>
#include <system_error>

#include <absl/strings/str_cat.h>

#include "common/base/check.h"

namespace cf {

absl::Status Because(const absl::Status& status, const std::string& doing) {
  Check(!status.ok(), "Because explains an error");
  absl::Status explained(status.code(), absl::StrCat(doing, ": ", status.message()));
  status.ForEachPayload([&explained](absl::string_view type, const absl::Cord& payload) {
    explained.SetPayload(type, payload);
  });
  return explained;
}

absl::Status ErrnoError(int error, const std::string& what) {
  const std::string text = absl::StrCat(what, ": ", std::generic_category().message(error));
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return absl::NotFoundError(text);
    case EEXIST:
      return absl::AlreadyExistsError(text);
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::PermissionDeniedError(text);
    case EPIPE:
      return absl::CancelledError(text);
    case EISDIR:
    case ELOOP:
    case ENAMETOOLONG:
    case ENXIO:  // A socket's name, or a device's that is not there.
      return absl::InvalidArgumentError(text);
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case ENOMEM:
    case EMFILE:
      return absl::ResourceExhaustedError(text);
    default:
      return absl::InternalError(text);
  }
}

absl::Status NotOfInput(const absl::Status& status) {
  Check(!status.ok(), "NotOfInput is about an error");
  return ExitCodeOf(status) == kExitUserInput ? absl::InternalError(status.message()) : status;
}

ExitCode ExitCodeOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return kExitFinished;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kOutOfRange:
    case absl::StatusCode::kPermissionDenied:
      return kExitUserInput;
    default:
      return kExitFailed;
  }
}

}  // namespace cf
