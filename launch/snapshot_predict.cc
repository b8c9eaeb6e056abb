#include <algorithm>
#include <cstdio>
#include <optional>
#include <string_view>
#include <utility>

#include <absl/strings/ascii.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>

#include "common/base/files.h"
#include "common/base/output_file.h"
#include "common/base/status.h"
#include "common/text/csv.h"
#include "common/text/numbers.h"
#include "launch/snapshot_commands.h"
#include "launch/snapshot_serving.h"

namespace cf {
namespace {

/// A pair as the user wrote it.
struct RawPair {
  std::string user;
  std::string item;
  std::string rating;  ///< Empty if not given.
};

bool IsHeader(const std::vector<std::string>& fields) {
  const std::string name = absl::AsciiStrToLower(fields.front());
  return name == "user" || name == "userid" || name == "user_id";
}

absl::StatusOr<std::vector<RawPair>> ReadPairs(const std::string& path) {
  const absl::StatusOr<std::string> text = ReadFile(path);
  if (!text.ok()) return text.status();
  std::vector<RawPair> pairs;
  std::string_view rest = *text;
  if (rest.substr(0, 3) == "\xef\xbb\xbf") rest.remove_prefix(3);  // A byte order mark.
  for (std::size_t number = 1; !rest.empty(); ++number) {
    std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (line.empty()) continue;
    const std::string place = absl::StrCat(path, ":", number);
    absl::StatusOr<std::vector<std::string>> fields = ParseCsvLine(line);
    if (!fields.ok()) return Because(fields.status(), place);
    if (number == 1 && IsHeader(*fields)) continue;
    if (fields->size() < 2) {
      return absl::InvalidArgumentError(absl::StrCat(place, ": expected user,item[,rating]"));
    }
    RawPair pair = {.user = (*fields)[0], .item = (*fields)[1], .rating = ""};
    if (fields->size() > 2) pair.rating = (*fields)[2];
    float rating = 0;
    if (!pair.rating.empty() && !absl::SimpleAtof(pair.rating, &rating)) {
      return absl::InvalidArgumentError(
          absl::StrCat(place, ": the rating \"", pair.rating, "\" is not a number"));
    }
    pairs.push_back(std::move(pair));
  }
  return pairs;
}

absl::Status Deliver(const TextTable& table, const PredictFlags& flags,
                     std::optional<OutputFile> output) {
  if (output.has_value()) {
    output->Write(table.Format(TableFormat::kCsv));
    return output->Close();
  }
  std::fputs(table.Format(flags.model.format).c_str(), stdout);
  return absl::OkStatus();
}

absl::Status PredictPairs(const OpenModel& open, const PredictFlags& flags,
                          std::optional<OutputFile> output) {
  const absl::StatusOr<std::vector<RawPair>> pairs = ReadPairs(flags.pairs);
  if (!pairs.ok()) return pairs.status();
  TextTable table({{.name = "user"},
                   {.name = "item"},
                   {.name = "predicted", .right = true},
                   {.name = "actual", .right = true}});
  std::uint64_t unknown = 0;
  for (const RawPair& pair : *pairs) {
    const std::optional<RowId> user = open.data().FindUser(pair.user);
    const std::optional<RowId> item = open.data().FindItem(pair.item);
    std::string predicted;
    std::string actual = pair.rating;
    if (user && item) {
      predicted = FloatText(open.model().Predict(*user, *item));
      const std::optional<float> rating = open.catalogue().RatingOf(*user, *item);
      if (rating) actual = FloatText(*rating);
    } else {
      ++unknown;
    }
    table.AddRow({pair.user, pair.item, predicted, actual});
  }
  if (unknown > 0) {
    std::fprintf(stderr, "%s of %s pairs have a user or an item that the model does not know\n",
                 WithThousands(unknown).c_str(), WithThousands(pairs->size()).c_str());
  }
  return Deliver(table, flags, std::move(output));
}

absl::Status PredictTitles(const OpenModel& open, const PredictFlags& flags,
                           std::optional<OutputFile> output) {
  const absl::StatusOr<RowId> user = open.FindUser(flags.user);
  if (!user.ok()) return user.status();
  TextTable table({{.name = "predicted", .right = true},
                   {.name = "actual", .right = true},
                   {.name = "item", .right = true},
                   {.name = "title"},
                   {.name = "genres"}});
  for (const std::string& title : flags.titles) {
    const absl::StatusOr<std::vector<RowId>> items = open.FindTitle(title);
    if (!items.ok()) return items.status();
    for (const RowId item : *items) {
      const std::optional<float> rating = open.catalogue().RatingOf(*user, item);
      const auto predicted = static_cast<double>(open.model().Predict(*user, item));
      table.AddRow({absl::StrFormat("%.3f", predicted), rating ? FloatText(*rating) : "-",
                    open.data().item_raw_id(item), open.data().title(item),
                    open.data().genres(item)});
    }
  }
  return Deliver(table, flags, std::move(output));
}

}  // namespace

absl::Status Predict(const PredictFlags& flags) {
  if (flags.pairs.empty() == flags.user.empty()) {
    return absl::InvalidArgumentError("predict needs either --pairs FILE or --user U --titles ...");
  }
  if (flags.titles.empty() != flags.user.empty()) {
    return absl::InvalidArgumentError("--user and --titles go together");
  }
  // Whether it may be written is asked before the work, not after it.
  std::optional<OutputFile> output;
  if (!flags.out.empty()) {
    absl::StatusOr<OutputFile> created =
        OutputFile::Create(flags.out, {.overwrite = flags.overwrite});
    if (!created.ok()) return created.status();
    output.emplace(*std::move(created));
  }
  const absl::StatusOr<std::unique_ptr<OpenModel>> open = OpenModel::Open(flags.model);
  if (!open.ok()) return open.status();
  return flags.pairs.empty() ? PredictTitles(**open, flags, std::move(output))
                             : PredictPairs(**open, flags, std::move(output));
}

}  // namespace cf
