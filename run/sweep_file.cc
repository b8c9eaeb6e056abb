#include "run/sweep_file.h"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string_view>
#include <system_error>
#include <utility>

#include <absl/status/status.h>
#include <absl/strings/ascii.h>
#include <absl/strings/match.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>
#include <absl/strings/str_split.h>
#include <absl/strings/strip.h>
#include <google/protobuf/message.h>
#include <google/protobuf/text_format.h>
#include <xxhash.h>

#include "common/base/check.h"
#include "common/base/files.h"
#include "common/config/config.h"
#include "common/text/csv.h"

namespace cf {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::TextFormat;

constexpr std::size_t kFileBytesMax = std::size_t{16} << 20;  // kSweepJobsMax lines of 1.6 KB.
constexpr std::size_t kNameBytesMax = 100;                    // Most file systems take 255.

/// Fields that a flag sets for all jobs of a sweep alike, so that a column would have no effect.
constexpr std::pair<const char*, const char*> kSetByFlags[] = {
    {"data.path", "a sweep has one data set, which --data DIR names"},
    {"cluster.threads", "it does not change a result, and --threads sets it"},
};

/// Where the field at the end of a path is.
struct Place {
  const Message* message = nullptr;  ///< Null where a message on the way is not there.
  const FieldDescriptor* field = nullptr;
};

Place FindPlace(const Job& job, const std::string& path) {
  Place place = {.message = &job};
  const std::vector<std::string> names = absl::StrSplit(path, '.');
  for (std::size_t k = 0; k < names.size(); ++k) {
    place.field = place.message->GetDescriptor()->FindFieldByName(names[k]);
    Check(place.field != nullptr, "the path of a column was found in the schema");
    if (place.field->is_repeated() && place.field->message_type() != nullptr) {
      int number = 0;
      const bool named = k + 1 < names.size() && absl::SimpleAtoi(names[++k], &number);
      const google::protobuf::Reflection& reflection = *place.message->GetReflection();
      if (!named || number >= reflection.FieldSize(*place.message, place.field)) return {};
      place.message = &reflection.GetRepeatedMessage(*place.message, place.field, number);
      continue;
    }
    if (!place.message->GetReflection()->HasField(*place.message, place.field)) return {};
    if (k + 1 < names.size()) {
      place.message = &place.message->GetReflection()->GetMessage(*place.message, place.field);
    }
  }
  return place;
}

bool HasField(const Job& job, const std::string& path) {
  return FindPlace(job, path).message != nullptr;
}

/// The value at `path`, however `cell` had it: names are made of it, and 1e-3 is 0.001.
std::string ValueAt(const Job& job, const std::string& path, const std::string& cell) {
  const Place place = FindPlace(job, path);
  // The fields of a message may stand in any order, and others may be there too.
  if (place.field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) return cell;
  if (place.field->cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
    return place.message->GetReflection()->GetString(*place.message, place.field);
  }
  std::string text;
  TextFormat::PrintFieldValueToString(*place.message, place.field, -1, &text);
  return text;
}

std::vector<std::string> LabelsOf(const std::vector<std::string>& fields) {
  const auto last_of = [](const std::string& path) { return path.substr(path.rfind('.') + 1); };
  std::map<std::string, int> seen;
  for (const std::string& field : fields) ++seen[last_of(field)];
  std::vector<std::string> labels;
  for (const std::string& field : fields) {
    const std::string last = last_of(field);
    labels.push_back(seen[last] > 1 ? field : last);
  }
  return labels;
}

/// "learning_rate=0.001_dim=64". What a shell or a file system might take amiss is replaced, and a
/// long name cut; a hash of the whole then keeps names apart.
std::string NameOf(const std::vector<std::string>& labels, const std::vector<std::string>& values) {
  std::string whole;
  for (std::size_t k = 0; k < labels.size(); ++k) {
    if (values[k].empty()) continue;
    absl::StrAppend(&whole, whole.empty() ? "" : "_", labels[k], "=", values[k]);
  }
  std::string safe = whole;
  for (char& c : safe) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && !absl::StrContains("=_.+-", c)) {
      c = '-';
    }
  }
  if (safe == whole && safe.size() <= kNameBytesMax) return safe;
  const std::string hash = absl::StrFormat("-%016x", XXH3_64bits(whole.data(), whole.size()));
  return safe.substr(0, kNameBytesMax - hash.size()) + hash;
}

/// Reads a file line by line.
///
/// Owner:   ParseSweep, for one text, which outlives it.
/// Threads: one.
class SweepParser {
 public:
  SweepParser(const std::string& name, const Job& base) : name_(name), base_(base) {}

  absl::StatusOr<Sweep> Parse(std::string_view text) {
    for (const absl::string_view piece : absl::StrSplit(
             absl::StripPrefix(absl::string_view(text.data(), text.size()), "\xEF\xBB\xBF"),
             '\n')) {
      ++line_;
      const absl::string_view stripped = absl::StripAsciiWhitespace(piece);
      if (stripped.empty() || stripped.front() == '#') continue;
      const absl::Status taken = Take(std::string_view(stripped.data(), stripped.size()));
      if (!taken.ok()) return taken;
    }
    if (sweep_.jobs.empty()) {
      return absl::InvalidArgumentError(absl::StrCat(
          name_, ": no jobs; expected ",
          sweep_.fields.empty() ? "a header line of field paths, such as "
                                  "optimizer.adam.learning_rate,train.seed, and a line for each job"
                                : "a line for each under the header"));
    }
    return std::move(sweep_);
  }

 private:
  absl::Status Refuse(absl::string_view what) const {
    return absl::InvalidArgumentError(absl::StrCat(name_, ":", line_, ": ", what));
  }

  absl::Status Take(std::string_view line) {
    absl::StatusOr<std::vector<std::string>> cells = ParseCsvLine(line);
    if (!cells.ok()) return Refuse(cells.status().message());
    for (std::string& cell : *cells) absl::StripAsciiWhitespace(&cell);
    if (sweep_.fields.empty()) return TakeHeader(*cells);
    if (cells->size() != sweep_.fields.size()) {
      return Refuse(absl::StrCat(cells->size(), cells->size() == 1 ? " cell" : " cells",
                                 "; expected ", sweep_.fields.size(), ", as the header has"));
    }
    const auto empty = [](const std::string& cell) { return cell.empty(); };
    // What spreadsheets leave of a blank line.
    if (std::all_of(cells->begin(), cells->end(), empty)) return absl::OkStatus();
    return TakeJob(*cells);
  }

  absl::Status TakeHeader(const std::vector<std::string>& cells) {
    for (std::size_t k = 0; k < cells.size(); ++k) {
      const std::string& path = cells[k];
      if (path.empty()) {
        return Refuse(absl::StrCat("column ", k + 1, " has no name; expected a field path"));
      }
      const absl::StatusOr<const FieldDescriptor*> field = FindSweepField(path);
      if (!field.ok()) return Refuse(field.status().message());
      if (std::find(cells.begin(), cells.begin() + static_cast<std::ptrdiff_t>(k), path) !=
          cells.begin() + static_cast<std::ptrdiff_t>(k)) {
        return Refuse(absl::StrCat(path, " has two columns"));
      }
    }
    sweep_.fields = cells;
    sweep_.labels = LabelsOf(cells);
    return absl::OkStatus();
  }

  absl::Status TakeJob(const std::vector<std::string>& cells) {
    SweepJob taken = {.line = line_, .values = cells, .name = {}, .job = base_};
    const absl::Status set = SetFields(cells, taken.job);
    if (!set.ok()) return set;
    for (std::size_t k = 0; k < cells.size(); ++k) {
      if (!cells[k].empty()) taken.values[k] = ValueAt(taken.job, sweep_.fields[k], cells[k]);
    }
    FillDefaults(taken.job);
    const absl::Status valid = ValidateJob(taken.job);
    if (!valid.ok()) return Refuse(valid.message());

    // Printed, because two jobs are the same when all their fields are, however they were given.
    const auto [first, is_new] = lines_.emplace(PrintJob(taken.job), line_);
    if (!is_new) return Refuse(absl::StrCat("repeats line ", first->second));
    if (sweep_.jobs.size() == kSweepJobsMax) {
      return Refuse(absl::StrCat("more than ", kSweepJobsMax, " jobs"));
    }
    taken.name = NameOf(sweep_.labels, taken.values);
    sweep_.jobs.push_back(std::move(taken));
    return absl::OkStatus();
  }

  absl::Status SetFields(const std::vector<std::string>& cells, Job& job) const {
    std::vector<std::string> set_before;
    for (std::size_t k = 0; k < cells.size(); ++k) {
      if (cells[k].empty()) continue;
      const std::string& path = sweep_.fields[k];
      const absl::Status set = SetField(job, absl::StrCat(path, "=", cells[k]));
      if (!set.ok()) return Refuse(set.message());
      for (const std::string& before : set_before) {
        // Of two kinds, as of two optimizers, the later would win in silence.
        if (!HasField(job, before)) {
          return Refuse(absl::StrCat(before, " and ", path,
                                     " exclude each other; expected one of the cells to be empty"));
        }
      }
      set_before.push_back(path);
    }
    return absl::OkStatus();
  }

  const std::string& name_;
  const Job& base_;
  int line_ = 0;
  Sweep sweep_;
  std::map<std::string, int> lines_;  ///< Of each job, printed.
};

}  // namespace

absl::StatusOr<const FieldDescriptor*> FindSweepField(const std::string& path) {
  for (const auto& [field, why] : kSetByFlags) {
    if (path == field) return absl::InvalidArgumentError(absl::StrCat(path, ": ", why));
  }
  const Descriptor* message = Job::descriptor();
  const FieldDescriptor* field = nullptr;
  for (const absl::string_view name : absl::StrSplit(path, '.')) {
    const bool numbers = field != nullptr && field->is_repeated();
    if (numbers && !name.empty() && absl::ascii_isdigit(static_cast<unsigned char>(name[0]))) {
      continue;  // Which element of the list: the job says whether it is there.
    }
    field = message == nullptr ? nullptr : message->FindFieldByName(std::string(name));
    if (field == nullptr) {
      Job unused;  // SetField knows how to say what is wrong with a path.
      const absl::Status refused = SetField(unused, path + "={}");
      if (!refused.ok()) return refused;
      // It reads an assignment, and no spaces around it: "train.epochs=3", "data.path ".
      return absl::InvalidArgumentError(absl::StrCat(path, ": expected a field path alone"));
    }
    message = field->message_type();
  }
  return field;
}

absl::StatusOr<Sweep> ParseSweep(const std::string& text, const std::string& name,
                                 const Job& base) {
  return SweepParser(name, base).Parse(text);
}

absl::StatusOr<Sweep> ReadSweep(const std::string& path, const Job& base) {
  std::error_code ignored;  // ReadFile says what is wrong with a path that cannot be looked at.
  if (std::filesystem::is_directory(path, ignored)) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": a folder; expected a file of jobs"));
  }
  const std::uintmax_t size = std::filesystem::file_size(path, ignored);
  if (!ignored && size > kFileBytesMax) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": ", size, " bytes; a file of jobs has at most ", kFileBytesMax));
  }
  const absl::StatusOr<std::string> text = ReadFile(path);
  if (!text.ok()) return text.status();
  return ParseSweep(*text, path, base);
}

}  // namespace cf
