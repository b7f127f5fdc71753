// pellucid tree: draws a trace with its branches.

#include "cli/commands.h"
#include "cli/json.h"
#include "cli/options.h"
#include "cli/terminal.h"
#include "cli/tree_report.h"
#include "trace/reader.h"

namespace pellucid::cli {
namespace {

struct TreeCommand {
  std::string trace;
  Format format = Format::kText;
};

Result<int> tree(const TreeCommand& command) {
  PELLUCID_TRY(const trace::Trace trace, trace::read_trace(command.trace));
  if (command.format == Format::kJson) {
    PELLUCID_CHECK(write_json(tree_json(trace)));
    return 0;
  }
  PELLUCID_CHECK(write_output(tree_text(trace, report_style())));
  return 0;
}

}  // namespace

void add_tree(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("tree", "Draw a trace: its text and the branches that leave it");
  const auto options = std::make_shared<TreeCommand>();
  command->add_option("trace", options->trace, "a trace that --trace wrote")->type_name("TRACE")->required();
  add_format_option(*command, options->format);
  command->callback([options, &action] { action = [options] { return tree(*options); }; });
}

}  // namespace pellucid::cli
