#include "common/dataset/record_reader.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

#include <absl/strings/str_cat.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/dataset/test_files.h"

namespace cf::record_reader_test {
namespace {

/// What a file of the text holds, as "user/item/rating/timestamp" each; or the error, without the
/// folder.
std::vector<std::string> Read(const std::string& text, const RecordOptions& options = {}) {
  const TestFolder folder;
  const std::string path = folder.Write("f", text);
  const auto error = [&](const absl::Status& status) {
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    EXPECT_EQ(status.message().find('\n'), absl::string_view::npos) << status;
    std::string message(status.message());
    if (message.starts_with(path)) message.erase(0, path.size() - 1);
    return message;
  };
  const absl::StatusOr<std::unique_ptr<RecordReader>> reader = RecordReader::Open(path, options);
  if (!reader.ok()) return {error(reader.status())};
  std::vector<std::string> records;
  for (Record record;;) {
    const absl::StatusOr<bool> more = (*reader)->Next(&record);
    if (!more.ok()) records.push_back(error(more.status()));
    if (!more.ok() || !*more) return records;
    records.push_back(absl::StrCat(record.user, "/", record.item, "/",
                                   record.rating ? absl::StrCat(*record.rating) : "-", "/",
                                   record.timestamp ? absl::StrCat(*record.timestamp) : "-"));
  }
}

using Records = std::vector<std::string>;

RecordOptions Columns(const std::string& columns) {
  return {.columns = ParseColumnChoice(columns).value()};
}

TEST(RecordReader, ReadsAllSeparatorsAndHeadersAlike) {
  const Records expected = {"3/10/4/-", "4/11/2.5/-"};
  for (const std::string separator : {",", "\t", ";", "|", "::", " "}) {
    const std::string s = separator;
    EXPECT_EQ(Read("rating" + s + "itemId" + s + "userId\n4" + s + "10" + s + "3\n2.5" + s + "11" +
                   s + "4\n"),
              expected)
        << separator;
    EXPECT_EQ(Read("3" + s + "10" + s + "4\r\n4" + s + "11" + s + "2.5",
                   Columns("user=1,item=2,rating=3")),
              expected)
        << separator;
  }
  EXPECT_EQ(Read("\xEF\xBB\xBFuser_id:token\titem_id:token\trating:float\n3\t10\t4\n4\t11\t2.5\n"),
            expected);
  EXPECT_EQ(Read("sep=;\nuserId;itemId;rating\n3;10;4\n4;11;2.5\n"), expected);
  EXPECT_EQ(Read("\"userId\",\"itemId\",\"rating\"\n\"3\",\"10\",\"4\"\n\"4\",\"11\",\"2.5\"\n"),
            expected);
  EXPECT_EQ(Read("3  10\t4 \n 4 11   2.5\n", Columns("user=1,item=2,rating=3")), expected);
  EXPECT_EQ(Read("3,10,4\n4,11,2.5\n", {.positions = true}), expected);
  EXPECT_EQ(Read("3::10::4\n4::11::2.5\n"), expected);
}

TEST(RecordReader, ReadsQuotedSeparatorsLineBreaksAndQuotes) {
  EXPECT_EQ(Read("note,user,item\n\"a\nb, \"\"c\"\"\n\",\"x, \"\"y\"\"\",1\n\n\"\",z,2\n"),
            (Records{"x, \"y\"/1/-/-", "z/2/-/-"}));
  // A record is named by the line that it begins on.
  EXPECT_EQ(Read("note,user,item,rating\n\"a\n\nb\",1,2,3\n\"\n\",1,2,x\n"),
            (Records{"1/2/3/-", "f:5: the rating is \"x\", expected a number"}));
}

TEST(RecordReader, ReadsOneUsersRatingsAndListsOfItems) {
  const RecordOptions own = {.user = Need::kUnwanted, .rating = Need::kRequired, .positions = true};
  EXPECT_EQ(Read("movieId,rating\n7,4\n9,5\n", own), (Records{"/7/4/-", "/9/5/-"}));
  EXPECT_EQ(Read("7,4\n9,5\n", own), (Records{"/7/4/-", "/9/5/-"}));
  EXPECT_EQ(Read("7;4.5\n", own), (Records{"/7/4.5/-"}));
  EXPECT_EQ(Read("movieId\n7\n", own),
            (Records{"f:1: no column for the rating (as \"rating\") in \"movieId\", 1 field "
                     "separated by \",\"; --separator says what separates them"}));
  const RecordOptions items = {.user = Need::kOptional,
                               .rating = Need::kUnwanted,
                               .timestamp = Need::kUnwanted,
                               .positions = true};
  EXPECT_EQ(Read("7\n9\n", items), (Records{"/7/-/-", "/9/-/-"}));
  EXPECT_EQ(Read("item\n7\n9\n", items), (Records{"/7/-/-", "/9/-/-"}));
  EXPECT_EQ(Read("Toy Story (1995)\nHeat\n", items),
            (Records{"/Toy Story (1995)/-/-", "/Heat/-/-"}));
  EXPECT_EQ(Read("item,user\n7,1\n", items), (Records{"1/7/-/-"}));
  EXPECT_EQ(Read("1,7\n", items), (Records{"1/7/-/-"}));
  // What recommend --all-users writes: the rank is no item.
  EXPECT_EQ(Read("user,rank,item,predicted,title\n1,1,70,4.5,Heat\n", items),
            (Records{"1/70/-/-"}));
}

TEST(RecordReader, LetsOptionalRatingsBeEmpty) {
  EXPECT_EQ(Read("user,item,rating\n1,2,\n1,3,4\n"), (Records{"1/2/-/-", "1/3/4/-"}));
  EXPECT_EQ(Read("user,item,rating\n1,2,\n", {.rating = Need::kRequired}),
            (Records{"f:2: the rating is \"\", expected a number"}));
}

TEST(RecordReader, RefusesWithOneLine) {
  EXPECT_EQ(Read(""), (Records{"f:1: the file is empty"}));
  EXPECT_EQ(Read("\n \n"), (Records{"f:1: the file has blank lines only"}));
  EXPECT_EQ(
      Read("item,rating\n1,2\n"),
      (Records{"f:1: no column for the user (as \"userId\") in \"item,rating\"; --columns says "
               "which it is"}));
  EXPECT_EQ(Read("userId,itemId\n1\n"), (Records{"f:2: 1 field, expected 2 separated by \",\""}));
}

TEST(RecordReader, ReadsAPipe) {
  const TestFolder folder;
  const std::string path = folder.Path("pipe");
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  std::string text = "user,item\n";
  for (int k = 0; k < 400'000; ++k) absl::StrAppend(&text, k, ",\"item ", k, "\"\n");
  std::jthread writer([&] {
    const int file = ::open(path.c_str(), O_WRONLY);
    for (std::size_t at = 0; at < text.size();) {
      const ssize_t written = ::write(file, text.data() + at, text.size() - at);
      if (written <= 0) break;
      at += static_cast<std::size_t>(written);
    }
    ::close(file);
  });
  const absl::StatusOr<std::unique_ptr<RecordReader>> reader = RecordReader::Open(path, {});
  ASSERT_TRUE(reader.ok()) << reader.status();
  int records = 0;
  for (Record record; (*reader)->Next(&record).value(); ++records) {
    ASSERT_EQ(record.user, std::to_string(records));
    ASSERT_EQ(record.item, absl::StrCat("item ", records));
  }
  EXPECT_EQ(records, 400'000);
  EXPECT_EQ((*reader)->Place(), path + ":400001");
}

}  // namespace
}  // namespace cf::record_reader_test
