#include "cli/settings_json.h"

#include "sampling/registry.h"

namespace pellucid::cli {

boost::json::object settings_json(const sampling::Settings& settings) {
  boost::json::object object;
  for (const sampling::StageRow& stage : sampling::stages()) {
    for (const sampling::SettingRow& row : stage.settings) {
      if (const auto* field = std::get_if<int32_t sampling::Settings::*>(&row.field)) {
        object[row.name] = settings.**field;
      } else {
        object[row.name] = sampling::value(settings, row);
      }
    }
  }
  boost::json::array order;
  for (const sampling::StageId id : settings.order) order.emplace_back(sampling::row(id).name);
  object["order"] = std::move(order);
  return object;
}

}  // namespace pellucid::cli
