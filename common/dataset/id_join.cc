#include "common/dataset/id_join.h"

#include <vector>

#include <absl/container/flat_hash_map.h>
#include <absl/strings/ascii.h>
#include <absl/strings/str_cat.h>

#include "common/dataset/text.h"
#include "common/text/numbers.h"

namespace cf {
namespace {

/// As it is, or in quotes where blanks would not be seen.
std::string IdText(const std::string& id) {
  return id.find_first_of(" \t,") == std::string::npos ? id : Quoted(id);
}

/// Which of the ids have training samples, of those that have validation samples.
JoinCount Count(const std::vector<bool>& in_validation, const std::vector<bool>& in_training,
                const auto& raw_id) {
  JoinCount count;
  std::vector<std::string> missing;
  for (std::uint32_t id = 0; id < in_validation.size(); ++id) {
    if (!in_validation[id]) continue;
    ++count.all;
    if (in_training[id]) {
      ++count.joined;
    } else {
      missing.push_back(raw_id(RowId{id}));
    }
  }
  if (missing.empty()) return count;
  std::vector<std::string> known;
  for (std::uint32_t id = 0; id < in_training.size(); ++id) {
    if (in_training[id]) known.push_back(raw_id(RowId{id}));
  }
  count.hint = NearMiss(missing, known);
  return count;
}

}  // namespace

std::string CommonForm(std::string_view id) {
  while (!id.empty() && absl::ascii_isspace(static_cast<unsigned char>(id.front()))) {
    id.remove_prefix(1);
  }
  while (!id.empty() && absl::ascii_isspace(static_cast<unsigned char>(id.back()))) {
    id.remove_suffix(1);
  }
  if (id.size() > 2 && id.ends_with(".0")) id.remove_suffix(2);
  while (id.size() > 1 && id.front() == '0') id.remove_prefix(1);
  return absl::AsciiStrToLower(std::string(id));
}

std::string NearMiss(std::span<const std::string> missing, std::span<const std::string> known) {
  absl::flat_hash_map<std::string, const std::string*> forms;
  for (const std::string& id : known) forms.emplace(CommonForm(id), &id);
  for (const std::string& id : missing) {
    const auto found = forms.find(CommonForm(id));
    if (found == forms.end() || *found->second == id) continue;
    return absl::StrCat(IdText(id), " is not ", IdText(*found->second));
  }
  return "";
}

Twins FindTwins(const Vocabulary& ids) {
  Twins twins;
  if (ids.numeric()) return twins;
  absl::flat_hash_map<std::string, std::uint32_t> forms;
  std::uint32_t first = 0;
  std::uint32_t second = 0;
  for (std::uint32_t code = 0; code < ids.size(); ++code) {
    const auto [place, added] = forms.try_emplace(CommonForm(ids.string(code)), code);
    if (added) continue;
    // The pair that is first by its bytes, whatever the order of the codes.
    const std::uint32_t lower = ids.Less(code, place->second) ? code : place->second;
    const std::uint32_t upper = lower == code ? place->second : code;
    if (twins.count++ == 0 || ids.Less(lower, first)) {
      first = lower;
      second = upper;
    }
  }
  if (twins.count > 0) {
    twins.hint = absl::StrCat(IdText(ids.string(second)), " is not ", IdText(ids.string(first)));
  }
  return twins;
}

ValidationJoin JoinValidation(const Dataset& data) {
  std::vector<bool> users[2] = {std::vector<bool>(data.users()), std::vector<bool>(data.users())};
  std::vector<bool> items[2] = {std::vector<bool>(data.items()), std::vector<bool>(data.items())};
  const std::span<const std::uint64_t> bits = data.given_validation();
  for (std::uint32_t user = 0; user < data.users(); ++user) {
    for (std::uint64_t k = data.user_offsets()[user]; k < data.user_offsets()[user + 1]; ++k) {
      const bool validation = ((bits[k / 64] >> (k % 64)) & 1) != 0;
      users[validation][user] = true;
      items[validation][Index(data.item_column()[k])] = true;
    }
  }
  return {.users = Count(users[1], users[0], [&](RowId id) { return data.user_raw_id(id); }),
          .items = Count(items[1], items[0], [&](RowId id) { return data.item_raw_id(id); })};
}

std::string MissingText(const JoinCount& count, const std::string& noun, const std::string& what) {
  return absl::StrCat(WithThousands(count.missing()), " of ", WithThousands(count.all), " ", noun,
                      count.missing() == 1 ? " has " : " have ", what,
                      count.hint.empty() ? "" : absl::StrCat(" (", count.hint, ")"));
}

}  // namespace cf
