// The commands of the program: each adds its subcommand and options to `app`, and sets `action` where it is
// chosen.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>

#include "base/error.h"

namespace pellucid::cli {

/// What the chosen command does once its options are read: the exit status, or an error.
using Action = std::function<Result<int>()>;

void add_generate(CLI::App& app, Action& action);
void add_chat(CLI::App& app, Action& action);
void add_explain(CLI::App& app, Action& action);
void add_tokenize(CLI::App& app, Action& action);
void add_detokenize(CLI::App& app, Action& action);
void add_detect_watermark(CLI::App& app, Action& action);
void add_logits(CLI::App& app, Action& action);
void add_perplexity(CLI::App& app, Action& action);
void add_inspect(CLI::App& app, Action& action);
void add_replay(CLI::App& app, Action& action);
void add_what_if(CLI::App& app, Action& action);
void add_branch(CLI::App& app, Action& action);
void add_tree(CLI::App& app, Action& action);
void add_plot(CLI::App& app, Action& action);
void add_settings(CLI::App& app, Action& action);
void add_bench(CLI::App& app, Action& action);

}  // namespace pellucid::cli
