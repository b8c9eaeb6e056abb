#include "serving/minimum.h"

#include <cmath>
#include <deque>
#include <utility>

namespace cf {
namespace {

constexpr std::size_t kRemembered = 8;  // Steps whose curvature a new one takes into account.
constexpr double kPromiseLeast = 1e-7;  // Of the value: what a step must promise to be made.
constexpr double kFallLeast = 1e-4;     // Of what a step promises (Armijo).
constexpr int kHalvingsMost = 30;

double Dot(std::span<const double> a, std::span<const double> b) {
  double sum = 0;
  for (std::size_t k = 0; k < a.size(); ++k) sum += a[k] * b[k];
  return sum;
}

void AddTo(std::span<double> to, double factor, std::span<const double> x) {
  for (std::size_t k = 0; k < to.size(); ++k) to[k] += factor * x[k];
}

/// A step that was made: by how much the place and the gradient changed.
struct Step {
  std::vector<double> place;
  std::vector<double> gradient;
  double product;  // Of both; above 0.
};

/// The gradient, divided by the curvature that the steps have seen.
std::vector<double> Direction(std::vector<double> direction, const std::deque<Step>& steps,
                              const Cholesky& metric) {
  std::vector<double> shares(steps.size());
  for (std::size_t k = steps.size(); k-- > 0;) {
    shares[k] = Dot(steps[k].place, direction) / steps[k].product;
    AddTo(direction, -shares[k], steps[k].gradient);
  }
  metric.Solve(direction);
  for (std::size_t k = 0; k < steps.size(); ++k) {
    const double share = Dot(steps[k].gradient, direction) / steps[k].product;
    AddTo(direction, shares[k] - share, steps[k].place);
  }
  return direction;
}

}  // namespace

std::vector<double> Minimum(SmoothFunction function, std::vector<double> start,
                            const Cholesky& metric) {
  std::vector<double> place = std::move(start);
  std::vector<double> gradient(place.size());
  double value = function(place, gradient);
  std::deque<Step> steps;
  std::vector<double> next(place.size());
  std::vector<double> next_gradient(place.size());
  for (std::size_t made = 0; made < kMostSteps; ++made) {
    const std::vector<double> direction = Direction(gradient, steps, metric);
    const double promise = Dot(direction, gradient);
    if (!(promise > kPromiseLeast * (1 + std::abs(value)))) break;
    double length = 1;
    double next_value = 0;
    int halvings = 0;
    for (; halvings < kHalvingsMost; ++halvings, length /= 2) {
      next = place;
      AddTo(next, -length, direction);
      next_value = function(next, next_gradient);
      if (next_value <= value - kFallLeast * length * promise) break;
    }
    if (halvings == kHalvingsMost) break;  // As near as the function's own precision allows.
    Step step = {.place = next, .gradient = next_gradient, .product = 0};
    AddTo(step.place, -1, place);
    AddTo(step.gradient, -1, gradient);
    step.product = Dot(step.place, step.gradient);
    if (step.product > 0) steps.push_back(std::move(step));
    if (steps.size() > kRemembered) steps.pop_front();
    std::swap(place, next);
    std::swap(gradient, next_gradient);
    value = next_value;
  }
  return place;
}

}  // namespace cf
