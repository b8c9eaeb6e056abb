#include "launch/allocation.h"

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <limits>
#include <numeric>
#include <utility>

#include <absl/strings/match.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <absl/strings/str_split.h>

#include "launch/subprocess.h"

namespace cf {
namespace {

std::string TextOf(const Environment& environment, const char* name) {
  const char* value = environment(name);
  return value == nullptr ? "" : value;
}

absl::Status NotAsSlurmWritesIt(const char* name, const std::string& text) {
  return absl::InvalidArgumentError(
      absl::StrCat(name, "=", text, " in the environment is not as Slurm writes it"));
}

// 0 where the variable is not set.
template <class Number>
absl::Status ReadNumber(const Environment& environment, const char* name, Number& number) {
  const std::string text = TextOf(environment, name);
  if (text.empty() || absl::SimpleAtoi(text, &number)) return absl::OkStatus();
  return NotAsSlurmWritesIt(name, text);
}

// "4(x3),2": a number for each node, repetitions in brackets.
std::optional<std::vector<std::uint32_t>> ParseByNode(const std::string& text) {
  constexpr std::size_t kNodesMax = 1 << 16;
  std::vector<std::uint32_t> numbers;
  for (const auto part : absl::StrSplit(text, ',')) {
    const std::pair<std::string, std::string> pieces =
        absl::StrSplit(part, absl::MaxSplits('(', 1));
    std::uint32_t number = 0;
    std::uint32_t times = 1;
    if (!absl::SimpleAtoi(pieces.first, &number) || number == 0) return std::nullopt;
    if (!pieces.second.empty() &&
        (!absl::StartsWith(pieces.second, "x") || !absl::EndsWith(pieces.second, ")") ||
         !absl::SimpleAtoi(pieces.second.substr(1, pieces.second.size() - 2), &times))) {
      return std::nullopt;
    }
    if (times > kNodesMax - numbers.size()) return std::nullopt;
    numbers.insert(numbers.end(), times, number);
  }
  return numbers;
}

// A node that takes part: its number in the allocation.
using Nodes = std::vector<std::size_t>;

// Lowers what each rank may use to its share of those `nodes` with `ranks` ranks each.
void LimitTo(const Allocation& allocation, const Nodes& nodes, std::uint32_t ranks,
             RankPlan& plan) {
  for (const std::size_t node : nodes) {
    const std::uint32_t cpus = allocation.cpus[node];
    const std::uint32_t cores = std::max(1U, cpus / ranks);
    plan.cores = std::min(plan.cores, cores);
    const std::uint64_t memory = allocation.memory_per_node > 0 ? allocation.memory_per_node
                                                                : allocation.memory_per_cpu * cpus;
    if (memory == 0) continue;
    const std::uint64_t share = std::max<std::uint64_t>(1, memory / ranks);
    plan.memory_mib = plan.memory_mib == 0 ? share : std::min(plan.memory_mib, share);
  }
  if (allocation.cpus_per_task > 0) plan.cores = std::min(plan.cores, allocation.cpus_per_task);
}

// "n0:2,n1:2"
std::string HostList(const std::vector<std::string>& hosts, const Nodes& nodes,
                     std::uint32_t ranks) {
  return absl::StrJoin(nodes, ",", [&](std::string* out, std::size_t node) {
    absl::StrAppend(out, hosts[node], ":", ranks);
  });
}

std::uint32_t DivideUp(std::uint32_t a, std::size_t b) {
  return static_cast<std::uint32_t>((a + b - 1) / b);
}

absl::StatusOr<RankPlan> PlanWithServers(const Allocation& allocation,
                                         const std::vector<std::string>& hosts, const Nodes& nodes,
                                         std::uint32_t ranks, std::uint32_t servers) {
  const auto split = nodes.end() - static_cast<std::ptrdiff_t>(servers);
  const Nodes working(nodes.begin(), split);
  const Nodes serving(split, nodes.end());
  const std::uint32_t workers = ranks - servers;
  if (workers % working.size() != 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        workers, " workers (-n ", ranks, " without ", servers, " servers) cannot be shared out ",
        "evenly over ", working.size(), " nodes: give another -n, or another number of nodes"));
  }
  const auto each = static_cast<std::uint32_t>(workers / working.size());
  RankPlan plan{.groups = {{workers, {"--host", HostList(hosts, working, each)}},
                           {servers, {"--host", HostList(hosts, serving, 1)}}},
                .cores = std::numeric_limits<std::uint32_t>::max()};
  LimitTo(allocation, working, each, plan);
  LimitTo(allocation, serving, 1, plan);
  return plan;
}

}  // namespace

absl::StatusOr<std::optional<Allocation>> FindAllocation(const Environment& environment) {
  Allocation found;
  found.id = TextOf(environment, "SLURM_JOB_ID");
  if (found.id.empty()) return std::optional<Allocation>();
  found.name = found.id;
  if (const std::string array = TextOf(environment, "SLURM_ARRAY_JOB_ID"); !array.empty()) {
    found.name = absl::StrCat(array, "_", TextOf(environment, "SLURM_ARRAY_TASK_ID"));
  }
  const std::string cpus = TextOf(environment, "SLURM_JOB_CPUS_PER_NODE");
  const std::optional<std::vector<std::uint32_t>> by_node = ParseByNode(cpus);
  if (!by_node.has_value()) return NotAsSlurmWritesIt("SLURM_JOB_CPUS_PER_NODE", cpus);
  found.cpus = *by_node;
  // SLURM_NTASKS only tells that tasks were asked for: after a requeue to fewer nodes it is stale.
  if (environment("SLURM_NTASKS") != nullptr) {
    const std::string tasks = TextOf(environment, "SLURM_TASKS_PER_NODE");
    const std::optional<std::vector<std::uint32_t>> each = ParseByNode(tasks);
    if (!each.has_value()) return NotAsSlurmWritesIt("SLURM_TASKS_PER_NODE", tasks);
    found.tasks = std::accumulate(each->begin(), each->end(), 0U);
  }
  for (const auto& [name, number] : {std::pair{"SLURM_RESTART_COUNT", &found.restarts},
                                     std::pair{"SLURM_CPUS_PER_TASK", &found.cpus_per_task}}) {
    if (absl::Status read = ReadNumber(environment, name, *number); !read.ok()) return read;
  }
  for (const auto& [name, number] : {std::pair{"SLURM_MEM_PER_NODE", &found.memory_per_node},
                                     std::pair{"SLURM_MEM_PER_CPU", &found.memory_per_cpu}}) {
    if (absl::Status read = ReadNumber(environment, name, *number); !read.ok()) return read;
  }
  return std::optional<Allocation>(std::move(found));
}

absl::StatusOr<std::optional<Allocation>> FindAllocation() {
  return FindAllocation([](const char* name) -> const char* { return std::getenv(name); });
}

absl::StatusOr<RankPlan> PlanRanks(const Allocation& allocation,
                                   const std::vector<std::string>& hosts,
                                   const RankRequest& request) {
  Nodes nodes;
  for (std::size_t node = 0; node < allocation.cpus.size(); ++node) {
    const bool lost = node < hosts.size() &&
                      std::find(request.without.begin(), request.without.end(), hosts[node]) !=
                          request.without.end();
    if (!lost) nodes.push_back(node);
  }
  if (nodes.empty()) return absl::InvalidArgumentError("every host of the allocation was lost");
  if (nodes.size() > 1 && nodes.size() <= request.servers) {
    return absl::InvalidArgumentError(absl::StrCat(
        request.servers, " servers need nodes of their own, and workers at least one: ",
        "the allocation has ", nodes.size(), " nodes"));
  }
  const bool whole = nodes.size() == allocation.cpus.size();
  const bool as_tasks = whole && request.ranks == 0 && allocation.tasks > 0;
  const auto one_a_node = static_cast<std::uint32_t>(nodes.size());
  const std::uint32_t ranks = request.ranks > 0 ? request.ranks
                              : as_tasks        ? allocation.tasks
                              : one_a_node > 1  ? one_a_node
                                                : 1 + request.servers;
  if (ranks <= request.servers) {
    return absl::InvalidArgumentError(
        absl::StrCat("-n ", ranks, " leaves no worker beside ", request.servers, " servers"));
  }
  if (request.servers > 0 && nodes.size() > 1) {
    return PlanWithServers(allocation, hosts, nodes, ranks, request.servers);
  }

  RankPlan plan{.groups = {{ranks, {}}}, .cores = std::numeric_limits<std::uint32_t>::max()};
  const std::uint32_t most = DivideUp(ranks, nodes.size());
  std::vector<std::string>& placement = plan.groups.front().placement;
  if (!whole) placement = {"--host", HostList(hosts, nodes, most)};
  if (ranks % nodes.size() == 0 && whole && !as_tasks) {
    placement = {"--map-by", absl::StrCat("ppr:", most, ":node")};
  } else if (ranks % nodes.size() != 0 && !as_tasks) {
    placement.insert(placement.end(), {"--map-by", "node"});
  }
  LimitTo(allocation, nodes, most, plan);
  return plan;
}

absl::StatusOr<RankPlan> PlanOnHosts(const std::vector<std::string>& hosts,
                                     const RankRequest& request) {
  std::vector<std::string> left = hosts;
  std::erase_if(left, [&request](const std::string& host) {
    return std::find(request.without.begin(), request.without.end(), host) != request.without.end();
  });
  if (left.empty()) return absl::InvalidArgumentError("every host was lost");
  Allocation as_one;
  as_one.cpus.assign(left.size(), 1);
  absl::StatusOr<RankPlan> plan =
      PlanRanks(as_one, left, {.ranks = request.ranks, .servers = request.servers});
  if (!plan.ok()) return plan;
  plan->cores = 0;
  if (plan->groups.size() > 1) return plan;
  Nodes nodes(left.size());
  std::iota(nodes.begin(), nodes.end(), std::size_t{0});
  plan->groups.front().placement = {"--host",
                                    HostList(left, nodes, DivideUp(plan->ranks(), left.size()))};
  return plan;
}

std::uint32_t RankPlan::ranks() const {
  return std::accumulate(
      groups.begin(), groups.end(), 0U,
      [](std::uint32_t sum, const RankGroup& group) { return sum + group.ranks; });
}

absl::StatusOr<BatchState> AskSlurm(const std::string& job_id) {
  const absl::StatusOr<std::string> shown = OutputOf({"scontrol", "-o", "show", "job", job_id});
  if (!shown.ok()) {
    // scontrol ends with 1 for a job that Slurm has forgotten, and where nobody answers it.
    if (!absl::IsInternal(shown.status())) return shown.status();
    if (!absl::StrContains(shown.status().message(), "Invalid job id")) {
      return absl::UnavailableError(shown.status().message());
    }
    return absl::NotFoundError(absl::StrCat("Slurm knows no job ", job_id));
  }
  BatchState state;
  for (const auto word : absl::StrSplit(*shown, absl::ByAnyChar(" \n"), absl::SkipEmpty())) {
    const std::pair<std::string, std::string> field = absl::StrSplit(word, absl::MaxSplits('=', 1));
    if (field.first == "JobState") state.state = field.second;
    if (field.first == "Reason") state.reason = field.second;
    if (field.first == "Restarts" && !absl::SimpleAtoi(field.second, &state.restarts)) {
      return absl::InternalError(absl::StrCat("scontrol says Restarts=", field.second));
    }
    std::tm end = {};
    // In the time of this place, as scontrol writes it; "Unknown" is none.
    if (field.first == "EndTime" &&
        ::strptime(field.second.c_str(), "%Y-%m-%dT%H:%M:%S", &end) != nullptr) {
      end.tm_isdst = -1;
      state.end_seconds = std::mktime(&end);
    }
  }
  if (state.state != "RUNNING") state.end_seconds = 0;
  return state;
}

absl::StatusOr<std::vector<std::string>> HostsOf(const Allocation& allocation) {
  const char* list = std::getenv("SLURM_JOB_NODELIST");
  if (list == nullptr) return absl::InvalidArgumentError("SLURM_JOB_NODELIST is not set");
  const absl::StatusOr<std::string> shown = OutputOf({"scontrol", "show", "hostnames", list});
  if (!shown.ok()) return shown.status();
  std::vector<std::string> hosts = absl::StrSplit(*shown, '\n', absl::SkipEmpty());
  if (hosts.size() == allocation.cpus.size()) return hosts;
  return absl::InvalidArgumentError(absl::StrCat("SLURM_JOB_NODELIST=", list, " has ", hosts.size(),
                                                 " nodes and SLURM_JOB_CPUS_PER_NODE ",
                                                 allocation.cpus.size()));
}

absl::Status Requeue(const Allocation& allocation) {
  const absl::Status asked = OutputOf({"scontrol", "requeue", allocation.id}).status();
  // "Unable to contact slurm controller (connect failure)".
  return absl::StrContains(asked.message(), "contact slurm controller")
             ? absl::UnavailableError(asked.message())
             : asked;
}

absl::Status Cancel(const std::string& job_id) {
  return OutputOf({"scancel", job_id}).status();
}

}  // namespace cf
