// The reader of sweep files.

#include <set>

#include "common/base/check.h"
#include "common/config/config.h"
#include "run/sweep_file.h"
#include "run/sweep_table.h"
#include "tests/fuzz/fuzz.h"

namespace cf::fuzz::sweep_target {
namespace {

Job Base() {
  Job job = *ParseJob(
      "data { path: \"d\" } model { matrix_factorization { } } optimizer { adam { } } "
      "split { random { } }",
      "base");
  FillDefaults(job);
  Check(ValidateJob(job).ok(), "the base of the sweeps is a job");
  return job;
}

/// Any bytes are jobs, each of them sound and with a name of its own, or an error of one line.
bool RunTarget(std::span<const std::byte> bytes) {
  static const Job base = Base();
  const absl::StatusOr<Sweep> sweep = ParseSweep(TextOf(bytes), "f", base);
  if (!sweep.ok()) {
    const std::string message(sweep.status().message());
    Check(absl::IsInvalidArgument(sweep.status()), "a bad sweep is the user's input");
    Check(message.starts_with("f:") && message.find('\n') == std::string::npos,
          "an error is one line that starts with the file");
    return false;
  }
  Check(sweep->fields.size() == sweep->labels.size(), "each column has a label");
  std::set<std::string> names;
  for (const SweepJob& job : sweep->jobs) {
    Check(job.values.size() == sweep->fields.size(), "a job has a value for each column");
    Check(ValidateJob(job.job).ok(), "each job is one that can run");
    Check(!job.name.empty() && job.name.find('/') == std::string::npos && job.name[0] != '.',
          "a job's folder is one folder");
    Check(names.insert(job.name).second, "each job has a folder of its own");
    Check(DescribeJob(*sweep, job).find('\n') == std::string::npos, "a job is told in one line");
  }
  const std::vector<SweepRow> rows(sweep->jobs.size());
  Check(!SweepCsv(*sweep, rows).empty() && !SweepText(*sweep, rows, std::nullopt).empty(),
        "a sweep has a table");
  return true;
}

std::vector<std::string> Seeds() {
  return {
      "optimizer.adam.learning_rate,model.matrix_factorization.dim\n0.001,16\n1e-3,32\n"
      "# a comment\n\n,64\n",
      "\xEF\xBB\xBFtrain.epochs,train.seed\r\n3,1\r\n3,2\r\n",
      "early_stopping.monitor,\"model.matrix_factorization.biases\"\n\"val_rmse\",true\n"};
}

const bool kAdded = AddTarget({.name = "sweep", .run = RunTarget, .seeds = Seeds});

}  // namespace
}  // namespace cf::fuzz::sweep_target
