#include <array>

#include "serving/exports/csv.h"
#include "serving/exports/faiss.h"
#include "serving/exports/format.h"
#include "serving/exports/hnswlib.h"
#include "serving/exports/npy.h"
#include "serving/exports/onnx.h"
#include "serving/exports/safetensors.h"
#include "serving/exports/tflite.h"

namespace cf {

std::span<const ExportFormat> ExportFormats() {
  static const std::array kFormats = {NpyFormat(),   SafetensorsFormat(), CsvFormat(),
                                      FaissFormat(), HnswlibFormat(),     OnnxFormat(),
                                      TfliteFormat()};
  return kFormats;
}

}  // namespace cf
