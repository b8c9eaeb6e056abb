#include <cstdio>
#include <memory>

#include <absl/status/statusor.h>

#include "common/text/numbers.h"
#include "launch/snapshot_commands.h"
#include "serving/exports/export.h"

namespace cf {

absl::Status Export(const ExportFlags& flags) {
  OpenModel::Options options = flags.model;
  options.streams_users = true;
  const absl::StatusOr<std::unique_ptr<OpenModel>> open = OpenModel::Open(options);
  if (!open.ok()) return open.status();
  absl::Status exported =
      WriteExport({(*open)->snapshot(), (*open)->model(), (*open)->catalogue()}, flags.options);
  if (!exported.ok()) return exported;
  std::printf("%s: %s, %s, dim %u\n", flags.options.folder.c_str(),
              Counted((*open)->data().users(), "user").c_str(),
              Counted((*open)->data().items(), "item").c_str(), (*open)->model().users().dim());
  return absl::OkStatus();
}

}  // namespace cf
