#include <memory>
#include <vector>

#include <absl/status/statusor.h>

#include "launch/model_summary.h"
#include "launch/snapshot_commands.h"
#include "launch/snapshot_source.h"
#include "serving/served_model.h"

namespace cf {

absl::Status Summarise(const std::string& path, const OutputFlags& flags) {
  absl::StatusOr<Output> output = Output::Open(flags);
  if (!output.ok()) return output.status();
  const absl::StatusOr<Manifest> manifest = ManifestAt(path);
  if (!manifest.ok()) return manifest.status();
  const absl::StatusOr<std::unique_ptr<const ModelSpec>> spec = SpecOf(*manifest);
  if (!spec.ok()) return spec.status();
  const absl::StatusOr<std::vector<TableSpec>> tables = TablesOf(*manifest, **spec);
  if (!tables.ok()) return tables.status();
  return output->Deliver(SummaryText(**spec, *tables, output->table_format()));
}

}  // namespace cf
