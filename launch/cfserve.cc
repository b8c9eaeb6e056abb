// cfserve: answers recommendations and predictions of a trained model over HTTP.

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <future>
#include <malloc.h>
#include <memory>
#include <string>
#include <sys/resource.h>
#include <thread>
#include <utility>
#include <vector>

#include <absl/status/status.h>
#include <absl/strings/ascii.h>
#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>

#include "common/base/files.h"
#include "common/base/status.h"
#include "common/text/display.h"
#include "common/text/memory_size.h"
#include "launch/command_line.h"
#include "launch/program.h"
#include "serving/server/service.h"

namespace cf {
namespace {

// What a request gives back the allocator keeps for the next one, up to so much a thread: the matrices that
// somebody is folded in with would otherwise be mapped and cleared again for each.
constexpr int kMemoryKept = 4 << 20;

// How often the path is looked at for another model.
constexpr long kLookNanoseconds = 250'000'000;

struct Flags {
  ModelService::Options service;
  std::string memory;
  std::string token_file;
  std::uint32_t port = 8080;
  std::uint32_t notice_seconds = 1;
  std::uint32_t drain_seconds = 30;
};

void Say(const std::string& text) {
  std::fprintf(stderr, "cfserve: %s\n", Printable(text).c_str());
}

void AddFlags(ArgumentParser& parser, Flags& flags) {
  ModelService::Options& service = flags.service;
  OpenModel::Options& model = service.paths.model;
  service.http.workers = std::max(1U, std::thread::hardware_concurrency());
  service.access_log = "-";
  parser
      .Option(
          "MODEL", model.snapshot,
          "RUN/snapshots/best, RUN/snapshots/latest, a manifest, or the folder of an npy export")
      .Required();
  parser.Option("--data", model.data, "Folder of the data set, where it has moved");
  parser.Option(
      "--memory", flags.memory,
      "Memory that a model may take beside the data set, which is mapped, such as 2GiB (a "
      "bare number is MiB)");
  parser
      .Option(
          "--rank", service.paths.rank.snapshot,
          "Another model of the same data set, which scores what the first one proposes: a ranker "
          "behind a retrieval")
      .TypeName("MODEL");
  parser
      .Option("--proposed", service.limits.proposed, "Items of a user that the other model scores")
      .ShowDefault()
      .Between(1, 1'000'000);
  parser.Option("--address", service.http.address, "Address to listen on, in figures")
      .ShowDefault();
  parser.Option("--port", flags.port, "Port to listen on; 0: one that is free")
      .ShowDefault()
      .Between(0, 65535);
  parser
      .Option(
          "--host", service.http.hosts,
          "A name by which clients may call this server, beside localhost and addresses; repeated")
      .OneValueEach();
  parser.Option("--token-file", flags.token_file,
                "File of a token that requests must bear (Authorization: Bearer TOKEN)");
  parser.Option(
      "--tls-certificate", flags.service.http.tls_certificate,
      "File of a certificate in PEM, with those that it rests on; then only TLS is spoken");
  parser.Option("--tls-key", flags.service.http.tls_key, "File of its key");
  parser.Option("--threads", service.http.workers, "Threads that make answers (all of the machine)")
      .Between(1, 1024);
  parser.Option("--connections", service.http.connections_max, "Connections that may be open")
      .ShowDefault()
      .Between(1, 1'000'000);
  parser
      .Option("--queue", service.http.waiting_max,
              "Requests that may wait for a thread; further ones are asked to come again")
      .ShowDefault()
      .Between(1, 1'000'000);
  parser.Option("--k-max", service.limits.list_max, "Longest list of items that may be asked for")
      .ShowDefault()
      .Between(1, 1'000'000);
  parser
      .Option("--access-log", service.access_log,
              "File to which a line for each request is added; -: standard output; none")
      .ShowDefault();
  parser
      .Option("--notice-seconds", flags.notice_seconds,
              "How long it still answers after it was told to end, saying that it is not ready")
      .ShowDefault();
  parser
      .Option("--drain-seconds", flags.drain_seconds,
              "How long it then waits for answers that are under way")
      .ShowDefault();
  parser.Footer(
      "SIGTERM ends it when what was asked has been answered; SIGHUP, or another model at the path "
      "(a link that was swapped), has it open that one, while the old one is served.");
}

// As many open files as the connections want, as far as the system lets; what it does not let, the
// server does without.
void AskForDescriptors(std::size_t connections) {
  rlimit limit = {};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = std::max(limit.rlim_cur, std::min<rlim_t>(limit.rlim_max, connections + 256));
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

absl::Status ReadFlags(Flags& flags) {
  if (!flags.memory.empty()) {
    const absl::StatusOr<std::uint64_t> bytes = ParseMemorySize(flags.memory);
    if (!bytes.ok()) return Because(bytes.status(), "--memory");
    flags.service.paths.model.memory = *bytes;
    flags.service.paths.rank.memory = *bytes;
  }
  flags.service.paths.rank.data = flags.service.paths.model.data;
  flags.service.http.port = static_cast<std::uint16_t>(flags.port);
  if (flags.service.access_log == "none") flags.service.access_log.clear();
  if (flags.token_file.empty()) return absl::OkStatus();
  absl::StatusOr<std::string> token = ReadFile(flags.token_file);
  if (!token.ok()) return Because(token.status(), "--token-file");
  absl::StripAsciiWhitespace(&*token);
  if (token->empty()) {
    return absl::InvalidArgumentError(absl::StrCat(flags.token_file, ": holds no token"));
  }
  flags.service.http.token = *std::move(token);
  return absl::OkStatus();
}

/// The signals that the program waits for, and that interrupt none of its threads.
class Signals {
 public:
  /// To be made before any thread is.
  Signals() {
    ::sigemptyset(&set_);
    for (const int signal : {SIGTERM, SIGINT, SIGHUP}) ::sigaddset(&set_, signal);
    ::pthread_sigmask(SIG_BLOCK, &set_, nullptr);
  }

  /// The next signal; 0 where none comes within a moment.
  int Next() const {
    const timespec most = {.tv_sec = 0, .tv_nsec = kLookNanoseconds};
    const int signal = ::sigtimedwait(&set_, nullptr, &most);
    return signal < 0 ? 0 : signal;
  }

 private:
  sigset_t set_ = {};
};

std::string NameOf(const LiveModel& model) {
  const auto name = [](const LiveModel::Name& of) {
    return absl::StrCat(of.version, ", digest ", of.digest);
  };
  return absl::StrCat(
      name(model.name()),
      model.rank_name() == nullptr ? "" : absl::StrCat("; ranked by ", name(*model.rank_name())));
}

/// Opens models on a thread of its own, one at a time.
///
/// Owner:   the main thread, which alone calls it.
/// Invariants: a wish that comes while a model is opened is not lost.
class Opener {
 public:
  explicit Opener(ModelKeeper& keeper) : keeper_(keeper) {}

  void Wish() { wished_ = true; }

  /// Tells of what has been opened, and opens what is wished for.
  void Look() {
    if (opening_.valid()) {
      if (opening_.wait_for(std::chrono::seconds(0)) != std::future_status::ready) return;
      const absl::Status opened = opening_.get();
      Say(opened.ok() ? absl::StrCat("now serving ", NameOf(*keeper_.Current()))
                      : absl::StrCat("still serving ", NameOf(*keeper_.Current()), ": ",
                                     std::string(opened.message())));
    }
    if (!wished_ && !keeper_.HasMoved()) return;
    wished_ = false;
    opening_ = std::async(std::launch::async, [this] { return keeper_.Open(); });
  }

 private:
  ModelKeeper& keeper_;
  bool wished_ = false;
  std::future<absl::Status> opening_;
};

void ServeUntilTold(const Signals& signals, ModelService& service) {
  Opener opener(service.keeper());
  for (;;) {
    const int signal = signals.Next();
    if (signal == SIGHUP) opener.Wish();
    if (signal == SIGTERM || signal == SIGINT) return;
    opener.Look();
  }
}

// Goes on answering until the notice is over, or it is told again.
void GiveNotice(const Signals& signals, std::chrono::seconds notice) {
  const auto end = std::chrono::steady_clock::now() + notice;
  while (std::chrono::steady_clock::now() < end) {
    const int signal = signals.Next();
    if (signal == SIGTERM || signal == SIGINT) return;
  }
}

absl::StatusOr<ExitCode> Main(int argc, char** argv) {
  Flags flags;
  ArgumentParser parser("cfserve",
                        "Answers recommendations and predictions of a trained model over HTTP.");
  AddFlags(parser, flags);
  if (const std::optional<ExitCode> ended = ParseWords(parser, {argv + 1, argv + argc})) {
    return *ended;
  }
  if (absl::Status read = ReadFlags(flags); !read.ok()) return read;
  AskForDescriptors(flags.service.http.connections_max);
  ::mallopt(M_MMAP_THRESHOLD, kMemoryKept);
  ::mallopt(M_TRIM_THRESHOLD, kMemoryKept);
  const Signals signals;
  absl::StatusOr<std::unique_ptr<ModelService>> service = ModelService::Start(flags.service);
  if (!service.ok()) return service.status();
  const std::string& address = flags.service.http.address;
  const bool tls = !flags.service.http.tls_key.empty();
  const bool v6 = absl::StrContains(address, ':');
  Say(absl::StrCat("serving ", NameOf(*(*service)->keeper().Current()), " at http", tls ? "s" : "",
                   "://", v6 ? "[" : "", address, v6 ? "]" : "", ":", (*service)->port(), "/"));
  ServeUntilTold(signals, **service);
  Say("no longer ready; answering what is asked");
  (*service)->BeginEnd();
  GiveNotice(signals, std::chrono::seconds(flags.notice_seconds));
  if (!(*service)->Drain(std::chrono::seconds(flags.drain_seconds))) {
    return absl::DeadlineExceededError(
        absl::StrCat("some requests were not answered within ", flags.drain_seconds, " s"));
  }
  return kExitFinished;
}

}  // namespace
}  // namespace cf

int main(int argc, char** argv) {
  cf::BeginProgram();
  return cf::EndProgram("cfserve", cf::Main(argc, argv));
}
