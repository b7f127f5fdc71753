// One value of Settings as a row: its name, range, default and help. The command line, the JSON of requests,
// the checks and the documentation are made from it.
#pragma once

#include <array>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/error.h"
#include "sampling/settings.h"

namespace pellucid::sampling {

/// Where the value lies. Lists have their bounds for each entry.
using Field = std::variant<double Settings::*, int32_t Settings::*, Scope Settings::*, TopKTies Settings::*,
                           TopPCrossing Settings::*, WatermarkScheme Settings::*, LetterCase Settings::*,
                           TokenIds Settings::*, std::vector<TokenIds> Settings::*,
                           std::vector<SequenceBias> Settings::*, std::vector<std::string> Settings::*,
                           std::string Settings::*>;

/// Its default is what Settings{} holds.
struct SettingRow {
  std::string_view name;  // as in JSON; the flag is "--" and the name with '-' for '_'
  std::array<std::string_view, 2> aliases = {};
  Field field;
  double minimum = 0;
  double maximum = 0;
  double smallest_positive = 0;  // values above 0 but below this are refused; 0 where there is no such gap
  double identity = 0;           // the value that changes nothing; of a list, its length
  std::span<const std::string_view> choices = {};  // the names of an enum's values
  bool may_be_file = false;  // on a command line, "@" and a path stand for the text of that file
  bool adds_up = false;      // of a list: on a command line, giving it again adds to it
  std::string_view help;
};

/// A number as it is, a choice's index, a list's length.
double value(const Settings& settings, const SettingRow& setting);

/// A number in the shortest form that reads back exactly; a choice's name; token ids as "1,2"; sequences as
/// "1+2,3"; biases as "15=-1.5,4+5=-inf"; one text as it is; lists of texts with '\n', '\t', '\s' (space),
/// '\,' and '\\' escaped.
std::string value_text(const Settings& settings, const SettingRow& setting);

/// A text as an entry of such a list.
std::string escaped_text(const std::string& text);

/// What value_text() writes, and nothing else. Errors: kUsage with name, value and range.
Result<void> set_value(Settings& settings, const SettingRow& setting, std::string_view text);

/// Errors: kUsage with name, value and range.
Result<void> check_value(const Settings& settings, const SettingRow& setting);

/// "between 0 and 1", "0, or between ...", "one of all, output", "token ids, such as 1,2".
std::string range_text(const SettingRow& setting);

/// The highest token id that the setting names; -1 without.
int32_t highest_id(const Settings& settings, const SettingRow& setting);

}  // namespace pellucid::sampling
