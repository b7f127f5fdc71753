// pellucid generate: continues a prompt.
#include "generation/generate.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <numeric>

#include "bridge/chat_template.h"
#include "cli/chat_prompt.h"
#include "cli/checks.h"
#include "cli/commands.h"
#include "cli/generate_report.h"
#include "cli/json.h"
#include "cli/local_time.h"
#include "cli/logprob_report.h"
#include "cli/negative_prompt.h"
#include "cli/options.h"
#include "cli/strategy_options.h"
#include "cli/trace_options.h"
#include "trace/step.h"

namespace pellucid::cli {
namespace {

struct GenerateCommand {
  std::optional<std::string> prompt;
  ModelOptions model;
  SamplingOptions sampling;
  std::optional<std::string> negative_prompt;
  int max_tokens = 256;
  std::vector<std::string> stop;
  bool ignore_eos = false;
  std::optional<bool> speculate;  // on, where it is not said
  bool chat = false;
  std::string system;
  std::optional<std::string> now;
  StrategyOptions strategy;
  LogprobChoice logprobs;
  TraceOptions trace;
  Format format = Format::kText;
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
Result<GenerateRun> prepare(const GenerateCommand& command) {
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
  std::optional<std::string> negative = command.negative_prompt;
  if (negative && command.chat) {
    PELLUCID_TRY(negative, chat_prompt(command, *loaded.engine, *negative, now));
  }
  PELLUCID_TRY(options.negative_prompt,
               negative_prompt_tokens(negative, options.settings, loaded.engine->tokenizer(), encode));
  options.seed = seed_or_random(command.sampling);
  options.max_tokens = command.max_tokens;
  options.stop = command.stop;
  options.stop_at_end_of_turn = !command.ignore_eos;
  options.speculate = command.speculate.value_or(true);
  if (command.trace.path) options.watch = trace::to_watch(command.trace.top);
  return GenerateRun{std::move(loaded), std::move(text), std::move(prompt),
                     command.chat ? std::optional(now) : std::nullopt, std::move(options)};
}

/// Where a run is asked for the prompt's log-probabilities, they are collected in what comes back: it has to
/// outlive the run.
Result<std::unique_ptr<generation::PromptLogprobs>> watch_prompt(const LogprobChoice& choice,
                                                                 GenerateRun& run) {
  if (!choice.prompt) return std::unique_ptr<generation::PromptLogprobs>();
  PELLUCID_TRY(auto prompt, generation::PromptLogprobs::make(run.loaded.engine->tokenizer(), run.prompt,
                                                             run.options, choice.options()));
  auto collected = std::make_unique<generation::PromptLogprobs>(std::move(prompt));
  run.options.prompt_logits = [collecting = collected.get()](int first, std::span<const float> logits,
                                                             int n_rows) {
    return collecting->add(first, logits, n_rows);
  };
  return collected;
}

/// Adds those of a step, where any are wanted.
Result<void> add_logprobs(const LogprobChoice& choice, const GenerateRun& run,
                          const generation::StepView& step, TextLogprobs& text) {
  if (!choice.kind) return {};
  text.erase(text.end() - step.taken_back, text.end());
  PELLUCID_TRY(generation::PositionLogprobs one,
               generation::logprobs_of(step, run.options.settings, choice.options()));
  text.push_back(std::move(one));
  return {};
}

Result<int> generate_one(const GenerateCommand& command, GenerateRun& run) {
  PELLUCID_TRY(const auto prompt_logprobs, watch_prompt(command.logprobs, run));
  TextLogprobs logprobs;
  std::optional<trace::Writer> trace;
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
    if (trace) written = trace->step(step);
    if (stream && written.ok() && !step.text.empty()) {
      written = write_output(step.text);
      if (written.ok()) written = flush_output();
    }
    if (written.ok()) written = add_logprobs(command.logprobs, run, step, logprobs);
    return written.ok() && !interrupt.raised();
  };
  generation::Sequence sequence = run.loaded.engine->new_sequence();
  PELLUCID_TRY(const generation::Generation done,
               generation::generate(*run.loaded.engine, sequence, run.prompt, run.options, observe));
  PELLUCID_CHECK(written);
  if (trace) PELLUCID_CHECK(trace->end(done));
  if (stream) {
    PELLUCID_CHECK(write_output("\n"));
    if (command.logprobs.kind) {
      PELLUCID_CHECK(
          write_output(logprobs_text(command.logprobs, *run.loaded.engine, logprobs, prompt_logprobs.get())));
    }
    PELLUCID_CHECK(flush_output());
    fmt::print(stderr, "{}\n", summary(run, done.timings, generation::to_string(done.finish_reason)));
  } else {
    boost::json::object report = report_json(run, done, done.timings);
    if (command.logprobs.kind) {
      report["logprobs"] =
          logprobs_json(command.logprobs, *run.loaded.engine, logprobs, prompt_logprobs.get());
    }
    PELLUCID_CHECK(write_json(report));
  }
  return interrupt.raised() ? kInterrupted : 0;
}

/// Samples, all of them or the best.
Result<int> generate_several(const GenerateCommand& command, GenerateRun& run) {
  const InterruptFlag interrupt;
  run.options.cancelled = [&interrupt] { return interrupt.raised(); };
  const int count = std::max(command.strategy.samples, command.strategy.best_of);
  PELLUCID_TRY(const generation::Samples done,
               generation::generate_samples(*run.loaded.engine, run.prompt, run.options, count,
                                            [&interrupt](int, const auto&) { return !interrupt.raised(); }));
  std::vector<size_t> chosen(done.samples.size());
  std::iota(chosen.begin(), chosen.end(), size_t{0});
  if (command.strategy.best_of != 0) chosen = generation::best_first(done.samples);
  chosen.resize(static_cast<size_t>(command.strategy.samples));
  if (command.format == Format::kText) {
    PELLUCID_CHECK(write_output(samples_text(done, chosen)));
    PELLUCID_CHECK(flush_output());
    fmt::print(stderr, "{}\n",
               summary(run, done.timings, fmt::format("{} of {} texts", chosen.size(), count)));
  } else {
    PELLUCID_CHECK(write_json(samples_json(run, done, chosen)));
  }
  return interrupt.raised() ? kInterrupted : 0;
}

/// Nothing can be shown before the end: until then another beam may be the best.
Result<int> generate_with_beams(const GenerateCommand& command, GenerateRun& run) {
  const InterruptFlag interrupt;
  run.options.cancelled = [&interrupt] { return interrupt.raised(); };
  const generation::BeamOptions options = command.strategy.beams.options();
  run.options.settings = generation::beam_settings(run.options.settings, options.choosing);
  PELLUCID_TRY(const generation::BeamTexts found,
               generation::generate_beams(*run.loaded.engine, run.prompt, run.options, options));
  if (command.format == Format::kText) {
    const int best = command.strategy.beams.best.value_or(1);
    PELLUCID_CHECK(write_output(beams_text(found, static_cast<size_t>(best))));
    PELLUCID_CHECK(flush_output());
    const generation::BeamText& first = found.texts.front();
    fmt::print(stderr, "{}\n",
               summary(run, found.timings,
                       fmt::format("best of {} beams, score {:.4f}, {}", options.beams, first.score,
                                   generation::to_string(first.generation.finish_reason))));
  } else {
    PELLUCID_CHECK(write_json(beams_json(run, options, found)));
  }
  return interrupt.raised() ? kInterrupted : 0;
}

Result<int> generate(const GenerateCommand& command) {
  PELLUCID_CHECK(check(command.strategy, {.trace = command.trace.path.has_value(),
                                          .speculate = command.speculate.value_or(false),
                                          .logprobs = command.logprobs.kind.has_value()}));
  PELLUCID_CHECK(check(command.strategy.beams, command.sampling));
  PELLUCID_TRY(GenerateRun run, prepare(command));
  if (command.strategy.beams.wanted()) return generate_with_beams(command, run);
  return several(command.strategy) ? generate_several(command, run) : generate_one(command, run);
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
  add_negative_prompt_option(*command, options->negative_prompt);
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
  add_strategy_options(*command, options->strategy);
  add_logprob_options(*command, options->logprobs);
  add_trace_options(*command, options->trace);
  add_format_option(*command, options->format);
  command->callback([options, &action] { action = [options] { return generate(*options); }; });
}

}  // namespace pellucid::cli
