// How often tests repeat what they do with random input.
#pragma once

namespace pellucid {

/// n times; a tenth of that where every access is checked, which takes ten times as long.
constexpr int repetitions(int n) {
#ifdef __SANITIZE_ADDRESS__
  return n / 10;
#else
  return n;
#endif
}

}  // namespace pellucid
