#include "coordinator/progress.h"

#include <algorithm>
#include <utility>

#include <absl/strings/str_cat.h>

namespace cf {
namespace {

using std::chrono::milliseconds;

struct Words {
  const char* doing;
  const char* tick;  // What was missed.
};

Words WordsOf(std::uint32_t work) {
  switch (static_cast<Work>(work)) {
    case Work::kLeading:
      return {"leading", "a command"};
    case Work::kFollowing:
      return {"following", "a command"};
    case Work::kLoading:
      return {"loading", "a row"};
    case Work::kTraining:
      return {"training", "a step"};
    case Work::kValidating:
      return {"validating", "a batch"};
    case Work::kRanking:
      return {"ranking", "a batch"};
    case Work::kInspecting:
      return {"inspecting rows", "a table"};
    case Work::kSaving:
      return {"saving", "a row"};
    case Work::kNothing:
      break;
  }
  return {"at work", "a sign of it"};
}

std::string SecondsText(milliseconds time) {
  return absl::StrCat(std::chrono::duration_cast<std::chrono::seconds>(time).count(), " s");
}

std::string WhomText(int whom) {
  return whom >= 0 ? absl::StrCat("rank ", whom) : "others";
}

}  // namespace

Progress ProgressProbe::Look(milliseconds elapsed) {
  Progress progress;
  for (std::size_t k = 0; k < activities_.size(); ++k) {
    const Activity::State state = activities_[k].Look();
    Seen& seen = seen_[k];
    seen.unchanged = state.mark == seen.mark ? seen.unchanged + elapsed : milliseconds(0);
    seen.mark = state.mark;
    ThreadProgress& thread = *progress.add_threads();
    thread.set_work(static_cast<std::uint32_t>(state.work));
    thread.set_waits(state.waits);
    thread.set_waits_for(state.waits_for);
    thread.set_unchanged_milliseconds(static_cast<std::uint64_t>(seen.unchanged.count()));
  }
  return progress;
}

void ProgressTable::Hear(int rank, const Progress& progress) {
  Rank& of_rank = ranks_[static_cast<std::size_t>(rank)];
  of_rank.progress = progress;
  of_rank.age = milliseconds(0);
  of_rank.heard = true;
}

void ProgressTable::Pass(milliseconds elapsed) {
  for (Rank& rank : ranks_) rank.age += elapsed;
}

std::optional<Hang> ProgressTable::Judge() const {
  std::optional<Hang> hang;
  milliseconds longest{0};
  for (std::size_t rank = 0; rank < ranks_.size(); ++rank) {
    const auto blame = [&](milliseconds time, std::string how) {
      if (time < limit_ || time <= longest) return;
      longest = time;
      hang = Hang{.rank = static_cast<int>(rank), .how = std::move(how)};
    };
    const milliseconds age = ranks_[rank].age;
    blame(age, absl::StrCat("it has not told for ", SecondsText(age), " what it does"));
    const Progress& progress = ranks_[rank].progress;
    for (int k = 0; k < progress.threads_size(); ++k) {
      const ThreadProgress& thread = progress.threads(k);
      if (thread.waits() || thread.work() == static_cast<std::uint32_t>(Work::kNothing)) continue;
      const milliseconds time =
          milliseconds(static_cast<std::int64_t>(thread.unchanged_milliseconds())) + age;
      const Words words = WordsOf(thread.work());
      blame(time, absl::StrCat("thread ", k, " has been ", words.doing, " for ", SecondsText(time),
                               " without ", words.tick));
    }
  }
  return hang.has_value() ? hang : JudgeAllWaiting();
}

std::optional<Hang> ProgressTable::JudgeAllWaiting() const {
  milliseconds shortest = milliseconds::max();
  std::string who;
  for (std::size_t rank = 0; rank < ranks_.size(); ++rank) {
    if (!ranks_[rank].heard) return std::nullopt;
    const Progress& progress = ranks_[rank].progress;
    for (int k = 0; k < progress.threads_size(); ++k) {
      const ThreadProgress& thread = progress.threads(k);
      if (thread.work() == static_cast<std::uint32_t>(Work::kNothing)) continue;
      if (!thread.waits() || thread.waits_for() == Activity::kOutside) return std::nullopt;
      // Not the age of the report: what it does not tell may have changed.
      shortest = std::min(shortest,
                          milliseconds(static_cast<std::int64_t>(thread.unchanged_milliseconds())));
      absl::StrAppend(&who, who.empty() ? "" : ", ", "thread ", k, " of rank ", rank, " for ",
                      WhomText(thread.waits_for()));
    }
  }
  if (who.empty() || shortest < limit_) return std::nullopt;
  return Hang{.how = absl::StrCat("all have waited for ", SecondsText(shortest), ": ", who)};
}

}  // namespace cf
