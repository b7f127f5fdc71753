#include "cli/plot_page.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <utility>

#include "cli/settings_changes.h"
#include "sampling/registry.h"
#include "trace/records.h"

namespace pellucid::cli {
namespace {

namespace json = boost::json;
using trace::Branch;
using trace::Step;
using trace::Trace;

/// "temperature=0.8, top_k=50, top_p=0.95", and what else is not as it is by default.
std::string settings_text(const sampling::Settings& settings) {
  std::vector<std::string> shown;
  sampling::Settings without = settings;
  for (const std::string_view name : {"temperature", "top_k", "top_p"}) {
    const sampling::SettingRow& row = *sampling::find_setting(name);
    shown.push_back(fmt::format("{}={}", name, sampling::value_text(settings, row)));
  }
  const sampling::Settings defaults;
  without.temperature = defaults.temperature;
  without.top_k = defaults.top_k;
  without.top_p = defaults.top_p;
  for (std::string& change : settings_changes(without, defaults)) shown.push_back(std::move(change));
  return fmt::format("{}", fmt::join(shown, ", "));
}

json::object step_data(int branch, const Step& step) {
  json::object object = trace::step_record(branch, step);
  if (object.contains("allowed")) object["allowed"].as_object().erase("set");
  return object;
}

json::object branch_data(const Trace& trace, const Branch& branch) {
  const Branch& parent = trace.branches[static_cast<size_t>(branch.parent)];
  json::object object = trace::branch_record(branch);
  object.erase("settings");
  object["seed"] = std::to_string(branch.options.seed);  // numbers of JavaScript have 53 bits
  object["changes"] = json::value_from(branch_changes(branch, parent));
  object["settings_text"] = settings_text(branch.options.settings);
  json::array steps;
  for (const Step& step : branch.steps) steps.push_back(step_data(branch.id, step));
  object["steps"] = std::move(steps);
  object["end"] = nullptr;
  if (branch.end) {
    object["end"] = {{"finish_reason", branch.end->finish_reason}, {"n_tokens", branch.end->n_tokens}};
  }
  return object;
}

/// JSON has '<' only within strings, where it may be written otherwise: no text can end the script element.
std::string escaped(const json::object& data) {
  std::string text;
  for (const char c : json::serialize(data)) {
    if (c == '<') {
      text += "\\u003c";
    } else {
      text += c;
    }
  }
  return text;
}

}  // namespace

json::object plot_data(const Trace& trace) {
  json::object data = trace::header_record(trace);
  for (const char* of_no_use : {"settings", "breakers", "seed"}) data.erase(of_no_use);
  json::array branches;
  for (const Branch& branch : trace.branches) branches.push_back(branch_data(trace, branch));
  data["branches"] = std::move(branches);
  return data;
}

std::string plot_page(const Trace& trace) {
  constexpr std::string_view kPlace = "{{trace}}";
  const std::string_view page = plot_template();
  const size_t place = page.find(kPlace);
  std::string text(page.substr(0, place));
  text += escaped(plot_data(trace));
  return text += page.substr(place + kPlace.size());
}

}  // namespace pellucid::cli
