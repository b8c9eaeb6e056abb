#pragma once

#include <vector>

#include "common/http/router.h"

namespace cf {

/// The page at "/", and below "/page/" what it is made of, from the program itself. It holds
/// nothing that is worth a token, so it is answered without one: it asks for the token that its own
/// requests need. Its policy lets it load nothing from elsewhere, run no script but these files, and
/// make no markup of texts, whatever titles hold.
std::vector<Route> PageRoutes();

}  // namespace cf
