// cfsnapshot: lists, verifies, compares, evaluates and exports snapshots; predicts and recommends
// from one.

#include <cstdio>
#include <functional>
#include <string>

#include <CLI/CLI.hpp>
#include <absl/status/status.h>

#include "common/base/status.h"
#include "launch/program.h"
#include "launch/snapshot_commands.h"

namespace cf {
namespace {

/// The command line: each verb sets `run` to what it does.
struct CommandLine {
  CLI::App app{
      "Lists, verifies, compares, evaluates and exports snapshots; predicts and recommends from "
      "one."};
  std::function<absl::Status()> run;

  std::string first;
  std::string second;
  TableFormat list_format = TableFormat::kText;
  EvaluateFlags evaluate;
  PredictFlags predict;
  RecommendFlags recommend;
  SimilarFlags similar;
  ExportFlags export_flags;
  std::string export_format = "npy";
  std::string fallback;
};

constexpr char kSnapshot[] = "RUN/snapshots/best, RUN/snapshots/latest, or a manifest";
constexpr char kOverwrite[] = "Replaces a file that is there already";

CLI::App* AddVerb(CommandLine& line, const std::string& name, const std::string& what,
                  std::function<absl::Status()> run) {
  CLI::App* verb = line.app.add_subcommand(name, what);
  verb->callback([&line, run = std::move(run)] { line.run = run; });
  return verb;
}

void AddFormat(CLI::App* verb, TableFormat& format) {
  const auto take = [&format](const std::string& name) {
    format = name == "csv" ? TableFormat::kCsv : TableFormat::kText;
  };
  verb->add_option_function<std::string>("--format", take, "text or csv")
      ->check(CLI::IsMember({"text", "csv"}));
}

void AddModel(CLI::App* verb, ModelFlags& flags) {
  verb->add_option("snapshot", flags.snapshot, kSnapshot)->required();
  verb->add_option("--data", flags.data, "Folder of the data set, where it has moved");
}

void AddInspection(CommandLine& line) {
  CLI::App* list = AddVerb(line, "list", "The snapshots of a run",
                           [&line] { return ListSnapshots(line.first, line.list_format); });
  list->add_option("run", line.first, "The run's folder")->required();
  AddFormat(list, line.list_format);
  CLI::App* verify = AddVerb(line, "verify", "Reads all of a snapshot and checks every checksum",
                             [&line] { return VerifySnapshot(line.first); });
  verify->add_option("snapshot", line.first, kSnapshot)->required();
  CLI::App* digest = AddVerb(line, "digest", "One hex line over all parameters and optimizer state",
                             [&line] { return PrintDigest(line.first); });
  digest->add_option("snapshot", line.first, kSnapshot)->required();
  CLI::App* compare = AddVerb(line, "compare", "Whether two snapshots are the same, bit for bit",
                              [&line] { return CompareSnapshots(line.first, line.second); });
  compare->add_option("a", line.first, kSnapshot)->required();
  compare->add_option("b", line.second, kSnapshot)->required();
}

void AddEvaluate(CommandLine& line) {
  EvaluateFlags& flags = line.evaluate;
  CLI::App* verb = AddVerb(line, "evaluate", "Its figures, as its training measured them",
                           [&flags] { return Evaluate(flags); });
  AddModel(verb, flags.model);
  verb->add_option("--metrics", flags.metrics,
                   "Figures beside loss, RMSE and MAE, such as val_ndcg_10,val_top_100_unmasked; "
                   "else those that its job asked for")
      ->delimiter(',');
  AddFormat(verb, flags.model.format);
  verb->add_option_function<std::string>(
          "--split",
          [&flags](const std::string& name) { flags.training_samples = name == "train"; },
          "val or train: which samples of the job's split (val)")
      ->check(CLI::IsMember({"val", "train"}));
}

void AddPredict(CommandLine& line) {
  PredictFlags& flags = line.predict;
  CLI::App* verb = AddVerb(line, "predict", "Predicted ratings, and the actual where known",
                           [&flags] { return Predict(flags); });
  AddModel(verb, flags.model);
  AddFormat(verb, flags.model.format);
  verb->add_option("--pairs", flags.pairs, "CSV file of user,item[,rating], with raw ids");
  verb->add_option("--user", flags.user, "A user, by raw id, for --titles");
  verb->add_option("--titles", flags.titles, "Titles of items")->expected(1, -1);
  verb->add_option("--out", flags.out, "CSV file to write instead of standard output");
  verb->add_flag("--overwrite", flags.overwrite, kOverwrite);
}

void AddRecommend(CommandLine& line) {
  RecommendFlags& flags = line.recommend;
  CLI::App* verb = AddVerb(
      line, "recommend", "The best unseen items for a user or for all; the best users for an item",
      [&line, &flags] {
        flags.fallback_popular = !line.fallback.empty();
        return Recommend(flags);
      });
  AddModel(verb, flags.model);
  AddFormat(verb, flags.model.format);
  verb->add_option("--user", flags.user, "A user, by raw id");
  verb->add_flag("--all-users", flags.all_users, "A list for every user, into --out");
  verb->add_option("--item", flags.item, "An item, by raw id: the users to show it to");
  verb->add_option("--top", flags.top, "Length of a list of items")->capture_default_str();
  verb->add_option("--top-users", flags.top_users, "Length of a list of users")
      ->capture_default_str();
  verb->add_option("--min-ratings", flags.min_ratings,
                   "Leaves out items with fewer training ratings");
  verb->add_option("--fallback", line.fallback, "What an unknown user gets: popular")
      ->check(CLI::IsMember({"popular"}));
  verb->add_option("--out", flags.out, "CSV file of --all-users: user,rank,item,title,predicted");
  verb->add_flag("--overwrite", flags.overwrite, kOverwrite);
  verb->add_option("--threads", flags.threads, "Threads of --all-users; 0: all of the machine");
}

void AddSimilar(CommandLine& line) {
  SimilarFlags& flags = line.similar;
  CLI::App* verb = AddVerb(line, "similar", "The items whose vectors point the same way",
                           [&flags] { return PrintSimilar(flags); });
  AddModel(verb, flags.model);
  AddFormat(verb, flags.model.format);
  verb->add_option("--item", flags.item, "An item, by raw id")->required();
  verb->add_option("--top", flags.top, "Length of the list")->capture_default_str();
  verb->add_option("--min-ratings", flags.min_ratings,
                   "Leaves out items with fewer training ratings");
}

void AddExport(CommandLine& line) {
  ExportFlags& flags = line.export_flags;
  CLI::App* verb =
      AddVerb(line, "export", "Files that other programs load", [&flags] { return Export(flags); });
  AddModel(verb, flags.model);
  verb->add_option("--format", line.export_format, "npy: NumPy arrays, CSV and JSON")
      ->check(CLI::IsMember({"npy"}))
      ->capture_default_str();
  verb->add_option("--out", flags.out, "Folder to make")->required();
  verb->add_flag("--overwrite", flags.overwrite, "Replaces an earlier export");
}

absl::StatusOr<ExitCode> Main(int argc, char** argv) {
  CommandLine line;
  line.app.require_subcommand(1);
  AddInspection(line);
  AddEvaluate(line);
  AddPredict(line);
  AddRecommend(line);
  AddSimilar(line);
  AddExport(line);
  try {
    line.app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return line.app.exit(error) == 0 ? kExitFinished : kExitUserInput;
  }
  const absl::Status status = line.run();
  return status.ok() ? absl::StatusOr<ExitCode>(kExitFinished) : status;
}

}  // namespace
}  // namespace cf

int main(int argc, char** argv) {
  cf::BeginProgram();
  return cf::EndProgram("", cf::Main(argc, argv));
}
