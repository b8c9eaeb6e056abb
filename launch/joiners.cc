#include "launch/joiners.h"

#include <cstdio>
#include <filesystem>
#include <utility>

#include <absl/status/statusor.h>

#include "common/base/host.h"
#include "launch/mpirun_command.h"
#include "run/run_folder.h"
#include "run/run_view.h"

namespace cf {

Joiners::Joiners(Options options, Supervisor& supervisor)
    : options_(std::move(options)), supervisor_(supervisor) {
}

void Joiners::Look() {
  const absl::StatusOr<RunFolder> folder = RunFolder::Open(options_.run);
  std::error_code error;
  // Before that there is nobody whom they could find.
  if (!folder.ok() || !std::filesystem::exists(folder->join_path(), error)) return;
  if (!std::exchange(has_spares_, true)) {
    for (const std::string& host : options_.spare_hosts) Start(host, /*spare=*/true);
  }
  const std::optional<std::uint32_t> asked = folder->RanksAskedFor();
  if (asked.has_value() && asked != ranks_asked_) HearRequest(*asked);
}

void Joiners::HearRequest(std::uint32_t ranks) {
  const absl::StatusOr<RunView> view = ViewRun(options_.run);
  // The job says where its ranks are as soon as it has any.
  if (!view.ok() || !view->status.has_value()) return;
  ranks_asked_ = ranks;
  for (auto k = static_cast<std::uint32_t>(view->status->hosts_size()); k < ranks; ++k) {
    Start(options_.hosts.empty() ? HostName() : options_.hosts[next_host_ % options_.hosts.size()],
          /*spare=*/false);
    ++next_host_;
  }
}

void Joiners::Start(const std::string& host, bool spare) {
  const absl::StatusOr<std::string> worker = FindWorker();
  std::error_code error;
  std::vector<std::string> command = {
      worker.value_or("cfworker"), "--join",
      std::filesystem::absolute(options_.run, error).lexically_normal().string()};
  if (spare) command.emplace_back("--spare");
  const absl::Status started = supervisor_.Spawn(CommandOn(host, command));
  if (started.ok()) return;
  std::fprintf(stderr, "cfrun: no process could be started that joins on %s: %s\n", host.c_str(),
               std::string(started.message()).c_str());
}

}  // namespace cf
