#include "common/base/thousands.h"

namespace cf {

std::string WithThousands(std::uint64_t number) {
  std::string text = std::to_string(number);
  for (std::size_t left = text.size(); left > 3; left -= 3) text.insert(left - 3, 1, ',');
  return text;
}

}  // namespace cf
