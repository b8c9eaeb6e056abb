// cfsnapshot: lists, verifies, compares, prunes, evaluates and exports snapshots; predicts and
// recommends from one.

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include <absl/status/status.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>

#include "common/base/status.h"
#include "common/text/memory_size.h"
#include "launch/command_line.h"
#include "launch/program.h"
#include "launch/snapshot_commands.h"
#include "serving/exports/format.h"

namespace cf {
namespace {

/// The command line: each verb sets `run` to what it does.
struct CommandLine {
  ArgumentParser app{
      "cfsnapshot",
      "Lists, verifies, compares, prunes, evaluates and exports snapshots; finds, predicts and "
      "recommends from one."};
  std::function<absl::Status()> run;

  std::string first;
  std::string second;
  OutputFlags output;  // Of inspection.
  std::string memory;  // Of what opens a model.
  DiffFlags diff;
  PruneFlags prune;
  EvaluateFlags evaluate;
  PredictFlags predict;
  RecommendFlags recommend;
  SimilarFlags similar;
  FindFlags find;
  ExportFlags export_flags;
};

// No list and no sample of samples is longer.
constexpr int kLongest = 1'000'000'000;

constexpr char kSnapshot[] = "RUN/snapshots/best, RUN/snapshots/latest, or a manifest";
constexpr char kServed[] =
    "RUN/snapshots/best, RUN/snapshots/latest, a manifest, or the folder of an npy export";

// Refuses flags that would change nothing, because none of `with` is there.
absl::Status NeedOneOf(const ArgumentParser& verb, const std::vector<std::string>& flags,
                       const std::vector<std::string>& with) {
  const auto given = [&verb](const std::string& flag) { return verb.Given(flag); };
  if (std::any_of(with.begin(), with.end(), given)) return absl::OkStatus();
  const auto useless = std::find_if(flags.begin(), flags.end(), given);
  if (useless == flags.end()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      verb.name(), " ", *useless, " does something only with ", absl::StrJoin(with, " or ")));
}

// Refuses flags that would change nothing beside one of `with`.
absl::Status NeedNoneOf(const ArgumentParser& verb, const std::vector<std::string>& flags,
                        const std::vector<std::string>& with) {
  for (const std::string& flag : flags) {
    for (const std::string& other : with) {
      if (!verb.Given(flag) || !verb.Given(other)) continue;
      return absl::InvalidArgumentError(
          absl::StrCat(verb.name(), " ", flag, " does nothing with ", other));
    }
  }
  return absl::OkStatus();
}

ArgumentParser* AddVerb(CommandLine& line, const std::string& name, const std::string& what,
                        std::function<absl::Status()> run) {
  ArgumentParser* verb = line.app.AddCommand(name, what);
  verb->OnChosen([&line, run = std::move(run)] { line.run = run; });
  return verb;
}

void AddOut(ArgumentParser* verb, OutputFlags& flags) {
  verb->Option("--out", flags.out, "File to write instead of standard output");
  verb->Switch("--overwrite", flags.overwrite, "Replaces the file of --out where it is there");
}

void AddOutput(ArgumentParser* verb, OutputFlags& flags) {
  const auto take = [&flags](const std::string& name) {
    flags.format = name == "csv" ? TableFormat::kCsv : TableFormat::kText;
  };
  verb->OptionBy("--format", take, "text or csv (text, and csv into a file)")
      .OneOf({"text", "csv"});
  AddOut(verb, flags);
}

// `what` the model may be opened from.
void AddModel(ArgumentParser* verb, CommandLine& line, OpenModel::Options& options,
              const char* what = kServed) {
  verb->Option("SNAPSHOT", options.snapshot, what).Required();
  verb->Option("--data", options.data, "Folder of the data set, where it has moved");
  verb->Option("--memory", line.memory,
               "Memory that it may take beside the data set, which is mapped, such as 2GiB (a bare "
               "number is MiB)");
}

// The size of --memory, wherever it was given.
absl::Status ReadMemory(CommandLine& line) {
  if (line.memory.empty()) return absl::OkStatus();
  const absl::StatusOr<std::uint64_t> bytes = ParseMemorySize(line.memory);
  if (!bytes.ok()) return Because(bytes.status(), "--memory");
  for (OpenModel::Options* model :
       {&line.evaluate.model, &line.predict.model, &line.recommend.model, &line.similar.model,
        &line.find.model, &line.export_flags.model}) {
    model->memory = *bytes;
  }
  return absl::OkStatus();
}

void AddGenres(ArgumentParser* verb, std::vector<std::string>& genres) {
  verb->Option("--genre", genres, "Only items of this genre; repeated: of any of them")
      .OneValueEach();
}

void AddMinRatings(ArgumentParser* verb, std::optional<std::uint32_t>& min_ratings) {
  verb->Option("--min-ratings", min_ratings,
               "Leaves out items with fewer training ratings; else only those of which the "
               "model has learned nothing; with 0 not even these");
}

void AddFallback(ArgumentParser* verb, bool& popular, const std::string& what) {
  verb->OptionBy(
          "--fallback", [&popular](const std::string&) { popular = true; }, what)
      .OneOf({"popular"});
}

void AddMask(ArgumentParser* verb, Mask& mask, const std::string& what) {
  verb->OptionBy(
          "--mask",
          [&mask](const std::string& name) {
            mask = name == "none" ? Mask::kNone : name == "train" ? Mask::kTrain : Mask::kAll;
          },
          what)
      .OneOf({"all", "train", "none"});
}

// The flags of AddRecordFlags behind others.
std::vector<std::string> RecordFlagNames(std::vector<std::string> names) {
  names.insert(names.end(), {"--columns", "--separator", "--encoding", "--time-unit"});
  return names;
}

void AddGiven(ArgumentParser* verb, std::string& given, FoldIn::Pull& pull,
              const std::string& what) {
  verb->Option("--ratings", given, what);
  verb->OptionBy(
          "--pull",
          [&pull](const std::string& name) {
            pull = name == "l2" ? FoldIn::Pull::kL2 : FoldIn::Pull::kSpread;
          },
          "What draws somebody with few ratings, beside these: users, to what trained users are "
          "like, or l2, the model's own L2 alone (users)")
      .OneOf({"users", "l2"});
}

void AddInspection(CommandLine& line) {
  ArgumentParser* list = AddVerb(line, "list", "The snapshots of a run",
                                 [&line] { return ListSnapshots(line.first, line.output); });
  list->Option("RUN", line.first, "The run's folder").Required();
  AddOutput(list, line.output);
  ArgumentParser* verify =
      AddVerb(line, "verify", "Reads all of a snapshot and checks every checksum",
              [&line] { return VerifySnapshot(line.first, line.output); });
  verify->Option("SNAPSHOT", line.first, kServed).Required();
  AddOut(verify, line.output);
  ArgumentParser* digest =
      AddVerb(line, "digest", "One hex line over all parameters and optimizer state",
              [&line] { return PrintDigest(line.first, line.output); });
  digest->Option("SNAPSHOT", line.first, kServed).Required();
  AddOut(digest, line.output);
  ArgumentParser* summary = AddVerb(line, "summary", "The model's layers, shapes and parameters",
                                    [&line] { return Summarise(line.first, line.output); });
  summary->Option("SNAPSHOT", line.first, kServed).Required();
  AddOutput(summary, line.output);
  ArgumentParser* compare =
      AddVerb(line, "compare", "Whether two snapshots are the same, bit for bit",
              [&line] { return CompareSnapshots(line.first, line.second, line.output); });
  compare->Option("A", line.first, kSnapshot).Required();
  compare->Option("B", line.second, kSnapshot).Required();
  AddOut(compare, line.output);
}

void AddInfo(CommandLine& line) {
  ArgumentParser* verb = AddVerb(line, "info", "Position, sizes, figures and configuration of one",
                                 [&line] { return PrintInfo(line.first, line.output); });
  verb->Option("SNAPSHOT", line.first, kServed).Required();
  AddOutput(verb, line.output);
}

void AddDiff(CommandLine& line) {
  DiffFlags& flags = line.diff;
  ArgumentParser* verb =
      AddVerb(line, "diff", "How much two snapshots differ, by table, and in which rows most",
              [&flags] { return PrintDifference(flags); });
  verb->Option("A", flags.a, kSnapshot).Required();
  verb->Option("B", flags.b, kSnapshot).Required();
  verb->Option("--data", flags.data, "Folder of the data set, where it has moved");
  verb->Option("--top", flags.top,
               "How many rows of each table are listed, the largest changes first (10); with "
               "--format csv these rows instead of the tables")
      .Between(1, kLongest);
  AddOutput(verb, flags.output);
}

void AddPrune(CommandLine& line) {
  PruneFlags& flags = line.prune;
  ArgumentParser* verb = AddVerb(
      line, "prune", "Removes all snapshots but the newest and the best, and what only they need",
      [&flags] { return PruneSnapshots(flags); });
  verb->Option("RUN", flags.path, "The run's folder, or a folder of snapshots").Required();
  verb->Option("--keep", flags.keep, "How many of the newest stay, beside the best")
      .Required()
      .Between(1, kLongest);
  verb->Switch("--dry-run", flags.dry_run, "Says what would go, and removes nothing");
  AddOut(verb, flags.output);
}

void AddEvaluate(CommandLine& line) {
  EvaluateFlags& flags = line.evaluate;
  ArgumentParser* verb = line.app.AddCommand(
      "evaluate", "Its figures, as its training measured them, or on samples of a file");
  verb->OnChosen([&line, &flags, verb] {
    line.run = [&flags, verb] {
      absl::Status used = NeedOneOf(*verb, RecordFlagNames({"--mask"}), {"--samples"});
      used.Update(ReadRecordFlags(&flags.records));
      return used.ok() ? Evaluate(flags) : used;
    };
  });
  AddModel(verb, line, flags.model, kSnapshot);
  verb->Option("--metrics", flags.metrics,
               "Figures beside loss, RMSE and MAE, such as val_ndcg_10,val_top_100_unmasked; "
               "else those that its job asked for")
      .SplitAt(',');
  AddOutput(verb, flags.output);
  verb->OptionBy(
          "--split",
          [&flags](const std::string& name) { flags.training_samples = name == "train"; },
          "val or train: which samples of the job's split (val)")
      .OneOf({"val", "train"})
      .Excludes(verb->Option(
          "--samples", flags.samples,
          "File of ratings or pairs, such as a test file: errors where it has ratings, and ranks"));
  AddMask(verb, flags.mask,
          "With --samples: which of a user's other samples are no candidates: train, all or none "
          "(train)");
  AddRecordFlags(verb, &flags.records);
}

void AddPredict(CommandLine& line) {
  PredictFlags& flags = line.predict;
  ArgumentParser* verb =
      line.app.AddCommand("predict", "Predicted ratings, and the actual where known");
  verb->OnChosen([&line, &flags, verb] {
    line.run = [&flags, verb] {
      absl::Status used = NeedOneOf(*verb, RecordFlagNames({}), {"--pairs"});
      used.Update(NeedOneOf(*verb, {"--limit"}, {"--split"}));
      used.Update(NeedOneOf(*verb, {"--ratings"}, {"--pairs"}));
      used.Update(NeedOneOf(*verb, {"--pull"}, {"--ratings"}));
      used.Update(ReadRecordFlags(&flags.records));
      return used.ok() ? Predict(flags) : used;
    };
  });
  AddModel(verb, line, flags.model);
  verb->Option("--pairs", flags.pairs,
               "File of users and items by raw ids, perhaps with ratings, read as the import "
               "reads ratings");
  AddGiven(
      verb, flags.given, flags.pull,
      "File of ratings (or clicks) of users of --pairs: these are folded in with them, whether "
      "or not the model knows them");
  verb->Option("--split", flags.split, "val or train: samples of the job's split")
      .OneOf({"val", "train"});
  verb->Option("--limit", flags.limit, "So many of these samples, spread over all users")
      .Between(1, kLongest);
  AddRecordFlags(verb, &flags.records);
  verb->Option("--user", flags.user, "A user, by raw id, for --titles");
  verb->Option("--titles", flags.titles, "Titles or raw ids of items").AllThatFollow();
  AddFallback(verb, flags.fallback_popular,
              "What stands in where the model has learned nothing of a user or an item: popular, "
              "the mean training rating of the item, else of the user, else of all");
  AddOutput(verb, flags.output);
}

void AddRecommend(CommandLine& line) {
  RecommendFlags& flags = line.recommend;
  ArgumentParser* verb = line.app.AddCommand(
      "recommend", "The best unseen items for a user or for all; the best users for an item");
  verb->OnChosen([&line, &flags, verb] {
    line.run = [&flags, verb] {
      absl::Status used = NeedOneOf(*verb, {"--top-users"}, {"--item"});
      used.Update(NeedOneOf(
          *verb, {"--top", "--min-ratings", "--genre", "--fallback", "--diversity", "--genre-cap"},
          {"--user", "--all-users", "--candidates", "--ratings"}));
      used.Update(NeedNoneOf(*verb, {"--all-users", "--item", "--candidates", "--fallback"},
                             {"--ratings"}));
      used.Update(NeedOneOf(*verb, {"--pull"}, {"--ratings"}));
      used.Update(NeedOneOf(*verb, {"--alike-by"}, {"--diversity"}));
      used.Update(NeedNoneOf(*verb, {"--exclude", "--candidates"}, {"--item"}));
      used.Update(
          NeedOneOf(*verb, RecordFlagNames({}), {"--exclude", "--candidates", "--ratings"}));
      used.Update(NeedNoneOf(*verb, {"--threads"}, {"--user", "--item", "--ratings"}));
      used.Update(NeedNoneOf(*verb, {"--format"}, {"--all-users"}));
      used.Update(ReadRecordFlags(&flags.records));
      return used.ok() ? Recommend(flags) : used;
    };
  });
  AddModel(verb, line, flags.model);
  verb->Option("--user", flags.user, "A user, by raw id");
  verb->Switch("--all-users", flags.all_users, "A list for every user, into --out");
  verb->Option("--item", flags.item, "An item, by raw id or title: the users to show it to");
  AddGiven(verb, flags.given, flags.pull,
           "File of ratings (or clicks) of somebody's own: a list for them, whether or not the "
           "model knows them; where it names users, their lists, into --out");
  verb->Option("--diversity", flags.diversity.strength,
               "How much of its scores a list gives up so that its items differ, 0 to 1 (0)")
      .Share();
  verb->OptionBy(
          "--alike-by",
          [&flags](const std::string& name) {
            flags.diversity.likeness =
                name == "genres" ? LikenessOf::kGenres : LikenessOf::kVectors;
          },
          "What makes two items alike to --diversity: vectors or genres (genres, where items have "
          "them)")
      .OneOf({"vectors", "genres"});
  verb->Option("--genre-cap", flags.diversity.genre_cap,
               "How many items of a genre a list holds at most")
      .Between(1, kLongest);
  verb->Option("--top", flags.top, "Length of a list of items").ShowDefault().Between(1, kLongest);
  verb->Option("--top-users", flags.top_users, "Length of a list of users")
      .ShowDefault()
      .Between(1, kLongest);
  AddMask(verb, flags.mask,
          "Which of a user's own items are left out: all, train (of training samples only, for "
          "figures on validation samples) or none (all)");
  AddMinRatings(verb, flags.min_ratings);
  AddGenres(verb, flags.genres);
  verb->Option("--exclude", flags.exclude,
               "File of items that no list holds, or of users and items that theirs do not");
  verb->Option("--candidates", flags.candidates,
               "File of the items that lists are made of, or of users and items, such as the "
               "lists of another model: then these users' lists, into --out");
  AddRecordFlags(verb, &flags.records);
  AddFallback(verb, flags.fallback_popular,
              "What a user gets of whom the model has learned nothing: popular, the most rated "
              "items");
  verb->Option("--threads", flags.threads, "Threads of --all-users; 0: all of the machine");
  AddOutput(verb, flags.output);
}

void AddSimilar(CommandLine& line) {
  SimilarFlags& flags = line.similar;
  ArgumentParser* verb = AddVerb(line, "similar", "The items whose vectors point the same way",
                                 [&flags] { return PrintSimilar(flags); });
  AddModel(verb, line, flags.model);
  verb->Option("--item", flags.item, "An item, by raw id or title").Required();
  verb->Option("--top", flags.top, "Length of the list").ShowDefault().Between(1, kLongest);
  AddMinRatings(verb, flags.min_ratings);
  AddGenres(verb, flags.genres);
  AddOutput(verb, flags.output);
}

void AddFind(CommandLine& line) {
  FindFlags& flags = line.find;
  ArgumentParser* verb =
      line.app.AddCommand("find", "Items by title, or users, with how often they are rated");
  verb->OnChosen([&line, &flags, verb] {
    line.run = [&flags, verb] {
      const absl::Status used = NeedOneOf(*verb, {"--seed"}, {"--random"});
      return used.ok() ? Find(flags) : used;
    };
  });
  AddModel(verb, line, flags.model);
  verb->Option("TEXT", flags.text, "Words or parts of words of titles; of users, of raw ids");
  verb->Switch("--users", flags.users, "Users instead of items")
      .Excludes(verb->Option("--genre", flags.genres,
                             "Only items of this genre; repeated: of any of them")
                    .OneValueEach());
  verb->Option("--top", flags.top, "How many are shown").ShowDefault().Between(1, kLongest);
  verb->Switch("--random", flags.random, "Draws among what is found");
  verb->Option("--seed", flags.seed, "Of the draw").ShowDefault();
  AddOutput(verb, flags.output);
}

void AddPrecision(ArgumentParser* verb, Precision& precision) {
  constexpr Precision kAll[] = {Precision::kFloat32, Precision::kFloat16, Precision::kInt8};
  std::vector<std::string> names;
  for (const Precision p : kAll) names.emplace_back(PrecisionName(p));
  verb->OptionBy(
          "--precision",
          [&precision, kAll](const std::string& name) {
            precision = *std::ranges::find(kAll, name, PrecisionName);
          },
          "What weights are written as, where the format has it; else fp32")
      .OneOf(names);
}

void AddExport(CommandLine& line) {
  ExportFlags& flags = line.export_flags;
  ArgumentParser* verb =
      AddVerb(line, "export", "Files that other programs load", [&flags] { return Export(flags); });
  AddModel(verb, line, flags.model, kSnapshot);
  std::vector<std::string> names;
  std::string what;
  for (const ExportFormat& format : ExportFormats()) {
    names.emplace_back(format.name);
    absl::StrAppend(&what, what.empty() ? "" : "; ", format.name, ": ", format.what);
  }
  flags.options.format = names.front();
  verb->Option("--format", flags.options.format, what).OneOf(names).ShowDefault();
  AddPrecision(verb, flags.options.precision);
  verb->Option("--single-file-max", flags.options.single_file_mib_max,
               "onnx: tables of more MiB together are in a file beside the graphs")
      .ShowDefault();
  verb->Option(
      "--index", flags.options.index,
      "faiss: what its index_factory makes, such as IVF256,Flat; else Flat, which is exact");
  verb->Option("--out", flags.options.folder, "Folder to make").Required();
  verb->Switch("--overwrite", flags.options.overwrite, "Replaces an earlier export");
}

absl::StatusOr<ExitCode> Main(int argc, char** argv) {
  CommandLine line;
  line.app.RequireCommand();
  AddInspection(line);
  AddInfo(line);
  AddDiff(line);
  AddPrune(line);
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
  if (const ArgumentParser& verb = *line.app.chosen(); verb.name() != "export") {
    status.Update(NeedOneOf(verb, {"--overwrite"}, {"--out"}));
  }
  if (status.ok()) status = ReadMemory(line);
  if (status.ok()) status = line.run();
  return status.ok() ? absl::StatusOr<ExitCode>(kExitFinished) : status;
}

}  // namespace
}  // namespace cf

int main(int argc, char** argv) {
  cf::BeginProgram();
  return cf::EndProgram("cfsnapshot", cf::Main(argc, argv));
}
