// Goal: every format is loaded by the programs that it is for. Method: for every kind of model that
// a format carries, its own library reads the export in a fresh process, whose scores must be those
// of `cfsnapshot predict`; what is not carried is refused in a line.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/cluster.h"
#include "tests/support/paths.h"

namespace cf {
namespace {

/// What reads an export in tests: CF_PYTHON, which may be of an environment with more libraries,
/// or the system's.
std::string Python() {
  const char* const named = std::getenv("CF_PYTHON");
  return named != nullptr ? named : "/usr/bin/python3";
}

bool HasModules(const std::string& modules) {
  static std::map<std::string, bool> known;
  const auto [found, is_new] = known.emplace(modules, false);
  if (is_new) {
    const std::string command = Python() + " -c 'import " + modules + "' 2>/dev/null";
    found->second = std::system(command.c_str()) == 0;
  }
  return found->second;
}

// The raw id of a line of an export's list, behind the row, as CSV has it: perhaps in quotes.
std::string RawId(const std::string& line) {
  const std::size_t begin = line.find(',') + 1;
  const std::size_t end = line.find(line[begin] == '"' ? "\"," : ",", begin);
  return line.substr(begin, end - begin + (line[begin] == '"' ? 1 : 0));
}

/// A kind of model: a config, and what is set beside it.
struct Kind {
  const char* name;
  const char* config;
  std::vector<std::string> set;
  bool ranker = false;
  bool words = false;  ///< Whether raw ids are words, of data that the test makes.
};

const std::vector<Kind> kKinds = {
    {"factorization",
     "ml_100k_u1_biased_mf",
     {"model.matrix_factorization.feature={source: USER_HISTORY}",
      "model.matrix_factorization.feature={source: ITEM_GENRES}", "train.batch_size=2000"}},
    {"logistic", "ml_100k_biased_mf_bce", {}},
    {"ranker", "mlp_10", {}, true},
    {"featured_ranker",
     "mlp_10_features",
     {"model.ranker.item_first=true", "model.ranker.item.dim=7",
      "model.ranker.feature={source: USER_HISTORY dim: 3}", "train.batch_size=2000"},
     true},
    {"retrieval", "retrieval_two_tower", {}},
    {"towers",
     "retrieval_two_tower",
     {"model.retrieval.user.dim=7", "model.retrieval.user.dense={units: 9 activation: RELU}",
      "model.retrieval.user.dense={units: 32 dropout: 0.2}",
      "model.retrieval.item.dense={units: 32 activation: RELU}"}},
    {"popularity", "ml_100k_u1_popular", {}},
    {.name = "words",
     .config = "ml_1m_biased_mf",
     .set = {"model.matrix_factorization.dim=8", "train.batch_size=500"},
     .words = true},
};

/// A format, with the flags that it takes and the check that loads it.
struct Consumer {
  const char* name;
  std::vector<std::string> flags;
  const char* check;    ///< In tests/consumers.
  const char* modules;  ///< What Python must have for it, as after `import`.
  /// What it says of a ranker, and of popularity, where it does not carry it.
  const char* refuses_rankers = nullptr;
  const char* refuses_popularity = nullptr;
  /// Whether it is made of one model alone where nobody reads it: building an index takes seconds, and
  /// an npy export every model has had.
  bool only_to_be_read = false;
};

constexpr char kNoInnerProduct[] = " ranks by inner products, and this model by dense layers on ";

const std::vector<Consumer> kConsumers = {
    {"safetensors",
     {"--format", "safetensors"},
     "check_safetensors.py",
     "safetensors.numpy, numpy"},
    {"safetensors_fp16",
     {"--format", "safetensors", "--precision", "fp16"},
     "check_safetensors.py",
     "safetensors.numpy, numpy"},
    {"safetensors_int8",
     {"--format", "safetensors", "--precision", "int8"},
     "check_safetensors.py",
     "safetensors.numpy, numpy"},
    {"csv", {"--format", "csv"}, "check_csv.py", "numpy"},
    {.name = "saved_model",
     .flags = {"--format", "npy"},
     .check = "check_saved_model.py",
     .modules = "tensorflow, numpy",
     .only_to_be_read = true},
    {.name = "scann",
     .flags = {"--format", "npy"},
     .check = "check_scann.py",
     .modules = "scann, numpy",
     .only_to_be_read = true},
    {"onnx", {"--format", "onnx"}, "check_onnx.py", "onnxruntime, numpy"},
    {"onnx_fp16",
     {"--format", "onnx", "--precision", "fp16"},
     "check_onnx.py",
     "onnxruntime, numpy"},
    {"onnx_int8",
     {"--format", "onnx", "--precision", "int8"},
     "check_onnx.py",
     "onnxruntime, numpy"},
    {"onnx_beside",
     {"--format", "onnx", "--single-file-max", "0"},
     "check_onnx.py",
     "onnxruntime, numpy"},
    {"onnx_checker", {"--format", "onnx"}, "check_onnx_form.py", "onnx"},
    {"tflite", {"--format", "tflite"}, "check_tflite.py", "ai_edge_litert.interpreter, numpy"},
    {"tflite_fp16",
     {"--format", "tflite", "--precision", "fp16"},
     "check_tflite.py",
     "ai_edge_litert.interpreter, numpy"},
    {"tflite_int8",
     {"--format", "tflite", "--precision", "int8"},
     "check_tflite.py",
     "ai_edge_litert.interpreter, numpy"},
    {"faiss", {"--format", "faiss"}, "check_faiss.py", "faiss, numpy", kNoInnerProduct},
    {"faiss_ivf",
     {"--format", "faiss", "--index", "IVF16,Flat"},
     "check_faiss.py",
     "faiss, numpy",
     kNoInnerProduct,
     nullptr,
     true},
    {"hnswlib",
     {"--format", "hnswlib"},
     "check_hnswlib.py",
     "hnswlib, numpy",
     kNoInnerProduct,
     "near vectors",
     true},
    {"faiss_hnsw",
     {"--format", "faiss", "--index", "HNSW32"},
     "check_faiss.py",
     "faiss, numpy",
     kNoInnerProduct,
     nullptr,
     true},
};

/// A trained model of a kind, what it predicts for a thousand pairs (predicted.csv) and everybody's list
/// (lists.csv): made once for all formats.
class Trained {
 public:
  explicit Trained(const Kind& kind) {
    std::vector<std::string> set = {"train.epochs=2"};
    if (kind.name == std::string("popularity")) set.clear();
    set.insert(set.end(), kind.set.begin(), kind.set.end());
    std::string data;
    if (kind.words) {
      data = cluster_.Path("words");
      WriteWords();
      Call("cfdata", {"import", "--ratings", cluster_.Path("words.csv"), "--out", data});
    }
    cluster_.Train({.launcher = Launcher::kAlone,
                    .config = kind.config,
                    .data = data,
                    .run = "run",
                    .set = set});
    // Any export has the raw ids.
    Call("cfsnapshot", {"export", best(), "--out", cluster_.Path("npy")});
    const std::vector<std::string> users = LinesOf(cluster_.Path("npy/users.csv"));
    const std::vector<std::string> items = LinesOf(cluster_.Path("npy/items.csv"));
    // Every 7th user with every 11th item, and so on: spread over frequent and rare ones.
    std::ofstream pairs(cluster_.Path("pairs.csv"));
    pairs << "user,item\n";
    for (std::size_t k = 0; k < 1000; ++k) {
      pairs << RawId(users.at(1 + 7 * k % (users.size() - 1))) << ','
            << RawId(items.at(1 + 11 * k % (items.size() - 1))) << '\n';
    }
    pairs.close();
    Call("cfsnapshot",
         {"predict", best(), "--pairs", cluster_.Path("pairs.csv"), "--out", predicted()});
    Call("cfsnapshot", {"recommend", best(), "--all-users", "--out", cluster_.Path("lists.csv")});
  }

  std::string best() const { return cluster_.SnapshotPath("run", "best"); }
  std::string predicted() const { return cluster_.Path("predicted.csv"); }
  std::string Path(const std::string& name) const { return cluster_.Path(name); }

 private:
  // Ratings with ids of any letters, of which each user has rated a quarter of the items.
  void WriteWords() const {
    std::ofstream csv(cluster_.Path("words.csv"));
    csv << "user,item,rating\n";
    for (int u = 0; u < 120; ++u) {
      for (int i = 0; i < 80; ++i) {
        if ((7 * u + 13 * i) % 4 != 0) continue;
        csv << "Zo\u00eb " << u << ",\"item, " << i << "\"," << 1 + (u * i + u + 3 * i) % 5 << '\n';
      }
    }
  }

  static void Call(const std::string& program, const std::vector<std::string>& arguments) {
    const Process::Result result = RunProgram(program, arguments);
    ASSERT_EQ(result.exit_code, 0) << result.errors;
  }

  const TestCluster cluster_;
};

/// The models of all tests, each trained for the first that wants it.
class Models : public testing::Environment {
 public:
  void TearDown() override { models_.clear(); }

  const Trained& As(const Kind& kind) {
    std::unique_ptr<Trained>& trained = models_[kind.name];
    if (trained == nullptr) trained = std::make_unique<Trained>(kind);
    return *trained;
  }

 private:
  std::map<std::string, std::unique_ptr<Trained>> models_;
};

// GoogleTest owns it.
Models* const models = static_cast<Models*>(testing::AddGlobalTestEnvironment(new Models));

class ConsumerTest : public testing::TestWithParam<std::tuple<std::size_t, std::size_t>> {};

TEST_P(ConsumerTest, ScoresAsTheModelDoes) {
  const Kind& kind = kKinds[std::get<0>(GetParam())];
  const Consumer& consumer = kConsumers[std::get<1>(GetParam())];
  const bool popularity = kind.name == std::string("popularity");
  const char* const refusal = kind.ranker  ? consumer.refuses_rankers
                              : popularity ? consumer.refuses_popularity
                                           : nullptr;
  const bool is_read = HasModules(consumer.modules);
  const std::string unread = Python() + " has not all of " + consumer.modules +
                             " (tests/consumers/run makes one that has, and CF_PYTHON names it)";
  if (refusal == nullptr && !is_read && consumer.only_to_be_read && !kind.words) {
    GTEST_SKIP() << unread;
  }
  const Trained& trained = models->As(kind);
  const std::string out = trained.Path(std::string("export_") + consumer.name);
  std::vector<std::string> arguments = {"export", trained.best(), "--out", out};
  arguments.insert(arguments.end(), consumer.flags.begin(), consumer.flags.end());
  const Process::Result exported = RunProgram("cfsnapshot", arguments);
  if (refusal != nullptr) {
    EXPECT_EQ(exported.exit_code, 2);
    EXPECT_THAT(exported.errors, testing::HasSubstr(refusal));
    EXPECT_EQ(std::ranges::count(exported.errors, '\n'), 1) << exported.errors;
    return;
  }
  ASSERT_EQ(exported.exit_code, 0) << exported.errors;
  EXPECT_EQ(std::filesystem::exists(out + "/weights.bin"),
            consumer.name == std::string("onnx_beside"));
  if (!is_read) GTEST_SKIP() << unread;
  Process check({Python(), std::string(CF_SOURCE_DIR "/tests/consumers/") + consumer.check, out,
                 trained.predicted()},
                {{"PYTHONDONTWRITEBYTECODE", "1"}});
  // TensorFlow alone takes ten seconds to begin, twice.
  const Process::Result result = check.Wait(std::chrono::seconds(180));
  EXPECT_EQ(result.exit_code, 0) << result.output << result.errors;
  if (result.exit_code == 0) std::fputs(result.output.c_str(), stdout);
}

// The value behind `"NAME": ` in model.json.
double NumberIn(const std::string& folder, const std::string& name) {
  for (const std::string& line : LinesOf(folder + "/model.json")) {
    const std::size_t at = line.find("\"" + name + "\": ");
    if (at != std::string::npos) return std::stod(line.substr(at + name.size() + 4));
  }
  ADD_FAILURE() << folder << " has no " << name;
  return 0;
}

/// NDCG@10 of the validation samples as `cfsnapshot evaluate` prints it.
double EvaluatedFigure(const Trained& trained) {
  const std::string out = trained.Path("figures.csv");
  const Process::Result evaluated =
      RunProgram("cfsnapshot", {"evaluate", trained.best(), "--metrics", "ndcg_10", "--out", out});
  EXPECT_EQ(evaluated.exit_code, 0) << evaluated.errors;
  const std::vector<std::string> lines = LinesOf(out);
  if (lines.size() != 2 || !lines[0].ends_with(",val_ndcg_10")) {
    ADD_FAILURE() << out << " has no ndcg_10 at its end";
    return 0;
  }
  return std::stod(lines[1].substr(lines[1].rfind(',') + 1));
}

/// What an export at `precision` costs of `figure`, as a share of it.
double CostOf(const Trained& trained, const std::string& precision, double figure) {
  const std::string out = trained.Path("export_" + precision);
  const Process::Result exported =
      RunProgram("cfsnapshot", {"export", trained.best(), "--format", "safetensors", "--precision",
                                precision, "--out", out});
  EXPECT_EQ(exported.exit_code, 0) << exported.errors;
  EXPECT_THAT(exported.output, testing::HasSubstr("NDCG@10 of the validation samples: "));
  EXPECT_DOUBLE_EQ(NumberIn(out, "ndcg_10_before"), figure);
  std::fputs(exported.output.c_str(), stdout);
  return 1 - NumberIn(out, "ndcg_10") / figure;
}

// Goal: what an export says of its precision is what evaluation says, and int8 costs no more than a
// hundredth. Method: the figure at fp32 beside that of `cfsnapshot evaluate`. In the mean of all kinds
// that evaluation ranks (all but a ranker with features): random errors of int8's size move one figure
// of some hundred users by .8 % up or down, and cost .1 % in the mean (docs/results.md).
TEST(Precision, CostsLittleByTheFigureThatEvaluationPrints) {
  double cost = 0;
  std::size_t kinds = 0;
  for (const Kind& kind : kKinds) {
    if (kind.name == std::string("featured_ranker")) continue;
    SCOPED_TRACE(kind.name);
    const Trained& trained = models->As(kind);
    const double figure = EvaluatedFigure(trained);
    ASSERT_GT(figure, 0.01);
    EXPECT_LT(CostOf(trained, "fp16", figure), 0.01);
    cost += CostOf(trained, "int8", figure);
    ++kinds;
  }
  EXPECT_EQ(kinds, 7U);
  EXPECT_LE(cost / static_cast<double>(kinds), 0.01);
}

std::string NameOf(const testing::TestParamInfo<std::tuple<std::size_t, std::size_t>>& info) {
  return std::string(kConsumers[std::get<1>(info.param)].name) + "_of_" +
         kKinds[std::get<0>(info.param)].name;
}

INSTANTIATE_TEST_SUITE_P(Formats, ConsumerTest,
                         testing::Combine(testing::Range(std::size_t{0}, kKinds.size()),
                                          testing::Range(std::size_t{0}, kConsumers.size())),
                         NameOf);

}  // namespace
}  // namespace cf
