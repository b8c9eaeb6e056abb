// A rank that does nothing but meet the others and say what it learned: one line on standard
// output. Arguments: what fails and on which rank ("ready 2", "check 1"), or "wait" to live on
// after it.

#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <set>
#include <string>
#include <unistd.h>

#include "common/base/status.h"
#include "launch/rendezvous.h"

int main(int argc, char** argv) {
  const std::string what = argc > 1 ? argv[1] : "";
  const int failing = argc > 2 ? std::atoi(argv[2]) : -1;
  const int rank = cf::FindLaunchPlace().value().rank;
  const absl::Status broken = absl::InvalidArgumentError("rank " + std::to_string(rank) + " fails");

  cf::RendezvousOptions options;
  options.note = "note of " + std::to_string(rank);
  // Of several failing ranks only the lowest may speak.
  if (what == "ready" && rank >= failing) options.ready = broken;
  options.check = [&](const std::string& note) {
    const bool fails = note != "note of 0" || (what == "check" && rank >= failing);
    return fails ? broken : absl::OkStatus();
  };
  const absl::StatusOr<cf::Rendezvous> met = cf::MeetOverMpi(options);
  if (!met.ok()) {
    // As cfworker does: mpirun ends the job at the first rank that fails, and a silent one would cut
    // off the line of the one that speaks.
    if (met.status().message().empty()) return cf::kExitFinished;
    std::fprintf(stderr, "probe: %s\n", std::string(met.status().message()).c_str());
    return cf::ExitCodeOf(met.status());
  }

  std::string line =
      "met " + std::to_string(met->place.rank) + "/" + std::to_string(met->place.ranks) +
      " hosts " +
      std::to_string(std::set<std::string>(met->hosts.begin(), met->hosts.end()).size()) +
      " note " + met->note + " key ";
  for (const std::byte byte : met->key) line += std::to_string(std::to_integer<int>(byte)) + ".";
  line += " listening ";
  for (const cf::Endpoint& endpoint : met->endpoints) {
    line += endpoint.address + ":" + std::to_string(endpoint.port) + ",";
  }
  const bool own =
      met->listener ? met->listener->endpoint() == met->endpoints.at(static_cast<std::size_t>(rank))
                    : met->endpoints.empty();
  line += own ? " own\n" : " foreign\n";
  // One write, so that lines of several ranks do not mix.
  if (::write(STDOUT_FILENO, line.data(), line.size()) < 0) return cf::kExitFailed;
  if (what == "wait") {
    // The test waits for this file's lock to be free: the kernel frees it when the process is gone.
    const int lock = ::open((std::string(argv[2]) + std::to_string(rank)).c_str(),
                            O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (::lockf(lock, F_TLOCK, 0) != 0) return cf::kExitFailed;
    if (::write(lock, "locked", 6) != 6) return cf::kExitFailed;
    for (;;) ::pause();
  }
  return cf::kExitFinished;
}
