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
  double share = ratio_;
  while (share >= kLeastShare) {
    ++terms_;
    share *= ratio_;
  }
  own_.push_back(0);  // Nothing is pending before a row's first step.
  settled_.push_back(0);
  recent_.resize(terms_ + 1);
  for (std::uint32_t k = 0; k < PendingSteps::kLowPowers; ++k) {
    low_powers_.push_back({math::PowInt(adam.beta1(), k), math::PowInt(adam.beta2(), k)});
  }
  pending_.low = low_powers_.data();
  pending_.recent = recent_.data();
  pending_.recent_count = terms_ + 1;
  high_powers_.push_back({});
  pending_.high = high_powers_.data();
  for (const TableSpec& table : tables_) {
    reading_.push_back(rule_->At(0, table));
    reading_.back().pending = &pending_;
  }
}

void RowOptimizer::ExtendRates(std::uint64_t step) {
  if (changes_ != rule_->changes()) {
    rates_.resize(std::min<std::size_t>(rates_.size(), certain_));
    own_.resize(rates_.size() + 1);
    changes_ = rule_->changes();
  }
  certain_ = std::max(certain_, step);
  while (rates_.size() < rule_->EndOfEpoch(step)) {
    rates_.push_back(rule_->CorrectedRate(rates_.size()));
    own_.push_back(static_cast<float>(rates_.back()));
  }
  pending_.own = own_.data();
  pending_.own_count = static_cast<std::uint32_t>(own_.size());
}

void RowOptimizer::Advance(std::uint64_t steps) {
  if (pending_.steps == steps && changes_ == rule_->changes() && !rates_.empty()) return;
  Check(steps < PendingSteps::kNothing, "a row's last step is a number of 31 bits");
  pending_.steps = static_cast<std::uint32_t>(steps);
  // With BLOCKS a row may have had a later step of the epoch.
  ExtendRates(steps);
  // shift(last) = rate(last) + r shift(last + 1), backwards from the last step that counts.
  while (settled_.size() + terms_ < steps) {
    double shift = 0;
    const std::size_t last = settled_.size();
    for (std::size_t k = last + terms_; k >= last; --k) shift = rates_[k - 1] + ratio_ * shift;
    settled_.push_back(static_cast<float>(shift));
  }
  pending_.settled = settled_.data();
  double shift = 0;
  for (std::uint32_t missed = 0; missed <= terms_ && missed < steps; ++missed) {
    shift = rates_[steps - missed - 1] + ratio_ * shift;
    recent_[missed] = static_cast<float>(shift);
  }
  const Adam& adam = rule_->options().adam();
  while (high_powers_.size() * PendingSteps::kLowPowers <= steps) {
    const std::uint64_t k = high_powers_.size() * PendingSteps::kLowPowers;
    high_powers_.push_back({math::PowInt(adam.beta1(), k), math::PowInt(adam.beta2(), k)});
  }
  pending_.high = high_powers_.data();
}

std::span<const std::uint32_t> RowOptimizer::Update(TableId table, std::uint64_t step,
                                                    std::span<const RowUpdate> updates) {
  const TableSpec& of = tables_[Index(table)];
  OptimizerStep numbers = rule_->At(step, of);
  if (of.shape.last_step) {
    Advance(step);
    numbers.pending = &pending_;
  }
  if (refused_.size() < updates.size()) refused_.resize(updates.size());
  return std::span(refused_).first(kernels_->update_rows(numbers, updates, refused_.data()));
}

void RowOptimizer::CatchUp(TableId table, std::uint64_t step, std::span<float* const> rows) {
  const TableSpec& of = tables_[Index(table)];
  if (!of.shape.last_step) return;
  Advance(step);
  kernels_->catch_up_rows(reading_[Index(table)], rows);
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
  kernels_->read_rows(reading_[Index(table)], rows, to, stride);
}

}  // namespace cf
