#include <cstdio>
#include <memory>

#include <absl/status/statusor.h>

#include "common/text/numbers.h"
#include "launch/snapshot_commands.h"
#include "launch/snapshot_source.h"
#include "serving/exports/export.h"
#include "serving/exports/model_json.h"

namespace cf {

absl::Status Export(const ExportFlags& flags) {
  if (absl::Status is = CheckIsSnapshot(flags.model.snapshot); !is.ok()) return is;
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
  if (flags.options.precision == Precision::kFloat32) return absl::OkStatus();
  const absl::StatusOr<ExportedModel> written = ReadModelJson(flags.options.folder);
  if (!written.ok()) return written.status();
  if (written->has_ndcg_10()) {
    std::printf("NDCG@10 of the validation samples: %.4f, and %.4f as %s\n",
                written->ndcg_10_before(), written->ndcg_10(), written->precision().c_str());
  } else {
    Note(
        "what the precision costs was not measured: without a split, or with features beside users "
        "and items, there is no NDCG@10");
  }
  return absl::OkStatus();
}

}  // namespace cf
