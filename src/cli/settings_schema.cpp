#include "cli/settings_schema.h"

#include <fmt/format.h>

#include <iterator>
#include <string_view>

#include "sampling/dialects.h"
#include "sampling/registry.h"
#include "trace/settings_json.h"

namespace pellucid::cli {
namespace {

namespace json = boost::json;

constexpr std::string_view kIntroduction = R"(# Settings of the sampling chain

Made by `pellucid settings > docs/settings.md`. On the command line a setting is `--` and its name with `-` for `_`; in JSON, and in
`chat` after `/set`, it is the name. Stages run in the default order, which stands below, or in that of `--order` (also `--samplers`),
which leaves out what it doesn't name. A stage whose setting changes nothing doesn't run.
)";

/// As a cell of a table may hold it.
std::string cell(std::string_view text) {
  std::string result;
  for (const char c : text) result += c == '|' ? "\\|" : std::string(1, c);
  return result;
}

std::string names_of(const sampling::SettingRow& row) {
  std::string names = fmt::format("`{}`", row.name);
  for (const std::string_view alias : row.aliases) {
    if (!alias.empty()) names += fmt::format(", `{}`", alias);
  }
  return names;
}

void add_group(std::string& text, sampling::StageGroup group) {
  const sampling::Settings defaults;
  const auto out = std::back_inserter(text);
  fmt::format_to(out, "\n## {}\n\n| setting | default | values | what it does |\n| --- | --- | --- | --- |\n",
                 sampling::group_title(group));
  for (const sampling::StageRow& stage : sampling::stages()) {
    if (stage.group != group) continue;
    for (const sampling::SettingRow& row : stage.settings) {
      const std::string value = sampling::value_text(defaults, row);
      fmt::format_to(out, "| {} | {} | {} | {} |\n", names_of(row),
                     value.empty() ? "none" : fmt::format("`{}`", value), cell(sampling::range_text(row)),
                     cell(row.help));
    }
  }
}

/// Pairs "NAME=VALUE" as code, a space between them.
std::string pairs_text(std::string_view words) {
  std::string text;
  while (!words.empty()) {
    const std::string_view word = words.substr(0, words.find(' '));
    text += fmt::format("{}`{}`", text.empty() ? "" : " ", word);
    words.remove_prefix(std::min(word.size() + 1, words.size()));
  }
  return text;
}

json::object to_json(const sampling::SettingRow& row, const json::object& defaults) {
  json::object object{{"name", row.name},
                      {"aliases", json::array()},
                      {"default", defaults.at(row.name)},
                      {"values", sampling::range_text(row)},
                      {"choices", nullptr},
                      {"help", row.help}};
  for (const std::string_view alias : row.aliases) {
    if (!alias.empty()) object["aliases"].as_array().emplace_back(alias);
  }
  if (!row.choices.empty()) object["choices"] = json::array(row.choices.begin(), row.choices.end());
  return object;
}

}  // namespace

std::string settings_markdown() {
  std::string text(kIntroduction);
  for (const sampling::StageGroup group : sampling::kStageGroups) add_group(text, group);
  text += fmt::format("\n## The default order\n\n`{}`\n", sampling::order_text(sampling::default_order()));
  text += "\n## Dialects\n\n`--dialect NAME` starts from these settings; the others have their defaults.\n\n";
  text += "| name | engine | settings |\n| --- | --- | --- |\n";
  for (const sampling::Dialect& dialect : sampling::dialects()) {
    text += fmt::format("| `{}` | {} | {} |\n", dialect.name, dialect.engine, pairs_text(dialect.settings));
  }
  return text;
}

json::object settings_schema() {
  const json::object defaults = trace::settings_json({});
  json::array stages;
  for (const sampling::StageRow& stage : sampling::stages()) {
    json::array settings;
    for (const sampling::SettingRow& row : stage.settings) settings.push_back(to_json(row, defaults));
    stages.push_back(json::object{{"name", stage.name},
                                  {"group", sampling::group_title(stage.group)},
                                  {"settings", std::move(settings)}});
  }
  json::array dialects;
  for (const sampling::Dialect& dialect : sampling::dialects()) {
    const auto settings = sampling::dialect_settings(dialect.name);
    dialects.push_back(
        json::object{{"name", dialect.name},
                     {"engine", dialect.engine},
                     {"settings", settings.ok() ? trace::settings_json(settings.value()) : json::object()}});
  }
  return {{"stages", std::move(stages)}, {"dialects", std::move(dialects)}};
}

}  // namespace pellucid::cli
