// Goal: whatever is wrong with a command line, or with a file that it names, is one line on standard
// error that names the cause, exit code 2, and nothing that was there, or was not, has changed.
// Method: a table of over a hundred of them, in a folder that is compared before and after.

#include <algorithm>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <absl/strings/str_replace.h>
#include <gmock/gmock.h>

#include "common/base/files.h"
#include "tests/support/paths.h"
#include "tests/support/process.h"
#include "tests/unit/serving/test_model.h"

namespace cf::wrong_words_test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

/// Words for a shell in the folder, and what the line has to say.
struct Wrong {
  const char* words;
  const char* cause;
};

// BEST stands for a snapshot.
constexpr Wrong kWrong[] = {
    // cfdata
    {"cfdata", "cfdata: a command is missing; there are import, "},
    {"cfdata foo", "cfdata: no command \"foo\"; there are import, "},
    {"cfdata imprt --ratings r.csv --out x", "no command \"imprt\" (did you mean import?)"},
    {"cfdata --bogus", "cfdata: no flag --bogus (try cfdata --help)"},
    {"cfdata import", "cfdata: --"},
    {"cfdata import --ratings r.csv", "import writes nothing without --out"},
    {"cfdata import --ratings", "cfdata: --ratings needs a value"},
    {"cfdata import --ratings '' --out x", "cfdata: --ratings has an empty value"},
    {"cfdata import --rating r.csv --out x", "no flag --rating (did you mean --ratings?)"},
    {"cfdata import --ratings r.csv --out x --out y", "cfdata: --out is given more than once"},
    {"cfdata import --ratings r.csv --out x y", "cfdata: unexpected \"y\""},
    {"cfdata import --ratings r.csv --out x --format xml", "--format xml: expected auto|csv|"},
    {"cfdata import --ratings r.csv --out x --encoding utf8", "(did you mean utf-8?)"},
    {"cfdata import --ratings r.csv --out x --duplicates avg", "--duplicates avg: expected first|"},
    {"cfdata import --ratings r.csv --out x --item-key name", "--item-key name: expected id|title"},
    {"cfdata import --ratings r.csv --out x --threads 0",
     "--threads 0: expected a whole number from 1 to 64"},
    {"cfdata import --ratings r.csv --out x --threads two",
     "--threads two: expected a whole number"},
    {"cfdata import --ratings r.csv --out x --progress loud",
     "--progress loud: expected auto|bar|"},
    {"cfdata import --ratings r.csv --out x --overwrite=maybe", "--overwrite takes no value"},
    {"cfdata import --ratings missing.csv --out x", "missing.csv: No such file or directory"},
    {"cfdata import --ratings empty.csv --out x", "empty.csv"},
    {"cfdata import --ratings binary.csv --out x", "binary.csv"},
    {"cfdata import --ratings bad.csv --out x", "bad.csv:3"},
    {"cfdata import --ratings r.csv --out data", "data already has a data set; --overwrite"},
    {"cfdata import --ratings r.csv --out r.csv", "r.csv exists and is not a data set"},
    {"cfdata import --ratings r.csv --out mine", "mine exists and is not a data set"},
    {"cfdata import --ratings r.csv --out .", "expected the name of a folder"},
    {"cfdata import --ratings r.csv --out x --columns nonsense", "nonsense"},
    {"cfdata import --ratings r.csv --out x --columns user=nope,item=itemId", "nope"},
    {"cfdata import --ratings r.csv --out x --titles missing.csv", "missing.csv"},
    {"cfdata head", "cfdata: FILE is missing (try cfdata head --help)"},
    {"cfdata head nowhere", "nowhere"},
    {"cfdata head r.csv --rows 0", "--rows 0: expected a whole number from 1 to 1000"},
    {"cfdata stats", "cfdata: DATA is missing (try cfdata stats --help)"},
    {"cfdata stats nowhere", "nowhere"},
    {"cfdata stats r.csv", "r.csv"},
    {"cfdata stats mine", "mine"},
    {"cfdata stats data more", "unexpected \"more\""},
    {"cfdata stats data --verfy", "no flag --verfy (did you mean --verify?)"},
    {"cfdata export-split data", "cfdata: --out is missing"},
    {"cfdata export-split nowhere --out x", "nowhere"},
    {"cfdata export-split data --out x --split leave",
     "--split leave: expected given|global-time|"},
    {"cfdata export-split data --out x --fraction half", "--fraction half: expected a number"},
    {"cfdata export-split data --out x --fraction 2", "2"},
    {"cfdata export-split data --out x --seed -1", "--seed -1: expected a whole number, 0 or more"},
    {"cfdata export-split data --out x --split given --fraction .2", "--fraction has no effect"},
    {"cfdata export-split data --out x --split global-time --seed 3", "--seed has no effect"},
    {"cfdata export-split data --out r.csv", "r.csv"},
    {"cfdata export-split data --out mine", "mine/train.csv is there already; --overwrite"},
    {"cfdata synth", "synth writes nothing without --out or --csv"},
    {"cfdata synth --preset ml-3m --out x", "ml-3m"},
    {"cfdata synth --users 0 --out x", "users"},
    {"cfdata synth --users -5 --out x", "--users -5: expected a whole number, 0 or more"},
    {"cfdata synth --users 99999999999 --out x", "--users 99999999999: expected a smaller number"},
    {"cfdata synth --users 5 --users 6 --out x", "--users is given more than once"},
    {"cfdata synth --out data", "data already has a data set; --overwrite replaces it"},
    {"cfdata synth --users 9 --items 9 --ratings 20 --csv x --name n", "--name has no effect"},
    // cfsnapshot
    {"cfsnapshot", "cfsnapshot: a command is missing; there are list, "},
    {"cfsnapshot foo", "cfsnapshot: no command \"foo\"; there are list, "},
    {"cfsnapshot recomend BEST", "no command \"recomend\" (did you mean recommend?)"},
    {"cfsnapshot list", "cfsnapshot: RUN is missing (try cfsnapshot list --help)"},
    {"cfsnapshot list nowhere", "nowhere"},
    {"cfsnapshot list run --format xml", "--format xml: expected text|csv"},
    {"cfsnapshot verify nowhere", "nowhere"},
    {"cfsnapshot digest data", "data"},
    {"cfsnapshot digest r.csv", "r.csv"},
    {"cfsnapshot compare BEST", "cfsnapshot: B is missing"},
    {"cfsnapshot compare BEST nowhere", "nowhere"},
    {"cfsnapshot info nowhere", "nowhere"},
    {"cfsnapshot diff BEST", "cfsnapshot: B is missing"},
    {"cfsnapshot diff BEST nowhere", "nowhere"},
    {"cfsnapshot diff BEST BEST --top 0", "--top 0: expected a whole number from 1"},
    {"cfsnapshot prune run", "cfsnapshot: --keep is missing"},
    {"cfsnapshot prune nowhere --keep 1", "nowhere: no such folder of snapshots"},
    {"cfsnapshot prune run --keep 0", "--keep 0: expected a whole number from 1"},
    {"cfsnapshot export BEST", "cfsnapshot: --out is missing"},
    {"cfsnapshot export BEST --format pickle --out x", "--format pickle: expected npy|"},
    {"cfsnapshot export BEST --out mine", "mine: there is something that is not an export"},
    {"cfsnapshot export BEST --out r.csv", "r.csv: there is something that is not an export"},
    {"cfsnapshot export BEST --out x --memory 1", "needs "},
    {"cfsnapshot recommend BEST --user 1007 --memory 1MiB", "of memory, and may take 1 (--memory)"},
    {"cfsnapshot predict BEST --split val --memory lots", "--memory"},
    {"cfsnapshot evaluate nowhere", "nowhere"},
    {"cfsnapshot evaluate BEST --split test", "--split test: expected val|train"},
    {"cfsnapshot recommend BEST --user 1007 --data nowhere", "nowhere"},
    {"cfsnapshot predict BEST --pairs missing.csv", "missing.csv"},
    {"cfsnapshot predict BEST --pairs pairs.csv --out mine/train.csv",
     "mine/train.csv is there already; --overwrite replaces it"},
    {"cfsnapshot recommend BEST --user 1007 --top -1", "--top -1: expected a whole number from 1"},
    {"cfsnapshot recommend BEST --user 1007 --top 1e3",
     "--top 1e3: expected a whole number from 1"},
    {"cfsnapshot recommend BEST --user 1007 --top ''", "--top"},
    {"cfsnapshot recommend BEST --usr 1007", "no flag --usr (did you mean --user?)"},
    {"cfsnapshot recommend BEST --user nobody", "nobody"},
    {"cfsnapshot recommend BEST --user $'no\\e[31mbody'", "no\\x1b[31mbody"},
    {"cfsnapshot recommend BEST --all-users --out nowhere/x.csv", "there is no folder nowhere"},
    {"cfsnapshot recommend BEST --all-users --out mine", "mine is a folder; expected a file"},
    {"cfsnapshot recommend BEST --user 1007 --top 0", "--top 0: expected a whole number from 1"},
    {"cfsnapshot recommend BEST --user 1007 --mask seen", "--mask seen: expected all|train|none"},
    {"cfsnapshot recommend BEST --user 1007 --genre Western", "no genre \"Western\": there are"},
    {"cfsnapshot recommend BEST --user 1007 --candidates missing.csv", "missing.csv"},
    {"cfsnapshot recommend BEST --user 1007 --exclude mine", "mine"},
    {"cfsnapshot recommend BEST --item 5 --exclude r.csv", "--exclude does nothing with --item"},
    {"cfsnapshot evaluate BEST --samples missing.csv", "missing.csv"},
    {"cfsnapshot evaluate BEST --metrics precision_10", "no figure precision_10"},
    {"cfsnapshot predict BEST --split val --limit 0", "--limit 0: expected a whole number from 1"},
    {"cfsnapshot find BEST Casablanca", "\"Casablanca\""},
    {"cfsnapshot find BEST --users nobody", "no user nobody"},
    {"cfsnapshot summary nowhere", "nowhere"},
    {"cfsnapshot recommend BEST --user 1007 --threads 2", "--threads"},
    {"cfsnapshot recommend BEST --user 1007 --overwrite", "--overwrite"},
    {"cfsnapshot recommend BEST --item 5 --top 3", "--top"},
    {"cfsnapshot find BEST --seed 3", "--seed"},
    {"cfsnapshot similar BEST", "cfsnapshot: --item is missing"},
    {"cfsnapshot similar BEST --item nothing", "nothing"},
    // cfworker
    {"cfworker", "cfworker: CONFIG is missing (try cfworker --help)"},
    {"cfworker job.textproto", "cfworker: --run is missing: name the folder of this run"},
    {"cfworker job.textproto --bogus", "cfworker: no flag --bogus"},
    {"cfworker job.textproto --dat data --run x", "no flag --dat (did you mean --data?)"},
    {"cfworker missing.textproto --run x", "missing.textproto: No such file or directory"},
    {"cfworker r.csv --run x --data data", "r.csv:1:"},
    {"cfworker job.textproto --run x", "no data set: give --data DIR, or data.path"},
    {"cfworker job.textproto --run x --data nowhere", "nowhere"},
    {"cfworker job.textproto --run '' --data data", "--run has an empty value"},
    {"cfworker job.textproto --run r.csv --data data", "r.csv"},
    {"cfworker job.textproto --run r.csv/x --data data", "r.csv"},
    {"cfworker job.textproto --run x --data data --set train.epoch=3", "train.epoch"},
    {"cfworker job.textproto --run x --data data --set train.epochs=many", "train.epochs"},
    {"cfworker job.textproto --run x --data data --set train.epochs=0", "train.epochs"},
    {"cfworker job.textproto --run x --data data --set train.epochs", "train.epochs"},
    {"cfworker job.textproto --run x --data data --threads 0", "--threads 0: expected a positive"},
    {"cfworker job.textproto --run x --data data --resume nowhere", "nowhere"},
    {"cfworker job.textproto --run x --data data --progress x", "--progress x: expected auto|bar|"},
    {"cfworker --join nowhere", "cfworker: nowhere: no run is here"},
    {"cfworker --join run", "cfworker: run is not running"},
    {"cfworker --join run job.textproto", "as it is: leave CONFIG out"},
    {"cfworker --join run --data data", "as it is: leave --data out"},
    {"cfworker --spare", "cfworker: --spare goes with --join RUN"},
    {"cfworker job.textproto --run x --data data --width 5", "--width 5: expected a whole number"},
    {"cfworker job.textproto --run x --data data --set cluster.servers=3", "servers"},
    {"cfworker job.textproto --run deep/x/y --data data --set cluster.threads=99", "thread"},
    {"cfworker genres.textproto --run x --data data", "cfworker: "},
    {"cfworker job.textproto --run x --data data --resume BEST --set train.seed=7",
     "was trained with"},
    // cfrun
    {"cfrun", "cfrun: a command is missing, or -n N and CONFIG of a job (try cfrun --help)"},
    {"cfrun foo", "cfrun: no command \"foo\"; there are start, doctor, status, "},
    {"cfrun statsu run", "cfrun: no command \"statsu\" (did you mean status?)"},
    {"cfrun job.textproto", "cfrun: -n N is missing"},
    {"cfrun start", "cfrun: -n N is missing"},
    {"cfrun -n", "cfrun: -n needs a number"},
    {"cfrun -n 0 job.textproto", "cfrun: -n 0: expected a number of processes from 1 to 16384"},
    {"cfrun -n two job.textproto", "cfrun: -n two: expected a number of processes"},
    {"cfrun -n 2", "cfrun: CONFIG must come before cfworker's flags"},
    {"cfrun -n 1 job.textproto --restarts -1", "cfrun: --restarts -1: expected a number from 0"},
    {"cfrun -n 1 job.textproto --requeue", "cfrun: --requeue works in a Slurm allocation only"},
    {"cfrun -n 1 job.textproto --restarts 0 --restart-minutes 5",
     "cfrun: --restart-minutes has no effect with --restarts 0"},
    {"cfrun -n 2 job.textproto --run x --data data --bogus", "cfworker: no flag --bogus"},
    {"cfrun -n 2 job.textproto", "cfworker: --run is missing"},
    {"cfrun -n 2 missing.textproto --run x", "missing.textproto: No such file or directory"},
    {"cfrun status", "cfrun status: RUN is missing (try cfrun status --help)"},
    {"cfrun status nowhere", "cfrun status: nowhere: no run is here"},
    {"cfrun status run --jsn", "cfrun status: no flag --jsn (did you mean --json?)"},
    {"cfrun list nowhere", "nowhere: No such file or directory"},
    {"cfrun stop", "cfrun stop: RUN is missing"},
    {"cfrun stop nowhere", "cfrun stop: nowhere: no run is here"},
    {"cfrun resize run", "cfrun resize: -n is missing"},
    {"cfrun resize run -n 0", "-n 0: expected a whole number from 1 to"},
    {"cfrun resize nowhere -n 2", "cfrun: nowhere: no run is here"},
    {"cfrun resize run -n 2", "cfrun: run is not running: it is "},
    {"cfrun stop run --wait soon", "--wait soon: expected a whole number from 0 to"},
    {"cfrun compare", "cfrun compare: RUN is missing"},
    {"cfrun compare nowhere", "cfrun compare: nowhere"},
    {"cfrun compare r.csv", "compare: only files are named, and no run"},
    {"cfrun compare run --sort speed", "--sort speed: no such column; expected one of run, "},
    {"cfrun compare run --csv mine/train.csv", "--csv: mine/train.csv is there already"},
    {"cfrun compare run --html mine/train.csv", "--html: mine/train.csv is there already"},
    {"cfrun compare run --csv ''", "cfrun compare: --csv has an empty value"},
    {"cfrun report", "cfrun report: RUN is missing"},
    {"cfrun report nowhere", "nowhere: no run is here"},
    {"cfrun report run --out mine/train.csv", "--out: mine/train.csv is there already"},
    {"cfrun report run --overwrite", "report: --overwrite is for --out"},
    {"cfrun report run --beside nowhere", "nowhere: no run is here"},
    {"cfrun report run --data nowhere", "nowhere"},
    {"cfrun sweep", "cfrun: JOBS.csv and CONFIG must come first"},
    {"cfrun sweep missing.csv job.textproto --run x -n 1 --data data", "missing.csv"},
    {"cfrun sweep --make r.csv job.textproto train.seed=1,2", "r.csv is there already; choose"},
    {"cfrun sweep --make x.csv job.textproto train.sed=1,2", "train.sed"},
    {"cfrun sweep r.csv job.textproto --run x -n 1 --data data", "r.csv:1"},
};

class WrongWordsTest : public testing::Test {
 protected:
  WrongWordsTest() {
    WriteTestData(folder_.At("data"));
    best_ = WriteTestSnapshot(folder_.At("run"), *Dataset::Open(folder_.At("data")));
    fs::create_directories(folder_.At("run/generation"));
    fs::create_directories(folder_.At("mine"));
    Put("mine/train.csv", "mine\n");
    Put("r.csv", "userId,itemId,rating\n1,2,3\n2,3,4\n3,1,5\n");
    Put("pairs.csv", "userId,itemId\n1007,5\n");
    Put("bad.csv", "userId,itemId,rating\n1,2,3\n1,3,many\n");
    Put("empty.csv", "");
    std::string bytes;
    for (int k = 0; k < 600; ++k) bytes += static_cast<char>(k * 37 % 251);
    Put("binary.csv", bytes);
    Put("job.textproto",
        "split { random { fraction: 0.1 } }\nmodel { matrix_factorization { dim: 8 } }\n"
        "train { epochs: 1 partitions: 2 }\n");
    Put("genres.textproto",
        "model { matrix_factorization { dim: 8 feature { source: ITEM_GENRE } } }\n");
  }

  void Put(const std::string& name, const std::string& contents) const {
    ASSERT_TRUE(ReplaceFile(folder_.At(name), contents).ok());
  }

  /// Every file with what it holds, every folder and link.
  std::map<std::string, std::string> Contents() const {
    std::map<std::string, std::string> contents;
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder_.At(""))) {
      const std::string name = entry.path().string();
      if (entry.is_regular_file()) contents[name] = ReadFile(name).value_or("unreadable");
      if (entry.is_directory()) contents[name] = "a folder";
    }
    return contents;
  }

  Process::Result Run(const std::string& words) const {
    std::map<std::string, std::string> environment = OpenMpiEnvironment();
    return Process({"bash", "-c",
                    "cd '" + folder_.At("") + "' && " CF_BIN_DIR "/" +
                        absl::StrReplaceAll(words, {{"BEST", best_}})},
                   environment)
        .Wait();
  }

  TestFolder folder_;
  std::string best_;
};

TEST_F(WrongWordsTest, AreOneLineWithTheCauseAndChangeNothing) {
  static_assert(std::size(kWrong) >= 100);
  std::map<std::string, std::string> before = Contents();
  for (const Wrong& wrong : kWrong) {
    SCOPED_TRACE(wrong.words);
    const Process::Result result = Run(wrong.words);
    EXPECT_EQ(result.exit_code, 2);
    EXPECT_EQ(result.output, "");
    EXPECT_THAT(result.errors, HasSubstr(wrong.cause));
    EXPECT_EQ(std::count(result.errors.begin(), result.errors.end(), '\n'), 1) << result.errors;
    std::map<std::string, std::string> after = Contents();
    EXPECT_TRUE(after == before) << "something in the folder has changed";
    before = std::move(after);
  }
}

// Every program and command helps and says its version; no line is wider than a usual terminal.
TEST_F(WrongWordsTest, HelpFitsAndIsNoError) {
  for (const std::string words :
       {"cfdata --help", "cfdata import --help", "cfdata stats --help", "cfdata synth --help",
        "cfdata export-split --help", "cfworker --help", "cfsnapshot --help",
        "cfsnapshot recommend --help", "cfsnapshot predict --help", "cfsnapshot evaluate --help",
        "cfrun --help", "cfrun start --help", "cfrun status --help", "cfrun list --help",
        "cfrun stop --help", "cfrun resize --help", "cfrun compare --help", "cfrun report --help",
        "cfrun sweep --help"}) {
    const Process::Result help = Run(words);
    EXPECT_EQ(help.exit_code, 0) << words;
    EXPECT_EQ(help.errors, "");
    EXPECT_THAT(help.output, testing::Not(HasSubstr("ENUM:"))) << words;
    std::size_t widest = 0;
    for (std::size_t from = 0; from < help.output.size();) {
      const std::size_t end = help.output.find('\n', from);
      widest = std::max(widest, end - from);
      from = end + 1;
    }
    EXPECT_LE(widest, 80U) << words << "\n" << help.output;
  }
  for (const std::string program : {"cfdata", "cfworker", "cfsnapshot", "cfrun"}) {
    EXPECT_THAT(Run(program + " --version").output, testing::MatchesRegex(program + " [0-9.]+\n"));
  }
}

}  // namespace
}  // namespace cf::wrong_words_test
