// pellucid replay: runs a recorded text again and says whether every bit is the same.
#include "trace/replay.h"

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "cli/commands.h"
#include "cli/json.h"
#include "cli/trace_options.h"
#include "trace/reader.h"

namespace pellucid::cli {
namespace {

struct ReplayCommand {
  std::string trace;
  int branch = 0;
  bool one = false;  // the branch was named
  ModelOptions model;
  bool speculate = true;
  Format format = Format::kText;
};

std::string place(std::string_view simd, int n_threads) {
  return fmt::format("{}, {} {}", simd, n_threads, n_threads == 1 ? "thread" : "threads");
}

/// Steps that agreed, text by text.
using Confirmed = std::vector<std::pair<int, int>>;

Result<void> report(const ReplayCommand& command, const trace::Trace& trace, const generation::Engine& engine,
                    const Confirmed& confirmed) {
  const std::string_view simd = engine.model().kernels->name;
  const int n_threads = engine.options().n_threads;
  int n_steps = 0;
  boost::json::array texts;
  for (const auto& [branch, n] : confirmed) {
    n_steps += n;
    texts.push_back(boost::json::object{{"branch", branch}, {"confirmed", n}});
  }
  if (command.format == Format::kJson) {
    return write_json({{"trace", to_json_text(command.trace)},
                       {"branch", confirmed.size() == 1 ? boost::json::value(confirmed[0].first) : nullptr},
                       {"confirmed", n_steps},
                       {"texts", std::move(texts)},
                       {"simd", simd},
                       {"threads", n_threads}});
  }
  const std::string of = confirmed.size() == 1 ? "" : fmt::format("{} texts, ", confirmed.size());
  return write_output(
      fmt::format("the same, bit for bit: {}{} {}, each with its logits, stages, draw and token\n"
                  "  recorded  {}\n  replayed  {}\n",
                  of, n_steps, n_steps == 1 ? "step" : "steps",
                  place(trace.machine.simd, trace.machine.n_threads), place(simd, n_threads)));
}

/// The texts to run again: that of --branch, or all that have steps.
std::vector<int> texts_of(const ReplayCommand& command, const trace::Trace& trace) {
  if (command.one) return {command.branch};
  std::vector<int> texts;
  for (const trace::Branch& branch : trace.branches) {
    if (!branch.steps.empty()) texts.push_back(branch.id);
  }
  return texts;
}

Result<int> replay(const ReplayCommand& command) {
  PELLUCID_TRY(const trace::Trace trace, trace::read_trace(command.trace));
  PELLUCID_CHECK(trace::find_branch(trace, command.branch));
  PELLUCID_TRY(const LoadedEngine loaded, load_recorded(trace, command.model));
  const InterruptFlag interrupt;
  Confirmed confirmed;
  for (const int branch : texts_of(command, trace)) {
    PELLUCID_TRY(const trace::Replayed done, trace::replay(*loaded.engine, trace, branch, command.speculate,
                                                           [&interrupt] { return interrupt.raised(); }));
    if (done.difference) {
      const std::string what =
          branch == command.branch ? "the replay differs" : fmt::format("the replay of {} differs", branch);
      return Error{ErrorCode::kBadTrace, what, *done.difference};
    }
    if (interrupt.raised()) return kInterrupted;
    confirmed.emplace_back(branch, done.n_confirmed);
  }
  PELLUCID_CHECK(report(command, trace, *loaded.engine, confirmed));
  return 0;
}

}  // namespace

void add_replay(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("replay", "Run a trace again and confirm every bit of every step");
  const auto options = std::make_shared<ReplayCommand>();
  CLI::Option* branch = add_trace_argument(*command, options->trace, options->branch);
  add_rerun_options(*command, options->model);
  command->add_flag("--speculate,!--no-speculate", options->speculate,
                    "draft tokens from the text itself: never changes a result (default: on)");
  add_format_option(*command, options->format);
  command->callback([options, branch, &action] {
    options->one = branch->count() > 0;
    action = [options] { return replay(*options); };
  });
}

}  // namespace pellucid::cli
