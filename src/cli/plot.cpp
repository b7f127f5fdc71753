// pellucid plot: a trace as a page to look at in a browser.
#include <fmt/format.h>
#include <unistd.h>

#include "cli/checks.h"
#include "cli/commands.h"
#include "cli/npy.h"
#include "cli/output.h"
#include "cli/plot_page.h"
#include "cli/trace_options.h"
#include "trace/reader.h"

namespace pellucid::cli {
namespace {

struct PlotCommand {
  std::string trace;
  std::string output;
};

Result<void> check_output(const PlotCommand& command) {
  if (command.output.empty() && ::isatty(STDOUT_FILENO) != 0) {
    return refused("--output", "a page is nothing for a terminal: name a file, or redirect");
  }
  if (same_file(command.output, command.trace)) return refused("--output", "it is the trace itself");
  return {};
}

Result<int> plot(const PlotCommand& command) {
  PELLUCID_CHECK(check_output(command));
  PELLUCID_TRY(const trace::Trace trace, trace::read_trace(command.trace));
  PELLUCID_CHECK(check_not_logits(command.output, command.trace, trace));
  const std::string page = plot_page(trace);
  if (command.output.empty()) {
    PELLUCID_CHECK(write_output(page));
    return 0;
  }
  PELLUCID_TRY(FileWriter file, FileWriter::create(command.output));
  PELLUCID_CHECK(file.write(page.data(), page.size()));
  PELLUCID_CHECK(file.finish());
  size_t n_steps = 0;
  for (const trace::Branch& branch : trace.branches) n_steps += branch.steps.size();
  fmt::print(stderr, "[{} {} -> {}]\n", n_steps, n_steps == 1 ? "step" : "steps", command.output);
  return 0;
}

}  // namespace

void add_plot(CLI::App& app, Action& action) {
  CLI::App* command =
      app.add_subcommand("plot", "A trace as a page for a browser: text, charts, every token's candidates");
  const auto options = std::make_shared<PlotCommand>();
  command->add_option("trace", options->trace, "a trace that generate --trace wrote")
      ->type_name("TRACE")
      ->required();
  command->add_option("-o,--output", options->output, "file to write, HTML (default: standard output)")
      ->type_name("FILE");
  command->callback([options, &action] { action = [options] { return plot(*options); }; });
}

}  // namespace pellucid::cli
