#pragma once

namespace cf {

/// The style sheet of every page. The lines' colours are Okabe and Ito's, darker or lighter where
/// the ground asks for it. Holds neither < nor &, so that it may stand in well-formed XML as it is.
inline constexpr char kPageStyle[] =
#include "common/page/page_style.css.inc"
    ;

}  // namespace cf
