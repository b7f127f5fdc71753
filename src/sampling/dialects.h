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

/// Errors: kUsage, with the names there are.
Result<Dialect> find_dialect(std::string_view name);

/// The settings of a dialect. Errors: as find_dialect().
Result<Settings> dialect_settings(std::string_view name);

/// The same, but structure, banned phrases and lists of tokens stay as in `before`: they are of a text, and a
/// dialect says nothing of them. Errors: kUsage where it has no stage for one that is set; as
/// find_dialect().
Result<Settings> dialect_settings(std::string_view name, const Settings& before);

}  // namespace pellucid::sampling
