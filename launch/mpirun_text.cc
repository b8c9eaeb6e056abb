#include "launch/mpirun_text.h"

#include <algorithm>
#include <utility>

#include <absl/strings/ascii.h>
#include <absl/strings/match.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_split.h>
#include <absl/strings/strip.h>

namespace cf {
namespace {

constexpr char kMapBegin[] = " Data for JOB [";
constexpr std::size_t kMapEndMin = 20;  // Of the line that ends it, of "=" alone.
constexpr char kRankLine[] = "cfworker: ";
constexpr char kOwnLine[] = "mpirun: ";  // "mpirun: Forwarding signal 10 to job".

bool ConsistsOf(absl::string_view text, char what, std::size_t least) {
  return text.size() >= least && text.find_first_not_of(what) == absl::string_view::npos;
}

// Open MPI's frames have 74 dashes.
bool IsFrame(absl::string_view line) {
  return ConsistsOf(line, '-', 60);
}

// "[n0:1234] 3 more processes have sent help message help-mpi-btl-base.txt / btl:no-nics"
bool IsAboutHelp(absl::string_view line) {
  return absl::StrContains(line, "sent help message") ||
         absl::StrContains(line, "orte_base_help_aggregate");
}

// Whether a line of which so much is there begins with a text, or may still do so.
bool MayBegin(absl::string_view line, absl::string_view with) {
  return absl::StartsWith(line, with.substr(0, line.size()));
}

absl::string_view View(std::string_view text) {
  return {text.data(), text.size()};
}

// The number behind `name`, -1 where there is none.
int NumberAfter(absl::string_view text, absl::string_view name) {
  const std::size_t at = text.find(name);
  int number = -1;
  if (at == absl::string_view::npos) return number;
  absl::string_view digits = text.substr(at + name.size());
  digits = digits.substr(0, digits.find_first_not_of("0123456789"));
  return absl::SimpleAtoi(digits, &number) ? number : -1;
}

// Of a job that has run: who ended how, in a frame of its own.
bool IsAboutTheEnd(absl::string_view explanation) {
  return absl::StartsWith(explanation, "Primary job ") ||
         absl::StartsWith(explanation, "mpirun noticed that") ||
         absl::StartsWith(explanation, "mpirun detected that");
}

}  // namespace

Sifted MpirunSieve::operator()(std::string_view bytes, bool last) {
  Sifted sifted;
  for (const char byte : bytes) TakeByte(byte, sifted);
  if (last && !line_.empty()) {
    const bool keep = place_ == Place::kInside || absl::StartsWith(line_, kOwnLine);
    Put(std::exchange(line_, {}), keep, sifted);
  }
  return sifted;
}

void MpirunSieve::TakeByte(char byte, Sifted& sifted) {
  if (passing_) {
    sifted.passed.push_back(byte);
    passing_ = byte != '\n';
    return;
  }
  line_.push_back(byte);
  if (byte == '\n') {
    const bool keep = EndLine();
    Put(std::exchange(line_, {}), keep, sifted);
  } else if (!MayBeKept()) {
    passing_ = true;
    Put(std::exchange(line_, {}), false, sifted);
  }
}

bool MpirunSieve::MayBeKept() const {
  if (place_ == Place::kInside) return true;
  if (stream_ == Stream::kOutput) return MayBegin(line_, kMapBegin);
  return ConsistsOf(line_, '-', 1) || line_.front() == '[' || MayBegin(line_, kOwnLine) ||
         MayBegin(line_, kRankLine);
}

// Whether the line is to be kept, now that all of it is there.
bool MpirunSieve::EndLine() {
  const absl::string_view line = absl::StripSuffix(line_, "\n");
  if (stream_ == Stream::kOutput) {
    // The daemon of each host prints the map. What has no space in front is no part of it.
    const bool begins = absl::StartsWith(line, kMapBegin);
    const bool keep =
        begins || (place_ == Place::kInside && (line.empty() || absl::StartsWith(line, " ")));
    const bool ends = ConsistsOf(absl::StripAsciiWhitespace(line), '=', kMapEndMin);
    place_ = keep && !ends ? Place::kInside : Place::kOutside;
    return keep;
  }
  if (IsFrame(line)) {
    place_ = place_ == Place::kInside ? Place::kOutside : Place::kInside;
    lines_inside_ = 0;
    return true;
  }
  if (absl::StartsWith(line, kRankLine)) return false;
  if (place_ == Place::kInside && ++lines_inside_ > kFrameLinesMax) place_ = Place::kOutside;
  return place_ == Place::kInside || absl::StartsWith(line, kOwnLine) ||
         (absl::StartsWith(line, "[") && IsAboutHelp(line));
}

void MpirunSieve::Put(std::string text, bool keep, Sifted& sifted) {
  if (!keep) sifted.passed += text;
  if ((keep || absl::StartsWith(text, kRankLine)) && kept_bytes_ < kKeptMax) {
    kept_bytes_ += text.size();
    sifted.kept += text;
  }
}

std::vector<std::string> HostsByRank(std::string_view map) {
  std::vector<std::string> hosts;
  std::string host;
  for (const absl::string_view line : absl::StrSplit(View(map), '\n')) {
    absl::string_view rest = absl::StripLeadingAsciiWhitespace(line);
    if (absl::ConsumePrefix(&rest, "Data for node: ")) {
      host = std::string(rest.substr(0, rest.find_first_of(" \t")));
    }
    const int rank = NumberAfter(line, "Process rank: ");
    constexpr int kRanksMax = 1 << 20;
    if (rank < 0 || rank >= kRanksMax) continue;
    hosts.resize(std::max(hosts.size(), static_cast<std::size_t>(rank) + 1));
    hosts[static_cast<std::size_t>(rank)] = host;
  }
  return hosts;
}

std::optional<RankDeath> FindDeath(std::string_view errors) {
  for (const absl::string_view line : absl::StrSplit(View(errors), '\n')) {
    if (!absl::StrContains(line, " exited on signal ")) continue;
    RankDeath death{.rank = NumberAfter(line, "process rank "),
                    .host = {},
                    .signal = NumberAfter(line, " exited on signal ")};
    const std::vector<absl::string_view> words = absl::StrSplit(line, ' ');
    const auto node = std::find(words.begin(), words.end(), "node");
    if (node != words.end() && node + 1 != words.end()) death.host = std::string(*(node + 1));
    if (death.rank >= 0 && death.signal > 0) return death;
  }
  return std::nullopt;
}

bool HasLostHost(std::string_view errors) {
  return absl::StrContains(View(errors), "ORTE has lost communication with a remote daemon") ||
         absl::StrContains(View(errors), "ORTE does not know how to route a message");
}

bool HasLostRank(std::string_view errors) {
  return absl::StrContains(LastLineOfRanks(errors), " was lost: ");
}

std::optional<int> FindFailure(std::string_view errors) {
  if (!absl::StrContains(View(errors), " exited with non-zero status")) return std::nullopt;
  for (const absl::string_view line : absl::StrSplit(View(errors), '\n')) {
    absl::string_view rest = absl::StripLeadingAsciiWhitespace(line);
    if (!absl::ConsumePrefix(&rest, "Exit code:")) continue;
    int code = 0;
    if (absl::SimpleAtoi(rest, &code)) return code;
  }
  return std::nullopt;
}

std::string LastLineOfRanks(std::string_view errors) {
  std::string last;
  for (absl::string_view line : absl::StrSplit(View(errors), '\n')) {
    if (absl::ConsumePrefix(&line, kRankLine)) last = std::string(line);
  }
  return last;
}

std::string ExplanationIn(std::string_view errors) {
  std::vector<std::string> explanations;
  std::string explanation;
  for (const absl::string_view line : absl::StrSplit(View(errors), '\n')) {
    if (!IsFrame(line)) {
      if (!absl::StartsWith(line, kOwnLine) && !absl::StartsWith(line, kRankLine) &&
          !IsAboutHelp(line)) {
        absl::StrAppend(&explanation, line, "\n");
      }
      continue;
    }
    // Of an explanation that has no end the rest is one, too.
    const std::string text(absl::StripAsciiWhitespace(std::exchange(explanation, {})));
    if (text.empty() || IsAboutTheEnd(text)) continue;
    if (std::find(explanations.begin(), explanations.end(), text) == explanations.end()) {
      explanations.push_back(text);
    }
  }
  std::string all;
  for (const std::string& text : explanations) {
    for (const absl::string_view line : absl::StrSplit(text, '\n', absl::SkipWhitespace())) {
      absl::StrAppend(&all, "  ", absl::StripTrailingAsciiWhitespace(line), "\n");
    }
  }
  return all;
}

}  // namespace cf
