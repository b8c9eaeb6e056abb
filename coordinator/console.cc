#include "coordinator/console.h"

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>
#include <absl/strings/str_join.h>
#include <absl/strings/str_split.h>

#include "common/base/activity.h"
#include "common/base/status.h"
#include "common/text/display.h"
#include "common/text/numbers.h"

namespace cf {
namespace {

constexpr double kSecondsBetweenBars = 0.1;
constexpr double kSecondsBetweenLines = 30;
constexpr double kShownPauseMin = 0.005;  // Less is 0.00 s.
constexpr std::size_t kBarCells = 30;     // As many as Keras draws.

std::string PlaceText(const EpochProgress& p) {
  return absl::StrFormat("Epoch %d/%d %d/%d", p.epoch, p.epochs, p.step, p.steps);
}

/// "0.9s", "0.6ms/step", "101k samples/s", "loss 0.6093", "rmse 0.8177": no line is broken in one.
std::vector<std::string> FiguresOf(const EpochProgress& p) {
  const double steps = static_cast<double>(std::max<std::uint64_t>(p.step, 1));
  const double milliseconds = 1e3 * p.seconds / steps;
  std::vector<std::string> figures = {
      DurationText(p.seconds),
      absl::StrFormat("%.*fms/step", milliseconds < 0.1 ? 3 : 1, milliseconds),
      absl::StrCat(InShort(p.samples_per_second), " samples/s")};
  if (p.pause_seconds >= kShownPauseMin) {
    figures.push_back(absl::StrFormat("pause %.2fs", p.pause_seconds));
  }
  figures.push_back(absl::StrCat("loss ", FixedText(p.figures.Find("train_loss").value_or(0), 4)));
  if (const std::optional<double> rmse = p.figures.Find("train_rmse"); rmse.has_value()) {
    figures.push_back(absl::StrCat("rmse ", FixedText(*rmse, 4)));
  }
  return figures;
}

void AddValidation(const EpochFigures& epoch, std::vector<std::string>& pieces) {
  for (const Figure& figure : ValidationOf(epoch.figures)) {
    pieces.push_back(absl::StrCat(figure.name, " ", FixedText(figure.value, 4)));
  }
}

/// "[=========>....................]"
std::string BarText(const EpochProgress& p, std::size_t count) {
  const std::uint64_t steps = std::max<std::uint64_t>(p.steps, 1);
  const auto done = static_cast<std::size_t>(std::min(p.step, steps) * count / steps);
  std::string cells(count, '.');
  std::fill_n(cells.begin(), done, '=');
  if (done < count) cells[done] = '>';
  return "[" + cells + "]";
}

/// The line that is redrawn: on a narrow terminal its bar is shorter, and then what comes last is
/// left out, figure by figure.
std::string FittingText(const EpochProgress& p, std::size_t columns) {
  constexpr std::size_t kCellsMin = 10;
  const std::string place = PlaceText(p);
  const std::vector<std::string> figures = FiguresOf(p);
  const std::size_t around = place.size() + absl::StrJoin(figures, " ").size() + std::size_t{4};
  const std::size_t room = columns > around ? columns - around : 0;
  std::string text = absl::StrCat(place, " ", BarText(p, std::clamp(room, kCellsMin, kBarCells)));
  for (const std::string& figure : figures) {
    if (text.size() + 1 + figure.size() > columns) break;
    absl::StrAppend(&text, " ", figure);
  }
  return text;
}

/// The pieces in lines of at most `columns`, none broken in two; those after the first are indented.
std::string InLines(const std::vector<std::string>& pieces, std::size_t columns) {
  constexpr std::size_t kIndent = 2;
  std::string lines;
  std::size_t width = 0;
  for (const std::string& piece : pieces) {
    const std::size_t wide = DisplayWidth(piece);
    if (width > 0 && width + 1 + wide > columns) {
      lines += "\n" + std::string(kIndent, ' ');
      width = kIndent;
    } else if (width > 0) {
      lines += ' ';
      ++width;
    }
    lines += piece;
    width += wide;
  }
  return lines;
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

Console::Console(Options options, std::FILE* log) : options_(std::move(options)), log_(log) {
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

absl::Status Console::StartMeasured(const EpochFigures& start) {
  std::vector<std::string> pieces = {"Epoch 0, biases alone"};
  AddValidation(start, pieces);
  pieces.emplace_back("best");
  const std::lock_guard lock(mutex_);
  WritePieces(pieces);
  return absl::OkStatus();
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
    DrawBar(FittingText(progress, BarColumns()));
  } else {
    std::vector<std::string> pieces = FiguresOf(progress);
    pieces.insert(pieces.begin(), PlaceText(progress));
    WritePieces(pieces);
  }
  return absl::OkStatus();
}

absl::Status Console::EpochEnded(const FinishedEpoch& epoch) {
  std::vector<std::string> pieces = FiguresOf(epoch.progress);
  pieces.insert(pieces.begin(), PlaceText(epoch.progress));
  AddValidation(epoch.figures, pieces);
  if (epoch.is_best) pieces.emplace_back("best");
  const std::lock_guard lock(mutex_);
  WritePieces(pieces);
  return absl::OkStatus();
}

absl::Status Console::SnapshotHindered(const std::string& line) {
  Line(line);
  return absl::OkStatus();
}

absl::Status Console::Remarked(const std::string& line) {
  Line(line);
  return absl::OkStatus();
}

absl::Status Console::Warned(const std::string& line) {
  Line("warning: " + line);
  return absl::OkStatus();
}

absl::Status Console::Ended(Verdict& verdict) {
  Line(verdict.text);
  return absl::OkStatus();
}

// A log has whole lines, to be searched; a terminal would break figures at its edge.
void Console::WriteLine(const std::string& text) {
  const auto columns = static_cast<std::size_t>(std::max(options_.line_width, 0));
  std::vector<std::string> lines;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    lines.push_back(Printable({line.data(), line.size()}));
  }
  // Several lines are a table.
  const bool breaks = columns > 0 && lines.size() == 1;
  Write(breaks ? WrapToWidth(lines[0], columns, 2) : absl::StrJoin(lines, "\n"), text);
}

void Console::WritePieces(const std::vector<std::string>& pieces) {
  const std::string text = absl::StrJoin(pieces, " ");
  const auto columns = static_cast<std::size_t>(std::max(options_.line_width, 0));
  Write(columns > 0 ? InLines(pieces, columns) : text, text);
}

void Console::Write(const std::string& shown, const std::string& logged) {
  EraseBar();
  Put(shown + "\n", options_.output);
  if (log_ == nullptr) return;
  std::fputs((logged + "\n").c_str(), log_);
  std::fflush(log_);
}

std::size_t Console::BarColumns() const {
  // The last column stays free: some terminals wrap as soon as it is written.
  return static_cast<std::size_t>(std::max(options_.width - 1, 1));
}

void Console::DrawBar(const std::string& text) {
  const std::string fits = text.substr(0, BarColumns());
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
