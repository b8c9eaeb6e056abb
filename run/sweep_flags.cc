#include "run/sweep_flags.h"

#include <cstddef>
#include <utility>

#include <absl/status/status.h>
#include <absl/strings/match.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>

namespace cf {
namespace {

/// Takes a command line word by word.
///
/// Owner:   ParseSweepFlags, for one command line, which outlives it.
/// Threads: one.
class FlagReader {
 public:
  explicit FlagReader(const std::vector<std::string>& words) : words_(words) {}

  absl::StatusOr<SweepFlags> Read() {
    for (at_ = 0; at_ < words_.size(); ++at_) {
      absl::Status taken = Take(words_[at_]);
      if (!taken.ok()) return taken;
    }
    if (flags_.help) return std::move(flags_);
    if (flags_.config.empty()) {
      return absl::InvalidArgumentError("JOBS.csv and CONFIG must come first (try --help)");
    }
    if (flags_.make_file && !flags_.others.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("--make does not take ", flags_.others.front(), " (try --help)"));
    }
    if (!flags_.make_file && (random_given_ || seed_given_)) {
      return absl::InvalidArgumentError("--random and --seed are for --make (try --help)");
    }
    if (random_given_ && flags_.make.random == 0) {
      return absl::InvalidArgumentError("--random 0: expected a number of jobs, at least 1");
    }
    if (seed_given_ && !random_given_) {
      return absl::InvalidArgumentError("--seed is for --random N (try --help)");
    }
    return std::move(flags_);
  }

 private:
  absl::Status Take(const std::string& word) {
    const std::string name = word.substr(0, word.find('='));
    if (word == "-h" || word == "--help") {
      flags_.help = true;
    } else if (word == "--make") {
      flags_.make_file = true;
    } else if (name == "--run") {
      return Value(name, flags_.run);
    } else if (name == "--data") {
      return Value(name, flags_.data);
    } else if (name == "--set") {
      return Value(name, flags_.set.emplace_back());
    } else if (name == "--random") {
      random_given_ = true;
      return Number(name, flags_.make.random);
    } else if (name == "--seed") {
      seed_given_ = true;
      return Number(name, flags_.make.seed);
    } else if (word == "-n" || word == "-np" || word == "--servers" || word == "--restarts" ||
               word == "--restart-minutes") {
      flags_.others.push_back(word);
      return Value(word, flags_.others.emplace_back());
    } else if (absl::StartsWith(word, "-") || IsValueOfAnother()) {
      flags_.others.push_back(word);
    } else if (flags_.jobs.empty()) {
      flags_.jobs = word;
    } else if (flags_.config.empty()) {
      flags_.config = word;
    } else if (flags_.make_file) {
      flags_.make.specs.push_back(word);
    } else {
      return absl::InvalidArgumentError(word + ": expected a flag (try --help)");
    }
    return absl::OkStatus();
  }

  /// Whether the word follows a flag that is not this reader's: both files are named before it.
  bool IsValueOfAnother() const {
    return !flags_.config.empty() && !flags_.make_file && absl::StartsWith(words_[at_ - 1], "-");
  }

  /// Reads the value of `--name=value` or `--name value`.
  absl::Status Value(const std::string& name, std::string& value) {
    const std::string& word = words_[at_];
    if (word.size() > name.size()) {
      value = word.substr(name.size() + 1);
    } else if (at_ + 1 < words_.size()) {
      value = words_[++at_];
    }
    if (!value.empty()) return absl::OkStatus();
    return absl::InvalidArgumentError(name + " needs a value (try --help)");
  }

  template <class T>
  absl::Status Number(const std::string& name, T& number) {
    std::string text;
    absl::Status read = Value(name, text);
    if (!read.ok() || absl::SimpleAtoi(text, &number)) return read;
    return absl::InvalidArgumentError(absl::StrCat(name, " ", text, ": expected a whole number"));
  }

  const std::vector<std::string>& words_;
  std::size_t at_ = 0;
  SweepFlags flags_;
  bool random_given_ = false;
  bool seed_given_ = false;
};

}  // namespace

const char kSweepUsage[] =
    "usage: cfrun sweep JOBS.csv CONFIG --run DIR [-n N] [flags of cfrun, cfworker]\n"
    "       cfrun sweep --make JOBS.csv CONFIG [--random N [--seed S]]\n"
    "             FIELD=VALUES...\n"
    "\n"
    "Trains CONFIG once for each line of JOBS.csv, whose header holds field paths;\n"
    "one after another, or as tasks of a Slurm array (launch/slurm/sweep.sbatch).\n"
    "Called again, it goes on: what is finished is not run again.\n"
    "\n"
    "  cfrun sweep --make jobs.csv CONFIG train.seed=1,2 \\\n"
    "        optimizer.adam.learning_rate=0.001,0.003\n"
    "  cfrun sweep --make jobs.csv CONFIG --random 20 \\\n"
    "        optimizer.adam.learning_rate=log:1e-4..1e-2\n"
    "  cfrun sweep jobs.csv CONFIG --data data/ml-1m --run runs/sweep -n 4\n"
    "\n"
    "Exit codes: 0 all jobs are finished, 1 some failed, 2 the input is wrong, 75\n"
    "stopped with a snapshot, to be continued by the same command.\n";

absl::StatusOr<SweepFlags> ParseSweepFlags(const std::vector<std::string>& words) {
  return FlagReader(words).Read();
}

}  // namespace cf
