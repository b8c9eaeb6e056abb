#include "tests/fault/campaign_life.h"

#include <algorithm>
#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <memory>
#include <poll.h>
#include <sstream>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/base/status.h"
#include "tests/fault/campaign_damage.h"

namespace cf {
namespace {

namespace fs = std::filesystem;
using Fault = CampaignFault;
using Milliseconds = std::chrono::milliseconds;

// What a life of cfrun may take, and what its processes may after it.
constexpr std::chrono::seconds kLifeLimit(75);
constexpr std::chrono::seconds kEndLimit(15);
constexpr int kLookMilliseconds = 2;
// How long the thread that passes a point waits there for what the campaign does.
constexpr int kPauseMilliseconds = 150;

double SecondsSince(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

bool IsDoneFromOutside(Fault fault) {
  return fault < Fault::kCrash;
}

const char* ActionOf(Fault fault) {
  switch (fault) {
    case Fault::kCrash:
      return "crash";
    case Fault::kStallThread:
      return "stall";
    case Fault::kShortWrite:
      return "short";
    case Fault::kNoSpace:
      return "no_space";
    case Fault::kBrokenDisk:
      return "broken";
    case Fault::kForgetfulDisk:
      return "forget";
    case Fault::kFlippedFrame:
      return "flip";
    case Fault::kRepeatedFrame:
      return "repeat";
    default:
      return "pause";
  }
}

// Those after which a life may end without an end of the job, and the same command continues.
bool EndsLife(Fault fault) {
  switch (fault) {
    case Fault::kKillCfrun:
    case Fault::kTerm:
    case Fault::kInt:
    case Fault::kUsr1:
    case Fault::kFullDisk:
    case Fault::kNoSpace:
    case Fault::kBrokenDisk:
      return true;
    default:
      return false;
  }
}

}  // namespace

CampaignLife::CampaignLife(const TestCluster& cluster, const CampaignPlan& plan, JobOptions options,
                           bool has_own_disk)
    : cluster_(cluster),
      plan_(plan),
      options_(std::move(options)),
      has_own_disk_(has_own_disk),
      run_(cluster.Path(options_.run)),
      recoveries_(plan.faults.size(), -1),
      happened_(plan.faults.size()) {
  fs::create_directories(fs::path(TokenOf(0)).parent_path());
  fs::create_directories(TemporaryFolder());
  options_.environment = {{"CF_FAULTS", FaultsText()}, {"TMPDIR", TemporaryFolder()}};
}

std::string CampaignLife::Finish() {
  for (;;) {
    if (++lives_ > static_cast<int>(plan_.faults.size()) + 2) return "it comes to no end";
    if (std::string wrong = Live(); !wrong.empty()) return wrong;
    if (is_finished_) break;
  }
  SetRecoveries(/*all=*/true);
  return "";
}

std::string CampaignLife::TemporaryFolder() const {
  return cluster_.Path("t-" + std::to_string(plan_.number));
}

std::string CampaignLife::TokenOf(std::size_t fault) const {
  return cluster_.Path("tokens-" + std::to_string(plan_.number) + "/" + std::to_string(fault));
}

std::string CampaignLife::FaultsText() const {
  std::ostringstream text;
  for (std::size_t k = 0; k < plan_.faults.size(); ++k) {
    const PlannedFault& fault = plan_.faults[k];
    text << fault.point << "," << ActionOf(fault.fault) << ",once=" << TokenOf(k)
         << ",after=" << fault.after << ",times=" << fault.times;
    if (!fault.in.empty()) text << ",in=" << fault.in;
    if (fault.after_fault >= 0) {
      text << ",when=" << TokenOf(static_cast<std::size_t>(fault.after_fault));
    }
    const std::uint64_t late =
        fault.fault == Fault::kLateFrame ? fault.draw % 3000 : kPauseMilliseconds;
    text << ",for=" << late << ";";
  }
  return text.str();
}

std::string CampaignLife::Live() {
  std::unique_ptr<ClusterJob> job = cluster_.Start(options_);
  life_faults_.clear();
  const Clock::time_point begin = Clock::now();
  while (IsAlive(job->launcher().pid())) {
    LookForFaults(*job);
    DoWhatIsDue();
    if (Clock::now() - begin > kLifeLimit) {
      said_ += job->launcher().ErrorsSoFar();
      return "it hangs";
    }
    ::poll(nullptr, 0, kLookMilliseconds);
  }
  const Process::Result result = job->Wait();
  // Where cfrun was killed, a mpirun that somebody stopped hears of it when it is woken.
  if (const pid_t mpirun = job->FindMpirun(); mpirun > 0) ::kill(mpirun, SIGCONT);
  LookForFaults(*job);  // What happened by itself.
  due_.clear();
  FreeDisk();
  said_ += result.output + result.errors;
  if (!job->WaitUntilNoneIsLeft(kEndLimit)) return "processes are left";
  is_finished_ = result.exit_code == kExitFinished;
  if (is_finished_ || std::ranges::any_of(life_faults_, EndsLife)) {
    return result.exit_code == kExitUserInput ? "it blames the user's input" : "";
  }
  return "it ended with exit code " + std::to_string(result.exit_code);
}

bool CampaignLife::Happened(CampaignFault fault) const {
  for (std::size_t k = 0; k < plan_.faults.size(); ++k) {
    if (plan_.faults[k].fault == fault && happened_[k].has_value()) return true;
  }
  return false;
}

void CampaignLife::LookForFaults(ClusterJob& job) {
  for (std::size_t k = 0; k < plan_.faults.size(); ++k) {
    if (happened_[k].has_value() || !fs::exists(TokenOf(k))) continue;
    const Fault fault = plan_.faults[k].fault;
    happened_[k] = Clock::now();
    newest_[k] = NewestManifest();
    if (!IsDoneFromOutside(fault) || Do(job, plan_.faults[k])) {
      life_faults_.push_back(fault);
      recoveries_[k] = 0;
    }
  }
  SetRecoveries(/*all=*/false);
}

void CampaignLife::SetRecoveries(bool all) {
  if (newest_.empty()) return;
  const std::string newest = NewestManifest();
  std::erase_if(newest_, [&](const auto& waiting) {
    const auto& [k, before] = waiting;
    if (!all && newest <= before) return false;
    if (recoveries_[k] >= 0) recoveries_[k] = SecondsSince(*happened_[k]);
    return true;
  });
}

std::string CampaignLife::NewestManifest() const {
  const std::vector<std::string> all = cluster_.Manifests(options_.run);
  return all.empty() ? "" : all.back();
}

bool CampaignLife::Do(ClusterJob& job, const PlannedFault& fault) {
  const auto send = [](pid_t process, int signal) {
    return process > 0 && ::kill(process, signal) == 0;
  };
  const pid_t cfrun = job.launcher().pid();
  switch (fault.fault) {
    case Fault::kKillRank:
      return send(Victim(job, fault, &ClusterJob::FindRank), SIGKILL);
    case Fault::kKillAllRanks:
      return KillAllRanks(job);
    case Fault::kKillKeeper:
      return send(Victim(job, fault, &ClusterJob::FindKeeper), SIGKILL);
    case Fault::kKillMpirun:
      return send(job.FindMpirun(), SIGKILL);
    case Fault::kKillCfrun:
      return send(cfrun, SIGKILL);
    case Fault::kStopRank:
      return send(Victim(job, fault, &ClusterJob::FindRank), SIGSTOP);
    case Fault::kStopKeeper:
      return send(Victim(job, fault, &ClusterJob::FindKeeper), SIGSTOP);
    case Fault::kStopMpirun:
      return send(job.FindMpirun(), SIGSTOP);
    case Fault::kStopCfrun:
      due_.emplace_back(Clock::now() + Milliseconds(fault.draw % 1500),
                        [cfrun, send] { send(cfrun, SIGCONT); });
      return send(cfrun, SIGSTOP);
    case Fault::kTerm:
      return send(cfrun, SIGTERM);
    case Fault::kInt:
      return send(cfrun, SIGINT);
    case Fault::kUsr1:
      return send(cfrun, SIGUSR1);
    default:
      return DoToFiles(job, fault);
  }
}

bool CampaignLife::DoToFiles(ClusterJob& job, const PlannedFault& fault) {
  switch (fault.fault) {
    case Fault::kFullDisk:
      due_.emplace_back(Clock::now() + Milliseconds(200 + fault.draw % 1500),
                        [this] { FreeDisk(); });
      return FillDisk();
    case Fault::kDamageRows:
    case Fault::kDamageManifest:
      KillAllRanks(job);
      return DamageNewestSnapshot(
          run_ + "/snapshots",
          fault.fault == Fault::kDamageRows ? DamagedPart::kRows : DamagedPart::kManifest,
          fault.draw, damaged_);
    case Fault::kDamageStatus:
      DamageStatus(run_, fault.draw);
      return true;
    case Fault::kDamageHistory:
      DamageHistory(run_, fault.draw);
      return true;
    default:
      return false;
  }
}

pid_t CampaignLife::Victim(const ClusterJob& job, const PlannedFault& fault,
                           pid_t (ClusterJob::*find)(int) const) const {
  for (int k = 0; k < plan_.ranks; ++k) {
    const int rank = static_cast<int>((fault.draw + static_cast<std::uint64_t>(k)) %
                                      static_cast<std::uint64_t>(plan_.ranks));
    if (const pid_t process = (job.*find)(rank); process > 0) return process;
  }
  return 0;
}

bool CampaignLife::KillAllRanks(const ClusterJob& job) const {
  std::vector<pid_t> ranks;
  for (int rank = 0; rank < plan_.ranks; ++rank) {
    if (const pid_t process = job.FindRank(rank); process > 0) ranks.push_back(process);
  }
  for (const pid_t process : ranks) ::kill(process, SIGKILL);
  for (const pid_t process : ranks) {
    if (!Eventually([process] { return !IsAlive(process); }, kEndLimit)) return false;
  }
  return !ranks.empty();
}

std::string CampaignLife::Ballast() const {
  return fs::path(run_).parent_path().string() + "/ballast";
}

bool CampaignLife::FillDisk() const {
  struct statvfs disk = {};
  if (!has_own_disk_ || ::statvfs(fs::path(run_).parent_path().c_str(), &disk) != 0) return false;
  const int file = ::open(Ballast().c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) return false;
  const bool filled =
      ::posix_fallocate(file, 0, static_cast<off_t>(disk.f_bavail * disk.f_frsize)) == 0;
  ::close(file);
  return filled;
}

void CampaignLife::FreeDisk() const {
  ::unlink(Ballast().c_str());
}

void CampaignLife::DoWhatIsDue() {
  for (auto one = due_.begin(); one != due_.end();) {
    if (Clock::now() < one->first) {
      ++one;
      continue;
    }
    one->second();
    one = due_.erase(one);
  }
}

}  // namespace cf
