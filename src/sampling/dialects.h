// Dialects: the order, the rules and the defaults of other engines, as settings.
#pragma once

#include <span>
#include <string_view>

#include "base/error.h"
#include "sampling/settings.h"

namespace pellucid::sampling {

struct Dialect {
  std::string_view name;
  std::string_view engine;    // and its version
  std::string_view settings;  // "NAME=VALUE ...", on top of Settings{}
};

/// pellucid's own comes first.
std::span<const Dialect> dialects();

/// The settings of a dialect. Errors: kUsage, with the names there are.
Result<Settings> dialect_settings(std::string_view name);

}  // namespace pellucid::sampling
