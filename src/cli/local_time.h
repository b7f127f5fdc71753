// The time that a chat template may write: local, to the second, without a zone, as Python's datetime.now()
// gives it to the templates that were written for transformers.
#pragma once

#include <ctime>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace pellucid::cli {

/// "2026-01-02T03:04:05", with its day of the week and of the year. Errors: kUsage (not of that form, or no
/// such time; years are 1900 to 9999).
Result<std::tm> parse_local_time(std::string_view text);

/// The form that parse_local_time() reads.
std::string to_text(const std::tm& time);

/// The time given, or that of the system's clock in its zone. Errors: kUsage.
Result<std::tm> local_time_or_now(const std::optional<std::string>& given);

}  // namespace pellucid::cli
