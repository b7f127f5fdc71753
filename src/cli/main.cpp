// pellucid COMMAND [options]: results on stdout, everything else on stderr. Exit status 0 done, 1 failed, 2
// wrong usage, 130 interrupted.
#include <fmt/format.h>

#include <cstdio>
#include <exception>
#include <sstream>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/output.h"

namespace pellucid::cli {
namespace {

constexpr int kFailed = 1;
constexpr int kWrongUsage = 2;

int report(const Error& error) {
  fmt::print(stderr, "pellucid: error: {}\n", printable(error.message()));
  return error.code == ErrorCode::kUsage ? kWrongUsage : kFailed;
}

/// --help and --version: results, so they go where results go.
int print_about(const CLI::App& app, const CLI::ParseError& asked) {
  std::ostringstream text;
  const int status = app.exit(asked, text);
  Result<void> written = write_output(text.str());
  if (written.ok()) written = flush_output();
  return written.ok() ? status : report(written.error());
}

Error wrong_usage(const CLI::App& app, const CLI::ParseError& error) {
  std::string why = printable(error.what());
  if (app.get_subcommands().empty()) {
    const std::vector<std::string> words = app.remaining();
    why = words.empty() ? "a command is missing"
                        : fmt::format("{} is not a command or option", in_quotes(words.front()));
  }
  return {ErrorCode::kUsage, "wrong usage", fmt::format("{} (see pellucid --help)", why)};
}

int run(int argc, char** argv) {
  CLI::App app("Generates text with trained language models, with every step in plain sight.", "pellucid");
  app.set_version_flag("--version", PELLUCID_VERSION);
  app.require_subcommand(1);
  app.get_formatter()->column_width(34);
  Action action;
  add_generate(app, action);
  add_chat(app, action);
  add_explain(app, action);
  add_tokenize(app, action);
  add_detokenize(app, action);
  add_detect_watermark(app, action);
  add_logits(app, action);
  add_perplexity(app, action);
  add_inspect(app, action);
  add_replay(app, action);
  add_what_if(app, action);
  add_branch(app, action);
  add_tree(app, action);
  add_plot(app, action);
  add_settings(app, action);
  add_bench(app, action);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return error.get_exit_code() == 0 ? print_about(app, error) : report(wrong_usage(app, error));
  }
  const Result<int> status = action();
  if (!status.ok()) return report(status.error());
  if (const Result<void> flushed = flush_output(); !flushed.ok()) return report(flushed.error());
  return status.value();
}

}  // namespace
}  // namespace pellucid::cli

int main(int argc, char** argv) {
  // The library has no exceptions of its own; what the standard library throws (no memory, no thread) ends
  // here.
  try {
    pellucid::cli::prepare_process();
    return pellucid::cli::run(argc, argv);
  } catch (const std::bad_alloc&) {
    return pellucid::cli::report({pellucid::ErrorCode::kLimit, "out of memory", "an allocation was refused"});
  } catch (const std::exception& error) {
    return pellucid::cli::report({pellucid::ErrorCode::kLimit, "unexpected failure", error.what()});
  }
}
