#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <absl/container/flat_hash_map.h>
#include <absl/status/statusor.h>

#include "common/dataset/ratings_reader.h"
#include "common/dataset/record_format.h"
#include "common/dataset/vocabulary.h"
#include "common/dataset/writer.h"

namespace cf {

/// Which columns of a title file hold what (--title-columns), by the header's names; empty ones are
/// found by the usual names, the item's by which of them joins. Genres that are left out although
/// another column is named stay out.
struct TitleColumns {
  std::string item = {};
  std::string title = {};
  std::string genres = {};

  bool empty() const { return item.empty() && title.empty() && genres.empty(); }
};

/// Parses "item=NAME,title=NAME[,genres=NAME]". InvalidArgument says what is wrong.
absl::StatusOr<TitleColumns> ParseTitleColumns(const std::string& text);

struct TitleOptions {
  std::string path = {};
  /// The file that names the genre flags of u.item; if empty, u.genre beside it, if there is one.
  std::string genres_path = {};
  FileFormat format = FileFormat::kAutomatic;
  std::string separator = {};  ///< Empty: found out.
  Encoding encoding = Encoding::kAutomatic;
  TitleColumns columns = {};
  bool skip_bad_lines = false;
};

/// Titles and genres by raw id.
using Titles = absl::flat_hash_map<std::string, ItemText>;

/// A file of titles: movies.csv (any table whose header has a title), u.item or movies.dat. It is
/// read in two steps, as which of its columns is the item may only be seen by the rated items.
///
/// Owner:   an import.
/// Threads: one.
/// Bounds:  the file in memory.
class TitleFile {
 public:
  /// Reads the file and checks every record. InvalidArgument names file and line of what is
  /// malformed, unless such records are skipped into `bad_lines`; not all of them are.
  static absl::StatusOr<TitleFile> Open(const TitleOptions& options, BadLines* bad_lines);

  /// The titles; of a raw id that comes twice the first. The item's column is what --title-columns
  /// says, else the one that is called so or like an id, where no other has half of the rated items
  /// (without a header the first); of several such columns the one that has 95 in a hundred of
  /// them. InvalidArgument where that does not decide.
  absl::StatusOr<Titles> Join(const Vocabulary& rated);

  /// How the file is read, in two lines, after Join.
  std::string Describe() const;

  /// What to know of the titles, after Join: that nothing names the flags of genres, or that some
  /// ids have several titles; else empty.
  std::string Note() const;

 private:
  /// Where the columns are.
  struct Format {
    RecordSyntax syntax;
    bool header = true;
    Encoding encoding = Encoding::kUtf8;
    std::size_t fields = 0;
    std::vector<std::string> names;  ///< The header's.
    int item = -1;                   ///< -1: Join decides.
    int only_id = -1;                ///< The one column that is called like an id, if it is one.
    int title = 1;
    int genres = -1;
    std::vector<std::string> flag_names;  ///< u.item: the genres its flags stand for.
    bool has_flags = false;               ///< Whether it is u.item.
    std::string genre_separator = "|";
  };

  absl::Status Detect(const TitleOptions& options);
  absl::Status PlaceColumns(const TitleOptions& options);
  absl::Status ReadFlagNames(const TitleOptions& options);
  absl::Status CheckRecords(const TitleOptions& options, BadLines* bad_lines);
  absl::Status FindGenreSeparator(const TitleOptions& options);
  absl::Status Split(std::string_view record, std::vector<std::string>* fields) const;
  absl::Status CheckRecord(std::string_view record, std::vector<std::string>* fields) const;
  absl::StatusOr<int> ItemColumn(const Vocabulary& rated) const;
  std::string GenresOf(const std::vector<std::string>& fields) const;
  absl::Status At(std::uint64_t line, absl::string_view what) const;

  std::string path_;
  std::string text_;
  Format format_;
  std::size_t begin_ = 0;             ///< Where the records begin,
  std::uint64_t first_line_ = 1;      ///< and on which line.
  std::vector<std::string> records_;  ///< All but the blank and the malformed ones.
  int joined_by_ = -1;                ///< The item's column, when Join has found it.
  std::uint64_t other_titles_ = 0;    ///< Of raw ids that came before with another title.
};

}  // namespace cf
