#include "serving/pair_file.h"

#include <algorithm>
#include <memory>
#include <utility>

#include <absl/strings/str_cat.h>

#include "common/dataset/record_reader.h"
#include "common/dataset/text.h"
#include "serving/title_search.h"

namespace cf {
namespace {

absl::StatusOr<std::unique_ptr<RecordReader>> Open(const std::string& path,
                                                   const PairFile::Options& options) {
  RecordOptions format = options.records;
  format.timestamp = Need::kUnwanted;
  format.positions = true;
  format.empty_items = true;
  absl::StatusOr<std::unique_ptr<RecordReader>> pairs = RecordReader::Open(path, format);
  if (pairs.ok() || options.users == PairFile::Users::kRequired) return pairs;
  format.user = Need::kUnwanted;
  absl::StatusOr<std::unique_ptr<RecordReader>> items = RecordReader::Open(path, format);
  // What is no file of items either is told of as the file of pairs that it may have been.
  return items.ok() ? std::move(items) : std::move(pairs);
}

std::optional<RowId> ItemOf(const std::string& name, const PairFile::Options& options,
                            const Dataset& data) {
  const std::optional<RowId> item = data.FindItem(name);
  if (item.has_value() || options.titles == nullptr) return item;
  const std::vector<RowId> titled = options.titles->WithTitle(name);
  return titled.size() == 1 ? std::optional(titled.front()) : std::nullopt;
}

}  // namespace

absl::StatusOr<PairFile> PairFile::Read(const std::string& path, const Options& options,
                                        const Dataset& data) {
  absl::StatusOr<std::unique_ptr<RecordReader>> reader = Open(path, options);
  if (!reader.ok()) return reader.status();
  PairFile file;
  file.path_ = path;
  file.has_users_ = (*reader)->format().user >= 0;
  file.has_ratings_ = (*reader)->format().rating >= 0;
  Record record;
  for (;;) {
    const absl::StatusOr<bool> more = (*reader)->Next(&record);
    if (!more.ok()) return more.status();
    if (!*more) break;
    if (record.item.empty()) continue;
    NamedPair pair = {.raw_user = record.user, .raw_item = record.item, .rating = record.rating};
    if (file.has_users_) pair.user = data.FindUser(record.user);
    pair.item = ItemOf(record.item, options, data);
    if (!pair.item.has_value() || (file.has_users_ && !pair.user.has_value())) ++file.unknown_;
    file.pairs_.push_back(std::move(pair));
  }
  absl::Status joined = file.CheckJoined(data, options.known_users);
  if (!joined.ok()) return joined;
  return file;
}

absl::Status PairFile::CheckJoined(const Dataset& data, bool known_users) const {
  if (pairs_.empty()) return absl::InvalidArgumentError(absl::StrCat(path_, ": has no pair"));
  const bool item = std::any_of(pairs_.begin(), pairs_.end(),
                                [](const NamedPair& pair) { return pair.item.has_value(); });
  const bool user = !has_users_ || !known_users ||
                    std::any_of(pairs_.begin(), pairs_.end(),
                                [](const NamedPair& pair) { return pair.user.has_value(); });
  if (item && user) return absl::OkStatus();
  const std::string& theirs = item ? pairs_.front().raw_user : pairs_.front().raw_item;
  const std::string ours = item ? data.user_raw_id(RowId{0}) : data.item_raw_id(RowId{0});
  return absl::InvalidArgumentError(
      absl::StrCat(path_, ": no ", item ? "user" : "item", " of it is in the data set ",
                   data.name(), ": it has such as ", Quoted(theirs), ", the data set ",
                   Quoted(ours), " (--columns says which column is which)"));
}

NamedItems PairFile::Names(const std::string& only) const {
  NamedItems names;
  for (const NamedPair& pair : pairs_) {
    if (!pair.item.has_value()) continue;
    if (!has_users_) {
      names.for_all.push_back(*pair.item);
    } else if (!only.empty()) {
      if (pair.raw_user == only) names.for_all.push_back(*pair.item);
    } else if (pair.user.has_value()) {
      names.for_users.push_back({.user = *pair.user, .item = *pair.item});
    }
  }
  return names;
}

std::vector<std::string> PairFile::UnknownUsers() const {
  std::vector<std::string> users;
  for (const NamedPair& pair : pairs_) {
    if (has_users_ && !pair.user.has_value()) users.push_back(pair.raw_user);
  }
  std::sort(users.begin(), users.end());
  users.erase(std::unique(users.begin(), users.end()), users.end());
  return users;
}

}  // namespace cf
