#include "launch/sweep_slice.h"

#include <string>

#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>

namespace cf {
namespace {

absl::StatusOr<std::size_t> ReadIndex(const Environment& environment, const char* name) {
  const char* text = environment(name);
  std::size_t number = 0;
  if (text != nullptr && absl::SimpleAtoi(text, &number)) return number;
  return absl::InvalidArgumentError(
      absl::StrCat(name, text == nullptr ? " is missing from" : absl::StrCat("=", text, " in"),
                   " the environment; expected a number, as Slurm writes it"));
}

}  // namespace

absl::StatusOr<SweepSlice> FindSweepSlice(const Environment& environment) {
  if (environment("SLURM_ARRAY_TASK_ID") == nullptr) return SweepSlice();
  std::size_t numbers[5] = {};
  constexpr const char* kNames[] = {"SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_MIN",
                                    "SLURM_ARRAY_TASK_MAX", "SLURM_ARRAY_TASK_STEP",
                                    "SLURM_ARRAY_TASK_COUNT"};
  for (std::size_t k = 0; k < std::size(kNames); ++k) {
    const absl::StatusOr<std::size_t> number = ReadIndex(environment, kNames[k]);
    if (!number.ok()) return number.status();
    numbers[k] = *number;
  }
  const auto [id, min, max, step, count] = numbers;
  if (step == 0 || id < min || id > max || (id - min) % step != 0) {
    return absl::InvalidArgumentError(absl::StrCat("SLURM_ARRAY_TASK_ID=", id,
                                                   " in the environment is not in the array ", min,
                                                   "-", max, ":", step));
  }
  return SweepSlice{
      .first = (id - min) / step, .every = (max - min) / step + 1, .array = true, .tasks = count};
}

}  // namespace cf
