// Checks of command-line values whose complaints are sentences of ours: CLI11's own name its templates.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"

namespace pellucid::cli {

/// What a command line asks for and cannot be (kUsage).
inline Error refused(std::string_view what, std::string why) {
  return {ErrorCode::kUsage, std::string(what), std::move(why)};
}

/// A whole number from `least` to `most`, in decimal digits ("010" is ten). Where there is no bound but the
/// type's, help shows no range.
CLI::Validator whole_number(uint64_t least, uint64_t most);

/// A number from `least` to `most`, in decimal.
CLI::Validator number_in(double least, double most);

/// A count: 1 to the largest int.
inline CLI::Validator at_least_one() { return whole_number(1, std::numeric_limits<int>::max()); }

/// One of these words. It becomes its number, which CLI11 reads as a value of an enum.
CLI::Validator one_of(std::vector<std::pair<std::string, int>> choices);

}  // namespace pellucid::cli
