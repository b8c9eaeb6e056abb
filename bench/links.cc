// links RATE_MBIT NAMESPACE:LATENCY_US...: a switch between network namespaces, each of which gets
// a TAP device eth0. What a namespace sends and receives takes its time at the rate of its link,
// and arrives the latency of both ends later. Prints "ready" and runs until it is killed. A part of
// bench/delay, which sets up the addresses; kernels without netem have no other way to be late.

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <map>
#include <poll.h>
#include <queue>
#include <sched.h>
#include <string>
#include <sys/ioctl.h>
#include <unistd.h>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
using Address = std::array<unsigned char, 6>;

// TCP hands over up to 64 KiB at once, for a network card to cut.
constexpr std::size_t kFrameBytesMax = (1 << 16) + 256;
// virtio_net_hdr, whose header is not C++: how the kernel left checksums and cuts to the card.
constexpr std::size_t kHeaderBytes = 10;

struct Link {
  int tap = -1;
  Clock::duration latency{};
  Clock::time_point sent{};      // When what it sends has left,
  Clock::time_point received{};  // and what it is sent has come in.
};

struct Frame {
  Clock::time_point due{};
  std::uint64_t number = 0;  // Frames of one time stay in order.
  std::size_t to = 0;
  std::vector<unsigned char> bytes{};

  bool operator>(const Frame& other) const {
    return due != other.due ? due > other.due : number > other.number;
  }
};

[[noreturn]] void Die(const std::string& what) {
  std::perror(("links: " + what).c_str());
  std::exit(1);
}

int OpenTap(const std::string& space) {
  const int net = ::open(("/run/netns/" + space).c_str(), O_RDONLY);
  if (net < 0 || ::setns(net, CLONE_NEWNET) != 0) Die("entering " + space);
  ::close(net);
  const int tap = ::open("/dev/net/tun", O_RDWR | O_NONBLOCK);
  if (tap < 0) Die("/dev/net/tun");
  ifreq request = {};
  std::strcpy(request.ifr_name, "eth0");
  request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
  if (::ioctl(tap, TUNSETIFF, &request) != 0) Die("TUNSETIFF");
  if (::ioctl(tap, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4) != 0) Die("TUNSETOFFLOAD");
  return tap;
}

class Switch {
 public:
  Switch(std::vector<Link> links, double bytes_per_second)
      : links_(std::move(links)), bytes_per_second_(bytes_per_second) {}

  [[noreturn]] void Run() {
    std::vector<pollfd> taps;
    for (const Link& link : links_) taps.push_back({link.tap, POLLIN, 0});
    for (;;) {
      timespec wait = {.tv_sec = 1, .tv_nsec = 0};
      if (!late_.empty()) {
        const auto left =
            std::chrono::duration_cast<std::chrono::nanoseconds>(late_.top().due - Clock::now());
        wait = {.tv_sec = 0, .tv_nsec = std::clamp<long>(left.count(), 0, 999'999'999)};
      }
      ::ppoll(taps.data(), taps.size(), &wait, nullptr);
      for (std::size_t from = 0; from < links_.size(); ++from) Read(from);
      while (!late_.empty() && late_.top().due <= Clock::now()) {
        const Frame& frame = late_.top();
        if (::write(links_[frame.to].tap, frame.bytes.data(), frame.bytes.size()) < 0) ++dropped_;
        late_.pop();
      }
    }
  }

 private:
  void Read(std::size_t from) {
    for (;;) {
      const ssize_t bytes = ::read(links_[from].tap, buffer_.data(), buffer_.size());
      if (bytes < static_cast<ssize_t>(kHeaderBytes + 14)) return;
      const unsigned char* const frame = buffer_.data() + kHeaderBytes;
      Address destination;
      Address source;
      std::copy_n(frame, 6, destination.begin());
      std::copy_n(frame + 6, 6, source.begin());
      places_[source] = from;
      const auto known = places_.find(destination);
      for (std::size_t to = 0; to < links_.size(); ++to) {
        if (to == from || (known != places_.end() && known->second != to)) continue;
        Pass(from, to, static_cast<std::size_t>(bytes));
      }
    }
  }

  void Pass(std::size_t from, std::size_t to, std::size_t bytes) {
    const auto takes = std::chrono::duration_cast<Clock::duration>(
        std::chrono::duration<double>(static_cast<double>(bytes) / bytes_per_second_));
    Link& sender = links_[from];
    Link& receiver = links_[to];
    sender.sent = std::max(sender.sent, Clock::now()) + takes;
    const Clock::time_point arrives = sender.sent + sender.latency + receiver.latency;
    receiver.received = std::max(receiver.received + takes, arrives);
    late_.push({.due = receiver.received,
                .number = number_++,
                .to = to,
                .bytes = {buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(bytes)}});
  }

  std::vector<Link> links_;
  const double bytes_per_second_;
  std::map<Address, std::size_t> places_;  // Which link a device is at.
  std::priority_queue<Frame, std::vector<Frame>, std::greater<>> late_;
  std::uint64_t number_ = 0;
  std::uint64_t dropped_ = 0;  // TCP sends them again.
  std::vector<unsigned char> buffer_ = std::vector<unsigned char>(kHeaderBytes + kFrameBytesMax);
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fputs("usage: links RATE_MBIT NAMESPACE:LATENCY_US...\n", stderr);
    return 2;
  }
  std::vector<Link> links;
  for (int k = 2; k < argc; ++k) {
    const std::string word = argv[k];
    const std::size_t colon = word.find(':');
    Link link;
    link.tap = OpenTap(word.substr(0, colon));
    link.latency = std::chrono::microseconds(std::atoi(word.c_str() + colon + 1));
    links.push_back(link);
  }
  std::puts("ready");
  std::fflush(stdout);
  Switch(std::move(links), std::atof(argv[1]) * 1e6 / 8).Run();
}
