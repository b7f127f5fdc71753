// The table of stages: one row a stage, defined in the stage's own file. The settings' parser, the chain, the
// command line, the JSON, the documentation and `explain` all read it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sampling/candidates.h"
#include "sampling/draw.h"
#include "sampling/setting.h"
#include "sampling/settings.h"
#include "sampling/stage.h"

namespace pellucid::sampling {

/// What a stage is for; how help and documentation are arranged.
enum class StageGroup : uint8_t { kBasic, kTruncation, kPenalty, kConstraint, kStructure, kWatermark };
inline constexpr std::array kStageGroups{StageGroup::kBasic,     StageGroup::kTruncation,
                                         StageGroup::kPenalty,   StageGroup::kConstraint,
                                         StageGroup::kStructure, StageGroup::kWatermark};
std::string_view group_title(StageGroup group);

struct StageRow {
  StageId id;
  std::string_view name;
  StageGroup group;
  std::span<const SettingRow> settings;

  /// True where it would change something; without, that is where the first setting isn't its identity.
  bool (*on)(const Settings& settings) = nullptr;

  /// True where it maps every logit by itself and keeps the order: the best can then be picked before it
  /// runs, `below` of what follows times divisor().
  bool pointwise = false;
  double (*divisor)(const Settings& settings) = nullptr;

  /// What it can leave at most, as far as that is known beforehand.
  Enough (*enough)(const Settings& settings) = nullptr;

  // A stage has one of these three.

  /// All logits anew, index = token id; of a stage that is the first of the order (check()).
  Result<std::vector<float>> (*remake)(const StageInput& input, std::span<const float> logits) = nullptr;

  /// The single logits it changes, or the tokens it rules out; fills in setting of the report.
  Edits (*edit)(const StageInput& input, const LogitOf& logit, StageReport& report) = nullptr;

  /// Changes `candidates` and fills in setting, threshold, measure and random of the report.
  void (*run)(const StageInput& input, Candidates& candidates, StageReport& report) = nullptr;

  /// What the draw makes of the state, for stages that carry one.
  void (*advance)(const Settings& settings, const StageReport& report, const Draw& draw,
                  State& state) = nullptr;

  /// True where reports tell of it when it is off, too: the stages that a beginner looks for.
  bool shown_when_off = false;

  /// What it did, e.g. "kept 3 of 6".
  std::string (*summary)(const StageReport& report);

  /// Why it dropped a candidate of this rank (0 = best) among those that entered, e.g. "rank 4 > 3".
  std::string (*reason)(const StageReport& report, size_t rank);
};

/// All rows, indexed by StageId.
std::span<const StageRow> stages();

const StageRow& row(StageId id);

/// The row of a name, or nullptr; '-' equals '_'.
const StageRow* find_stage(std::string_view name);

/// The row of a setting's name or alias, or nullptr; '-' equals '_', and leading "--" is ignored.
const SettingRow* find_setting(std::string_view name);

/// True where the stage would change nothing.
bool is_identity(const Settings& settings, const StageRow& stage);

}  // namespace pellucid::sampling
