#include "launch/doctor.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <map>
#include <utility>
#include <vector>

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>

#include "common/base/check.h"
#include "common/base/files.h"
#include "common/base/scratch_folder.h"
#include "common/text/text_table.h"
#include "coordinator/participant.h"
#include "launch/doctor_link.h"
#include "launch/host_examination.h"
#include "launch/listening_address.h"
#include "run/run_folder.h"

namespace cf {
namespace {

constexpr int kLeader = 0;
constexpr char kWrong[] = "!";
// For a connection, and for an answer: as long as a person waits for a table.
constexpr std::chrono::seconds kPatience(20);
// For all of a rank's report: it reads its share of the data set meanwhile.
constexpr std::chrono::minutes kReportLimit(20);

/// What rank 0 has in hand while the others look.
struct Leading {
  DoctorNote note;
  RankReport report;
  std::optional<ScratchFolder> probe;
  std::optional<UniqueFd> lock;
};

void PutProbe(const std::string& run, Leading& leading) {
  const std::string folder = NearestFolder(run);
  if (const absl::StatusOr<RunFolder> there = RunFolder::Open(run); there.ok()) {
    const std::string holder = there->Holder().value_or("");
    if (!holder.empty())
      AddFinding(leading.report, "run", "in use by " + holder, "a run that nobody trains");
  }
  absl::StatusOr<ScratchFolder> probe = ScratchFolder::Open(folder, "cf-doctor-");
  if (!probe.ok()) {
    AddFinding(leading.report, "run folder", std::string(probe.status().message()),
               "a folder that can be written to");
    return;
  }
  const std::string text = std::filesystem::path(probe->path()).filename().string();
  absl::StatusOr<UniqueFd> lock = LockProbe(probe->path());
  const absl::Status written = ReplaceFile(probe->path() + "/text", text);
  if (!lock.ok() || !written.ok()) {
    AddFinding(leading.report, "run folder",
               std::string((lock.ok() ? written : lock.status()).message()),
               "a file system with locks (fcntl)");
    return;
  }
  leading.note.set_probe_folder(probe->path());
  leading.note.set_probe_text(text);
  leading.probe = *std::move(probe);
  leading.lock = *std::move(lock);
}

void AddDisk(const DoctorOptions& options, const JobNeeds& needs, RankReport& report) {
  if (options.run.empty()) return;
  const std::string folder = NearestFolder(options.run);
  std::error_code error;
  const std::uint64_t left = std::filesystem::space(folder, error).available;
  std::uint64_t needed = needs.snapshots;
  if (options.job->job.storage().directory().empty())
    needed += needs.rank_scratch * options.job->ranks;
  AddFinding(report, "disk for the job", SizeText(needed),
             left < needed ? absl::StrCat("at most ", SizeText(left), ", which ", folder,
                                          " has left: fewer of snapshot.keep, or another disk")
                           : "");
}

Leading Lead(const DoctorOptions& options) {
  Leading leading;
  if (!options.run.empty()) PutProbe(options.run, leading);
  if (!options.job.has_value()) return leading;
  *leading.note.mutable_job() = options.job->job;
  const absl::StatusOr<JobNeeds> needs = NeedsOf(*options.job);
  if (!needs.ok()) {
    AddFinding(leading.report, "job", std::string(needs.status().message()), "a job that begins");
    return leading;
  }
  leading.note.set_rank_memory_bytes(needs->rank_memory);
  leading.note.set_rank_scratch_bytes(needs->rank_scratch);
  leading.note.set_data_digest(needs->data_digest);
  AddDisk(options, *needs, leading.report);
  return leading;
}

// The first rank of each host; on one host its first two, which a job connects as well.
std::vector<int> Measuring(const Rendezvous& met) {
  std::vector<int> ranks;
  for (int rank = 0; rank < met.place.ranks; ++rank) {
    const auto end = met.hosts.begin() + rank;
    if (std::find(met.hosts.begin(), end, *end) == end) ranks.push_back(rank);
  }
  if (ranks.size() == 1 && met.place.ranks > 1) ranks.push_back(1);
  return ranks;
}

// --- Rank 0 says ---------------------------------------------------------------------------------

/// Everything that was found, by rank.
using Reports = std::map<int, RankReport>;

// Another program on another host would speak another protocol, or count in another way.
void ComparePrograms(const Rendezvous& met, Reports& reports) {
  const auto program = [](RankReport& report) {
    return std::ranges::find(*report.mutable_findings(), "program", &Finding::what);
  };
  const std::string ours = program(reports[kLeader])->value();
  for (auto& [rank, report] : reports) {
    const auto theirs = program(report);
    if (theirs != report.mutable_findings()->end() && theirs->value() != ours)
      theirs->set_expected(absl::StrCat(ours, ", which ", met.hosts[kLeader], " has"));
  }
}

std::string TableOf(const Rendezvous& met, const Reports& reports, std::size_t width) {
  std::vector<std::string> hosts;
  std::vector<std::string> whats;
  std::map<std::pair<std::string, std::string>, std::string> cells;
  for (const auto& [rank, report] : reports) {
    const std::string& host = met.hosts[static_cast<std::size_t>(rank)];
    if (std::ranges::find(hosts, host) == hosts.end()) hosts.push_back(host);
    for (const Finding& finding : report.findings()) {
      if (std::ranges::find(whats, finding.what()) == whats.end()) whats.push_back(finding.what());
      // Of the ranks of a host the first speaks, unless something is wrong: there is a line for that.
      std::string& cell = cells[{finding.what(), host}];
      if (cell.empty()) cell = finding.value();
      if (!finding.expected().empty()) cell = kWrong;
    }
  }
  std::vector<TextTable::Column> columns = {{.name = ""}};
  for (const std::string& host : hosts) columns.push_back({.name = host});
  TextTable table(columns);
  for (const std::string& what : whats) {
    std::vector<std::string> row = {what};
    for (const std::string& host : hosts) row.push_back(cells[{what, host}]);
    table.AddRow(std::move(row));
  }
  return table.FormatText(width);
}

std::string SpeedsOf(const Rendezvous& met, const Reports& reports, std::size_t width) {
  TextTable table({{.name = "from"},
                   {.name = "to"},
                   {.name = "round trip, ms", .right = true},
                   {.name = "there, Mbit/s", .right = true},
                   {.name = "back, Mbit/s", .right = true}});
  const bool one_host = std::ranges::all_of(
      met.hosts, [&](const std::string& host) { return host == met.hosts.front(); });
  const auto name = [&](std::uint32_t rank) {
    return one_host ? absl::StrCat("rank ", rank) : met.hosts[rank];
  };
  const auto megabits = [](double bytes) { return absl::StrFormat("%.1f", bytes * 8e-6); };
  bool any = false;
  for (const auto& [rank, report] : reports) {
    for (const PairSpeed& speed : report.speeds()) {
      any = true;
      const auto known = [](double figure, const std::string& text) {
        return figure > 0 ? text : std::string(kWrong);
      };
      table.AddRow({name(speed.from_rank()), name(speed.to_rank()),
                    known(speed.round_trip_seconds(),
                          absl::StrFormat("%.3f", 1e3 * speed.round_trip_seconds())),
                    known(speed.there_bytes_per_second(), megabits(speed.there_bytes_per_second())),
                    known(speed.back_bytes_per_second(), megabits(speed.back_bytes_per_second()))});
    }
  }
  return any ? absl::StrCat("\n", table.FormatText(width)) : "";
}

// What is wrong, each once, in lines.
std::vector<std::string> WrongOf(const Rendezvous& met, const Reports& reports) {
  std::vector<std::string> lines;
  const auto add = [&lines](std::string line) {
    if (std::ranges::find(lines, line) == lines.end()) lines.push_back(std::move(line));
  };
  for (const auto& [rank, report] : reports) {
    const std::string& host = met.hosts[static_cast<std::size_t>(rank)];
    for (const Finding& finding : report.findings()) {
      if (finding.expected().empty()) continue;
      add(absl::StrCat(host, ": ", finding.what(), ": ", finding.value(), "; expected ",
                       finding.expected()));
    }
    for (const PairSpeed& speed : report.speeds()) {
      if (speed.error().empty()) continue;
      add(absl::StrCat(host, ": the way to ", met.hosts[speed.to_rank()], ": ", speed.error(),
                       "; expected that messages of any size come through (MTU? firewall?)"));
    }
  }
  return lines;
}

ExitCode Say(const Rendezvous& met, Reports reports, std::size_t width) {
  ComparePrograms(met, reports);
  const std::vector<std::string> wrong = WrongOf(met, reports);
  std::fputs(absl::StrCat(TableOf(met, reports, width), SpeedsOf(met, reports, width),
                          wrong.empty() ? "\nnothing is wrong\n" : "")
                 .c_str(),
             stdout);
  std::fflush(stdout);
  for (const std::string& line : wrong) std::fprintf(stderr, "cfrun doctor: %s\n", line.c_str());
  return wrong.empty() ? kExitFinished : kExitUserInput;
}

// --- Each rank -----------------------------------------------------------------------------------

/// A rank's part between the meeting and its report.
struct Part {
  Rendezvous& met;
  HostUse use;
  const DoctorNote& note;

  int rank() const { return met.place.rank; }
  bool leads() const { return rank() == kLeader; }
};

// Connects all ranks as a job does, measures the ways, looks at the job's things, and brings all
// reports together at rank 0; `reports` has this rank's own.
absl::Status TakePart(const Part& part, Reports& reports) {
  Rendezvous& met = part.met;
  absl::StatusOr<std::unique_ptr<DoctorLink>> link = DoctorLink::Connect(
      *std::move(met.listener), {.rank = part.rank(),
                                 .endpoints = met.endpoints,
                                 .key = met.key,
                                 .generation = 1,
                                 .protection = ProtectionOf(part.note.job().cluster().frames()),
                                 .timeout = kPatience});
  if (!link.ok()) return link.status();
  RankReport& own = reports[part.rank()];
  const std::vector<int> measuring = Measuring(met);
  if (std::ranges::find(measuring, part.rank()) != measuring.end()) {
    const std::vector<PairSpeed> speeds = (*link)->MeasureWays(measuring);
    own.mutable_speeds()->Assign(speeds.begin(), speeds.end());
  }
  own.MergeFrom(ExamineJob(part.use, part.note, part.leads()));
  if (!part.leads()) {
    (*link)->Tell(own);
    (*link)->Close();
    return absl::OkStatus();
  }
  const std::map<int, RankReport> told = (*link)->AwaitReports(kReportLimit);
  for (int from = 1; from < met.place.ranks; ++from) {
    if (const auto report = told.find(from); report != told.end()) {
      reports[from].MergeFrom(report->second);
    } else {
      AddFinding(reports[from], "rank", "did not report", "an answer of every rank");
    }
  }
  (*link)->Close();
  return absl::OkStatus();
}

// What each rank has told of its host when they met.
Reports IntroductionsOf(const Rendezvous& met) {
  Reports reports;
  for (int rank = 0; rank < met.place.ranks; ++rank) {
    Check(reports[rank].ParseFromString(met.introductions[static_cast<std::size_t>(rank)]),
          "what a rank found parses");
  }
  return reports;
}

DoctorNote ParseNote(const std::string& text) {
  DoctorNote note;
  Check(note.ParseFromString(text), "rank 0's note parses");
  return note;
}

absl::StatusOr<Rendezvous> MeetOthers(const DoctorOptions& options, const DoctorNote& own,
                                      const HostUse& use) {
  RendezvousOptions meeting;
  meeting.leader = kLeader;
  meeting.ready = options.ready;
  meeting.note = own.SerializeAsString();
  meeting.introduction = ExamineHost(use).SerializeAsString();
  meeting.interface = [](const std::string& text) {
    return ParseNote(text).job().cluster().interface();
  };
  return MeetOverMpi(meeting);
}

}  // namespace

absl::StatusOr<ExitCode> Examine(const DoctorOptions& options) {
  HostUse use = {.ranks = static_cast<std::uint32_t>(options.place.ranks),
                 .ranks_on_host = static_cast<std::uint32_t>(options.place.ranks_on_host)};
  const Leading leading = options.place.rank == kLeader ? Lead(options) : Leading{};
  absl::StatusOr<Rendezvous> met = MeetOthers(options, leading.note, use);
  if (!met.ok()) return met.status();
  const DoctorNote note = ParseNote(met->note);
  const auto self = static_cast<std::size_t>(met->place.rank);
  use.rank_on_host = static_cast<std::uint32_t>(
      std::count(met->hosts.begin(), met->hosts.begin() + met->place.rank, met->hosts[self]));
  use.threads = std::max(1U, note.job().cluster().threads());

  const Part part = {.met = *met, .use = use, .note = note};
  Reports reports = IntroductionsOf(*met);
  const RankReport introduced = std::exchange(reports[part.rank()], leading.report);
  if (!met->endpoints.empty()) {
    AddFinding(reports[part.rank()], "address", AddressText(met->endpoints[self].address));
  }
  absl::Status exchanged = absl::OkStatus();
  if (met->place.ranks > 1) {
    exchanged = TakePart(part, reports);
  } else {
    reports[part.rank()].MergeFrom(ExamineJob(use, note, part.leads()));
  }
  if (!part.leads()) {
    // Rank 0 sets the exit code: mpirun would end it before it has spoken.
    if (!exchanged.ok()) {
      std::fprintf(stderr, "cfrun doctor: %s: %s\n", met->hosts[self].c_str(),
                   std::string(exchanged.message()).c_str());
    }
    return kExitFinished;
  }
  RankReport all = introduced;
  if (!exchanged.ok()) {
    AddFinding(all, "connections", std::string(exchanged.message()),
               "ranks that reach each other's ports (a firewall? cluster.interface?)");
  }
  all.MergeFrom(reports[kLeader]);
  reports[kLeader] = std::move(all);
  return Say(*met, std::move(reports), options.width);
}

}  // namespace cf
