#include "cli/settings_changes.h"

#include <fmt/format.h>

#include "sampling/registry.h"

namespace pellucid::cli {

std::vector<std::string> settings_changes(const sampling::Settings& now, const sampling::Settings& before) {
  std::vector<std::string> changes;
  for (const sampling::StageRow& stage : sampling::stages()) {
    for (const sampling::SettingRow& row : stage.settings) {
      const std::string value = sampling::value_text(now, row);
      if (value != sampling::value_text(before, row))
        changes.push_back(fmt::format("{}={}", row.name, value));
    }
  }
  if (now.order != before.order) changes.push_back("order=" + sampling::order_text(now.order));
  return changes;
}

std::vector<std::string> branch_changes(const trace::Branch& branch, const trace::Branch& parent) {
  std::vector<std::string> changes = settings_changes(branch.options.settings, parent.options.settings);
  if (branch.options.seed != parent.options.seed)
    changes.push_back(fmt::format("seed={}", branch.options.seed));
  if (branch.options.stream != parent.options.stream)
    changes.push_back(fmt::format("stream={}", branch.options.stream));
  return changes;
}

}  // namespace pellucid::cli
