// Where programs write what they were asked for: nothing of the user's is replaced unasked, and what is
// no plain file is written to and stays what it is.

#include <csignal>
#include <cstdio>
#include <filesystem>
#include <future>
#include <string>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <vector>

#include <gmock/gmock.h>

#include "common/base/files.h"
#include "run/run_folder.h"
#include "tests/support/devices.h"
#include "tests/support/paths.h"
#include "tests/support/process.h"
#include "tests/unit/serving/test_model.h"

namespace cf::output_test {
namespace {

namespace fs = std::filesystem;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

/// A command that writes a file: its words up to the file's name.
struct Writer {
  std::string program;
  std::vector<std::string> words;
  std::string begins;  ///< What it writes begins with this.
};

Process::Result Shell(const std::string& script) {
  return Process({"bash", "-c", script}).Wait();
}

class OutputTest : public testing::Test {
 protected:
  OutputTest() {
    WriteTestData(Path("data"));
    best_ = WriteTestSnapshot(Path("run"), *Dataset::Open(Path("data")));
    fs::create_directories(Path("run/generation"));
    const Dataset data = *Dataset::Open(Path("data"));
    Put("pairs.csv",
        "user,item\n" + data.user_raw_id(RowId{0}) + "," + data.item_raw_id(RowId{0}) + "\n");
    Put("job.textproto", "model { matrix_factorization { dim: 8 } }\n");
    fs::create_directories(Path("w"));
  }

  std::string Path(const std::string& name) const { return folder_.At(name); }
  void Put(const std::string& name, const std::string& contents) const {
    ASSERT_TRUE(ReplaceFile(Path(name), contents).ok());
  }
  std::string Text(const std::string& name) const { return ReadFile(Path(name)).value_or("-"); }

  std::vector<Writer> Writers() const {
    return {{"cfsnapshot", {"recommend", best_, "--all-users", "--top", "2", "--out"}, "user,rank"},
            {"cfsnapshot", {"predict", best_, "--pairs", Path("pairs.csv"), "--out"}, "user,item"},
            {"cfrun", {"report", Path("run"), "--out"}, "<!DOCTYPE"},
            {"cfrun", {"compare", Path("run"), "--csv"}, "run,state"},
            {"cfrun", {"compare", Path("run"), "--html"}, "<!DOCTYPE"}};
  }

  static Process::Result Write(const Writer& writer, const std::string& to,
                               const std::vector<std::string>& more = {}) {
    std::vector<std::string> words = writer.words;
    words.push_back(to);
    words.insert(words.end(), more.begin(), more.end());
    return RunProgram(writer.program, words);
  }

  TestFolder folder_;
  std::string best_;
};

TEST_F(OutputTest, WhatIsThereIsReplacedOnlyWhenAskedFor) {
  for (const Writer& writer : Writers()) {
    SCOPED_TRACE(writer.program + " " + writer.words[0] + " " + writer.words.back());
    Put("w/mine", "mine");
    fs::permissions(Path("w/mine"), fs::perms(0600));
    fs::create_symlink("mine", Path("w/link"));
    for (const char* const name : {"w/mine", "w/link"}) {
      const Process::Result refused = Write(writer, Path(name));
      EXPECT_EQ(refused.exit_code, 2);
      EXPECT_THAT(refused.errors,
                  HasSubstr(Path(name) + " is there already; --overwrite replaces"));
      EXPECT_EQ(std::count(refused.errors.begin(), refused.errors.end(), '\n'), 1);
      EXPECT_EQ(refused.output, "");
    }
    EXPECT_EQ(Text("w/mine"), "mine");
    const Process::Result replaced = Write(writer, Path("w/link"), {"--overwrite"});
    EXPECT_EQ(replaced.exit_code, 0) << replaced.errors;
    EXPECT_THAT(Text("w/mine"), StartsWith(writer.begins));
    EXPECT_TRUE(fs::is_symlink(Path("w/link")));
    EXPECT_EQ(fs::status(Path("w/mine")).permissions(), fs::perms(0600));
    fs::remove_all(Path("w"));
    fs::create_directories(Path("w"));
  }
}

TEST_F(OutputTest, PipesDevicesAndStandardOutputAreWrittenTo) {
  const bool devices =
      MakeDevice(Path("w/null"), kNullDevice) && MakeDevice(Path("w/full"), kFullDevice);
  ASSERT_EQ(::mkfifo(Path("w/pipe").c_str(), 0600), 0);
  for (const Writer& writer : Writers()) {
    SCOPED_TRACE(writer.program + " " + writer.words[0] + " " + writer.words.back());
    std::future<std::string> got =
        std::async(std::launch::async, [&] { return ReadFile(Path("w/pipe")).value_or("-"); });
    EXPECT_EQ(Write(writer, Path("w/pipe")).exit_code, 0);
    EXPECT_THAT(got.get(), StartsWith(writer.begins));
    EXPECT_THAT(Write(writer, "/dev/stdout").output, HasSubstr(writer.begins));
    if (devices) {
      EXPECT_EQ(Write(writer, Path("w/null")).exit_code, 0);
      const Process::Result full = Write(writer, Path("w/full"));
      EXPECT_EQ(full.exit_code, 1);
      EXPECT_THAT(full.errors, EndsWith(Path("w/full") + ": No space left on device\n"));
    }
  }
  EXPECT_TRUE(fs::is_fifo(Path("w/pipe")));
  if (!devices) GTEST_SKIP() << "no node of a device can be made here: pipes alone were tried";
  EXPECT_TRUE(fs::is_character_file(Path("w/null")));
  EXPECT_TRUE(fs::is_character_file(Path("w/full")));
}

TEST_F(OutputTest, ExportSplitLeavesTheUsersFiles) {
  Put("w/val.csv", "mine");
  const std::vector<std::string> words = {"export-split", Path("data"), "--out", Path("w")};
  const Process::Result refused = RunProgram("cfdata", words);
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_THAT(refused.errors,
              HasSubstr(Path("w/val.csv") + " is there already; --overwrite replaces it\n"));
  EXPECT_EQ(Text("w/val.csv"), "mine");
  EXPECT_EQ(std::distance(fs::directory_iterator(Path("w")), {}), 1);
  std::vector<std::string> asked = words;
  asked.emplace_back("--overwrite");
  EXPECT_EQ(RunProgram("cfdata", asked).exit_code, 0);
  EXPECT_THAT(Text("w/val.csv"), StartsWith("user,item,rating"));
  EXPECT_THAT(Text("w/train.csv"), StartsWith("user,item,rating"));
}

// What the program made it replaces itself; a page of the user's, of the same name, it does not.
TEST_F(OutputTest, ItsOwnPagesAreMadeAgain) {
  for (int k = 0; k < 2; ++k) {
    EXPECT_EQ(RunProgram("cfrun", {"report", Path("run")}).exit_code, 0);
    EXPECT_EQ(RunProgram("cfrun", {"compare", Path("run")}).exit_code, 0);
  }
  // Wherever it lies: what one command has written the other may, too.
  for (const std::string command : {"report --out ", "compare --html ", "report --out "}) {
    EXPECT_EQ(
        Shell(CF_BIN_DIR "/cfrun " + command + Path("page.html") + " " + Path("run")).exit_code, 0)
        << command;
  }
  Put("compare.html", "<html>my notes</html>");
  const Process::Result refused = RunProgram("cfrun", {"compare", Path("run")});
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_THAT(refused.errors, HasSubstr("compare.html is there already"));
  EXPECT_EQ(Text("compare.html"), "<html>my notes</html>");
}

TEST_F(OutputTest, AnExportReplacesAnExportAndNothingElse) {
  const auto write = [&](const std::string& to, bool overwrite) {
    std::vector<std::string> words = {"export", best_, "--format", "npy", "--out", to};
    if (overwrite) words.emplace_back("--overwrite");
    return RunProgram("cfsnapshot", words);
  };
  fs::create_directories(Path("w/empty"));
  fs::create_directory_symlink("empty", Path("w/link"));
  EXPECT_EQ(write(Path("w/link"), false).exit_code, 0);
  EXPECT_TRUE(fs::is_symlink(Path("w/link")));
  EXPECT_TRUE(fs::exists(Path("w/empty/model.json")));
  EXPECT_EQ(write(Path("w/empty"), false).exit_code, 2);
  EXPECT_EQ(write(Path("w/link"), true).exit_code, 0);
  Put("w/empty/notes.txt", "mine");
  const Process::Result refused = write(Path("w/empty"), true);
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_THAT(refused.errors, HasSubstr("/empty/notes.txt is not of an export"));
  EXPECT_EQ(Text("w/empty/notes.txt"), "mine");
}

TEST_F(OutputTest, ADataSetReplacesADataSetAndNothingElse) {
  const auto write = [&](const std::string& to) {
    return RunProgram("cfdata", {"synth", "--users", "60", "--items", "40", "--ratings", "300",
                                 "--overwrite", "--out", to});
  };
  fs::create_directories(Path("w/empty"));
  fs::create_directory_symlink("empty", Path("w/link"));
  for (int k = 0; k < 2; ++k) EXPECT_EQ(write(Path("w/link")).exit_code, 0);
  EXPECT_TRUE(fs::is_symlink(Path("w/link")));
  EXPECT_TRUE(fs::exists(Path("w/empty/manifest.textproto")));
  Put("w/empty/notes.txt", "mine");
  const Process::Result refused = write(Path("w/link"));
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_THAT(refused.errors, HasSubstr("w/link/notes.txt is not of a data set"));
  EXPECT_EQ(Text("w/empty/notes.txt"), "mine");
  EXPECT_EQ(std::distance(fs::directory_iterator(Path("w")), {}), 2);
}

// --- Runs of somebody else -----------------------------------------------------------------------

// What only looks needs no right to write, in a colleague's folder or on a disk that is read-only.
TEST_F(OutputTest, ARunOfSomebodyElseCanBeLookedAt) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to become somebody else";
  {
    absl::StatusOr<RunFolder> claimed = RunFolder::Create(Path("run"));
    ASSERT_TRUE(claimed.ok() && claimed->ClaimGeneration().ok());
  }
  fs::permissions(Path(""), fs::perms(0755));
  fs::create_directories(Path("other"));
  ASSERT_EQ(::chown(Path("other").c_str(), 4711, 4711), 0);
  const auto look = [&](const std::string& words) {
    return Process({"setpriv", "--reuid=4711", "--regid=4711", "--clear-groups", "bash", "-c",
                    "cd " + Path("other") + " && " CF_BIN_DIR "/" + words})
        .Wait();
  };
  const std::string run = Path("run");
  for (const std::string& words :
       {"cfrun status " + run, "cfrun status --json " + run, "cfrun list " + Path(""),
        "cfrun report " + run + " --out page.html", "cfrun compare " + run + " --html all.html",
        "cfsnapshot list " + run, "cfsnapshot recommend " + best_ + " --user 1007"}) {
    const Process::Result seen = look(words);
    EXPECT_EQ(seen.exit_code, 0) << words << ": " << seen.errors;
    EXPECT_EQ(seen.errors, "") << words;
  }
  EXPECT_TRUE(fs::exists(Path("other/page.html")));
  const Process::Result compared = look("cfrun compare " + run);
  EXPECT_EQ(compared.exit_code, 0);
  EXPECT_THAT(compared.output, HasSubstr("val_rmse"));
  EXPECT_THAT(compared.errors, EndsWith("; --html FILE writes it elsewhere\n"));
  const Process::Result reported = look("cfrun report " + run);
  EXPECT_EQ(reported.exit_code, 2);
  EXPECT_THAT(reported.errors, EndsWith("; --out FILE writes the page elsewhere\n"));
}

// What is damaged of what a run says of itself is a line among the rest, and none of a library's.
TEST_F(OutputTest, ADamagedStatusOrConfigurationIsALine) {
  for (const std::string name : {"status", "job.textproto"}) {
    Put("run/" + name, std::string("\x08\xff\x00{\n}}", 7));
    const Process::Result shown = RunProgram("cfrun", {"status", "--json", Path("run")});
    EXPECT_EQ(shown.exit_code, 0);
    EXPECT_EQ(shown.errors, "");
    EXPECT_THAT(shown.output, HasSubstr(Path("run/" + name) + ":"));
    const Process::Result listed = RunProgram("cfrun", {"list", Path("")});
    EXPECT_EQ(listed.exit_code, 0);
    EXPECT_EQ(listed.errors, "");
    fs::remove(Path("run/" + name));
  }
}

// --- Standard output -------------------------------------------------------------------------------

// Commands whose answer is what they print.
std::vector<std::string> Printers(const std::string& folder) {
  const std::string best = folder + "/run/snapshots/best";
  return {"cfdata stats " + folder + "/data",
          "cfdata --help",
          "cfdata synth --help",
          "cfdata synth --preset ml-100k --out " + folder + "/made --overwrite",
          "cfdata export-split " + folder + "/data --overwrite --out " + folder + "/split",
          "cfworker " + folder + "/job.textproto --print-config",
          "cfworker --help",
          "cfrun --help",
          "cfrun sweep --help",
          "cfrun status " + folder + "/run",
          "cfrun status --json " + folder + "/run",
          "cfrun list " + folder,
          "cfrun compare " + folder + "/run",
          "cfrun report " + folder + "/run",
          "cfsnapshot list " + folder + "/run",
          "cfsnapshot digest " + best,
          "cfsnapshot verify " + best,
          "cfsnapshot recommend " + best + " --user 1007",
          "cfsnapshot predict " + best + " --pairs " + folder + "/pairs.csv",
          "cfsnapshot --help"};
}

TEST_F(OutputTest, WhatStandardOutputDoesNotTakeIsALineAndNoSuccess) {
  if (!MakeDevice(Path("full"), kFullDevice)) {
    GTEST_SKIP() << "no node of a device can be made here";
  }
  for (const std::string& command : Printers(Path(""))) {
    const Process::Result lost = Shell(CF_BIN_DIR "/" + command + " > " + Path("full"));
    EXPECT_EQ(lost.exit_code, 1) << command;
    EXPECT_THAT(lost.errors, HasSubstr("standard output: cannot write")) << command;
    EXPECT_EQ(std::count(lost.errors.begin(), lost.errors.end(), '\n'), 1) << lost.errors;
  }
}

// A pipe that nobody reads any more, certainly: `| head` may still read what is short.
TEST_F(OutputTest, AReaderThatHasGoneIsNoError) {
  const std::string pipe = Path("gone");
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  const std::string gone = "exec 3<>" + pipe + " 4>" + pipe + " 3<&-; ";
  for (const std::string& command : Printers(Path(""))) {
    const Process::Result left = Shell(gone + CF_BIN_DIR "/" + command + " >&4");
    EXPECT_EQ(left.exit_code, 0) << command;
    EXPECT_EQ(left.errors, "") << command;
  }
  // Where a file is asked for and its reader goes, the work is not done to its end.
  const Process::Result left =
      Shell(gone + CF_BIN_DIR "/cfsnapshot predict " + best_ + " --pairs " + Path("pairs.csv") +
            " --out /dev/fd/4 2> " + Path("errors"));
  EXPECT_EQ(left.exit_code, 128 + SIGPIPE);
  EXPECT_THAT(Text("errors"), testing::Not(HasSubstr("ipe")));
}

}  // namespace
}  // namespace cf::output_test
