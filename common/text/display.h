#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace cf {

/// The text with everything that a terminal would act upon made visible: control characters as \n,
/// \t or \x1b, those that turn the direction of writing as \u202e, bytes of what is no UTF-8 as \xff.
/// Text without these is returned as it is.
std::string Printable(std::string_view text);

/// How many columns of a terminal `text` takes: two for a wide character (Chinese, Japanese, Korean,
/// most emoji), none for one that joins the one before it. Requires: as Printable makes it.
std::size_t DisplayWidth(std::string_view text);

/// The text, at most `columns` wide: where it is wider its beginning and "...", which never cuts a
/// character in two, nor one off from the marks that join it. Requires: as Printable makes it;
/// columns > 3.
std::string CutToWidth(std::string_view text, std::size_t columns);

/// The text in lines of at most `columns`, broken at its spaces, but not between a name and the figure
/// behind it; lines after the first begin with
/// `indent` spaces, for which there is room. A word that is wider than a line is broken where the line ends.
/// Without a newline at its end. Requires: as Printable makes it, but for newlines, which stay.
std::string WrapToWidth(std::string_view text, std::size_t columns, std::size_t indent);

/// The lines of `text` as a terminal can show them: as Printable makes each, and those that are wider
/// than `columns` wrapped. Tables that fit stay as they are.
std::string FitToWidth(std::string_view text, std::size_t columns);

/// The columns of the terminal that `descriptor` is. Of what is none, those that the environment
/// names as COLUMNS, else 80.
std::size_t TerminalWidth(int descriptor);

}  // namespace cf
