// pellucid generate: continues a prompt.
#include "generation/generate.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

#include "bridge/chat_template.h"
#include "cli/chat_prompt.h"
#include "cli/checks.h"
#include "cli/commands.h"
#include "cli/json.h"
#include "cli/local_time.h"
#include "cli/options.h"
#include "cli/trace_options.h"
#include "generation/settings_json.h"
#include "generation/trace_step.h"

namespace pellucid::cli {
namespace {

struct GenerateCommand {
  std::optional<std::string> prompt;
  ModelOptions model;
  SamplingOptions sampling;
  int max_tokens = 256;
  std::vector<std::string> stop;
  bool ignore_eos = false;
  bool speculate = true;
  bool chat = false;
  std::string system;
  std::optional<std::string> now;
  TraceOptions trace;
  Format format = Format::kText;
};

struct Run {
  LoadedEngine loaded;
  std::string text;  // as it was tokenized
  std::vector<int32_t> prompt;
  std::optional<std::tm> now;  // with --chat
  generation::GenerateOptions options;
};

/// The prompt that the model's template makes of a user's message.
Result<std::string> chat_prompt(const GenerateCommand& command, const generation::Engine& engine,
                                std::string message, const std::tm& now) {
  PELLUCID_TRY(const bridge::ChatTemplate chat, chat_template_of(engine));
  std::vector<bridge::Message> messages;
  if (!command.system.empty()) messages.push_back({"system", command.system});
  messages.push_back({"user", std::move(message)});
  return chat.render(messages, true, &now);
}

/// Loads, tokenizes and settles every setting.
Result<Run> prepare(const GenerateCommand& command) {
  PELLUCID_TRY(std::string text, text_or_stdin(command.prompt));
  if (text.empty()) return Error{ErrorCode::kUsage, "the prompt is empty", "there is nothing to continue"};
  PELLUCID_TRY(const std::tm now, local_time_or_now(command.now));
  ModelOptions model = command.model;
  model.hash = command.trace.path.has_value();
  PELLUCID_TRY(LoadedEngine loaded, load_engine(model));
  tokenizer::EncodeOptions encode;
  if (command.chat) {
    PELLUCID_TRY(text, chat_prompt(command, *loaded.engine, std::move(text), now));
    encode.add_bos = false;  // a template writes what belongs around its text
  }
  PELLUCID_TRY(std::vector<int32_t> prompt, loaded.engine->tokenizer().encode(text, encode));
  PELLUCID_TRY(const sampling::Settings base, loaded.engine->default_settings());
  generation::GenerateOptions options;
  PELLUCID_TRY(options.settings, apply(command.sampling, base));
  options.seed = seed_or_random(command.sampling);
  options.max_tokens = command.max_tokens;
  options.stop = command.stop;
  options.stop_at_end_of_turn = !command.ignore_eos;
  options.speculate = command.speculate;
  if (command.trace.path) options.watch = generation::to_watch(command.trace.top);
  return Run{std::move(loaded), std::move(text), std::move(prompt),
             command.chat ? std::optional(now) : std::nullopt, std::move(options)};
}

double rate(int tokens, double ms) { return ms > 0 ? tokens / ms * 1e3 : 0.0; }

boost::json::object report(const Run& run, const generation::Generation& done) {
  const generation::Timings& t = done.timings;
  boost::json::object object{
      {"model", run.loaded.path},
      {"prompt_tokens", to_json(run.prompt)},
      {"tokens", to_json(done.tokens)},
      {"text", to_json_text(done.text)},
      {"finish_reason", std::string(generation::to_string(done.finish_reason))},
      {"seed", run.options.seed},
      {"settings", generation::settings_json(run.options.settings)},
      {"timings", boost::json::object{{"load_ms", run.loaded.load_ms},
                                      {"prefill_ms", t.prefill_ms},
                                      {"decode_ms", t.decode_ms},
                                      {"prefill_tokens_per_s", rate(t.prefill_tokens, t.prefill_ms)},
                                      {"decode_tokens_per_s", rate(t.decode_tokens, t.decode_ms)}}}};
  if (run.now) object["now"] = to_text(*run.now);
  return object;
}

void print_summary(const Run& run, const generation::Generation& done) {
  const generation::Timings& t = done.timings;
  fmt::print(stderr,
             "[seed {} | load {:.0f} ms | prefill {} tokens, {:.0f}/s | decode {} tokens, {:.0f}/s | {}]\n",
             run.options.seed, run.loaded.load_ms, t.prefill_tokens, rate(t.prefill_tokens, t.prefill_ms),
             t.decode_tokens, rate(t.decode_tokens, t.decode_ms), generation::to_string(done.finish_reason));
}

Result<int> generate(const GenerateCommand& command) {
  PELLUCID_TRY(Run run, prepare(command));
  std::optional<generation::TraceWriter> trace;
  if (command.trace.path) {
    PELLUCID_TRY(trace, start_trace(command.trace, run.loaded, run.text, run.prompt, run.options,
                                    command.sampling.dialect));
  }
  const bool stream = command.format == Format::kText;
  if (stream && !command.chat && ::isatty(STDOUT_FILENO) != 0 && command.prompt)
    PELLUCID_CHECK(write_output(*command.prompt));
  const InterruptFlag interrupt;
  run.options.cancelled = [&interrupt] { return interrupt.raised(); };
  Result<void> written;
  const auto observe = [&](const generation::StepView& step) {
    if (stream && !step.text.empty()) {
      written = write_output(step.text);
      if (written.ok()) written = flush_output();
    }
    if (trace && written.ok()) written = trace->step(step);
    return written.ok() && !interrupt.raised();
  };
  generation::Sequence sequence = run.loaded.engine->new_sequence();
  PELLUCID_TRY(const generation::Generation done,
               generation::generate(*run.loaded.engine, sequence, run.prompt, run.options, observe));
  PELLUCID_CHECK(written);
  if (trace) PELLUCID_CHECK(trace->end(done));
  if (stream) {
    PELLUCID_CHECK(write_output("\n"));
    PELLUCID_CHECK(flush_output());
    print_summary(run, done);
  } else {
    PELLUCID_CHECK(write_json(report(run, done)));
  }
  return interrupt.raised() ? kInterrupted : 0;
}

}  // namespace

void add_generate(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("generate", "Continue a prompt");
  const auto options = std::make_shared<GenerateCommand>();
  command->add_option("prompt", options->prompt, "the prompt (default: standard input)");
  add_model_options(*command, options->model);
  command->add_option("-n,--max-tokens", options->max_tokens, "new tokens at most")
      ->transform(at_least_one())
      ->type_name("N")
      ->capture_default_str();
  add_sampling_options(*command, options->sampling);
  command->add_option("--stop", options->stop, "end before this text (may be given again)")
      ->allow_extra_args(false)
      ->type_name("TEXT");
  command->add_flag("--ignore-eos", options->ignore_eos, "go on after the model's own stop tokens");
  command->add_flag(
      "--speculate,!--no-speculate", options->speculate,
      "draft tokens from the text itself: the same text, sooner where it repeats (default: on)");
  CLI::Option* chat = command->add_flag("--chat", options->chat,
                                        "the prompt is a user's message: use the model's chat template");
  command->add_option("--system", options->system, "with --chat: the system message")
      ->type_name("TEXT")
      ->needs(chat);
  add_now_option(*command, options->now)->needs(chat);
  add_trace_options(*command, options->trace);
  add_format_option(*command, options->format);
  command->callback([options, &action] { action = [options] { return generate(*options); }; });
}

}  // namespace pellucid::cli
