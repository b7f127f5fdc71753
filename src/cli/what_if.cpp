// pellucid what-if: what other settings would have made of a recorded text, from its stored logits alone.
#include "trace/what_if.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/json.h"
#include "cli/terminal.h"
#include "cli/trace_options.h"
#include "cli/what_if_report.h"
#include "trace/reader.h"
#include "trace/settings_json.h"

namespace pellucid::cli {
namespace {

struct WhatIfCommand {
  std::string trace;
  int branch = 0;
  SamplingOptions changes;
  std::optional<std::string> logits;
  Format format = Format::kText;
};

/// The steps whose recorded draw does not come out of the stored logits with the recorded settings.
Result<std::vector<int>> rounded_away(const trace::Trace& trace, int branch,
                                      const trace::LogitsFile& logits) {
  const auto as_recorded = [](const sampling::Settings& recorded) -> Result<sampling::Settings> {
    return recorded;
  };
  PELLUCID_TRY(const auto steps, trace::what_if(trace, branch, logits, {as_recorded, {}}));
  std::vector<int> away;
  for (const auto& [recorded, made] : steps) {
    if (made.draw.token != recorded->draw.token) away.push_back(recorded->index);
  }
  return away;
}

Result<int> run_what_if(const WhatIfCommand& command) {
  if (command.changes.given.empty() && !command.changes.seed && !command.changes.dialect) {
    return Error{ErrorCode::kUsage, "nothing is changed", "give --set, --dialect or --seed"};
  }
  PELLUCID_TRY(const trace::Trace trace, trace::read_trace(command.trace));
  if (trace.logits_path.empty() && !command.logits) {
    return Error{ErrorCode::kBadTrace, fmt::format("trace {}", in_quotes(command.trace, kWhole)),
                 "it was recorded without --trace-logits, and what-if starts from those"};
  }
  const std::string path = command.logits.value_or(logits_path(command.trace, trace));
  PELLUCID_TRY(const auto logits, trace::LogitsFile::open(path, trace.model.n_vocab, trace.logits_type));
  const trace::WhatIf what{
      [&](const sampling::Settings& recorded) { return apply(command.changes, recorded); },
      command.changes.seed};
  PELLUCID_TRY(const auto steps, trace::what_if(trace, command.branch, logits, what));
  WhatIfReport report{trace, command.branch, steps, {}};
  if (trace.logits_type != trace::LogitsType::kFloat32) {
    PELLUCID_TRY(report.rounded_away, rounded_away(trace, command.branch, logits));
  }
  if (command.format == Format::kJson) {
    PELLUCID_CHECK(write_json(what_if_json(report)));
  } else {
    PELLUCID_CHECK(write_output(what_if_text(report, report_style())));
  }
  return 0;
}

}  // namespace

void add_what_if(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand(
      "what-if", "Show what other settings would have kept and drawn at each step, without a model");
  const auto options = std::make_shared<WhatIfCommand>();
  add_trace_argument(*command, options->trace, options->branch);
  add_change_options(*command, options->changes);
  command
      ->add_option("--logits", options->logits, "the file that --trace-logits wrote (default: as recorded)")
      ->type_name("FILE");
  add_format_option(*command, options->format);
  command->callback([options, &action] { action = [options] { return run_what_if(*options); }; });
}

}  // namespace pellucid::cli
