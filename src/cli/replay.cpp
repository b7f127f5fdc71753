// pellucid replay: runs a recorded text again and says whether every bit is the same.
#include "generation/replay.h"

#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/json.h"
#include "cli/trace_options.h"
#include "generation/trace_reader.h"

namespace pellucid::cli {
namespace {

struct ReplayCommand {
  std::string trace;
  int branch = 0;
  ModelOptions model;
  bool speculate = true;
  Format format = Format::kText;
};

std::string place(std::string_view simd, int n_threads) {
  return fmt::format("{}, {} {}", simd, n_threads, n_threads == 1 ? "thread" : "threads");
}

Result<void> report(const ReplayCommand& command, const generation::Trace& trace,
                    const generation::Engine& engine, int n_confirmed) {
  const std::string_view simd = engine.model().kernels->name;
  const int n_threads = engine.options().n_threads;
  if (command.format == Format::kJson) {
    return write_json({{"trace", to_json_text(command.trace)},
                       {"branch", command.branch},
                       {"confirmed", n_confirmed},
                       {"simd", simd},
                       {"threads", n_threads}});
  }
  return write_output(
      fmt::format("the same, bit for bit: {} {}, each with its logits, stages, draw and token\n"
                  "  recorded  {}\n  replayed  {}\n",
                  n_confirmed, n_confirmed == 1 ? "step" : "steps",
                  place(trace.machine.simd, trace.machine.n_threads), place(simd, n_threads)));
}

Result<int> replay(const ReplayCommand& command) {
  PELLUCID_TRY(const generation::Trace trace, generation::read_trace(command.trace));
  PELLUCID_CHECK(generation::find_branch(trace, command.branch));
  PELLUCID_TRY(const LoadedEngine loaded, load_recorded(trace, command.model));
  const InterruptFlag interrupt;
  PELLUCID_TRY(const generation::Replayed done,
               generation::replay(*loaded.engine, trace, command.branch, command.speculate,
                                  [&interrupt] { return interrupt.raised(); }));
  if (done.difference) return Error{ErrorCode::kBadTrace, "the replay differs", *done.difference};
  if (interrupt.raised()) return kInterrupted;
  PELLUCID_CHECK(report(command, trace, *loaded.engine, done.n_confirmed));
  return 0;
}

}  // namespace

void add_replay(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("replay", "Run a trace again and confirm every bit of every step");
  const auto options = std::make_shared<ReplayCommand>();
  add_trace_argument(*command, options->trace, options->branch);
  add_rerun_options(*command, options->model);
  command->add_flag("--speculate,!--no-speculate", options->speculate,
                    "draft tokens from the text itself: never changes a result (default: on)");
  add_format_option(*command, options->format);
  command->callback([options, &action] { action = [options] { return replay(*options); }; });
}

}  // namespace pellucid::cli
