#include "serving/item_sieve.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <numeric>
#include <utility>

#include "common/base/check.h"

namespace cf {
namespace {

constexpr std::uint32_t kBlocks = ItemSieve::kTile / kBoundRows;
constexpr std::size_t kColumns = 4;  // Whose bytes are side by side.
constexpr float kByteMax = 127;      // On both sides of RowBounds::kByteZero.

// Largest magnitudes of vectors of which bounds are made. Between these no product and no sum of
// products leaves the range of a float; what is flushed to zero on the way is less than kTiny.
constexpr float kLeast = 1e-15F;
constexpr float kMost = 1e15F;
constexpr double kTiny = 1e-30;

// A rounding, and the few of the additions of a raw sum and of a bound.
constexpr double kRounding = 0x1p-24;
constexpr double kRoundings = 16 * kRounding;

// Rounded up to a float, and a little more.
float Up(double value) {
  return static_cast<float>(value * (1 + kRoundings) + kTiny);
}

// Eight columns, for which the compiler has registers: it makes none of loops over sums.
constexpr std::size_t kWidth = 8;
using Floats = float __attribute__((vector_size(kWidth * sizeof(float))));
using Doubles = double __attribute__((vector_size(kWidth * sizeof(double))));
using Codes = std::int32_t __attribute__((vector_size(kWidth * sizeof(std::int32_t))));
using Bytes = std::int8_t __attribute__((vector_size(kWidth)));

Floats Load(const float* from) {
  Floats values;
  std::memcpy(&values, from, sizeof values);
  return values;
}

double SumOf(const Doubles& lanes) {
  double sum = 0;
  for (std::size_t k = 0; k < kWidth; ++k) sum += lanes[k];
  return sum;
}

// The largest magnitude; infinity where one is beyond kMost or no number.
float LargestOf(std::span<const float> vector) {
  Floats largest = {};
  Codes sure = ~Codes{};
  for (std::size_t k = 0; k < vector.size(); k += kWidth) {
    const Floats values = Load(vector.data() + k);
    const Floats sizes = values < 0 ? -values : values;
    largest = sizes > largest ? sizes : largest;
    sure &= sizes <= kMost;
  }
  float most = 0;
  for (std::size_t k = 0; k < kWidth; ++k) {
    if (sure[k] == 0) return std::numeric_limits<float>::infinity();
    most = std::max(most, largest[k]);
  }
  return most;
}

// A vector as whole multiples of a scale; the lengths of what they stand for, of what they
// leave out, and of both.
struct Lengths {
  double coded = 0;
  double residual = 0;
  double whole = 0;
};
Lengths Quantize(std::span<const float> vector, float scale, std::int8_t* codes) {
  // Adding it rounds to a whole number.
  constexpr float kRound = 0x1.8p23F;
  const float inverse = 1 / scale;
  Doubles coded_squares = {};
  Doubles residual_squares = {};
  Doubles whole_squares = {};
  for (std::size_t k = 0; k < vector.size(); k += kWidth) {
    const Floats values = Load(vector.data() + k);
    const Floats rounded = (values * inverse + kRound) - kRound;
    const Doubles whole = __builtin_convertvector(values, Doubles);
    const Doubles coded = static_cast<double>(scale) * __builtin_convertvector(rounded, Doubles);
    coded_squares += coded * coded;
    residual_squares += (whole - coded) * (whole - coded);
    whole_squares += whole * whole;
    const Bytes bytes = __builtin_convertvector(__builtin_convertvector(rounded, Codes), Bytes);
    std::memcpy(codes + k, &bytes, sizeof bytes);
  }
  return {std::sqrt(SumOf(coded_squares)), std::sqrt(SumOf(residual_squares)),
          std::sqrt(SumOf(whole_squares))};
}

}  // namespace

void ItemSieve::Free::operator()(std::uint8_t* bytes) const {
  std::free(bytes);
}

std::uint64_t ItemSieve::BytesFor(std::uint32_t items, std::uint32_t dim) {
  const std::uint64_t tiles = (items + std::uint64_t{kTile} - 1) / kTile;
  return tiles * (kTile * std::uint64_t{PaddedDim(dim)} + kBlocks * sizeof(RowBounds) +
                  sizeof(std::atomic<State>));
}

ItemSieve::ItemSieve(const WeightTable& items, float mean, const KernelSet& kernels)
    : items_(&items),
      mean_(static_cast<double>(mean)),
      columns_(items.padded_dim()),
      above_(RowsAboveKernelOf(kernels)) {
  const std::size_t tiles = (items.rows() + std::size_t{kTile} - 1) / kTile;
  void* memory = std::aligned_alloc(64, std::max<std::size_t>(64, tiles * kTile * columns_));
  Check(memory != nullptr, "there is memory for the bytes of items");
  bytes_.reset(static_cast<std::uint8_t*>(memory));
  rows_ = std::make_unique_for_overwrite<RowBounds[]>(tiles * kBlocks);
  states_ = std::make_unique<std::atomic<State>[]>(tiles);
}

std::optional<ItemSieve::Query> ItemSieve::QueryOf(const float* vector, float bias) const {
  const std::span<const float> user(vector, columns_);
  const float largest = LargestOf(user);
  const double constant = static_cast<double>(bias) + mean_;
  if (!(largest >= kLeast && largest <= kMost && std::abs(constant) <= kMost)) return std::nullopt;
  Query query;
  query.codes_.resize(columns_);
  const float scale = largest / BoundQuery::kCodeMax;
  const Lengths lengths = Quantize(user, scale, query.codes_.data());
  const std::int32_t sum = std::accumulate(query.codes_.begin(), query.codes_.end(), 0);
  // A dot product's own roundings are columns / 16 multiply-adds and four additions a lane, by
  // Cauchy and Schwarz of no more than the product of the norms; those of the bound are fewer.
  const double roundings = (static_cast<double>(columns_) / kLanes + 64) * 2 * kRounding;
  query.bounds_ = {.columns = columns_,
                   .offset = -RowBounds::kByteZero * sum,
                   .scale = scale,
                   .by_residual = Up(lengths.coded),
                   .by_norm = Up(lengths.residual + roundings * lengths.whole)};
  query.constant_ = constant;
  query.slack_ = kRoundings * (std::abs(static_cast<double>(bias)) + std::abs(mean_)) + kTiny;
  return query;
}

bool ItemSieve::Has(std::uint32_t first) const {
  return states_[first / kTile].load(std::memory_order_acquire) == State::kThere;
}

void ItemSieve::Add(std::uint32_t first) {
  std::atomic<State>& state = states_[first / kTile];
  State none = State::kNone;
  if (!state.compare_exchange_strong(none, State::kBegun, std::memory_order_relaxed)) return;
  const std::uint32_t end = std::min(first + kTile, items_->rows());
  std::vector<std::int8_t> codes(columns_);
  for (std::uint32_t item = first; item < end; ++item) AddItem(item, codes);
  // What is behind the last item is above nothing.
  for (std::uint32_t row = end; row < first + kTile; ++row) {
    RowBounds& of = rows_[row / kBoundRows];
    const std::size_t r = row % kBoundRows;
    of.scale[r] = of.residual[r] = of.norm[r] = 0;
    of.bias[r] = -std::numeric_limits<float>::infinity();
  }
  state.store(State::kThere, std::memory_order_release);
}

void ItemSieve::AddItem(std::uint32_t item, std::vector<std::int8_t>& codes) {
  RowBounds& of = rows_[item / kBoundRows];
  const std::size_t r = item % kBoundRows;
  const std::span<const float> vector(items_->vector(RowId{item}), columns_);
  const double bias = static_cast<double>(items_->bias(RowId{item}));
  const float largest = LargestOf(vector);
  const bool sure = largest <= kMost && std::abs(bias) <= kMost;
  // Of a vector that is too small nothing is in the bytes: its norm is all there is to say.
  const float scale = sure && largest >= kLeast ? largest / kByteMax : kMost;
  Lengths lengths;
  if (sure) lengths = Quantize(vector, scale, codes.data());
  std::uint8_t* to = bytes_.get() + item / kBoundRows * kBoundRows * columns_ + r * kColumns;
  for (std::size_t k = 0; k < columns_; k += kColumns, to += kColumns * kBoundRows) {
    for (std::size_t c = 0; c < kColumns; ++c) {
      to[c] = static_cast<std::uint8_t>(codes[k + c] + RowBounds::kByteZero);
    }
  }
  of.scale[r] = sure ? scale : 0;
  of.residual[r] = Up(lengths.residual);
  of.norm[r] = Up(lengths.whole);
  // What nobody can be sure of may be above anything.
  of.bias[r] = sure ? static_cast<float>(bias + kRoundings * std::abs(bias) + kTiny)
                    : std::numeric_limits<float>::infinity();
}

ItemSieve::Rows ItemSieve::Above(const Query& query, std::uint32_t first, float threshold) const {
  const double limit = static_cast<double>(threshold) - query.constant_;
  const double slack =
      query.slack_ + kRoundings * (std::abs(static_cast<double>(threshold)) + std::abs(limit));
  BoundQuery bounds = query.bounds_;
  bounds.codes = query.codes_.data();
  bounds.limit = static_cast<float>(limit - slack);
  std::array<std::uint16_t, kBlocks> masks;
  above_(bounds, bytes_.get() + std::size_t{first} * columns_, rows_.get() + first / kBoundRows,
         kBlocks, masks.data());
  return std::bit_cast<Rows>(masks);
}

}  // namespace cf
