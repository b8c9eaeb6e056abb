#include "common/dataset/file_kind.h"

#include <algorithm>
#include <array>
#include <cstddef>

#include <absl/strings/str_cat.h>

#include "common/dataset/text.h"

namespace cf {
namespace {

struct Signature {
  std::string_view bytes;
  const char* is;
};

/// Compressed files and the command that unpacks them to its standard output.
struct Compression {
  std::string_view bytes;
  const char* name;
  const char* command;
};

using namespace std::string_view_literals;

constexpr std::array<Compression, 6> kCompressions = {{
    {"\x1F\x8B"sv, "gzip", "zcat"},
    {"PK\x03\x04"sv, "zip", "unzip -p"},
    {"BZh"sv, "bzip2", "bzcat"},
    {"\xFD"
     "7zXZ\0"sv,
     "xz", "xzcat"},
    {"\x28\xB5\x2F\xFD"sv, "zstd", "zstdcat"},
    {"7z\xBC\xAF\x27\x1C"sv, "7z", "7z x -so"},
}};

constexpr std::array<Signature, 12> kSignatures = {{
    {"PAR1"sv, "Parquet"},
    {"ARROW1"sv, "Arrow"},
    {"FEA1"sv, "Feather"},
    {"\x89HDF"sv, "HDF5"},
    {"\x93NUMPY"sv, "a NumPy array"},
    {"SQLite format 3"sv, "an SQLite database"},
    {"%PDF"sv, "PDF"},
    {"\xD0\xCF\x11\xE0"sv, "an old Excel or Word file"},
    {"Obj\x01"sv, "Avro"},
    {"ORC"sv, "ORC"},
    {"\x7F"
     "ELF"sv,
     "a program"},
    {"%%MatrixMarket"sv, "a Matrix Market file"},
}};

/// Of text, nearly all of whose bytes are letters below 128, in two bytes each.
bool LooksLikeUtf16(std::string_view bytes) {
  if (bytes.starts_with("\xFF\xFE") || bytes.starts_with("\xFE\xFF")) return true;
  const std::string_view start = bytes.substr(0, 64);
  const auto zeros = static_cast<std::size_t>(std::count(start.begin(), start.end(), '\0'));
  return start.size() >= 8 && zeros * 5 >= start.size() * 2 && zeros * 5 <= start.size() * 3;
}

/// An end of line that is CR alone: one, and no LF at all.
bool EndsLinesInCarriageReturns(std::string_view bytes) {
  const std::size_t first = bytes.find('\r');
  return first != std::string_view::npos && first + 1 < bytes.size() &&
         bytes.find('\n') == std::string_view::npos;
}

/// "4 1:1 20:1": the first line of a file of features, a value and then places with values.
bool LooksLikeFeatures(std::string_view text) {
  const std::string_view line = text.substr(0, std::min(text.find('\n'), text.size()));
  constexpr std::string_view kDigits = "0123456789";
  const auto is_feature = [&](std::string_view word) {
    const std::size_t colon = word.find(':');
    return colon != std::string_view::npos && colon > 0 && colon + 1 < word.size() &&
           word.find_first_not_of(kDigits) == colon &&
           word.find_first_not_of("0123456789.+-e", colon + 1) == std::string_view::npos;
  };
  std::size_t words = 0;
  std::size_t features = 0;
  for (std::size_t at = 0; at < line.size();) {
    const std::size_t end = std::min(line.find_first_of(" \t\r", at), line.size());
    if (end > at) {
      ++words;
      if (is_feature(line.substr(at, end - at))) ++features;
    }
    at = end + 1;
  }
  return features >= 2 && features + 1 == words;
}

/// What a line of text that is no table begins with.
std::string OtherText(std::string_view text) {
  constexpr const char* kDocs = "docs/data.md";
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  const std::size_t first = std::min(text.find_first_not_of(" \t\r\n"), text.size());
  const std::string_view begin = text.substr(first);
  if (begin.starts_with('{') || begin.starts_with("[{") || begin.starts_with("[\n")) {
    return absl::StrCat("JSON, expected a table as CSV; ", kDocs,
                        " has the line of jq that makes one");
  }
  if (begin.starts_with("<?xml") || begin.starts_with("<!DOCTYPE") || begin.starts_with("<html") ||
      begin.starts_with("<HTML")) {
    return "HTML or XML, expected a table as CSV; is it the page of a download?";
  }
  if (LooksLikeFeatures(begin)) {
    return "features as of LIBFM or LIBSVM (place:value), expected a line of user, item and rating "
           "for each rating";
  }
  const std::size_t colon = begin.find(':');
  const std::string_view id = begin.substr(0, colon);
  const std::string_view rest = colon == std::string_view::npos ? "" : begin.substr(colon + 1, 2);
  if (!id.empty() && id.find_first_not_of("0123456789") == std::string_view::npos &&
      (rest.starts_with('\n') || rest == "\r\n")) {
    return absl::StrCat("blocks of ratings below a line ", Quoted(std::string(id) + ":"),
                        ", as those of the Netflix prize, expected a line for each rating; ", kDocs,
                        " has the line of awk that makes one");
  }
  return "";
}

}  // namespace

std::string NotATable(std::string_view first_bytes, const std::string& path) {
  for (const Compression& compression : kCompressions) {
    if (!first_bytes.starts_with(compression.bytes)) continue;
    return absl::StrCat("compressed (", compression.name,
                        "); unpack it first, or read from a pipe: ", compression.command, " ", path,
                        " | ... -",
                        compression.bytes[0] == 'P' ? " (a table of Excel: save it as CSV)" : "");
  }
  for (const Signature& signature : kSignatures) {
    if (!first_bytes.starts_with(signature.bytes)) continue;
    return absl::StrCat(signature.is, ", expected a table of text; save it as CSV");
  }
  if (LooksLikeUtf16(first_bytes)) {
    return absl::StrCat("UTF-16, expected UTF-8; save it as UTF-8, or: iconv -f utf-16 -t utf-8 ",
                        path);
  }
  if (first_bytes.find('\0') != std::string_view::npos) {
    return "binary (it has zero bytes), expected a table of text";
  }
  // Pickles of protocol 2 and later, which are the only text that begins so.
  if (first_bytes.size() > 1 && first_bytes[0] == '\x80' && first_bytes[1] >= 2 &&
      first_bytes[1] <= 5) {
    return "a Python pickle, expected a table of text; save it as CSV";
  }
  if (EndsLinesInCarriageReturns(first_bytes)) {
    return absl::StrCat("lines end in CR, expected LF or CRLF; convert them: tr '\\r' '\\n' < ",
                        path);
  }
  return OtherText(first_bytes);
}

}  // namespace cf
