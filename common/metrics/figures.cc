#include "common/metrics/figures.h"

#include <algorithm>
#include <iterator>

#include "common/metrics/names.h"

namespace cf {
Figures::Figures(std::initializer_list<Figure> figures) {
  for (const Figure& figure : figures) Set(figure.name, figure.value);
}

void Figures::Set(const std::string& name, double value) {
  const auto found = std::find_if(figures_.begin(), figures_.end(),
                                  [&name](const Figure& figure) { return figure.name == name; });
  if (found == figures_.end()) {
    figures_.push_back({.name = name, .value = value});
  } else {
    found->value = value;
  }
}

void Figures::SetAll(const Figures& others) {
  for (const Figure& figure : others) Set(figure.name, figure.value);
}

std::optional<double> Figures::Find(std::string_view name) const {
  const auto found = std::find_if(figures_.begin(), figures_.end(),
                                  [name](const Figure& figure) { return figure.name == name; });
  return found == figures_.end() ? std::nullopt : std::optional(found->value);
}

bool IsUsual(std::string_view name) {
  return std::find(std::begin(kUsualFigures), std::end(kUsualFigures), name) !=
         std::end(kUsualFigures);
}

Figures ValidationOf(const Figures& figures) {
  Figures validation;
  for (const Figure& figure : figures) {
    if (IsOfValidation(figure.name)) validation.Set(figure.name, figure.value);
  }
  return validation;
}

std::vector<std::string> JudgingNamesOf(std::span<const EpochFigures> epochs) {
  std::vector<std::string> names;
  for (const char* name : {"val_rmse", "val_loss", "val_mae", "train_rmse", "train_loss"}) {
    const auto has = [name](const EpochFigures& epoch) {
      return epoch.figures.Find(name).has_value();
    };
    if (std::any_of(epochs.begin(), epochs.end(), has)) names.emplace_back(name);
  }
  for (const EpochFigures& epoch : epochs) {
    for (const Figure& figure : epoch.figures) {
      if (IsUsual(figure.name)) continue;
      if (std::find(names.begin(), names.end(), figure.name) == names.end()) {
        names.push_back(figure.name);
      }
    }
  }
  return names;
}

}  // namespace cf
