#include <array>

#include "serving/exports/format.h"
#include "serving/exports/npy.h"

namespace cf {

std::span<const ExportFormat> ExportFormats() {
  static const std::array kFormats = {NpyFormat()};
  return kFormats;
}

}  // namespace cf
