#include "launch/doctor_link.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include <absl/strings/str_cat.h>

#include "common/base/check.h"

namespace cf {
namespace {

constexpr std::size_t kBytesMin = std::size_t{16} << 10;
constexpr std::size_t kBytesMax = std::size_t{16} << 20;
// What takes so long is measured well enough. A way of 1 Mbit/s takes as long for kBytesMin.
constexpr double kSecondsEnough = 0.05;
constexpr int kRoundTrips = 20;

}  // namespace

std::vector<std::vector<int>> RoundsOf(int count) {
  // All but the last sit at a round table that turns by one; opposite ones meet, and the last meets
  // who has nobody opposite.
  const int seats = count % 2 == 0 ? count - 1 : count;
  std::vector<std::vector<int>> rounds;
  for (int round = 0; round < seats; ++round) {
    std::vector<int> partner(static_cast<std::size_t>(count));
    for (int k = 0; k < seats; ++k) {
      int other = (2 * seats + round - k) % seats;
      if (other == k && seats < count) other = count - 1;
      partner[static_cast<std::size_t>(k)] = other;
      if (other == count - 1 && seats < count) partner[static_cast<std::size_t>(other)] = k;
    }
    rounds.push_back(std::move(partner));
  }
  return rounds;
}

absl::StatusOr<std::unique_ptr<DoctorLink>> DoctorLink::Connect(Listener listener,
                                                                Mesh::Options options) {
  std::unique_ptr<DoctorLink> link(new DoctorLink(options.timeout));
  options.limits.payload_bytes_max = static_cast<std::uint32_t>(kBytesMax);
  absl::StatusOr<std::unique_ptr<Mesh>> mesh =
      Mesh::Connect(std::move(listener), std::move(options), link->Handlers());
  if (!mesh.ok()) return mesh.status();
  std::vector<Question> early;
  {
    const std::lock_guard lock(link->mutex_);
    link->mesh_ = *std::move(mesh);
    early.swap(link->early_);
  }
  for (const Question& question : early) link->Answer(question);
  return link;
}

Mesh::Handlers DoctorLink::Handlers() {
  const auto gone = [this](int peer) {
    {
      const std::lock_guard lock(mutex_);
      gone_.insert(peer);
    }
    changed_.notify_all();
  };
  return {.on_message = [this](int from, const Message& message) { Hear(from, message); },
          .on_lost = [gone](int peer, const absl::Status&) { gone(peer); },
          .on_left = gone};
}

void DoctorLink::Hear(int from, const Message& message) {
  DoctorMessage heard;
  if (!heard.ParseFromString(message.control)) return;  // Of no rank of this version.
  if (heard.has_ask()) {
    const Question question{.from = from,
                            .answer_bytes = static_cast<std::size_t>(
                                std::min<std::uint64_t>(heard.ask().answer_bytes(), kBytesMax))};
    {
      // Whoever is connected to all does not wait for those who are not.
      const std::lock_guard lock(mutex_);
      if (mesh_ == nullptr) return early_.push_back(question);
    }
    return Answer(question);
  }
  {
    const std::lock_guard lock(mutex_);
    if (heard.has_answer()) ++answers_;
    if (heard.has_done()) done_.insert(from);
    if (heard.has_report()) reports_[from] = heard.report();
  }
  changed_.notify_all();
}

void DoctorLink::Answer(const Question& question) {
  DoctorMessage answer;
  answer.mutable_answer();
  Send(question.from, answer, question.answer_bytes);
}

void DoctorLink::Send(int to, const DoctorMessage& message, std::size_t payload_bytes) {
  Buffer payload = mesh_->pool().Take(payload_bytes);
  if (payload_bytes > 0) std::memset(payload.data(), 0, payload_bytes);
  mesh_->Send(to, {.control = message.SerializeAsString(), .payload = std::move(payload)});
}

template <class Predicate>
absl::Status DoctorLink::Await(int peer, Predicate holds) {
  std::unique_lock lock(mutex_);
  const auto over = [&] { return holds() || gone_.contains(peer); };
  if (!changed_.wait_for(lock, patience_, over)) {
    return absl::DeadlineExceededError(
        absl::StrCat("no answer within ", patience_.count() / 1000, " s"));
  }
  return holds() ? absl::OkStatus() : absl::UnavailableError("the connection was lost");
}

absl::StatusOr<double> DoctorLink::Ask(int peer, std::size_t bytes, std::size_t answer_bytes) {
  using Clock = std::chrono::steady_clock;
  std::uint64_t before = 0;
  {
    const std::lock_guard lock(mutex_);
    before = answers_;
  }
  DoctorMessage ask;
  ask.mutable_ask()->set_answer_bytes(answer_bytes);
  const Clock::time_point begin = Clock::now();
  Send(peer, ask, bytes);
  absl::Status answered = Await(peer, [&] { return answers_ > before; });
  if (!answered.ok()) return answered;
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

absl::StatusOr<double> DoctorLink::BytesPerSecond(int peer, bool back, double round_trip) {
  for (std::size_t bytes = kBytesMin;; bytes *= 2) {
    const absl::StatusOr<double> seconds = Ask(peer, back ? 0 : bytes, back ? bytes : 0);
    if (!seconds.ok()) return seconds;
    if (*seconds < kSecondsEnough && bytes < kBytesMax) continue;
    // Never less than a tenth of what was measured, of which the round trip may be an accident.
    return static_cast<double>(bytes) / std::max(*seconds - round_trip, *seconds / 10);
  }
}

absl::Status DoctorLink::Measure(int peer, PairSpeed& speed) {
  double round_trip = std::numeric_limits<double>::infinity();
  for (int k = 0; k < kRoundTrips; ++k) {
    const absl::StatusOr<double> seconds = Ask(peer, 0, 0);
    if (!seconds.ok()) return seconds.status();
    round_trip = std::min(round_trip, *seconds);
  }
  speed.set_round_trip_seconds(round_trip);
  const absl::StatusOr<double> there = BytesPerSecond(peer, /*back=*/false, round_trip);
  if (!there.ok()) return there.status();
  speed.set_there_bytes_per_second(*there);
  const absl::StatusOr<double> back = BytesPerSecond(peer, /*back=*/true, round_trip);
  if (!back.ok()) return back.status();
  speed.set_back_bytes_per_second(*back);
  return absl::OkStatus();
}

std::vector<PairSpeed> DoctorLink::MeasureWays(const std::vector<int>& ranks) {
  const auto self = std::ranges::find(ranks, mesh_->rank());
  Check(self != ranks.end(), "this rank is one of those that measure");
  const auto place = static_cast<std::size_t>(self - ranks.begin());
  std::vector<PairSpeed> speeds;
  for (const std::vector<int>& partner : RoundsOf(static_cast<int>(ranks.size()))) {
    const auto other = static_cast<std::size_t>(partner[place]);
    if (other == place) continue;
    const int peer = ranks[other];
    if (other < place) {
      // Where it does not come, it says so itself, or is lost, and rank 0 hears of that.
      Await(peer, [&] { return done_.contains(peer); }).IgnoreError();
      continue;
    }
    PairSpeed& speed = speeds.emplace_back();
    speed.set_from_rank(static_cast<std::uint32_t>(mesh_->rank()));
    speed.set_to_rank(static_cast<std::uint32_t>(peer));
    if (const absl::Status measured = Measure(peer, speed); !measured.ok()) {
      speed.set_error(std::string(measured.message()));
    }
    DoctorMessage done;
    done.mutable_done();
    Send(peer, done);
  }
  return speeds;
}

void DoctorLink::Tell(const RankReport& report) {
  DoctorMessage message;
  *message.mutable_report() = report;
  Send(0, message);
}

std::map<int, RankReport> DoctorLink::AwaitReports(std::chrono::milliseconds limit) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, limit, [this] {
    for (int rank = 1; rank < mesh_->size(); ++rank) {
      if (!reports_.contains(rank) && !gone_.contains(rank)) return false;
    }
    return true;
  });
  return reports_;
}

}  // namespace cf
