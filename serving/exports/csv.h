#pragma once

#include "serving/exports/format.h"

namespace cf {

/// Raw ids and numbers as text, a file for each array of the npy export. Carries every model.
ExportFormat CsvFormat();

}  // namespace cf
