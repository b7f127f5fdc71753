// Texts that cross the C interface of the crate.
#pragma once

#include <string>
#include <string_view>

#include "bridge/include/pellucid_bridge.h"

namespace pellucid::bridge {

inline pellucid_view view(std::string_view text) { return {text.data(), text.size()}; }

/// The text, copied and given back.
inline std::string take(pellucid_text text) {
  std::string copy(text.data == nullptr ? "" : text.data, text.size);
  pellucid_text_free(text);
  return copy;
}

}  // namespace pellucid::bridge
