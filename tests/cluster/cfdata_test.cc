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

namespace cf::cfdata_test {
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
  EXPECT_THAT(imported.output,
              HasSubstr("2 titles, 1 of them without ratings\n1 of 20 rated items has a title\n"));
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
              HasSubstr("1 repeated rating of a pair merged (--duplicates last)\n"));
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
  EXPECT_THAT(skipped.output, HasSubstr("1 malformed line skipped, the first: " + bad + ":3: "));

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
           {"export-split", Path("d"), "--split", "given", "--out", Path("csv")},
           {"export-split", Path("d"), "--split", "leave-last-out", "--seed", "1", "--out",
            Path("csv")},
           {"export-split", Path("d"), "--split", "leave-one-out", "--fraction", ".1", "--out",
            Path("csv")}}) {
    const Process::Result result = Run(arguments);
    EXPECT_EQ(result.exit_code, 2) << result.errors;
    EXPECT_EQ(std::count(result.errors.begin(), result.errors.end(), '\n'), 1) << result.errors;
  }
  EXPECT_FALSE(std::filesystem::exists(Path("e")));
  EXPECT_FALSE(std::filesystem::exists(Path("csv")));
}

TEST_F(Cfdata, SaysHowItReadAFile) {
  const std::string ratings =
      Write("r.csv", "userId;My Item;rating;ts;time\n1;x;2.5;9;2005-09-06\n2;y;3;9;2005-09-07\n");
  const std::vector<std::string> columns = {
      "--columns", "user=userId,item=My Item,rating=rating,timestamp=time"};
  const std::string block = ratings +
                            ": separated by \";\", with a header, UTF-8\n"
                            "  user userId, item \"My Item\", rating rating, timestamp time (as "
                            "2005-09-06, UTC where nothing else is said); left out: ts\n"
                            "  first sample: user 1, item x, rating 2.5, timestamp 2005-09-06 "
                            "00:00:00\n";
  const std::string rows =
      "  user  item  rating  timestamp\n"
      "     1     x     2.5  2005-09-06 00:00:00\n"
      "     2     y       3  2005-09-07 00:00:00\n";
  const auto run = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), columns.begin(), columns.end());
    const Process::Result result = Run(arguments);
    EXPECT_EQ(result.exit_code, 0) << result.errors;
    return result.output;
  };
  EXPECT_EQ(run({"import", "--ratings", ratings, "--dry-run"}),
            block + rows + "2 samples read, nothing written (--dry-run)\n");
  EXPECT_EQ(run({"import", "--ratings", ratings, "--dry-run", "--out", Path("d")}),
            block + rows + "2 samples read, nothing written (--dry-run)\n");
  EXPECT_EQ(run({"head", ratings}), block + rows);
  EXPECT_FALSE(std::filesystem::exists(Path("d")));
  EXPECT_THAT(run({"import", "--ratings", ratings, "--out", Path("d")}),
              HasSubstr(block + "users 2, items 2, ratings 2, density 50%\n"
                                "timestamps from 2005-09-06 00:00:00 to 2005-09-07 00:00:00"));
  EXPECT_EQ(Run({"head", Path("d"), "--rows", "1"}).output,
            "d: 2 users, 2 items, 2 ratings, timestamps\n  from " + ratings +
                "\n  user  item  rating  timestamp\n"
                "     1     x     2.5  2005-09-06 00:00:00\n");
  const std::string bad = Write("bad.csv", "user,item,rating\n1,2,\"4,5\"\n1,3,4\n");
  const Process::Result malformed = Run({"head", bad});
  EXPECT_EQ(malformed.exit_code, 2);
  EXPECT_EQ(malformed.errors,
            bad + ":2: the rating is \"4,5\", expected a number with a point, as 4.5\n");
  EXPECT_THAT(malformed.output, HasSubstr("     1     3       4\n"));
  EXPECT_THAT(Run({"import", "--help"}).output, HasSubstr("user: userid, user, uid"));
  EXPECT_THAT(Run({"head", "--help"}).output, HasSubstr("rating: rating, ratings, score"));
}

// Goal: ids that do not join between files are said, with what hides it.
TEST_F(Cfdata, CountsWhatJoins) {
  std::string ratings = "userId,itemId,rating\n";
  std::string validation = ratings;
  for (int user = 1; user <= 30; ++user) {
    ratings += std::to_string(user) + "," + std::to_string(user % 10) + ",3\n";
    if (user <= 7) validation += std::to_string(user) + ".0,1,4\n";
  }
  const std::string base = Write("base.csv", ratings);
  const auto first_lines = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(),
                     {"import", "--ratings", base, "--out", Path("d"), "--overwrite"});
    const Process::Result result = Run(arguments);
    EXPECT_EQ(result.exit_code, 0) << result.errors;
    return result.output.substr(0, result.output.find(base));
  };
  EXPECT_EQ(first_lines({"--validation", Write("val.csv", validation)}),
            "7 given validation samples\n"
            "7 of 7 validation users have no training sample (1.0 is not 1)\n");
  EXPECT_EQ(first_lines({"--titles", Write("t.csv", "itemId,title\n0007,Seven\n0008,Eight\n")}),
            "2 titles, 2 of them without ratings\n"
            "0 of 10 rated items have a title (7 is not 0007)\n");
  EXPECT_EQ(first_lines({"--titles", Write("t2.csv", "itemId,title\n7,Seven\n")}),
            "1 title, 0 of them without ratings\n1 of 10 rated items has a title\n");
  EXPECT_EQ(first_lines({}), "");
  const std::string flags = Write("u.item", "1|One|||http://x|0|1\n2|Two|||http://y|1|0\n");
  EXPECT_EQ(first_lines({"--titles", flags}),
            "no genres: u.genre (--genres) names the flags of u.item\n"
            "2 titles, 0 of them without ratings\n2 of 10 rated items have a title\n");
  // Also within the ratings, of several files or one.
  EXPECT_EQ(first_lines({"--ratings", Write("more.csv", "userId,itemId,rating\n03,5,1\n")}),
            "1 user is written as another but for case, zeros or blanks (3 is not 03)\n");
}

TEST_F(Cfdata, LeavesRatingsOutAndGoesByTime) {
  const std::string ratings = Write("r.csv",
                                    "user_id,item_id,rating,time\n1,20,-1,1\n1,24,8,5\n2,20,10,2\n"
                                    "2,24,3,3\n1,24,9,4\n");
  const auto rows = [&](std::vector<std::string> arguments, const std::string& said) {
    arguments.insert(arguments.begin(),
                     {"import", "--ratings", ratings, "--out", Path("d"), "--overwrite"});
    const Process::Result result = Run(arguments);
    EXPECT_EQ(result.exit_code, 0) << result.errors;
    EXPECT_THAT(result.output, HasSubstr(said));
    const std::string head = Run({"head", Path("d")}).output;
    return head.substr(head.find(" timestamp\n") + 11);
  };
  EXPECT_EQ(rows({"--drop-ratings", "-1"}, "1 sample left out for their ratings\n"),
            "     2    24       3  1970-01-01 00:00:03\n"
            "     2    20      10  1970-01-01 00:00:02\n"
            "     1    24       9  1970-01-01 00:00:04\n");
  EXPECT_EQ(rows({"--min-rating", "8", "--duplicates", "newest"},
                 "1 repeated rating of a pair merged (--duplicates newest)\n"),
            "     1    24       8  1970-01-01 00:00:05\n"
            "     2    20      10  1970-01-01 00:00:02\n");
  EXPECT_THAT(rows({"--duplicates", "oldest"}, "(--duplicates oldest)"),
              HasSubstr("24       9  1970-01-01 00:00:04"));
  rows({}, "(--duplicates last, by the place in the file; newest and oldest go by time)");
  const Process::Result untimed = Run({"import", "--ratings", Write("u.csv", "user,item\n1,2\n"),
                                       "--duplicates", "newest", "--out", Path("e")});
  EXPECT_EQ(untimed.exit_code, 2);
  EXPECT_THAT(untimed.errors, HasSubstr("need a timestamp"));
  const Process::Result wide =
      Run({"import", "--ratings", Write("w.csv", "user,item,rating\n1,2,1\n1,3,1000000\n"), "--out",
           Path("e")});
  EXPECT_THAT(wide.output, HasSubstr("note: ratings span 1 to 1,000,000"));
}

TEST_F(Cfdata, ReadsSeveralFilesAndAPipe) {
  const std::string one = Write("1.csv", "userId,itemId,rating\n1,2,3\n");
  const std::string two = Write("2.tsv", "item_id\tuser_id\tscore\n7\t1\t5\n");
  const Process::Result both =
      Run({"import", "--ratings", one, "--ratings", two, "--out", Path("d")});
  EXPECT_EQ(both.exit_code, 0) << both.errors;
  EXPECT_THAT(both.output, HasSubstr("users 1, items 2, ratings 2"));
  const Process::Result piped =
      Process({"sh", "-c",
               "cat " + one + " | " CF_BIN_DIR "/cfdata import --ratings - --out " + Path("e")})
          .Wait();
  EXPECT_EQ(piped.exit_code, 0) << piped.errors;
  EXPECT_THAT(piped.output, HasSubstr("standard input: separated by \",\""));
}

// Goal: what is not read is named with the way out, in a line, and nothing is written.
TEST_F(Cfdata, RefusesWhatItCannotBeSureOf) {
  const std::string good = Write("good.csv", "userId,itemId,rating\n1,2,3\n");
  const std::string titles = Write("t.csv", "itemId,title\n2,Two\n");
  const auto refused = [&](std::vector<std::string> arguments, const std::string& why) {
    arguments.insert(arguments.begin(), {"import", "--out", Path("d")});
    const Process::Result result = Run(arguments);
    EXPECT_EQ(result.exit_code, 2) << why;
    EXPECT_THAT(result.errors, HasSubstr(why));
    EXPECT_EQ(std::count(result.errors.begin(), result.errors.end(), '\n'), 1) << result.errors;
    EXPECT_EQ(result.output, "");
    EXPECT_FALSE(std::filesystem::exists(Path("d")));
  };
  const auto file = [&](const std::string& text, const std::string& why,
                        std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"--ratings", Write("f", text)});
    refused(more, why);
  };
  file("1:\n14888,3,2005-09-06\n", "docs/data.md has the line of awk");
  file("{\"reviewerID\": \"A1\", \"asin\": \"B01\"}\n", "JSON, expected a table as CSV");
  file("\x1F\x8B\x08", "compressed (gzip); unpack it first");
  file("userId,itemId\r1,2\r", "lines end in CR");
  file("userId,itemId,timestamp\n1,2,1588687728923\n",
       "f:2: the timestamp is \"1588687728923\", in seconds the year 52313; --time-unit "
       "milliseconds");
  file("userId,itemId,timestamp\n1,2,\"09 13, 2009\"\n", "--columns without timestamp");
  file("userId,itemId,rating\n1,2,\"4,5\"\n", "expected a number with a point, as 4.5");
  file("userId,itemId,rating\n1,2\n", "every line was malformed, as", {"--skip-bad-lines"});
  file("userId,itemId,rating\nL\x93,2,3\n", "--encoding latin-1 or cp1252 reads that");
  // Signs of Windows are control characters in latin-1.
  file("1::2::3\nL\x93::2::3\n", "--encoding latin-1 or cp1252 reads that");
  file("1\t2\t964982703\t4.5\n", "column 3 has \"964982703\"");
  file("1\t2\t964982703\n3\t2\t964982704\n", "column 3 has \"964982703\"");
  refused({"--ratings", good, "--genres", "/nonexistent"}, "--genres without --titles");
  refused({"--ratings", good, "--titles", titles, "--genres", "/nonexistent"},
          "names the flags of u.item");
  refused({"--ratings", good, "--title-columns", "item=a,title=b"}, "--title-columns without");
  refused({"--ratings", good, "--titles-format", "csv"}, "--titles-format without --titles");
  refused({"--ratings", good, "--separator", ";", "--format", "csv"}, "give one");
  refused({"--ratings", good, "--separator", "word"}, "--separator \"word\", expected comma");
  refused({"--ratings", good, "--columns", "user=1,item=2,rating=3"}, "looks like a header");
  refused({"--ratings", good, "--drop-ratings", "3"}, "leave no rating");
  refused({"--ratings", good, "--ratings", Path("none")}, "No such file or directory");
  refused({"--ratings", Path("")}, "a folder, expected a file");
  const Process::Result nowhere = Run({"import", "--ratings", good});
  EXPECT_EQ(nowhere.exit_code, 2);
  EXPECT_THAT(nowhere.errors, HasSubstr("--dry-run only reads"));
}

}  // namespace
}  // namespace cf::cfdata_test
