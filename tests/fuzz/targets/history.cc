// The reader of history.csv.

#include "run/history.h"

#include "common/base/check.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/memory_folder.h"

namespace cf::fuzz::history_target {
namespace {

/// Any bytes are rows, which a run that goes on keeps as they are, or an error of one line.
bool RunTarget(std::span<const std::byte> bytes) {
  static const MemoryFolder folder;
  const std::string text = TextOf(bytes);
  const absl::StatusOr<std::vector<EpochFigures>> rows = History::Parse(text, "f");
  const std::string path = folder.Put("history.csv", text);
  const absl::StatusOr<History> history = History::Open(path, {"val_hr_10"});
  Check(rows.ok() == history.ok(), "what can be read can be continued");
  if (!rows.ok()) {
    const std::string message(rows.status().message());
    Check(absl::IsInvalidArgument(rows.status()), "a bad file is the user's");
    Check(message.starts_with("f:") && message.find('\n') == std::string::npos,
          "an error is one line that starts with the file");
    Check(*ReadFile(path) == text, "a file that is refused is untouched");
    return false;
  }
  const absl::StatusOr<std::vector<EpochFigures>> again = History::Read(path);
  Check(again.ok() && again->size() == rows->size(), "what is written reads back");
  for (std::size_t k = 0; k < rows->size(); ++k) {
    Check((*again)[k].epoch == (*rows)[k].epoch && (*again)[k].step == (*rows)[k].step &&
              (*again)[k].figures.size() == (*rows)[k].figures.size(),
          "each row is what it was");
    Check(k == 0 || (*rows)[k].epoch > (*rows)[k - 1].epoch, "epochs ascend");
  }
  const std::vector<std::string> names = JudgingNamesOf(*rows);
  for (const std::string& name : names) {
    Check(std::any_of(
              rows->begin(), rows->end(),
              [&name](const EpochFigures& row) { return row.figures.Find(name).has_value(); }),
          "a figure that is named is there");
  }
  return true;
}

std::vector<std::string> Seeds() {
  const std::string header =
      "epoch,step,train_loss,train_rmse,l2_penalty,val_loss,val_rmse,val_mae,learning_rate,"
      "samples_per_second,seconds";
  return {
      header + "\n1,10,0.5,0.7,1e-3,,,,0.001,12345.6,0.25\n2,20,0.25,,,,,,,,\n",
      header +
          ",val_ndcg_10\n1,10,0.5,0.7,0.1,0.4,0.6,0.5,0.001,1e6,0.2,0.125\n"
          "3,30,0.25,0.5,0.1,0.3,0.5,0.4,0.001,2e6,0.1,\n4,4",
      header + ",pause_seconds,val_hr_5\n1,10,0.5,0.7,0.1,0.4,0.6,0.5,0.001,1e6,0.2,0.01,0.125\n",
      header + "\n1,18446744073709551615,nan,-inf,0,1e308,5e-324,-0,,,\n"};
}

const bool kAdded = AddTarget({.name = "history", .run = RunTarget, .seeds = Seeds});

}  // namespace
}  // namespace cf::fuzz::history_target
