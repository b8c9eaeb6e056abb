// serving_load: asks an HTTP server on loopback for lists, as fast as it answers or at a given rate, and
// prints what came of it as one line of JSON.
//
//     serving_load PORT USERS --connections 32 --seconds 10 [--rate R] [--path healthz]
//                  [--expect ANSWERS ...]
//
// USERS: a file with a raw id in each line, asked for in a fixed random order. With --rate requests are due
// at even times whether or not the ones before are answered (an open loop), and the time of each counts from when it
// was due, so that a server that stalls pays for all whom it kept waiting. --expect: files of right answers, a line
// "USER<tab>BODY" each; an answer has to be that of one file, wholly. The file's number is its place in "answers".

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <fcntl.h>
#include <fstream>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <random>
#include <string>
#include <string_view>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <unordered_map>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

struct Flags {
  std::uint16_t port = 0;
  std::string users;
  std::size_t connections = 32;
  double seconds = 10;
  double rate = 0;  // Requests a second; 0: as many as are answered.
  std::string path;
  std::vector<std::string> expect;
};

[[noreturn]] void Fail(const std::string& reason) {
  std::fprintf(stderr, "serving_load: %s\n", reason.c_str());
  std::exit(1);
}

Flags ReadFlags(int argc, char** argv) {
  Flags flags;
  if (argc < 3) Fail("PORT and USERS are missing");
  flags.port = static_cast<std::uint16_t>(std::atoi(argv[1]));
  flags.users = argv[2];
  for (int k = 3; k < argc; ++k) {
    const std::string flag = argv[k];
    if (k + 1 == argc) Fail(flag + " has no value");
    const std::string value = argv[++k];
    if (flag == "--connections") {
      flags.connections = static_cast<std::size_t>(std::atoll(value.c_str()));
    } else if (flag == "--seconds") {
      flags.seconds = std::atof(value.c_str());
    } else if (flag == "--rate") {
      flags.rate = std::atof(value.c_str());
    } else if (flag == "--path") {
      flags.path = value;
    } else if (flag == "--expect") {
      flags.expect.push_back(value);
    } else {
      Fail("no flag " + flag);
    }
  }
  return flags;
}

/// One connection, with at most one request under way.
struct Connection {
  int socket = -1;
  bool busy = false;
  std::size_t user = 0;
  Clock::time_point due;
  std::string received;
};

/// What was measured.
struct Figures {
  std::uint64_t answered = 0;
  std::uint64_t refused = 0;  // 503.
  std::uint64_t wrong = 0;    // Any other answer that is not the right one.
  std::vector<std::uint64_t> by_file;
  std::vector<float> milliseconds;
};

class Load {
 public:
  explicit Load(Flags flags) : flags_(std::move(flags)), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    std::ifstream file(flags_.users);
    for (std::string line; std::getline(file, line);) users_.push_back(line);
    if (users_.empty()) Fail(flags_.users + ": no users");
    std::shuffle(users_.begin(), users_.end(), std::mt19937_64(20261129));
    for (const std::string& user : users_) {
      const std::string path =
          flags_.path.empty() ? "v1/users/" + user + "/recommendations?k=10" : flags_.path;
      requests_.push_back("GET /" + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
    }
    for (const std::string& path : flags_.expect) ReadExpected(path);
    figures_.by_file.resize(expected_.size());
    connections_.resize(flags_.connections);
    for (std::size_t k = 0; k < connections_.size(); ++k) Connect(k);
  }

  void Run() {
    const Clock::time_point begin = Clock::now();
    const Clock::time_point end = begin + std::chrono::duration_cast<Clock::duration>(
                                              std::chrono::duration<double>(flags_.seconds));
    if (flags_.rate > 0) {
      RunAtRate(begin, end);
    } else {
      for (std::size_t k = 0; k < connections_.size(); ++k) Ask(k, Clock::now());
      while (Clock::now() < end) Await(-1, true);
    }
    Print(std::chrono::duration<double>(Clock::now() - begin).count());
  }

 private:
  void ReadExpected(const std::string& path) {
    auto& answers = expected_.emplace_back();
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);) {
      const std::size_t tab = line.find('\t');
      answers[line.substr(0, tab)] = line.substr(tab + 1);
    }
    if (answers.empty()) Fail(path + ": no answers");
  }

  void Connect(std::size_t k) {
    Connection& connection = connections_[k];
    connection.socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in to = {};
    to.sin_family = AF_INET;
    to.sin_port = htons(flags_.port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(connection.socket, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) {
      Fail("cannot connect");
    }
    const int yes = 1;
    ::setsockopt(connection.socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    ::fcntl(connection.socket, F_SETFL, O_NONBLOCK);
    epoll_event event = {};
    event.events = EPOLLIN;
    event.data.u64 = k;
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, connection.socket, &event);
  }

  void Ask(std::size_t k, Clock::time_point due) {
    Connection& connection = connections_[k];
    connection.busy = true;
    connection.due = due;
    connection.user = next_user_;
    next_user_ = (next_user_ + 1) % users_.size();
    const std::string& request = requests_[connection.user];
    if (::send(connection.socket, request.data(), request.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(request.size())) {
      Fail("a request was not taken");
    }
  }

  // Asks at even times, as far as there are connections; those that have to wait for one are due all the same.
  void RunAtRate(Clock::time_point begin, Clock::time_point end) {
    const auto gap =
        std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(1 / flags_.rate));
    for (std::size_t k = 0; k < connections_.size(); ++k) free_.push_back(k);
    Clock::time_point due = begin;
    while (due < end) {
      const Clock::time_point now = Clock::now();
      while (due <= now && due < end && !free_.empty()) {
        Ask(free_.front(), due);
        free_.pop_front();
        due += gap;
      }
      const auto left = std::chrono::duration_cast<std::chrono::nanoseconds>(due - Clock::now());
      Await(free_.empty() ? -1 : std::max<std::int64_t>(0, left.count()), false);
    }
    while (free_.size() < connections_.size()) Await(-1, false);
  }

  // Waits for answers, for so many nanoseconds at most (-1: any).
  void Await(std::int64_t nanoseconds, bool ask_again) {
    epoll_event events[64];
    timespec most = {.tv_sec = nanoseconds / 1'000'000'000, .tv_nsec = nanoseconds % 1'000'000'000};
    const int count =
        ::epoll_pwait2(epoll_, events, 64, nanoseconds < 0 ? nullptr : &most, nullptr);
    for (int e = 0; e < count; ++e) {
      const std::size_t k = events[e].data.u64;
      if (!Receive(connections_[k])) continue;
      if (ask_again) {
        Ask(k, Clock::now());
      } else {
        free_.push_back(k);
      }
    }
  }

  // Whether an answer has come whole.
  bool Receive(Connection& connection) {
    char bytes[16384];
    const ssize_t got = ::recv(connection.socket, bytes, sizeof bytes, 0);
    if (got <= 0) Fail("a connection ended");
    std::string& text = connection.received;
    text.append(bytes, static_cast<std::size_t>(got));
    const std::size_t header = text.find("\r\n\r\n");
    if (header == std::string::npos) return false;
    std::size_t length = text.find("ontent-Length: ");
    if (length == std::string::npos) length = text.find("ontent-length: ");
    const auto body = static_cast<std::size_t>(std::atoll(text.c_str() + length + 15));
    if (text.size() < header + 4 + body) return false;
    Judge(connection, std::atoi(text.c_str() + 9), std::string_view(text).substr(header + 4));
    text.clear();
    connection.busy = false;
    return true;
  }

  void Judge(const Connection& connection, int status, std::string_view body) {
    const std::chrono::duration<float, std::milli> took = Clock::now() - connection.due;
    figures_.milliseconds.push_back(took.count());
    if (status == 503) {
      ++figures_.refused;
      return;
    }
    bool right = status == 200;
    if (right && !expected_.empty()) {
      right = false;
      for (std::size_t f = 0; f < expected_.size() && !right; ++f) {
        right = expected_[f].at(users_[connection.user]) == body;
        if (right) ++figures_.by_file[f];
      }
    }
    ++(right ? figures_.answered : figures_.wrong);
  }

  void Print(double seconds) {
    std::vector<float>& times = figures_.milliseconds;
    std::sort(times.begin(), times.end());
    const auto at = [&times](double share) {
      return times.empty()
                 ? 0.0F
                 : times[static_cast<std::size_t>(share * static_cast<double>(times.size() - 1))];
    };
    std::printf(
        "{\"answered\": %llu, \"refused\": %llu, \"wrong\": %llu, \"seconds\": %.3f, \"rate\": "
        "%.1f, "
        "\"p50\": %.4f, \"p90\": %.4f, \"p99\": %.4f, \"p999\": %.4f, \"max\": %.4f, \"answers\": "
        "[",
        static_cast<unsigned long long>(figures_.answered),
        static_cast<unsigned long long>(figures_.refused),
        static_cast<unsigned long long>(figures_.wrong), seconds,
        static_cast<double>(figures_.answered) / seconds, at(.5), at(.9), at(.99), at(.999), at(1));
    for (std::size_t f = 0; f < figures_.by_file.size(); ++f) {
      std::printf("%s%llu", f == 0 ? "" : ", ",
                  static_cast<unsigned long long>(figures_.by_file[f]));
    }
    std::printf("]}\n");
  }

  Flags flags_;
  int epoll_;
  std::vector<std::string> users_;
  std::vector<std::string> requests_;  // By user.
  std::vector<std::unordered_map<std::string, std::string>> expected_;
  std::vector<Connection> connections_;
  std::deque<std::size_t> free_;
  std::size_t next_user_ = 0;
  Figures figures_;
};

}  // namespace

int main(int argc, char** argv) {
  Load(ReadFlags(argc, argv)).Run();
  return 0;
}
