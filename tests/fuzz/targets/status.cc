// The reader of what a job says of itself while it runs.

#include <google/protobuf/text_format.h>

#include "common/base/check.h"
#include "run/run_view.h"
#include "tests/fuzz/fuzz.h"

namespace cf::fuzz::status_target {
namespace {

/// Any bytes are a status, which is printed and read back as the same, or none.
bool RunTarget(std::span<const std::byte> bytes) {
  const absl::StatusOr<RunStatus> status = ParseStatus(TextOf(bytes), "f");
  if (!status.ok()) {
    Check(absl::IsDataLoss(status.status()), "a bad status is damage");
    Check(status.status().message().find('\n') == absl::string_view::npos, "an error is one line");
    return false;
  }
  std::string printed;
  google::protobuf::TextFormat::PrintToString(*status, &printed);
  const absl::StatusOr<RunStatus> again = ParseStatus(printed, "f");
  std::string reprinted;
  Check(again.ok(), "what is printed reads back");
  google::protobuf::TextFormat::PrintToString(*again, &reprinted);
  Check(printed == reprinted, "a printed status reads back as the same");
  return true;
}

std::vector<std::string> Seeds() {
  return {"",
          "generation: 3 phase: TRAINING started_seconds: 1795000000 updated_seconds: 1795000010\n"
          "epoch: 2 epochs: 20 step: 11 steps_per_epoch: 100 samples_per_second: 1.5e6\n"
          "train_loss: 0.5 seconds_left: 12.25 monitor: \"val_rmse\" hosts: \"a\" hosts: 'b'\n"
          "last_metrics { epoch: 1 step: 100 val_rmse: 0.875 figures { name: \"val_hr_10\" "
          "value: 0.5 } }\n"
          "snapshot: \"g000001-s000000000100\" servers: 1 threads: 4 # the end\n",
          "from_later { what: 7 [type.example/cf.Job] { } more < a: b > } batch { id: \"12_3\" "
          "restarts: 1 handle: \"15\" }\n"};
}

const bool kAdded = AddTarget({.name = "status", .run = RunTarget, .seeds = Seeds});

}  // namespace
}  // namespace cf::fuzz::status_target
