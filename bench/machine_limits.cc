// machine_limits DATA [BATCH]: what this machine allows a lazy Adam of dim 64 on a data set, as
// lines of "name value" that bench/run reads: how many random rows of a table of the model's size
// one thread and two update in a second, how many rows a batch touches for each sample, and how
// long a message takes to a loopback peer and back.

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include "common/base/check.h"
#include "common/dataset/dataset.h"
#include "common/kernels/kernels.h"
#include "common/math/random.h"
#include "common/model/layout.h"
#include "paramserver/arena.h"

namespace cf {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint32_t kDim = 64;
constexpr int kRuns = 5;

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

/// Rows with Adam's state, updated by the product's own kernel: the arithmetic and the memory
/// traffic of a step and nothing else.
class RandomRows {
 public:
  explicit RandomRows(std::uint32_t rows)
      : rows_(rows),
        layout_({.name = "rows", .rows = rows, .dim = kDim, .biases = true, .moments = 2}),
        arena_(Arena::Map(rows * layout_.stride() * sizeof(float)).value()) {
    for (std::size_t k = 0; k < rows * layout_.stride(); ++k) {
      reinterpret_cast<float*>(arena_.data())[k] = 0.01F;
    }
  }

  /// Rows a second of `threads` threads, each with a part of the table of its own.
  double Measure(std::uint32_t threads) {
    constexpr std::uint32_t kUpdates = 1 << 21;  // Of each thread: a fifth of a second or so.
    std::vector<std::vector<RowUpdate>> updates(threads);
    const std::vector<float> gradient(layout_.gradient_stride(), 1e-3F);
    for (std::uint32_t t = 0; t < threads; ++t) {
      const std::uint32_t share = rows_ / threads;
      for (std::uint32_t k = 0; k < kUpdates; ++k) {
        const std::uint64_t row =
            std::uint64_t{t} * share + random_.Bits64(std::uint64_t{t} * kUpdates + k) % share;
        updates[t].push_back(
            {.row = reinterpret_cast<float*>(arena_.data()) + row * layout_.stride(),
             .gradient = gradient.data()});
      }
    }
    std::vector<double> rates;
    for (int run = 0; run < kRuns; ++run) {
      const Clock::time_point start = Clock::now();
      {
        std::vector<std::jthread> running;
        for (const std::vector<RowUpdate>& of_thread : updates) {
          running.emplace_back([&of_thread] { Update(of_thread); });
        }
      }
      rates.push_back(threads * kUpdates / SecondsSince(start));
    }
    return Median(rates);
  }

 private:
  static void Update(const std::vector<RowUpdate>& updates) {
    SetFloatMode();
    const OptimizerStep step = {.kind = OptimizerStep::Kind::kAdam,
                                .learning_rate = 1e-3F,
                                .bias_learning_rate = 1e-3F,
                                .beta1 = 0.9F,
                                .beta2 = 0.999F,
                                .one_minus_beta1 = 0.1F,
                                .one_minus_beta2 = 0.001F,
                                .epsilon = 1e-7F,
                                .l2_vector = 2e-6F,
                                .padded_dim = kDim};
    KernelsFor(KernelTarget::kBest).value()->update_rows(step, updates, nullptr);
  }

  std::uint32_t rows_;
  RowLayout layout_;
  Arena arena_;
  CounterRandom random_{1, Purpose::kSynth};
};

/// Different users and items in batches of random samples, for each sample.
double RowsPerSample(const Dataset& data, std::uint32_t batch) {
  constexpr std::uint64_t kBatches = 64;
  const CounterRandom random(2, Purpose::kSynth);
  std::vector<std::uint64_t> user_seen(data.users(), 0);
  std::vector<std::uint64_t> item_seen(data.items(), 0);
  std::uint64_t rows = 0;
  for (std::uint64_t k = 0; k < kBatches * batch; ++k) {
    const std::uint64_t sample = random.Bits64(k) % data.samples();
    const auto user =
        std::upper_bound(data.user_offsets().begin(), data.user_offsets().end(), sample) -
        data.user_offsets().begin() - 1;
    const std::uint64_t this_batch = k / batch + 1;
    std::uint64_t& user_batch = user_seen[static_cast<std::size_t>(user)];
    std::uint64_t& item_batch = item_seen[Index(data.item_column()[sample])];
    rows += (user_batch != this_batch ? 1 : 0) + (item_batch != this_batch ? 1 : 0);
    user_batch = item_batch = this_batch;
  }
  return static_cast<double>(rows) / static_cast<double>(kBatches * batch);
}

using Message = std::array<char, 64>;

bool Send(int socket, const Message& message) {
  return ::send(socket, message.data(), message.size(), MSG_NOSIGNAL) ==
         static_cast<ssize_t>(message.size());
}

bool Receive(int socket, Message* message) {
  return ::recv(socket, message->data(), message->size(), MSG_WAITALL) ==
         static_cast<ssize_t>(message->size());
}

/// Of a message of 64 bytes between two threads that sleep in between, in seconds.
double LoopbackRoundTrip() {
  constexpr int kMessages = 2000;
  const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  Check(::bind(listener, generic, size) == 0 && ::listen(listener, 1) == 0 &&
            ::getsockname(listener, generic, &size) == 0,
        "there is a loopback device");
  const int near = ::socket(AF_INET, SOCK_STREAM, 0);
  Check(::connect(near, generic, size) == 0, "the listener takes a connection");
  const int far = ::accept(listener, nullptr, nullptr);
  const int on = 1;
  for (const int socket : {near, far}) {
    Check(::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0, "it is TCP");
  }
  std::jthread echo([far] {
    for (Message message; Receive(far, &message) && Send(far, message);) {
    }
  });
  std::vector<double> trips;
  Message message{};
  for (int k = 0; k < kMessages; ++k) {
    const Clock::time_point start = Clock::now();
    Check(Send(near, message) && Receive(near, &message), "the echo answers");
    trips.push_back(SecondsSince(start));
  }
  ::shutdown(near, SHUT_RDWR);
  echo.join();
  for (const int socket : {near, far, listener}) ::close(socket);
  return Median(trips);
}

int Main(int argc, char** argv) {
  const int batch = argc > 2 ? std::atoi(argv[2]) : 4096;
  if (argc < 2 || batch < 1) {
    std::fputs("usage: machine_limits DATA [BATCH]\n", stderr);
    return 2;
  }
  const absl::StatusOr<Dataset> data = Dataset::Open(argv[1]);
  if (!data.ok()) {
    std::fprintf(stderr, "machine_limits: %s\n", std::string(data.status().message()).c_str());
    return 2;
  }
  RandomRows rows(data->users() + data->items());
  std::printf("rows_per_second_1 %.0f\n", rows.Measure(1));
  std::printf("rows_per_second_2 %.0f\n", rows.Measure(2));
  std::printf("rows_per_sample %.4f\n", RowsPerSample(*data, static_cast<std::uint32_t>(batch)));
  std::printf("loopback_seconds %.9f\n", LoopbackRoundTrip());
  return 0;
}

}  // namespace
}  // namespace cf

int main(int argc, char** argv) {
  return cf::Main(argc, argv);
}
