#include "launch/rendezvous.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <numeric>
#include <sys/prctl.h>
#include <unistd.h>
#include <utility>

#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <mpi.h>

#include "common/base/check.h"
#include "common/base/host.h"
#include "common/base/status.h"
#include "launch/listening_address.h"

namespace cf {
namespace {

/// MPI between its initialisation and its end. An error inside MPI ends the process, which is MPI's
/// default and all that can be done: the ranks could not agree on anything any more.
///
/// Owner:   MeetOverMpi.
/// Threads: the one that made it.
/// Invariants: every rank calls the same methods in the same order.
class MpiSession {
 public:
  MpiSession() {
    // Where mpirun, or its daemon, removes it, however the ranks end; in /dev/shm the memory that Open
    // MPI shares between ranks would stay, of those that are killed while they meet.
    if (const char* session = std::getenv("PMIX_SERVER_TMPDIR"); session != nullptr) {
      ::setenv("OMPI_MCA_btl_vader_backing_directory", session, 0);
    }
    ::setenv("OMPI_MCA_shmem", "mmap", 0);  // As in SetUpOpenMpi.
    // FUNNELED and not SINGLE: the process has other threads later, though none calls MPI.
    int provided = MPI_THREAD_SINGLE;
    MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided);
    Check(provided >= MPI_THREAD_FUNNELED, "Open MPI supports threads that do not call it");
    MPI_Comm_rank(MPI_COMM_WORLD, &rank_);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks_);
  }
  ~MpiSession() { MPI_Finalize(); }
  MpiSession(const MpiSession&) = delete;
  MpiSession& operator=(const MpiSession&) = delete;

  int rank() const { return rank_; }
  int ranks() const { return ranks_; }

  /// Every rank's text, by rank.
  std::vector<std::string> Gather(const std::string& text) const {
    const auto count = static_cast<std::size_t>(ranks_);
    const int size = static_cast<int>(text.size());
    std::vector<int> sizes(count);
    MPI_Allgather(&size, 1, MPI_INT, sizes.data(), 1, MPI_INT, MPI_COMM_WORLD);
    std::vector<int> offsets(count);
    std::exclusive_scan(sizes.begin(), sizes.end(), offsets.begin(), 0);
    std::string all(static_cast<std::size_t>(offsets.back() + sizes.back()), '\0');
    MPI_Allgatherv(text.data(), size, MPI_CHAR, all.data(), sizes.data(), offsets.data(), MPI_CHAR,
                   MPI_COMM_WORLD);
    std::vector<std::string> texts(count);
    for (std::size_t r = 0; r < count; ++r) {
      texts[r] =
          all.substr(static_cast<std::size_t>(offsets[r]), static_cast<std::size_t>(sizes[r]));
    }
    return texts;
  }

  /// The text of rank `from`.
  std::string Broadcast(int from, const std::string& text) const {
    return Gather(rank_ == from ? text : std::string())[static_cast<std::size_t>(from)];
  }

  /// Gives every rank the key of rank `from`, without a copy of it on the way in this program.
  void BroadcastKey(int from, JobKey& key) const {
    MPI_Bcast(key.data(), static_cast<int>(key.size()), MPI_BYTE, from, MPI_COMM_WORLD);
  }

  /// OK where every rank's `local` is; else the lowest failing rank's code, and its message there
  /// alone.
  absl::Status Agree(const absl::Status& local) const {
    const int code = static_cast<int>(local.code());
    std::vector<int> codes(static_cast<std::size_t>(ranks_));
    MPI_Allgather(&code, 1, MPI_INT, codes.data(), 1, MPI_INT, MPI_COMM_WORLD);
    const auto failed = std::find_if(codes.begin(), codes.end(), [](int c) { return c != 0; });
    if (failed == codes.end()) return absl::OkStatus();
    if (failed - codes.begin() == rank_) return local;
    return absl::Status(static_cast<absl::StatusCode>(*failed), "");
  }

 private:
  int rank_ = 0;
  int ranks_ = 1;
};

absl::StatusOr<int> NumberFromEnvironment(const char* name) {
  const char* text = std::getenv(name);
  int number = 0;
  if (text != nullptr && absl::SimpleAtoi(text, &number)) return number;
  return absl::InvalidArgumentError(
      absl::StrCat(name, " is ", text == nullptr ? "missing" : "no number",
                   " though OMPI_COMM_WORLD_SIZE is set: was this started by mpirun?"));
}

std::string Print(const Endpoint& endpoint) {
  return absl::StrCat(endpoint.address, " ", endpoint.port);
}

Endpoint ParseEndpoint(const std::string& text) {
  const std::size_t space = text.find(' ');
  int port = 0;
  Check(space != std::string::npos && absl::SimpleAtoi(text.substr(space + 1), &port),
        "an endpoint is an address and a port");
  return {.address = text.substr(0, space), .port = static_cast<std::uint16_t>(port)};
}

absl::StatusOr<Listener> OpenListener(const std::vector<std::string>& hosts, int rank,
                                      const std::string& interface) {
  const absl::StatusOr<std::string> address = ListeningAddress(hosts, rank, interface);
  if (!address.ok()) return address.status();
  return Listener::Open(*address);
}

// Of every rank, by rank, where each listens at its own.
std::vector<Endpoint> GatherEndpoints(const MpiSession& mpi, const Listener& own) {
  std::vector<Endpoint> endpoints;
  for (const std::string& endpoint : mpi.Gather(Print(own.endpoint()))) {
    endpoints.push_back(ParseEndpoint(endpoint));
  }
  return endpoints;
}

absl::Status RunCheck(const RendezvousOptions& options, const std::string& note) {
  return options.check ? options.check(note) : absl::OkStatus();
}

// A killed parent takes this process with it from here on; `parent` is who it was before MPI began.
absl::Status TieLifeToParent(pid_t parent) {
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return ErrnoError(errno, "PR_SET_PDEATHSIG");
  // It may have died before the kernel was told.
  if (::getppid() != parent) return absl::AbortedError("mpirun ended during the rendezvous");
  return absl::OkStatus();
}

absl::StatusOr<Rendezvous> Meet(const MpiSession& mpi, const RendezvousOptions& options,
                                const LaunchPlace& place) {
  if (absl::Status ready = mpi.Agree(options.ready); !ready.ok()) return ready;
  Rendezvous met;
  met.place = place;
  met.hosts = mpi.Gather(HostName());
  met.leader = options.leader;
  met.note = mpi.Broadcast(options.leader, options.note);
  met.introductions = mpi.Gather(options.introduction);
  if (absl::Status seen = mpi.Agree(RunCheck(options, met.note)); !seen.ok()) return seen;
  if (mpi.ranks() == 1) return met;

  absl::StatusOr<Listener> listener = OpenListener(
      met.hosts, mpi.rank(), options.interface ? options.interface(met.note) : std::string());
  if (absl::Status all = mpi.Agree(listener.status()); !all.ok()) return all;
  met.endpoints = GatherEndpoints(mpi, *listener);
  if (options.later_meetings) {
    absl::StatusOr<Listener> door = Listener::Open(listener->endpoint().address);
    if (absl::Status all = mpi.Agree(door.status()); !all.ok()) return all;
    met.doors = GatherEndpoints(mpi, *door);
    met.door = *std::move(door);
  }
  met.listener = *std::move(listener);

  const absl::StatusOr<JobKey> key = MakeJobKey();
  if (absl::Status drawn = mpi.Agree(key.status()); !drawn.ok()) return drawn;
  met.key = *key;
  mpi.BroadcastKey(options.leader, met.key);
  return met;
}

}  // namespace

absl::StatusOr<LaunchPlace> FindLaunchPlace() {
  LaunchPlace place;
  if (std::getenv("OMPI_COMM_WORLD_SIZE") == nullptr) return place;
  place.by_mpirun = true;
  // cfrun has mpirun put it there (MpirunCommand).
  if (const char* launch = std::getenv("CF_LAUNCH"); launch != nullptr) place.launch = launch;
  if (const char* job = std::getenv("PMIX_NAMESPACE"); job != nullptr) place.job = job;
  for (const auto& [name, number] :
       {std::pair{"OMPI_COMM_WORLD_SIZE", &place.ranks},
        std::pair{"OMPI_COMM_WORLD_RANK", &place.rank},
        std::pair{"OMPI_COMM_WORLD_LOCAL_SIZE", &place.ranks_on_host}}) {
    const absl::StatusOr<int> value = NumberFromEnvironment(name);
    if (!value.ok()) return value.status();
    *number = *value;
  }
  if (place.rank < 0 || place.rank >= place.ranks || place.ranks_on_host < 1) {
    return absl::InvalidArgumentError(absl::StrCat("OMPI_COMM_WORLD_RANK is ", place.rank,
                                                   " of OMPI_COMM_WORLD_SIZE ", place.ranks));
  }
  return place;
}

absl::StatusOr<Rendezvous> MeetOverMpi(const RendezvousOptions& options) {
  const absl::StatusOr<LaunchPlace> place = FindLaunchPlace();
  if (!place.ok()) return place.status();
  if (!place->by_mpirun) {
    if (!options.ready.ok()) return options.ready;
    if (absl::Status seen = RunCheck(options, options.note); !seen.ok()) return seen;
    Rendezvous alone;
    alone.hosts = {HostName()};
    alone.note = options.note;
    alone.introductions = {options.introduction};
    return alone;
  }

  const pid_t parent = ::getppid();
  absl::StatusOr<Rendezvous> met = [&] {
    const MpiSession mpi;
    return Meet(mpi, options, *place);
  }();
  if (!met.ok()) return met;
  if (absl::Status tied = TieLifeToParent(parent); !tied.ok()) return tied;
  return met;
}

}  // namespace cf
