#include "launch/job_life.h"

#include <chrono>
#include <unistd.h>
#include <utility>

#include <absl/status/statusor.h>
#include <absl/strings/str_cat.h>

#include "common/base/host.h"

namespace cf {

JobLife::JobLife(std::string run, int ranks)
    : run_(std::move(run)),
      ranks_(ranks),
      // A process number may come back, and hosts in containers have the same names.
      name_(absl::StrCat(HostName(), ".", ::getpid(), ".",
                         std::chrono::system_clock::now().time_since_epoch().count())) {
  const absl::StatusOr<RunFolder> folder = RunFolder::Open(run_);
  if (folder.ok()) generation_before_ = folder->LastGeneration().value_or(0);
}

std::optional<Verdict> JobLife::verdict() const {
  const absl::StatusOr<RunFolder> folder = RunFolder::Open(run_);
  if (!folder.ok()) return std::nullopt;
  absl::StatusOr<Verdict> verdict = folder->ReadVerdict();
  if (!verdict.ok() || verdict->launch != name_) return std::nullopt;
  return *std::move(verdict);
}

LifeStage JobLife::stage() const {
  const absl::StatusOr<RunFolder> folder = RunFolder::Open(run_);
  return folder.ok() ? folder->StageOf(name_, generation_before_) : LifeStage::kNone;
}

void JobLife::Settle(Verdict verdict) const {
  absl::StatusOr<RunFolder> folder = RunFolder::Open(run_);
  // Under the lock nobody begins, and who began since would have made a later generation.
  if (!folder.ok() || !folder->Hold().ok()) return;
  const std::uint64_t last = folder->LastGeneration().value_or(0);
  if (last == 0 || folder->StageOf(name_, last - 1) == LifeStage::kNone) return;
  verdict.launch = name_;
  folder->WriteVerdict(verdict).IgnoreError();
}

}  // namespace cf
