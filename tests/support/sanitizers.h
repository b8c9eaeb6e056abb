#pragma once

namespace cf {

// Which sanitizer a test is compiled for. It makes code some ten times as slow, and is there for what dev does not see: races, and
// memory that is not one's own. What only dev needs to see, a figure of twenty million samples or a comparison of every element, is
// then left out, or done for a part of them; never a way through the code that is tested.
#ifdef __SANITIZE_THREAD__
inline constexpr bool kThreadSanitizer = true;
#else
inline constexpr bool kThreadSanitizer = false;
#endif
#ifdef __SANITIZE_ADDRESS__
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = kThreadSanitizer;
#endif

}  // namespace cf
