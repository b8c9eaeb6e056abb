#pragma once

#include "common/metrics/figures.h"
#include "common/metrics/names.h"

namespace cf {

/// The figures that an epoch has where nothing is validated.
inline Figures WithoutValidation(const Figures& figures) {
  Figures kept;
  for (const Figure& figure : figures) {
    if (!IsOfValidation(figure.name)) kept.Set(figure.name, figure.value);
  }
  return kept;
}

}  // namespace cf
