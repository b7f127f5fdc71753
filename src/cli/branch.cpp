// pellucid branch: goes on from the middle of a recorded text, another way, and records that too.
#include "generation/branch.h"

#include <fmt/format.h>

#include <charconv>
#include <limits>
#include <system_error>

#include "base/text.h"
#include "cli/checks.h"
#include "cli/commands.h"
#include "cli/json.h"
#include "cli/trace_options.h"
#include "sampling/chain.h"
#include "trace/reader.h"
#include "trace/records.h"
#include "trace/replay.h"
#include "trace/settings_json.h"
#include "trace/step.h"

namespace pellucid::cli {
namespace {

struct BranchCommand {
  std::string trace;
  int branch = 0;  // the parent
  int at = 0;
  std::optional<std::string> take;
  SamplingOptions changes;
  ModelOptions model;
  std::optional<int> max_tokens;
  std::optional<std::string> output;
  std::optional<std::string> logits;
  bool speculate = true;
  Format format = Format::kText;
};

/// The number after "rank:" or "id:"; none where the text does not begin so.
Result<std::optional<int>> numbered(std::string_view text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return std::optional<int>();
  text.remove_prefix(prefix.size());
  int number = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (status != std::errc() || end != text.data() + text.size() || number < 0) {
    return refused("--take", fmt::format("{} after {} is not a whole number", in_quotes(text), prefix));
  }
  return std::optional(number);
}

/// The one token that is this text, or else those that it is cut into.
Result<std::vector<int32_t>> tokens_of_text(const generation::Engine& engine, const std::string& text) {
  const tokenizer::Tokenizer& tokenizer = engine.tokenizer();
  if (text.empty()) return refused("--take", "the text is empty");
  PELLUCID_TRY(std::vector<int32_t> ids, tokenizer.encode(text, {.add_bos = false}));
  if (ids.size() == 1) return ids;
  for (int32_t id = 0; id < tokenizer.size(); ++id) {
    if (tokenizer.piece(id) == text) return std::vector{id};
  }
  if (ids.empty()) return refused("--take", "the model has no token for this text");
  return ids;
}

/// What --take means at a step.
Result<std::vector<int32_t>> tokens_to_take(const std::string& take, const trace::Step& step,
                                            const generation::Engine& engine) {
  PELLUCID_TRY(const std::optional<int> rank, numbered(take, "rank:"));
  if (rank) {
    if (static_cast<size_t>(*rank) < step.candidates.size()) {
      return std::vector{step.candidates[static_cast<size_t>(*rank)].id};
    }
    return refused("--take",
                   fmt::format("there is no rank {}: the step has {} candidates recorded, 0 is the best",
                               *rank, step.candidates.size()));
  }
  PELLUCID_TRY(const std::optional<int> id, numbered(take, "id:"));
  if (id && *id >= engine.n_vocab()) {
    return refused("--take", fmt::format("{} is not a token of 0 .. {}", *id, engine.n_vocab() - 1));
  }
  if (id) return std::vector<int32_t>{*id};
  return tokens_of_text(engine, take.starts_with("text:") ? take.substr(5) : take);
}

/// The new branch, without steps.
Result<trace::Branch> plan(const BranchCommand& command, const trace::Trace& trace,
                           const generation::Engine& engine) {
  PELLUCID_TRY(const trace::Branch* parent, trace::find_branch(trace, command.branch));
  const auto path = trace::path_of(trace, parent->id);
  trace::Branch branch;
  branch.id = static_cast<int>(trace.branches.size());
  branch.parent = parent->id;
  branch.at = command.at;
  branch.dialect = command.changes.dialect.value_or(parent->dialect);
  branch.options = parent->options;
  branch.options.begun = {};
  generation::GenerateOptions& options = branch.options;
  PELLUCID_TRY(options.settings, apply(command.changes, options.settings));
  PELLUCID_CHECK(sampling::check_for(options.settings, static_cast<size_t>(engine.n_vocab())));
  options.seed = command.changes.seed.value_or(options.seed);
  if (command.max_tokens) {
    const int most = std::numeric_limits<int>::max() - command.at;
    options.max_tokens = command.at + std::min(*command.max_tokens, most);
  }
  if (command.take) {
    const trace::Step& step = *path[static_cast<size_t>(command.at)].step;
    PELLUCID_TRY(options.begun.take, tokens_to_take(*command.take, step, engine));
  }
  return branch;
}

/// Whether the branch is to be added to the trace itself.
bool in_place(const BranchCommand& command) {
  return !command.output || same_file(*command.output, command.trace);
}

/// Refuses an output that would be written over what the branch is made of.
Result<void> check_output(const BranchCommand& command, const trace::Trace& trace, const std::string& model) {
  if (!command.output) return {};
  if (same_file(*command.output, model)) return refused("--output", "it is the model's file");
  return check_not_logits(*command.output, command.trace, trace);
}

/// Where the logits of the new steps go: only to the trace's own file, and only where it is named again, for
/// who wrote the trace may have named any.
Result<std::optional<trace::LogitsWriter>> logits_of(const BranchCommand& command,
                                                     const trace::Trace& trace) {
  if (!command.logits) return std::optional<trace::LogitsWriter>();
  if (trace.logits_path.empty() || !same_file(*command.logits, logits_path(command.trace, trace))) {
    return refused("--trace-logits", "it is not the file of logits that the trace has");
  }
  PELLUCID_TRY(auto writer,
               trace::LogitsWriter::append(*command.logits, trace.model.n_vocab, trace.logits_type));
  return std::optional(std::move(writer));
}

boost::json::object report(const std::string& path, const trace::Branch& branch,
                           const generation::Generation& done) {
  return {{"trace", to_json_text(path)},
          {"branch", branch.id},
          {"parent", branch.parent},
          {"at", branch.at},
          {"tokens", ids_json(done.tokens)},
          {"text", to_json_text(done.text)},
          {"finish_reason", std::string(generation::to_string(done.finish_reason))},
          {"seed", branch.options.seed},
          {"settings", trace::settings_json(branch.options.settings)}};
}

Result<void> check_usage(const BranchCommand& command, const trace::Trace& trace) {
  const SamplingOptions& changes = command.changes;
  if (!command.take && changes.given.empty() && !changes.seed && !changes.dialect) {
    return refused("nothing is changed", "give --take, --set, --dialect or --seed");
  }
  PELLUCID_TRY(const trace::Branch* parent, trace::find_branch(trace, command.branch));
  if (command.at >= parent->n_tokens()) {
    return refused("--at", fmt::format("there is no step {}: branch {} has {}", command.at, parent->id,
                                       parent->n_tokens()));
  }
  return {};
}

Result<int> branch_off(const BranchCommand& command) {
  std::optional<trace::File> file;
  if (in_place(command)) {  // before it is read, so that nobody adds to it in between
    PELLUCID_TRY(file, trace::File::append(command.trace));
  }
  PELLUCID_TRY(const trace::Trace trace, trace::read_trace(command.trace));
  PELLUCID_CHECK(check_usage(command, trace));
  PELLUCID_TRY(const LoadedEngine loaded, load_recorded(trace, command.model));
  PELLUCID_CHECK(check_output(command, trace, loaded.path));
  generation::Engine& engine = *loaded.engine;
  PELLUCID_TRY(const trace::Branch branch, plan(command, trace, engine));
  generation::GenerateOptions options = trace::options_of(trace, branch);
  options.speculate = command.speculate;
  const InterruptFlag interrupt;
  options.cancelled = [&interrupt] { return interrupt.raised(); };

  PELLUCID_TRY(auto logits, logits_of(command, trace));
  const std::string& path = file ? command.trace : *command.output;
  if (!file) {
    PELLUCID_TRY(file, trace::File::copy(command.trace, path));
  }
  const size_t top =
      trace::path_of(trace, branch.parent)[static_cast<size_t>(branch.at)].step->candidates.size();
  options.watch = trace::to_watch(top);
  trace::Writer writer(std::move(*file), std::move(logits), engine, top);
  writer.begin(trace::branch_record(branch), branch.id);
  const bool stream = command.format == Format::kText;
  Result<void> written;
  const auto observe = [&](const generation::StepView& step) {
    written = writer.step(step);
    if (written.ok() && stream && !step.text.empty()) written = write_output(step.text);
    if (written.ok() && stream) written = flush_output();
    return written.ok() && !interrupt.raised();
  };
  generation::Sequence sequence = engine.new_sequence();
  PELLUCID_TRY(const generation::Generation done,
               generation::branch_off(engine, sequence, trace::prompt_of(trace, branch.parent).tokens,
                                      options, observe));
  PELLUCID_CHECK(written);
  PELLUCID_CHECK(writer.end(done));
  if (stream) {
    PELLUCID_CHECK(write_output("\n"));
    PELLUCID_CHECK(flush_output());
    fmt::print(stderr, "[branch {} of {} from step {} | seed {} | {} tokens | {}]\n", branch.id, path,
               branch.at, options.seed, done.tokens.size() - static_cast<size_t>(branch.at),
               generation::to_string(done.finish_reason));
  } else {
    PELLUCID_CHECK(write_json(report(path, branch, done)));
  }
  return interrupt.raised() ? kInterrupted : 0;
}

}  // namespace

void add_branch(CLI::App& app, Action& action) {
  CLI::App* command =
      app.add_subcommand("branch", "Go on from a step of a trace another way, and record that there as well");
  const auto options = std::make_shared<BranchCommand>();
  add_trace_argument(*command, options->trace, options->branch);
  command->add_option("--at", options->at, "the first step that is another one")
      ->transform(whole_number(0, std::numeric_limits<int>::max()))
      ->type_name("STEP")
      ->required();
  command
      ->add_option("--take", options->take,
                   "what to go on with: a text, rank:N (of the step's candidates, 0 is the best), id:N, "
                   "or text:TEXT where a text begins like those")
      ->type_name("TEXT");
  add_change_options(*command, options->changes);
  add_rerun_options(*command, options->model);
  command
      ->add_option("-n,--max-tokens", options->max_tokens,
                   "new tokens from that step on at most (default: as recorded)")
      ->transform(at_least_one())
      ->type_name("N");
  command
      ->add_option("-o,--output", options->output, "record in a copy of the trace, and leave that as it is")
      ->type_name("FILE");
  command
      ->add_option("--trace-logits", options->logits,
                   "add the new steps' logits to this file, the trace's own")
      ->type_name("FILE");
  command->add_flag("--speculate,!--no-speculate", options->speculate,
                    "draft tokens from the text itself: never changes a result (default: on)");
  add_format_option(*command, options->format);
  command->callback([options, &action] { action = [options] { return branch_off(*options); }; });
}

}  // namespace pellucid::cli
