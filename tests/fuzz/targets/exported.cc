// The reader of npy exports that are served from: model.json, the description and the arrays.

#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include <absl/strings/str_cat.h>
#include <absl/strings/str_replace.h>

#include "common/base/check.h"
#include "common/snapshot/checksum.h"
#include "serving/exports/npy_header.h"
#include "serving/open_model.h"
#include "serving/pair_predictor.h"
#include "serving/title_search.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/memory_folder.h"

namespace cf::fuzz::exported_target {
namespace {

/// The files of both seeds, in the order of an input's pieces.
constexpr std::array kFiles = {"model.json",
                               "description.textproto",
                               "user_ids.npy",
                               "user_ids_order.npy",
                               "item_ids_order.npy",
                               "item_ids_offsets.npy",
                               "item_ids_bytes.npy",
                               "item_titles_offsets.npy",
                               "item_titles_bytes.npy",
                               "item_genres_offsets.npy",
                               "item_genres_bytes.npy",
                               "seen_offsets.npy",
                               "seen_items.npy",
                               "seen_ratings.npy",
                               "seen_in_training.npy",
                               "user_training_ratings.npy",
                               "item_training_ratings.npy",
                               "popular_items.npy",
                               "user_learned.npy",
                               "item_learned.npy",
                               "user_embeddings.npy",
                               "item_embeddings.npy",
                               "user_biases.npy",
                               "item_biases.npy",
                               "dense_0_kernel.npy",
                               "dense_0_bias.npy",
                               "timestamp_year_padded.npy",
                               "timestamp_year_of_samples.npy"};

/// Stands for the checksum of the description, which would otherwise keep every mutation of it from
/// its parser.
constexpr char kChecksum[] = "CHECKSUM";

/// Asks all that an export is asked; each access is within what was mapped, or a sanitizer says so.
void AskAll(const OpenModel& open) {
  std::size_t bytes = TitleSearch(open.catalogue()).Containing("o").size();
  PairPredictor predictor(open.model(), open.catalogue(), open.substance(), /*fallback=*/true);
  for (std::uint32_t k = 0; k < open.data().items(); ++k) {
    const RowId item{k};
    bytes += open.lookup().NameOf(item).size() + open.data().genres(item).size();
    for (const ScoredRow& user : open.recommender().TopUsers(item, {.top = 3})) {
      Check(Index(user.id) < open.data().users(), "a user of a list is there");
    }
    bytes += open.recommender().SimilarItems(item, {.top = 3}).ok() ? 1 : 0;
  }
  for (std::uint32_t k = 0; k < open.data().users(); ++k) {
    const RowId user{k};
    const absl::StatusOr<RowId> found = open.lookup().User(open.data().user_raw_id(user));
    Check(!found.ok() || Index(*found) < open.data().users(), "a user that is found is there");
    for (const Mask mask : {Mask::kAll, Mask::kTrain}) {
      const ItemList list =
          open.recommender().TopItems(user, {.top = 3, .mask = mask, .fallback_popular = true});
      for (const ScoredRow& item : list.items) {
        Check(Index(item.id) < open.data().items(), "an item of a list is there");
      }
    }
    for (const RowId item : open.catalogue().SeenBy(user)) {
      bytes += open.catalogue().RatingOf(user, item).has_value() ? 1 : 0;
      predictor.Predict(user, item);
    }
  }
  const absl::Status nobody = open.lookup().User("nobody").status();
  Check(absl::IsNotFound(nobody) || bytes > 0, "nobody has a name in what names nobody");
}

template <class T>
std::string Array(const char* descr, const std::vector<std::uint64_t>& shape,
                  const std::vector<T>& values) {
  std::string file = NpyHeader(descr, shape);
  file.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
  return file;
}

std::string Floats(const std::vector<std::uint64_t>& shape) {
  std::uint64_t count = 1;
  for (const std::uint64_t extent : shape) count *= extent;
  std::vector<float> values;
  for (std::uint64_t k = 0; k < count; ++k) values.push_back(0.25F * static_cast<float>(k % 5) - 1);
  return Array("<f4", shape, values);
}

std::string Text(const std::string& bytes) {
  return Array("|u1", {bytes.size()}, std::vector<char>(bytes.begin(), bytes.end()));
}

/// Two users, two items, three samples, one of them of validation.
std::string ArrayOf(const std::string& file, bool ranks) {
  using Longs = std::vector<std::int64_t>;
  using Ints = std::vector<std::int32_t>;
  using Truths = std::vector<std::uint8_t>;
  if (file == "user_ids.npy") return Array("<i8", {2}, Longs{7, 5});
  if (file == "user_ids_order.npy") return Array("<i4", {2}, Ints{1, 0});
  if (file == "item_ids_order.npy") return Array("<i4", {2}, Ints{0, 1});
  if (file.ends_with("_offsets.npy") && file.starts_with("item_")) {
    return Array("<i8", {3}, Longs{0, 3, 6});
  }
  if (file.ends_with("_bytes.npy")) return Text("OneTwo");
  if (file == "seen_offsets.npy") return Array("<i8", {3}, Longs{0, 2, 3});
  if (file == "seen_items.npy") return Array("<i4", {3}, Ints{0, 1, 0});
  if (file == "seen_ratings.npy") return Floats({3});
  if (file == "seen_in_training.npy") return Array("|b1", {3}, Truths{1, 0, 1});
  if (file == "user_training_ratings.npy") return Array("<i4", {2}, Ints{1, 1});
  if (file == "item_training_ratings.npy") return Array("<i4", {2}, Ints{2, 0});
  if (file == "popular_items.npy") return Array("<i4", {1}, Ints{0});
  if (file == "user_learned.npy") return Array("|b1", {2}, Truths{1, 1});
  if (file == "item_learned.npy") return Array("|b1", {2}, Truths{1, 0});
  if (file.ends_with("_embeddings.npy")) return Floats({2, 64});
  if (file.ends_with("_biases.npy")) return Floats({2});
  if (!ranks) return "";
  if (file == "dense_0_kernel.npy") return Floats({131, 1});
  if (file == "dense_0_bias.npy") return Floats({1});
  if (file == "timestamp_year_padded.npy") return Floats({2, 16});
  return Array("<i4", {3}, Ints{0, 1, 0});
}

std::string ModelJson(bool ranks) {
  return absl::StrCat(
      R"({"format_version": 1, "format": "npy", "index_version": 1,)",
      ranks ? R"("features": [{"name": "timestamp_year", "of": "samples", "newest": 1}],)" : "",
      R"("files": [{"name": "description.textproto", "checksum": ")", kChecksum, R"("}]})");
}

std::string Description(bool ranks) {
  const char* const tables = R"(
  tables { name: "users" rows: 2 dim: 64 slots: 2 }
  tables { name: "items" rows: 2 dim: 64 slots: 2 }
)";
  const char* const factorisation = R"(
  job { model { matrix_factorization { dim: 64 biases: false } } }
)";
  const char* const ranker = R"(
  tables { name: "dense_0" rows: 1 dim: 132 slots: 2 }
  tables { name: "timestamp_year" rows: 2 dim: 3 slots: 2 }
  job {
    model {
      ranker {
        user { dim: 64 } item { dim: 64 } dense { units: 1 }
        feature { source: TIMESTAMP_YEAR dim: 3 }
      }
    }
  }
)";
  return absl::StrCat(R"(manifest {
  arithmetic_version: 1 partitions: 2
  statistics { mean: 3 deviation: 1 min: 1 max: 5 training_samples: 2 })",
                      tables, ranks ? ranker : factorisation, R"(}
data_set {
  name: "seed" users: 2 items: 2 samples: 3
  has_ratings: true has_titles: true numeric_user_ids: true
}
)");
}

/// Any files are an export, all of which can be asked, or an error of one line.
bool RunTarget(std::span<const std::byte> bytes) {
  static const MemoryFolder folder;
  const std::string input = TextOf(bytes);
  const std::vector<std::string_view> pieces = PiecesOf(input, kFiles.size());
  for (std::size_t k = 0; k < kFiles.size(); ++k) folder.Put(kFiles[k], pieces[k]);
  Checksum checksum;
  checksum.Update(pieces[1].data(), pieces[1].size());
  folder.Put(kFiles[0], absl::StrReplaceAll(std::string(pieces[0]), {{kChecksum, checksum.Hex()}}));
  const absl::StatusOr<std::unique_ptr<OpenModel>> open =
      OpenModel::Open({.snapshot = folder.path()});
  if (!open.ok()) {
    Check(open.status().message().find('\n') == absl::string_view::npos, "an error is one line");
    return false;
  }
  AskAll(**open);
  return true;
}

std::vector<std::string> Seeds() {
  std::vector<std::string> seeds;
  for (const bool ranks : {false, true}) {
    std::string seed = absl::StrCat(ModelJson(ranks), std::string(kEndOfPiece), Description(ranks));
    for (std::size_t k = 2; k < kFiles.size(); ++k) {
      absl::StrAppend(&seed, std::string(kEndOfPiece), ArrayOf(kFiles[k], ranks));
    }
    seeds.push_back(std::move(seed));
  }
  return seeds;
}

const bool kAdded =
    AddTarget({.name = "exported", .run = RunTarget, .seeds = Seeds, .rounds = 2000});

}  // namespace
}  // namespace cf::fuzz::exported_target
