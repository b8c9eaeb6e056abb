#include "run/sweep_make.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>
#include <string_view>
#include <system_error>
#include <utility>

#include <absl/strings/ascii.h>
#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <absl/strings/str_split.h>
#include <absl/strings/strip.h>

#include "common/base/output_file.h"
#include "common/math/math.h"
#include "common/math/random.h"
#include "common/text/csv.h"
#include "run/sweep_file.h"

namespace cf {
namespace {

using google::protobuf::FieldDescriptor;

constexpr int kDigits = 4;  // Significant ones of a drawn number: more say nothing about training.

/// What a field is to be given.
struct Spec {
  enum class Kind { kList, kWhole, kReal };

  std::string path;
  Kind kind = Kind::kList;
  bool logarithmic = false;
  std::vector<std::string> list = {};
  std::uint64_t whole_low = 0;
  std::uint64_t whole_high = 0;
  double low = 0;  ///< Of both kinds of range.
  double high = 0;
};

/// Reads the whole of `text` as a number.
template <class Number>
bool ReadNumber(const std::string& text, Number& number) {
  const char* end = text.data() + text.size();
  const std::from_chars_result read = std::from_chars(text.data(), end, number);
  return read.ec == std::errc() && read.ptr == end;
}

absl::StatusOr<Spec> ParseList(Spec spec, const std::string& word, const std::string& text) {
  for (const absl::string_view item : absl::StrSplit(text, ',')) {
    const std::string value(absl::StripAsciiWhitespace(item));
    if (value.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat(word, ": expected values, such as 0.001,0.01, or a range such as 1..8"));
    }
    if (std::find(spec.list.begin(), spec.list.end(), value) != spec.list.end()) {
      return absl::InvalidArgumentError(absl::StrCat(word, ": ", value, " is there twice"));
    }
    spec.list.push_back(value);
  }
  return spec;
}

absl::StatusOr<Spec> ParseRange(Spec spec, const std::string& word, const std::string& low,
                                const std::string& high, const FieldDescriptor& field) {
  const auto refuse = [&word](absl::string_view what) {
    return absl::InvalidArgumentError(absl::StrCat(word, ": ", what));
  };
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_UINT32:
    case FieldDescriptor::CPPTYPE_UINT64:
      spec.kind = Spec::Kind::kWhole;
      if (!ReadNumber(low, spec.whole_low) || !ReadNumber(high, spec.whole_high)) {
        return refuse("expected whole numbers as the ends of the range");
      }
      spec.low = static_cast<double>(spec.whole_low);
      spec.high = static_cast<double>(spec.whole_high);
      break;
    case FieldDescriptor::CPPTYPE_DOUBLE:
      spec.kind = Spec::Kind::kReal;
      if (!ReadNumber(low, spec.low) || !ReadNumber(high, spec.high) ||
          !std::isfinite(spec.high - spec.low)) {
        return refuse("expected numbers as the ends of the range");
      }
      break;
    default:
      return refuse("a range is for numbers; expected a list of values");
  }
  if (!(spec.low < spec.high)) return refuse("expected the smaller end of the range first");
  if (spec.logarithmic && !(spec.low > 0)) {
    return refuse("a logarithmic range begins above 0");
  }
  return spec;
}

absl::StatusOr<Spec> ParseSpec(const std::string& word, bool random) {
  const std::size_t equals = word.find('=');
  if (equals == std::string::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat(word, ": expected FIELD=VALUES, such as train.seed=1,2,3"));
  }
  Spec spec = {.path = word.substr(0, equals)};
  const absl::StatusOr<const FieldDescriptor*> field = FindSweepField(spec.path);
  if (!field.ok()) return field.status();

  absl::string_view text = absl::string_view(word).substr(equals + 1);
  spec.logarithmic = absl::ConsumePrefix(&text, "log:");
  // A value in braces or a name may hold dots too, but only a range is of two numbers.
  const std::vector<std::string> ends = absl::StrSplit(text, absl::MaxSplits("..", 1));
  if (ends.size() != 2 && !spec.logarithmic) return ParseList(spec, word, std::string(text));
  if (ends.size() != 2) {
    return absl::InvalidArgumentError(absl::StrCat(word, ": expected log:LOW..HIGH"));
  }
  if (!random) {
    return absl::InvalidArgumentError(absl::StrCat(
        word, ": a range needs --random N; all combinations need lists, such as 1,2,4"));
  }
  return ParseRange(spec, word, ends[0], ends[1], **field);
}

std::string RealText(double value) {
  char text[32];
  const std::to_chars_result end =
      std::to_chars(text, text + sizeof text, value, std::chars_format::general, kDigits);
  return {text, end.ptr};
}

std::string ShortestText(double value) {
  char text[32];  // The longest double has 24 characters.
  const std::to_chars_result end = std::to_chars(text, text + sizeof text, value);
  return {text, end.ptr};
}

/// Rounding to a few digits must not leave the range.
std::string RealWithin(const Spec& spec, double value) {
  const std::string text = RealText(value);
  double rounded = 0;
  ReadNumber(text, rounded);
  if (rounded < spec.low) return ShortestText(spec.low);
  if (rounded > spec.high) return ShortestText(spec.high);
  return text;
}

std::uint64_t WholeWithin(const Spec& spec, double value) {
  // The ends first: the largest whole numbers are no doubles.
  if (value >= spec.high) return spec.whole_high;
  if (value <= spec.low) return spec.whole_low;
  return std::clamp(static_cast<std::uint64_t>(value), spec.whole_low, spec.whole_high);
}

/// The value of job `number`.
std::string Draw(const Spec& spec, const CounterRandom& random, std::uint64_t number) {
  const double share = random.UniformDouble(number);
  const auto between_logs = [&](double high) {
    const double low = math::Log(spec.low);
    return math::Exp(low + (math::Log(high) - low) * share);
  };
  switch (spec.kind) {
    case Spec::Kind::kReal:
      return RealWithin(spec, spec.logarithmic ? between_logs(spec.high)
                                               : spec.low + (spec.high - spec.low) * share);
    case Spec::Kind::kWhole: {
      // Each whole number stands for the stretch up to the next, the last one too.
      if (spec.logarithmic) return absl::StrCat(WholeWithin(spec, between_logs(spec.high + 1)));
      const std::uint64_t count = spec.whole_high - spec.whole_low + 1;  // 0: all there are.
      const std::uint64_t above = count == 0 ? random.Bits64(number) : random.Below(number, count);
      return absl::StrCat(spec.whole_low + above);
    }
    case Spec::Kind::kList:
      break;
  }
  return spec.list[random.Below(number, spec.list.size())];
}

std::string LineOf(const std::vector<std::string>& values) {
  return absl::StrJoin(values, ",", [](std::string* line, const std::string& value) {
    line->append(CsvField(value));
  });
}

absl::StatusOr<std::vector<std::string>> RandomLines(const std::vector<Spec>& specs,
                                                     const SweepMakeOptions& options) {
  std::vector<CounterRandom> randoms;
  for (std::size_t k = 0; k < specs.size(); ++k) {
    randoms.emplace_back(options.seed, Purpose::kSweep, k);
  }
  // Where few jobs are possible many draws repeat; of the last of N possible ones the chance is 1/N
  // a draw.
  const std::uint64_t draws_max = 20 * options.random + 1000;
  std::vector<std::string> lines;
  std::set<std::string> seen;
  for (std::uint64_t number = 0; lines.size() < options.random; ++number) {
    if (number == draws_max) {
      return absl::InvalidArgumentError(
          absl::StrCat("--random ", options.random, ": the values allow only ", lines.size(),
                       " different jobs, or few more; expected fewer jobs or more values"));
    }
    std::vector<std::string> values;
    for (std::size_t k = 0; k < specs.size(); ++k) {
      values.push_back(Draw(specs[k], randoms[k], number));
    }
    const std::string line = LineOf(values);
    if (seen.insert(line).second) lines.push_back(line);
  }
  return lines;
}

absl::StatusOr<std::vector<std::string>> AllLines(const std::vector<Spec>& specs) {
  std::size_t count = 1;
  for (const Spec& spec : specs) {
    count *= spec.list.size();
    if (count > kSweepJobsMax) {
      return absl::InvalidArgumentError(
          absl::StrCat("the lists have more than ", kSweepJobsMax,
                       " combinations; expected fewer, or --random N"));
    }
  }
  std::vector<std::string> lines;
  for (std::size_t number = 0; number < count; ++number) {
    std::vector<std::string> values(specs.size());
    std::size_t rest = number;
    for (std::size_t k = specs.size(); k-- > 0; rest /= specs[k].list.size()) {
      values[k] = specs[k].list[rest % specs[k].list.size()];
    }
    lines.push_back(LineOf(values));
  }
  return lines;
}

}  // namespace

absl::StatusOr<std::string> MakeSweep(const SweepMakeOptions& options, const std::string& name,
                                      const Job& base) {
  if (options.specs.empty()) {
    return absl::InvalidArgumentError(
        "--make: expected at least one FIELD=VALUES, such as train.seed=1,2,3");
  }
  if (options.random > kSweepJobsMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("--random ", options.random, ": expected at most ", kSweepJobsMax, " jobs"));
  }
  std::vector<Spec> specs;
  std::vector<std::string> header;
  for (const std::string& word : options.specs) {
    absl::StatusOr<Spec> spec = ParseSpec(word, options.random > 0);
    if (!spec.ok()) return spec.status();
    if (std::find(header.begin(), header.end(), spec->path) != header.end()) {
      return absl::InvalidArgumentError(absl::StrCat(word, ": the field is there twice"));
    }
    header.push_back(spec->path);
    specs.push_back(*std::move(spec));
  }
  const absl::StatusOr<std::vector<std::string>> lines =
      options.random > 0 ? RandomLines(specs, options) : AllLines(specs);
  if (!lines.ok()) return lines.status();

  const std::string how =
      options.random > 0 ? absl::StrCat("random, seed ", options.seed) : "all combinations";
  const std::string text = absl::StrCat("# ", how, ": ", absl::StrJoin(options.specs, " "), "\n",
                                        LineOf(header), "\n", absl::StrJoin(*lines, "\n"), "\n");
  const absl::StatusOr<Sweep> valid = ParseSweep(text, name, base);
  return valid.ok() ? absl::StatusOr<std::string>(text) : valid.status();
}

absl::Status WriteNewFile(const std::string& path, const std::string& text) {
  return WriteOutput(path, text, {.way_out = "choose another name, or remove it"});
}

}  // namespace cf
