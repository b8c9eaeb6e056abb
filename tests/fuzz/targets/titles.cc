// The reader of title files: movies.csv, u.item with u.genre, movies.dat.

#include "common/dataset/titles.h"

#include "common/base/check.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/memory_folder.h"

namespace cf::fuzz::titles_target {
namespace {

absl::StatusOr<Titles> Read(const TitleOptions& options, BadLines* bad_lines) {
  absl::StatusOr<TitleFile> file = TitleFile::Open(options, bad_lines);
  if (!file.ok()) return file.status();
  return file->Join(Vocabulary());
}

/// Two pieces: the titles, and the names of the genres. Any bytes are titles or an error of one
/// line; with bad lines skipped at least as much is read as without.
bool RunTarget(std::span<const std::byte> bytes) {
  static const MemoryFolder folder;
  const std::string input = TextOf(bytes);
  const std::vector<std::string_view> pieces = PiecesOf(input, 2);
  TitleOptions options = {.path = folder.Put("titles", pieces[0])};
  if (!pieces[1].empty()) options.genres_path = folder.Put("genres", pieces[1]);
  BadLines bad_lines;
  const absl::StatusOr<Titles> titles = Read(options, &bad_lines);
  Check(bad_lines.count == 0, "bad lines are counted only where they are skipped");
  options.skip_bad_lines = true;
  const absl::StatusOr<Titles> skipped = Read(options, &bad_lines);
  if (titles.ok()) {
    Check(skipped.ok() && skipped->size() == titles->size() && bad_lines.count == 0,
          "where nothing is bad nothing is skipped");
    for (const auto& [item, text] : *titles) Check(!item.empty(), "an item has a raw id");
  } else {
    Check(absl::IsInvalidArgument(titles.status()), "a bad file is the user's input");
    Check(titles.status().message().find('\n') == absl::string_view::npos, "an error is one line");
    Check(!skipped.ok() || bad_lines.count > 0, "what is skipped is counted");
  }
  return titles.ok();
}

std::vector<std::string> Seeds() {
  const std::string end(kEndOfPiece);
  return {
      "movieId,title,genres\n1,Toy Story (1995),Adventure|Children\n"
      "11,\"American President, The (1995)\",Comedy|Drama\n",
      "1|Toy Story (1995)|01-Jan-1995||http://x/|0|1|0\n2|L\xE9on|01-Jan-1995||y|1|0|0\n" + end +
          "unknown|0\nAction|1\nDrama|2\n\n",
      "1::Toy Story (1995)::Animation|Children's\n2::Jumanji (1995)::Adventure\n",
      "\xEF\xBB\xBFtitle\tid\r\nL\xC3\xA9on\t7\r\n"};
}

const bool kAdded = AddTarget({.name = "titles", .run = RunTarget, .seeds = Seeds});

}  // namespace
}  // namespace cf::fuzz::titles_target
