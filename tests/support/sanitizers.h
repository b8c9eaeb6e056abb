#pragma once

namespace cf {

// Which sanitizer a test is compiled for. It makes code some ten times as slow, and is there for what dev does not see: races, and
// memory that is not one's own. What only dev needs to see, a comparison of every element or another thousand steps of the same
// kind, is then done for a part of them; never is a way through the code that is tested left out, or a test.
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
