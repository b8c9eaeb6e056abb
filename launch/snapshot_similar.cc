#include <memory>
#include <string>
#include <utility>

#include <absl/status/statusor.h>
#include <absl/strings/str_cat.h>

#include "launch/item_table.h"
#include "launch/snapshot_commands.h"

namespace cf {

absl::Status PrintSimilar(const SimilarFlags& flags) {
  absl::StatusOr<Output> output = Output::Open(flags.output);
  if (!output.ok()) return output.status();
  const absl::StatusOr<std::unique_ptr<OpenModel>> opened = OpenModel::Open(flags.model);
  if (!opened.ok()) return opened.status();
  const OpenModel& open = **opened;
  const absl::StatusOr<RowId> item = open.lookup().Item(flags.item);
  if (!item.ok()) return item.status();
  ItemChoice::Options rules;
  for (const std::string& name : flags.genres) {
    absl::StatusOr<std::string> genre = FindGenre(open.data(), name);
    if (!genre.ok()) return genre.status();
    rules.genres.push_back(*std::move(genre));
  }
  const ItemChoice choice(open.data(), std::move(rules));
  const absl::StatusOr<std::vector<ScoredRow>> similar = open.recommender().SimilarItems(
      *item, {.top = flags.top, .min_ratings = flags.min_ratings, .choice = &choice});
  if (!similar.ok()) return similar.status();

  std::vector<TextTable::Column> behind;
  if (!output->for_people()) behind.push_back({.name = "source"});
  ItemTable table(open, *output,
                  {{.name = "rank", .right = true}, {.name = "cosine", .right = true}},
                  std::move(behind));
  std::size_t rank = 0;
  for (const ScoredRow& row : *similar) {
    std::vector<std::string> source;
    if (!output->for_people()) {
      source.emplace_back(NameOf(open.substance().OfItem(row.id) ? Source::kModel : Source::kNone));
    }
    table.AddRow({absl::StrCat(++rank), ScoreText(row.score)}, row.id, std::move(source));
  }
  std::string text;
  if (output->for_people()) {
    absl::StrAppend(&text, "Most similar to ", open.lookup().NameOf(*item),
                    ", by what the model learned of ",
                    Counted(open.catalogue().ItemTrainingRatings(*item), "rating"), ":\n");
  }
  return output->Deliver(text + table.Format());
}

}  // namespace cf
