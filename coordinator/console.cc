#include "coordinator/console.h"

#include <algorithm>
#include <cerrno>
#include <optional>

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>

#include "common/base/activity.h"
#include "common/base/status.h"
#include "common/text/numbers.h"

namespace cf {
namespace {

constexpr double kSecondsBetweenBars = 0.1;
constexpr double kSecondsBetweenLines = 30;
constexpr std::size_t kBarCells = 30;  // As many as Keras draws.

std::string PlaceText(const EpochProgress& p) {
  return absl::StrFormat("Epoch %d/%d %d/%d", p.epoch, p.epochs, p.step, p.steps);
}

/// "0.9s 0.6ms/step 101k samples/s loss 0.6093 rmse 0.8177"
std::string FiguresText(const EpochProgress& p) {
  const double steps = static_cast<double>(std::max<std::uint64_t>(p.step, 1));
  const double milliseconds = 1e3 * p.seconds / steps;
  std::string text = absl::StrFormat(
      "%s %.*fms/step %s samples/s loss %.4f", DurationText(p.seconds), milliseconds < 0.1 ? 3 : 1,
      milliseconds, InShort(p.samples_per_second), p.figures.Find("train_loss").value_or(0));
  if (const std::optional<double> rmse = p.figures.Find("train_rmse"); rmse.has_value()) {
    absl::StrAppendFormat(&text, " rmse %.4f", *rmse);
  }
  return text;
}

/// "[=========>....................]"
std::string BarText(const EpochProgress& p) {
  const std::uint64_t steps = std::max<std::uint64_t>(p.steps, 1);
  const std::size_t done = static_cast<std::size_t>(std::min(p.step, steps) * kBarCells / steps);
  std::string cells(kBarCells, '.');
  std::fill_n(cells.begin(), done, '=');
  if (done < kBarCells) cells[done] = '>';
  return "[" + cells + "]";
}

// Whoever reads the output may take his time (Ctrl-S): that is not this thread's fault.
void Put(const std::string& text, std::FILE* output) {
  const Activity::Waiting waiting(Activity::kOutside, {});
  std::fputs(text.c_str(), output);
  std::fflush(output);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Console>> Console::Open(const Options& options) {
  std::FILE* log = nullptr;
  if (!options.log_path.empty()) {
    log = std::fopen(options.log_path.c_str(), "ae");
    if (log == nullptr) return ErrnoError(errno, options.log_path);
  }
  return std::unique_ptr<Console>(new Console(options, log));
}

Console::Console(const Options& options, std::FILE* log) : options_(options), log_(log) {
}

Console::~Console() {
  EraseBar();
  if (log_ != nullptr) std::fclose(log_);
}

void Console::Line(const std::string& text) {
  const std::lock_guard lock(mutex_);
  const std::string bar = bar_;
  WriteLine(text);
  if (!bar.empty()) DrawBar(bar);
}

void Console::LogOnly(const std::string& text) {
  const std::lock_guard lock(mutex_);
  if (log_ == nullptr) return;
  std::fputs((text + "\n").c_str(), log_);
  std::fflush(log_);
}

absl::Status Console::SegmentTrained(const TrainedSegment& segment) {
  const EpochProgress& progress = segment.progress;
  if (progress.step == progress.steps) return absl::OkStatus();
  const std::lock_guard lock(mutex_);
  const double shown = shown_.epoch == progress.epoch ? shown_.seconds : 0;
  const bool bar = options_.mode == Mode::kBar;
  if (bar && !bar_.empty() && progress.seconds - shown < kSecondsBetweenBars) {
    return absl::OkStatus();
  }
  if (!bar && progress.seconds - shown < kSecondsBetweenLines) return absl::OkStatus();
  shown_ = progress;
  if (bar) {
    DrawBar(absl::StrCat(PlaceText(progress), " ", BarText(progress), " ", FiguresText(progress)));
  } else {
    WriteLine(absl::StrCat(PlaceText(progress), " ", FiguresText(progress)));
  }
  return absl::OkStatus();
}

absl::Status Console::EpochEnded(const FinishedEpoch& epoch) {
  std::string text = absl::StrCat(PlaceText(epoch.progress), " ", FiguresText(epoch.progress));
  for (const Figure& figure : ValidationOf(epoch.figures.figures)) {
    absl::StrAppendFormat(&text, " %s %.4f", figure.name, figure.value);
  }
  if (epoch.is_best) text += " best";
  const std::lock_guard lock(mutex_);
  WriteLine(text);
  return absl::OkStatus();
}

absl::Status Console::Remarked(const std::string& line) {
  Line(line);
  return absl::OkStatus();
}

absl::Status Console::Ended(const Verdict& verdict) {
  Line(verdict.text);
  return absl::OkStatus();
}

void Console::WriteLine(const std::string& text) {
  EraseBar();
  Put(text + "\n", options_.output);
  if (log_ == nullptr) return;
  std::fputs((text + "\n").c_str(), log_);
  std::fflush(log_);
}

void Console::DrawBar(const std::string& text) {
  // The last column stays free: some terminals wrap as soon as it is written.
  const auto columns = static_cast<std::size_t>(std::max(options_.width - 1, 1));
  const std::string fits = text.substr(0, columns);
  const std::size_t stale = bar_.size() > fits.size() ? bar_.size() - fits.size() : 0;
  Put("\r" + fits + std::string(stale, ' '), options_.output);
  bar_ = fits;
}

void Console::EraseBar() {
  if (bar_.empty()) return;
  Put("\r" + std::string(bar_.size(), ' ') + "\r", options_.output);
  bar_.clear();
}

}  // namespace cf
