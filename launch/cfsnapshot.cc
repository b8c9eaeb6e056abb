// cfsnapshot: lists, verifies, compares, evaluates and exports snapshots; predicts and recommends
// from one.

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <absl/status/status.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>

#include "common/base/status.h"
#include "launch/command_line.h"
#include "launch/program.h"
#include "launch/snapshot_commands.h"

namespace cf {
namespace {

/// The command line: each verb sets `run` to what it does.
struct CommandLine {
  CLI::App app{
      "Lists, verifies, compares, evaluates and exports snapshots; finds, predicts and recommends "
      "from one."};
  std::function<absl::Status()> run;

  std::string first;
  std::string second;
  OutputFlags output;  // Of inspection.
  EvaluateFlags evaluate;
  PredictFlags predict;
  RecommendFlags recommend;
  SimilarFlags similar;
  FindFlags find;
  ExportFlags export_flags;
  std::string export_format = "npy";
};

constexpr char kSnapshot[] = "RUN/snapshots/best, RUN/snapshots/latest, or a manifest";

// Refuses flags that would change nothing, because none of `with` is there.
absl::Status NeedOneOf(const CLI::App& verb, const std::vector<std::string>& flags,
                       const std::vector<std::string>& with) {
  const auto given = [&verb](const std::string& flag) { return verb.count(flag) > 0; };
  if (std::any_of(with.begin(), with.end(), given)) return absl::OkStatus();
  const auto useless = std::find_if(flags.begin(), flags.end(), given);
  if (useless == flags.end()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      verb.get_name(), " ", *useless, " does something only with ", absl::StrJoin(with, " or ")));
}

// Refuses flags that would change nothing beside one of `with`.
absl::Status NeedNoneOf(const CLI::App& verb, const std::vector<std::string>& flags,
                        const std::vector<std::string>& with) {
  for (const std::string& flag : flags) {
    for (const std::string& other : with) {
      if (verb.count(flag) == 0 || verb.count(other) == 0) continue;
      return absl::InvalidArgumentError(
          absl::StrCat(verb.get_name(), " ", flag, " does nothing with ", other));
    }
  }
  return absl::OkStatus();
}

CLI::App* AddVerb(CommandLine& line, const std::string& name, const std::string& what,
                  std::function<absl::Status()> run) {
  CLI::App* verb = line.app.add_subcommand(name, what);
  verb->callback([&line, run = std::move(run)] { line.run = run; });
  return verb;
}

void AddOut(CLI::App* verb, OutputFlags& flags) {
  verb->add_option("--out", flags.out, "File to write instead of standard output");
  verb->add_flag("--overwrite", flags.overwrite, "Replaces the file of --out where it is there");
}

void AddOutput(CLI::App* verb, OutputFlags& flags) {
  const auto take = [&flags](const std::string& name) {
    flags.format = name == "csv" ? TableFormat::kCsv : TableFormat::kText;
  };
  verb->add_option_function<std::string>("--format", take,
                                         "text or csv (text, and csv into a file)")
      ->check(OneOf({"text", "csv"}));
  AddOut(verb, flags);
}

void AddModel(CLI::App* verb, OpenModel::Options& options) {
  verb->add_option("SNAPSHOT", options.snapshot, kSnapshot)->required();
  verb->add_option("--data", options.data, "Folder of the data set, where it has moved");
}

void AddGenres(CLI::App* verb, std::vector<std::string>& genres) {
  verb->add_option("--genre", genres, "Only items of this genre; repeated: of any of them")
      ->allow_extra_args(false);
}

void AddMinRatings(CLI::App* verb, std::optional<std::uint32_t>& min_ratings) {
  verb->add_option("--min-ratings", min_ratings,
                   "Leaves out items with fewer training ratings; else only those of which the "
                   "model has learned nothing; with 0 not even these");
}

void AddFallback(CLI::App* verb, bool& popular, const std::string& what) {
  verb->add_option_function<std::string>(
          "--fallback", [&popular](const std::string&) { popular = true; }, what)
      ->check(OneOf({"popular"}));
}

void AddMask(CLI::App* verb, Mask& mask, const std::string& what) {
  verb->add_option_function<std::string>(
          "--mask",
          [&mask](const std::string& name) {
            mask = name == "none" ? Mask::kNone : name == "train" ? Mask::kTrain : Mask::kAll;
          },
          what)
      ->check(OneOf({"all", "train", "none"}));
}

// The flags of AddRecordFlags behind others.
std::vector<std::string> RecordFlagNames(std::vector<std::string> names) {
  names.insert(names.end(), {"--columns", "--separator", "--encoding", "--time-unit"});
  return names;
}

void AddInspection(CommandLine& line) {
  CLI::App* list = AddVerb(line, "list", "The snapshots of a run",
                           [&line] { return ListSnapshots(line.first, line.output); });
  list->add_option("RUN", line.first, "The run's folder")->required();
  AddOutput(list, line.output);
  CLI::App* verify = AddVerb(line, "verify", "Reads all of a snapshot and checks every checksum",
                             [&line] { return VerifySnapshot(line.first, line.output); });
  verify->add_option("SNAPSHOT", line.first, kSnapshot)->required();
  AddOut(verify, line.output);
  CLI::App* digest = AddVerb(line, "digest", "One hex line over all parameters and optimizer state",
                             [&line] { return PrintDigest(line.first, line.output); });
  digest->add_option("SNAPSHOT", line.first, kSnapshot)->required();
  AddOut(digest, line.output);
  CLI::App* compare =
      AddVerb(line, "compare", "Whether two snapshots are the same, bit for bit",
              [&line] { return CompareSnapshots(line.first, line.second, line.output); });
  compare->add_option("A", line.first, kSnapshot)->required();
  compare->add_option("B", line.second, kSnapshot)->required();
  AddOut(compare, line.output);
}

void AddEvaluate(CommandLine& line) {
  EvaluateFlags& flags = line.evaluate;
  CLI::App* verb = line.app.add_subcommand(
      "evaluate", "Its figures, as its training measured them, or on samples of a file");
  verb->callback([&line, &flags, verb] {
    line.run = [&flags, verb] {
      absl::Status used = NeedOneOf(*verb, RecordFlagNames({"--mask"}), {"--samples"});
      used.Update(ReadRecordFlags(&flags.records));
      return used.ok() ? Evaluate(flags) : used;
    };
  });
  AddModel(verb, flags.model);
  verb->add_option("--metrics", flags.metrics,
                   "Figures beside loss, RMSE and MAE, such as val_ndcg_10,val_top_100_unmasked; "
                   "else those that its job asked for")
      ->delimiter(',');
  AddOutput(verb, flags.output);
  verb->add_option_function<std::string>(
          "--split",
          [&flags](const std::string& name) { flags.training_samples = name == "train"; },
          "val or train: which samples of the job's split (val)")
      ->check(OneOf({"val", "train"}))
      ->excludes(verb->add_option(
          "--samples", flags.samples,
          "File of ratings or pairs, such as a test file: errors where it has ratings, and ranks"));
  AddMask(verb, flags.mask,
          "With --samples: which of a user's other samples are no candidates: train, all or none "
          "(train)");
  AddRecordFlags(verb, &flags.records);
}

void AddPredict(CommandLine& line) {
  PredictFlags& flags = line.predict;
  CLI::App* verb =
      line.app.add_subcommand("predict", "Predicted ratings, and the actual where known");
  verb->callback([&line, &flags, verb] {
    line.run = [&flags, verb] {
      absl::Status used = NeedOneOf(*verb, RecordFlagNames({}), {"--pairs"});
      used.Update(NeedOneOf(*verb, {"--limit"}, {"--split"}));
      used.Update(ReadRecordFlags(&flags.records));
      return used.ok() ? Predict(flags) : used;
    };
  });
  AddModel(verb, flags.model);
  verb->add_option("--pairs", flags.pairs,
                   "File of users and items by raw ids, perhaps with ratings, read as the import "
                   "reads ratings");
  verb->add_option("--split", flags.split, "val or train: samples of the job's split")
      ->check(OneOf({"val", "train"}));
  verb->add_option("--limit", flags.limit, "So many of these samples, spread over all users")
      ->check(CLI::PositiveNumber);
  AddRecordFlags(verb, &flags.records);
  verb->add_option("--user", flags.user, "A user, by raw id, for --titles");
  verb->add_option("--titles", flags.titles, "Titles or raw ids of items")->expected(1, -1);
  AddFallback(verb, flags.fallback_popular,
              "What stands in where the model has learned nothing of a user or an item: popular, "
              "the mean training rating of the item, else of the user, else of all");
  AddOutput(verb, flags.output);
}

void AddRecommend(CommandLine& line) {
  RecommendFlags& flags = line.recommend;
  CLI::App* verb = line.app.add_subcommand(
      "recommend", "The best unseen items for a user or for all; the best users for an item");
  verb->callback([&line, &flags, verb] {
    line.run = [&flags, verb] {
      absl::Status used = NeedOneOf(*verb, {"--top-users"}, {"--item"});
      used.Update(NeedOneOf(*verb, {"--top", "--min-ratings", "--genre", "--fallback"},
                            {"--user", "--all-users", "--candidates"}));
      used.Update(NeedNoneOf(*verb, {"--exclude", "--candidates"}, {"--item"}));
      used.Update(NeedOneOf(*verb, RecordFlagNames({}), {"--exclude", "--candidates"}));
      used.Update(NeedNoneOf(*verb, {"--threads"}, {"--user", "--item"}));
      used.Update(NeedNoneOf(*verb, {"--format"}, {"--all-users"}));
      used.Update(ReadRecordFlags(&flags.records));
      return used.ok() ? Recommend(flags) : used;
    };
  });
  AddModel(verb, flags.model);
  verb->add_option("--user", flags.user, "A user, by raw id");
  verb->add_flag("--all-users", flags.all_users, "A list for every user, into --out");
  verb->add_option("--item", flags.item, "An item, by raw id or title: the users to show it to");
  verb->add_option("--top", flags.top, "Length of a list of items")->capture_default_str();
  verb->add_option("--top-users", flags.top_users, "Length of a list of users")
      ->capture_default_str();
  AddMask(verb, flags.mask,
          "Which of a user's own items are left out: all, train (of training samples only, for "
          "figures on validation samples) or none (all)");
  AddMinRatings(verb, flags.min_ratings);
  AddGenres(verb, flags.genres);
  verb->add_option("--exclude", flags.exclude,
                   "File of items that no list holds, or of users and items that theirs do not");
  verb->add_option("--candidates", flags.candidates,
                   "File of the items that lists are made of, or of users and items, such as the "
                   "lists of another model: then these users' lists, into --out");
  AddRecordFlags(verb, &flags.records);
  AddFallback(verb, flags.fallback_popular,
              "What a user gets of whom the model has learned nothing: popular, the most rated "
              "items");
  verb->add_option("--threads", flags.threads, "Threads of --all-users; 0: all of the machine");
  AddOutput(verb, flags.output);
}

void AddSimilar(CommandLine& line) {
  SimilarFlags& flags = line.similar;
  CLI::App* verb = AddVerb(line, "similar", "The items whose vectors point the same way",
                           [&flags] { return PrintSimilar(flags); });
  AddModel(verb, flags.model);
  verb->add_option("--item", flags.item, "An item, by raw id or title")->required();
  verb->add_option("--top", flags.top, "Length of the list")->capture_default_str();
  AddMinRatings(verb, flags.min_ratings);
  AddGenres(verb, flags.genres);
  AddOutput(verb, flags.output);
}

void AddFind(CommandLine& line) {
  FindFlags& flags = line.find;
  CLI::App* verb =
      line.app.add_subcommand("find", "Items by title, or users, with how often they are rated");
  verb->callback([&line, &flags, verb] {
    line.run = [&flags, verb] {
      const absl::Status used = NeedOneOf(*verb, {"--seed"}, {"--random"});
      return used.ok() ? Find(flags) : used;
    };
  });
  AddModel(verb, flags.model);
  verb->add_option("TEXT", flags.text, "Words or parts of words of titles; of users, of raw ids");
  verb->add_flag("--users", flags.users, "Users instead of items")
      ->excludes(verb->add_option("--genre", flags.genres,
                                  "Only items of this genre; repeated: of any of them")
                     ->allow_extra_args(false));
  verb->add_option("--top", flags.top, "How many are shown")->capture_default_str();
  verb->add_flag("--random", flags.random, "Draws among what is found");
  verb->add_option("--seed", flags.seed, "Of the draw")->capture_default_str();
  AddOutput(verb, flags.output);
}

void AddExport(CommandLine& line) {
  ExportFlags& flags = line.export_flags;
  CLI::App* verb =
      AddVerb(line, "export", "Files that other programs load", [&flags] { return Export(flags); });
  AddModel(verb, flags.model);
  verb->add_option("--format", line.export_format, "npy: NumPy arrays, CSV and JSON")
      ->check(OneOf({"npy"}))
      ->capture_default_str();
  verb->add_option("--out", flags.out, "Folder to make")->required();
  verb->add_flag("--overwrite", flags.overwrite, "Replaces an earlier export");
}

absl::StatusOr<ExitCode> Main(int argc, char** argv) {
  CommandLine line;
  line.app.name("cfsnapshot");
  line.app.require_subcommand(1);
  AddInspection(line);
  AddFind(line);
  AddRecommend(line);
  AddSimilar(line);
  AddPredict(line);
  AddEvaluate(line);
  AddExport(line);
  if (const std::optional<ExitCode> ended = ParseWords(line.app, {argv + 1, argv + argc})) {
    return *ended;
  }
  absl::Status status = absl::OkStatus();
  for (CLI::App* verb : line.app.get_subcommands()) {
    if (verb->get_name() != "export") status.Update(NeedOneOf(*verb, {"--overwrite"}, {"--out"}));
  }
  if (status.ok()) status = line.run();
  return status.ok() ? absl::StatusOr<ExitCode>(kExitFinished) : status;
}

}  // namespace
}  // namespace cf

int main(int argc, char** argv) {
  cf::BeginProgram();
  return cf::EndProgram("cfsnapshot", cf::Main(argc, argv));
}
