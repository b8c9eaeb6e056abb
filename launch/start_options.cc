#include "launch/start_options.h"

#include <optional>

#include <absl/status/status.h>
#include <absl/strings/match.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_split.h>

#include "launch/allocation.h"

namespace cf {
namespace {

// No job has more partitions, and each rank needs one.
constexpr std::uint32_t kRanksMax = 1 << 14;

absl::StatusOr<std::uint32_t> ParseNumber(const std::string& flag, const std::string& text,
                                          std::uint32_t least, std::uint32_t most,
                                          const std::string& what) {
  std::uint32_t number = 0;
  if (absl::SimpleAtoi(text, &number) && number >= least && number <= most) return number;
  return absl::InvalidArgumentError(
      absl::StrCat(flag, " ", text, ": expected ", what, " from ", least, " to ", most));
}

}  // namespace

absl::StatusOr<StartOptions> ParseStart(const std::vector<std::string>& words) {
  StartOptions options;
  for (std::size_t k = 0; k < words.size(); ++k) {
    const std::string& word = words[k];
    std::uint32_t* number = nullptr;
    std::uint32_t least = 0;
    std::uint32_t most = 1 << 20;
    std::string what = "a number";
    if (word == "-n" || word == "-np") {
      number = &options.ranks;
      least = 1;
      most = kRanksMax;
      what = "a number of processes";
    } else if (word == "--servers") {
      number = &options.servers;
      most = kRanksMax - 1;
    } else if (word == "--restarts") {
      number = &options.restarts;
    } else if (word == "--restart-minutes") {
      number = &options.restart_minutes;
    } else if (word == "--spares") {
      number = &options.spares;
      most = kRanksMax;
      what = "a number of hosts, or of processes,";
    } else if (word == "--hosts") {
      if (k + 1 == words.size()) {
        return absl::InvalidArgumentError("--hosts needs names, with commas between them");
      }
      options.hosts = absl::StrSplit(words[++k], ',', absl::SkipEmpty());
      continue;
    } else if (word == "--meeting-seconds" || word == "--stop-seconds") {
      number = word == "--stop-seconds" ? &options.stop_seconds : &options.meeting_seconds;
      least = 1;
      what = "a number of seconds";
    } else if (word == "--requeue") {
      options.requeue = true;
      continue;
    } else if (word == "--no-survival") {
      options.survival = false;
      continue;
    } else {
      options.worker.push_back(word);
      continue;
    }
    if (k + 1 == words.size()) return absl::InvalidArgumentError(word + " needs a number");
    const absl::StatusOr<std::uint32_t> parsed = ParseNumber(word, words[++k], least, most, what);
    if (!parsed.ok()) return parsed.status();
    *number = *parsed;
  }
  if (options.restarts == 0 && options.restart_minutes != StartOptions().restart_minutes) {
    return absl::InvalidArgumentError("--restart-minutes has no effect with --restarts 0");
  }
  const absl::StatusOr<std::optional<Allocation>> allocation = FindAllocation();
  if (!allocation.ok()) return allocation.status();
  if (options.ranks == 0 && options.hosts.empty() && !allocation->has_value()) {
    return absl::InvalidArgumentError("-n N is missing (try --help)");
  }
  if (!options.hosts.empty() && allocation->has_value()) {
    return absl::InvalidArgumentError("--hosts: in an allocation the hosts are Slurm's choice");
  }
  if (options.spares > 0 && allocation->has_value()) {
    return absl::InvalidArgumentError(
        "--spares: in an allocation all hosts are used, and Slurm has others");
  }
  const bool survives =
      options.survival && options.restarts > 0 && options.ranks > 1 && options.servers == 0;
  if (options.spares > 0 && options.hosts.empty() && !survives) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--spares ", options.spares,
        " without --hosts: -n 2 or more is needed, and neither --servers, --restarts 0 nor "
        "--no-survival, as spares take the places of ranks that are lost"));
  }
  if (!options.hosts.empty() && options.spares >= options.hosts.size()) {
    return absl::InvalidArgumentError(absl::StrCat("--spares ", options.spares, ": --hosts names ",
                                                   options.hosts.size(), ", and one must be left"));
  }
  if (options.requeue && !allocation->has_value()) {
    return absl::InvalidArgumentError("--requeue works in a Slurm allocation only");
  }
  if (options.worker.empty() || absl::StartsWith(options.worker.front(), "-")) {
    return absl::InvalidArgumentError("CONFIG must come before cfworker's flags (try --help)");
  }
  return options;
}

}  // namespace cf
