#include "common/model/row_optimizer.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "common/base/check.h"
#include "common/math/math.h"

namespace cf {
namespace {

constexpr double kLeastShare = 0x1p-24;  // Of a missed step that counts: half a unit of a float.

}  // namespace

RowOptimizer::RowOptimizer(const OptimizerRule* rule, const KernelSet* kernels,
                           std::vector<TableSpec> tables)
    : rule_(rule), kernels_(kernels), tables_(std::move(tables)) {
  if (!moves_rows()) return;
  const Adam& adam = rule_->options().adam();
  ratio_ = adam.beta1() / std::sqrt(adam.beta2());
  Check(ratio_ < 1, "a validated job's momentum fades");
  for (double share = ratio_; share >= kLeastShare; share *= ratio_) ++terms_;
  settled_.push_back(0);  // A row that has seen no step does not move.
  recent_.resize(terms_ + 1);
  for (std::uint32_t k = 0; k < MissedSteps::kLowPowers; ++k) {
    low_powers_.push_back({math::PowInt(adam.beta1(), k), math::PowInt(adam.beta2(), k)});
  }
  missed_.low = low_powers_.data();
  missed_.recent = recent_.data();
  missed_.recent_count = terms_ + 1;
  high_powers_.push_back({});
  missed_.high = high_powers_.data();
  missed_.settled = settled_.data();
}

void RowOptimizer::Advance(std::uint64_t steps) {
  if (missed_.steps == steps) return;
  Check(steps < ~std::uint32_t{0}, "a row's last step is a number of 32 bits");
  missed_.steps = static_cast<std::uint32_t>(steps);
  while (rates_.size() < steps) rates_.push_back(rule_->CorrectedRate(rates_.size()));
  // shift(last) = r (rate(last) + shift(last + 1)), backwards from the last step that counts.
  while (settled_.size() + terms_ < steps) {
    double shift = 0;
    const std::size_t last = settled_.size();
    for (std::size_t k = last + terms_; k-- > last;) shift = ratio_ * (rates_[k] + shift);
    settled_.push_back(static_cast<float>(shift));
  }
  missed_.settled = settled_.data();
  double shift = 0;
  const auto most = static_cast<std::uint32_t>(std::min<std::uint64_t>(terms_, steps));
  for (std::uint32_t k = 1; k <= most; ++k) {
    shift = ratio_ * (rates_[steps - k] + shift);
    recent_[k] = static_cast<float>(shift);
  }
  const Adam& adam = rule_->options().adam();
  while (high_powers_.size() * MissedSteps::kLowPowers <= steps) {
    const std::uint64_t k = high_powers_.size() * MissedSteps::kLowPowers;
    high_powers_.push_back({math::PowInt(adam.beta1(), k), math::PowInt(adam.beta2(), k)});
  }
  missed_.high = high_powers_.data();
}

void RowOptimizer::Update(TableId table, std::uint64_t step, std::span<const RowUpdate> updates) {
  const TableSpec& of = tables_[Index(table)];
  OptimizerStep numbers = rule_->At(step, of);
  if (of.shape.last_step) {
    Advance(step);
    missed_.bias_rate = static_cast<float>(of.bias_rate);
    numbers.missed = &missed_;
  }
  kernels_->update_rows(numbers, updates);
}

void RowOptimizer::Read(TableId table, std::uint64_t steps, std::span<const float* const> rows,
                        float* to, std::size_t stride) {
  const TableSpec& of = tables_[Index(table)];
  if (!of.shape.last_step) {
    const std::size_t floats = RowLayout(of.shape).wire_floats();
    for (const float* const row : rows) {
      std::copy_n(row, floats, to);
      to += stride;
    }
    return;
  }
  Advance(steps);
  missed_.bias_rate = static_cast<float>(of.bias_rate);
  OptimizerStep numbers = rule_->At(0, of);
  numbers.missed = &missed_;
  kernels_->read_rows(numbers, rows, to, stride);
}

}  // namespace cf
