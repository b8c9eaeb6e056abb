#include "coordinator/profile_table.h"

#include <algorithm>
#include <cstddef>

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>

#include "common/base/profile.h"
#include "common/text/numbers.h"

namespace cf {
namespace {

// By Phase. The two waits are for pushes and for rows.
constexpr const char* kPhaseNames[] = {"loader", "unique", "pull",   "gradient", "merge",
                                       "push",   "apply",  "w.push", "w.rows",   "other"};
static_assert(std::size(kPhaseNames) == kPhases);

struct ChannelColumn {
  const char* name;
  const Traffic& (RankProfile::*of)() const;
};
constexpr ChannelColumn kChannelColumns[] = {{"call", &RankProfile::call},
                                             {"shared memory", &RankProfile::shared_memory},
                                             {"TCP", &RankProfile::tcp}};

void AddTraffic(const Traffic& from, Traffic& to) {
  to.set_messages(to.messages() + from.messages());
  to.set_bytes(to.bytes() + from.bytes());
}

void AddProfile(const RankProfile& from, RankProfile& to) {
  // A peer of the same build has as many phases; whatever it has, nothing is read beyond them.
  while (to.nanoseconds_size() < static_cast<int>(kPhases)) to.add_nanoseconds(0);
  for (int k = 0; k < std::min(from.nanoseconds_size(), to.nanoseconds_size()); ++k) {
    to.set_nanoseconds(k, to.nanoseconds(k) + from.nanoseconds(k));
  }
  AddTraffic(from.call(), *to.mutable_call());
  AddTraffic(from.shared_memory(), *to.mutable_shared_memory());
  AddTraffic(from.tcp(), *to.mutable_tcp());
}

/// A line of the table by phase: each phase and then the sum, multiplied by `factor`.
std::string PhasesLine(const std::string& name, const RankProfile& profile, double factor,
                       int decimals) {
  std::string line = absl::StrFormat("%-10s", name);
  double sum = 0;
  for (const std::uint64_t nanoseconds : profile.nanoseconds()) {
    const double value = static_cast<double>(nanoseconds) * factor;
    sum += value;
    absl::StrAppendFormat(&line, "%9.*f", decimals, value);
  }
  absl::StrAppendFormat(&line, "%9.*f\n", decimals, sum);
  return line;
}

double TotalNanoseconds(const RankProfile& profile) {
  double total = 0;
  for (const std::uint64_t nanoseconds : profile.nanoseconds()) {
    total += static_cast<double>(nanoseconds);
  }
  return total;
}

std::string TrafficLine(const std::string& name, const RankProfile& profile) {
  std::string line = absl::StrFormat("%-10s", name);
  for (const ChannelColumn& channel : kChannelColumns) {
    const Traffic& traffic = (profile.*channel.of)();
    absl::StrAppendFormat(&line, "%14s%12.1f", WithThousands(traffic.messages()),
                          static_cast<double>(traffic.bytes()) / 1048576.0);
  }
  return line + "\n";
}

}  // namespace

void ProfileTable::Add(const TrainedSegment& segment) {
  ranks_.resize(std::max(ranks_.size(), segment.replies.size()));
  for (std::size_t rank = 0; rank < segment.replies.size(); ++rank) {
    AddProfile(segment.replies[rank].profile(), ranks_[rank]);
  }
  samples_ += segment.samples;
  steps_ += segment.steps;
  pause_seconds_ += segment.pause_seconds;
}

RankProfile ProfileTable::Sum() const {
  RankProfile sum;
  for (const RankProfile& rank : ranks_) AddProfile(rank, sum);
  return sum;
}

std::string ProfileTable::Text(const std::string& of) const {
  const RankProfile sum = Sum();
  std::string text = absl::StrCat("profile of ", of, ": ", WithThousands(samples_), " samples in ",
                                  WithThousands(steps_), " steps; seconds of compute threads\n");
  absl::StrAppendFormat(&text, "%-10s", "rank");
  for (const char* name : kPhaseNames) absl::StrAppendFormat(&text, "%9s", name);
  absl::StrAppendFormat(&text, "%9s\n", "total");
  for (std::size_t rank = 0; rank < ranks_.size(); ++rank) {
    text += PhasesLine(absl::StrCat(rank), ranks_[rank], 1e-9, 3);
  }
  text += PhasesLine("sum", sum, 1e-9, 3);
  text += PhasesLine("percent", sum, 100 / std::max(1.0, TotalNanoseconds(sum)), 1);
  const double samples = static_cast<double>(std::max<std::uint64_t>(1, samples_));
  text += PhasesLine("ns/sample", sum, 1 / samples, 1);

  if (sum.call().messages() + sum.shared_memory().messages() + sum.tcp().messages() > 0) {
    absl::StrAppendFormat(&text, "%-10s", "sent");
    for (const ChannelColumn& channel : kChannelColumns)
      absl::StrAppendFormat(&text, "%26s", channel.name);
    absl::StrAppendFormat(&text, "\n%-10s", "rank");
    for (std::size_t k = 0; k < std::size(kChannelColumns); ++k) {
      absl::StrAppendFormat(&text, "%14s%12s", "messages", "MiB");
    }
    text += "\n";
    for (std::size_t rank = 0; rank < ranks_.size(); ++rank) {
      text += TrafficLine(absl::StrCat(rank), ranks_[rank]);
    }
    text += TrafficLine("sum", sum);
    absl::StrAppendFormat(&text, "%-10s", "B/sample");
    for (const ChannelColumn& channel : kChannelColumns) {
      absl::StrAppendFormat(&text, "%26.1f",
                            static_cast<double>((sum.*channel.of)().bytes()) / samples);
    }
    text += "\n";
  }
  absl::StrAppendFormat(&text, "training waited %.3f s for snapshots beside", pause_seconds_);
  return text;
}

}  // namespace cf
