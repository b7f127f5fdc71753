// The table of stages: one row a stage. The settings' parser, the chain, the command line and `explain` all
// read it, so that a new stage is a file in stages/, a field in Settings and a row here.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "sampling/candidates.h"
#include "sampling/settings.h"
#include "sampling/stage.h"

namespace pellucid::sampling {

/// One value of Settings. Its default is what Settings{} holds.
struct SettingRow {
  std::string_view name;  // as in JSON; the flag is "--" and the name with '-' for '_'
  std::array<std::string_view, 2> aliases;
  std::variant<double Settings::*, int32_t Settings::*> field;
  double minimum;
  double maximum;
  double smallest_positive;  // values above 0 but below this are refused; 0 where there is no such gap
  double identity;           // the value that changes nothing
  std::string_view help;
};

struct StageRow {
  StageId id;
  std::string_view name;
  std::span<const SettingRow> settings;  // the first one switches the stage off where it holds its identity

  /// True where it maps every logit by itself and keeps the order: the best can then be picked before it
  /// runs.
  bool pointwise;

  /// How many of the best can be left after it, or 0 where that isn't known beforehand.
  size_t (*at_most)(const Settings& settings);

  /// Changes `candidates` and fills in kept, setting and threshold of the report.
  void (*run)(const Settings& settings, Candidates& candidates, StageReport& report);

  /// What it did, e.g. "kept 3 of 6".
  std::string (*summary)(const StageReport& report);

  /// Why it dropped a candidate of this rank (0 = best) among those that entered, e.g. "rank 4 > 3".
  std::string (*reason)(const StageReport& report, size_t rank);
};

/// All rows, indexed by StageId, in the default order.
std::span<const StageRow> stages();

const StageRow& row(StageId id);

/// The row of a name, or nullptr; '-' equals '_'.
const StageRow* find_stage(std::string_view name);

/// The row of a setting's name or alias, or nullptr; '-' equals '_', and leading "--" is ignored.
const SettingRow* find_setting(std::string_view name);

/// The value of a setting as a number, and as the shortest text that reads back exactly.
double value(const Settings& settings, const SettingRow& setting);
std::string value_text(const Settings& settings, const SettingRow& setting);

/// True where the stage would change nothing.
bool is_identity(const Settings& settings, const StageRow& stage);

}  // namespace pellucid::sampling
