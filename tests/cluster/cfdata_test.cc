// cfdata as people run it: exit codes, what it prints and where.

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <unistd.h>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/files.h"
#include "tests/support/paths.h"
#include "tests/support/process.h"

namespace cf {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class Cfdata : public ::testing::Test {
 protected:
  Cfdata() {
    std::string name = ::testing::TempDir() + "cfdata-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) std::abort();
    folder_ = name;
  }
  ~Cfdata() override { std::filesystem::remove_all(folder_); }

  std::string Path(const std::string& name) const { return folder_ + "/" + name; }

  std::string Write(const std::string& name, const std::string& contents) const {
    std::ofstream(Path(name), std::ios::binary) << contents;
    return Path(name);
  }

  static Process::Result Run(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), CF_BIN_DIR "/cfdata");
    return Process(arguments).Wait();
  }

 private:
  std::string folder_;
};

TEST_F(Cfdata, ImportsDescribesAndExports) {
  std::string ratings = "Rating,USER_ID,movieId\r\n";
  for (int k = 0; k < 1000; ++k) {
    ratings += std::to_string(k % 5 + 1) + "," + std::to_string(k % 50) + "," +
               std::to_string(k / 50) + "\r\n";
  }
  const Process::Result imported = Run(
      {"import", "--ratings", Write("r.csv", ratings), "--titles",
       Write("m.csv", "movieId,title,genres\n1,One,Drama\n99,None,Drama\n"), "--out", Path("d")});
  EXPECT_EQ(imported.exit_code, 0) << imported.errors;
  EXPECT_EQ(imported.errors, "");
  EXPECT_THAT(imported.output, HasSubstr("2 titles, 1 of them without ratings\n"));
  EXPECT_THAT(imported.output, HasSubstr("users 50, items 20, ratings 1,000, density 100%\n"));
  EXPECT_THAT(imported.output, Not(HasSubstr("\r")));

  const Process::Result described = Run({"stats", Path("d"), "--verify"});
  EXPECT_EQ(described.exit_code, 0) << described.errors;
  EXPECT_THAT(described.output, HasSubstr("d, digest "));
  EXPECT_THAT(described.output, HasSubstr("mean           3.0000"));

  const Process::Result exported =
      Run({"export-split", Path("d"), "--seed", "42", "--fraction", ".1", "--out", Path("csv")});
  EXPECT_EQ(exported.exit_code, 0) << exported.errors;
  EXPECT_THAT(exported.output,
              HasSubstr("900 training and 100 validation samples (random .1, seed 42)"));
  const std::string validation = ReadFile(Path("csv/val.csv")).value();
  EXPECT_EQ(std::count(validation.begin(), validation.end(), '\n'), 101);
}

TEST_F(Cfdata, KeysItemsByTitle) {
  const std::string ratings = Write("r.csv", "user,item,rating\n1,2,3\n1,3,5\n2,3,4\n");
  const std::string titles = Write("m.csv", "movieId,title\n2,Heat\n3,Heat\n");
  const Process::Result imported = Run({"import", "--ratings", ratings, "--titles", titles,
                                        "--item-key", "title", "--out", Path("d")});
  EXPECT_EQ(imported.exit_code, 0) << imported.errors;
  EXPECT_THAT(imported.output,
              HasSubstr("1 repeated ratings of a pair merged (--duplicates last)\n"));
  EXPECT_THAT(imported.output, HasSubstr("users 2, items 1, ratings 2, density 100%\n"
                                         "items are keyed by title: 1 became one with another\n"));
}

TEST_F(Cfdata, AnswersTheUsersMistakesWithOneLineAndExitCode2) {
  const std::string good = Write("good.csv", "user,item,rating\n1,2,3\n");
  const std::string bad = Write("bad.csv", "user,item,rating\n1,2,3\n1,2,x\n");
  const Process::Result malformed = Run({"import", "--ratings", bad, "--out", Path("d")});
  EXPECT_EQ(malformed.exit_code, 2);
  EXPECT_EQ(malformed.errors, bad + ":3: the rating is \"x\", expected a number\n");
  EXPECT_FALSE(std::filesystem::exists(Path("d")));

  EXPECT_EQ(Run({"import", "--ratings", good, "--out", Path("d")}).exit_code, 0);
  const Process::Result existing = Run({"import", "--ratings", good, "--out", Path("d")});
  EXPECT_EQ(existing.exit_code, 2);
  EXPECT_EQ(existing.errors, Path("d") + " already has a data set; --overwrite replaces it\n");
  const Process::Result skipped =
      Run({"import", "--ratings", bad, "--out", Path("d"), "--overwrite", "--skip-bad-lines"});
  EXPECT_EQ(skipped.exit_code, 0) << skipped.errors;
  EXPECT_THAT(skipped.output, HasSubstr("1 malformed lines skipped, the first: " + bad + ":3: "));

  for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{
           {},
           {"import"},
           {"import", "--ratings", good, "--out", Path("e"), "--duplicates", "all"},
           {"import", "--ratings", good, "--out", Path("e"), "--columns", "user=u"},
           {"import", "--ratings", good, "--out", Path("e"), "--item-key", "title"},
           {"import", "--ratings", good, "--out", Path("e"), "--item-key", "name"},
           {"import", "--ratings", Path("none.csv"), "--out", Path("e")},
           {"stats", Path("none")},
           {"export-split", Path("d"), "--fraction", "2", "--out", Path("csv")},
           {"export-split", Path("d"), "--split", "given", "--out", Path("csv")}}) {
    const Process::Result result = Run(arguments);
    EXPECT_EQ(result.exit_code, 2) << result.errors;
    EXPECT_EQ(std::count(result.errors.begin(), result.errors.end(), '\n'), 1) << result.errors;
  }
  EXPECT_FALSE(std::filesystem::exists(Path("e")));
  EXPECT_FALSE(std::filesystem::exists(Path("csv")));
}

}  // namespace
}  // namespace cf
