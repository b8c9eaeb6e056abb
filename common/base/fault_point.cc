#include "common/base/fault_point.h"

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <fcntl.h>
#include <list>
#include <ranges>
#include <string>
#include <sys/types.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include <absl/strings/match.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_split.h>
#include <absl/strings/string_view.h>

#include "common/base/check.h"

// CF_FAULTS is POINT,ACTION[,KEY=VALUE...] for each fault, with ';' between them. Actions are those of
// Fault (no_space, broken, short, flip, repeat) and
//
//   crash    the process is killed
//   forget   the file at hand loses all its bytes, as on a disk that was not asked to keep them, and
//            the process is killed
//   stall    the thread never goes on
//   pause    the thread goes on after `for` milliseconds (100)
//
//   after=N  the point is passed N times before, in this process (0)
//   times=N  as often in a row it happens (1)
//   in=TEXT  only passages with a file whose path contains TEXT count
//   with=NAME=VALUE  only in processes whose environment has it
//   when=PATH  passages count once this file is there
//   once=PATH  only where this makes the file PATH, which is not there: in one process of a job

namespace cf {
namespace {

enum class Action { kNoSpace, kBroken, kShort, kFlip, kRepeat, kCrash, kForget, kStall, kPause };

struct Order {
  std::string point;
  Action action = Action::kCrash;
  std::uint64_t after = 0;
  std::uint64_t times = 1;
  std::int64_t milliseconds = 100;
  std::string in;
  std::string when;
  std::string once;
  bool is_ours = true;
  std::atomic<std::uint64_t> passed = 0;
  std::atomic<bool> is_over = false;
};

Action ActionOf(absl::string_view name) {
  constexpr std::pair<absl::string_view, Action> kNames[] = {
      {"no_space", Action::kNoSpace}, {"broken", Action::kBroken}, {"short", Action::kShort},
      {"flip", Action::kFlip},        {"repeat", Action::kRepeat}, {"crash", Action::kCrash},
      {"forget", Action::kForget},    {"stall", Action::kStall},   {"pause", Action::kPause}};
  for (const auto& [known, action] : kNames) {
    if (name == known) return action;
  }
  Check(false, "CF_FAULTS names an action that there is");
  return Action::kCrash;
}

void ReadKey(absl::string_view word, Order& order) {
  const std::pair<absl::string_view, absl::string_view> key =
      absl::StrSplit(word, absl::MaxSplits('=', 1));
  const auto& [name, value] = key;
  bool read = true;
  if (name == "after") {
    read = absl::SimpleAtoi(value, &order.after);
  } else if (name == "times") {
    read = absl::SimpleAtoi(value, &order.times);
  } else if (name == "for") {
    read = absl::SimpleAtoi(value, &order.milliseconds);
  } else if (name == "in") {
    order.in = std::string(value);
  } else if (name == "when") {
    order.when = std::string(value);
  } else if (name == "once") {
    order.once = std::string(value);
  } else if (name == "with") {
    const std::pair<std::string, std::string> variable =
        absl::StrSplit(value, absl::MaxSplits('=', 1));
    const char* const has = std::getenv(variable.first.c_str());
    order.is_ours = has != nullptr && variable.second == has;
  } else {
    read = false;
  }
  Check(read, "CF_FAULTS has only keys that there are, and numbers where they belong");
}

std::list<Order> ReadOrders() {
  std::list<Order> orders;
  const char* const text = std::getenv("CF_FAULTS");
  if (text == nullptr) return orders;
  for (const absl::string_view entry : absl::StrSplit(text, ';', absl::SkipEmpty())) {
    const std::vector<absl::string_view> words = absl::StrSplit(entry, ',');
    Check(words.size() >= 2, "an entry of CF_FAULTS has a point and an action");
    Order& order = orders.emplace_back();
    order.point = std::string(words[0]);
    order.action = ActionOf(words[1]);
    for (std::size_t k = 2; k < words.size(); ++k) ReadKey(words[k], order);
  }
  return orders;
}

// Whether this passage is one of those at which it happens.
bool Happens(Order& order, const char* path) {
  if (!order.is_ours || order.is_over || !absl::StrContains(path, order.in)) return false;
  if (!order.when.empty() && ::access(order.when.c_str(), F_OK) != 0) return false;
  const std::uint64_t before = order.passed.fetch_add(1);
  if (before < order.after) return false;
  if (before >= order.after + order.times) {
    order.is_over = true;
    return false;
  }
  if (before > order.after || order.once.empty()) return true;
  const int made = ::open(order.once.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (made >= 0) ::close(made);
  order.is_over = made < 0;
  return made >= 0;
}

[[noreturn]] void Crash() {
  ::kill(::getpid(), SIGKILL);
  for (;;) ::pause();
}

Fault Do(const Order& order, const char* path) {
  switch (order.action) {
    case Action::kNoSpace:
      return Fault::kNoSpace;
    case Action::kBroken:
      return Fault::kBroken;
    case Action::kShort:
      return Fault::kShort;
    case Action::kFlip:
      return Fault::kFlip;
    case Action::kRepeat:
      return Fault::kRepeat;
    case Action::kForget:
      Check(::truncate(path, 0) == 0, "what is forgotten is a file");
      Crash();
    case Action::kCrash:
      Crash();
    case Action::kStall:
      for (;;) ::pause();
    case Action::kPause:
      std::this_thread::sleep_for(std::chrono::milliseconds(order.milliseconds));
  }
  return Fault::kNone;
}

}  // namespace

Fault FaultAt(const char* point, const char* path) {
  // Never destroyed: points are passed until the process has gone.
  static std::list<Order>& orders = *new std::list<Order>(ReadOrders());
  Fault first = Fault::kNone;
  // The last first: one that waits for another, which stands before it, does so for another passage.
  for (Order& order : std::views::reverse(orders)) {
    if (order.point != point || !Happens(order, path)) continue;
    if (const Fault fault = Do(order, path); first == Fault::kNone) first = fault;
  }
  return first;
}

}  // namespace cf
