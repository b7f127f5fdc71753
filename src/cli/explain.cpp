// pellucid explain: shows each step of a generation with all that led to its token; or one step on given
// logits.

#include <algorithm>

#include "cli/checks.h"
#include "cli/commands.h"
#include "cli/explain_beams.h"
#include "cli/explain_compare.h"
#include "cli/explain_logits.h"
#include "cli/explain_report.h"
#include "cli/generate_report.h"
#include "cli/json.h"
#include "cli/negative_prompt.h"
#include "cli/options.h"
#include "cli/strategy_options.h"
#include "cli/terminal.h"
#include "generation/beams.h"
#include "generation/generate.h"
#include "trace/settings_json.h"

namespace pellucid::cli {
namespace {

struct ExplainCommand {
  std::optional<std::string> prompt;
  ModelOptions model;
  SamplingOptions sampling;
  std::optional<std::string> negative_prompt;
  int steps = 1;
  size_t top = 10;
  ExplainLogitsOptions given;  // empty where a model is to run
  std::optional<std::string> compare;
  BeamChoice beams;
  std::optional<size_t> width;
  ColourChoice colour = ColourChoice::kAuto;
  Format format = Format::kText;
};

/// Where the steps go: text at once, JSON at the end.
class StepWriter {
 public:
  explicit StepWriter(const ExplainCommand& command)
      : format_(command.format), style_(report_style(command.colour, command.width)) {}

  Result<void> prompt(std::span<const PromptToken> tokens, std::string_view name = "prompt") {
    if (format_ == Format::kJson) return {};
    first_ = false;
    return write_output(prompt_text(tokens, style_, name));
  }

  Result<void> add(const ExplainedStep& step) {
    if (format_ == Format::kJson) {
      boost::json::object object = explain_json(step);
      if (step.taken_back != 0) {
        const auto first = steps_.end() - step.taken_back;
        object["void_steps"] = boost::json::array(first, steps_.end());
        steps_.erase(first, steps_.end());
      }
      steps_.push_back(std::move(object));
      return {};
    }
    PELLUCID_CHECK(write_output((first_ ? "" : "\n") + explain_text(step, style_)));
    first_ = false;
    return flush_output();
  }

  /// The one step of a comparison, which is all there is.
  Result<void> add(const ComparedStep& compared) {
    if (format_ == Format::kText) return write_output((first_ ? "" : "\n") + compare_text(compared, style_));
    comparison_ = compare_json(compared);
    return {};
  }

  Result<void> finish(boost::json::object head) {
    if (format_ == Format::kText) return {};
    if (!steps_.empty()) head["steps"] = std::move(steps_);
    for (auto& [key, value] : comparison_) head[key] = std::move(value);
    return write_json(head);
  }

 private:
  Format format_;
  ReportStyle style_;
  boost::json::array steps_;
  boost::json::object comparison_;
  bool first_ = true;
};

/// The dialects that are compared, each with what was given besides.
Result<std::vector<DialectSettings>> compared_dialects(const ExplainCommand& command) {
  PELLUCID_TRY(const std::vector<sampling::Dialect> dialects, parse_dialects(*command.compare));
  std::vector<DialectSettings> all;
  for (const sampling::Dialect& dialect : dialects) {
    SamplingOptions options = command.sampling;
    options.dialect = dialect.name;
    PELLUCID_TRY(sampling::Settings settings, apply_where_known(options, {}));
    all.push_back({dialect, std::move(settings)});
  }
  return all;
}

/// Logits alone come without the tokens that a structure is made of, and without a second text.
Result<void> check_without_model(const sampling::Settings& settings) {
  constexpr const char* kWhy = "it takes a model, and --logits has none";
  if (sampling::is_structured(settings)) return Error{ErrorCode::kUsage, "structured output", kWhy};
  if (sampling::is_guided(settings)) return Error{ErrorCode::kUsage, "setting guidance_scale", kWhy};
  if (sampling::bans_phrases(settings)) return Error{ErrorCode::kUsage, "setting ban_phrases", kWhy};
  return {};
}

Result<int> compare_given(const ExplainCommand& command) {
  PELLUCID_TRY(const std::vector<DialectSettings> dialects, compared_dialects(command));
  for (const DialectSettings& dialect : dialects) PELLUCID_CHECK(check_without_model(dialect.settings));
  ExplainLogitsOptions options = command.given;
  options.seed = seed_or_random(command.sampling);
  PELLUCID_TRY(const GivenStep given, given_step(options));
  PELLUCID_TRY(ComparedStep compared, compare_step(given.logits, dialects, given.address, command.top));
  for (auto& [dialect, step] : compared.dialects) tell_texts(given, command.prompt.value_or(""), step);
  StepWriter writer(command);
  PELLUCID_CHECK(writer.add(compared));
  PELLUCID_CHECK(writer.finish({{"seed", options.seed}}));
  return 0;
}

Result<int> explain_given(const ExplainCommand& command) {
  ExplainLogitsOptions options = command.given;
  PELLUCID_TRY(options.settings, apply(command.sampling, sampling::Settings{}));
  PELLUCID_CHECK(check_without_model(options.settings));
  options.context = command.prompt.value_or("");
  options.seed = seed_or_random(command.sampling);
  options.top = command.top;
  PELLUCID_TRY(const ExplainedStep step, explain_logits(options));
  StepWriter writer(command);
  PELLUCID_CHECK(writer.add(step));
  PELLUCID_CHECK(
      writer.finish({{"seed", options.seed}, {"settings", trace::settings_json(options.settings)}}));
  return 0;
}

/// A special token is shown by its name, any other by its bytes.
std::string label_of(const tokenizer::Tokenizer& tokenizer, int32_t id) {
  return std::string(tokenizer.is_special(id) ? tokenizer.text_of(id) : tokenizer.piece(id));
}

std::vector<PromptToken> shown(const tokenizer::Tokenizer& tokenizer, std::span<const int32_t> prompt) {
  std::vector<PromptToken> tokens;
  for (const int32_t id : prompt) tokens.push_back({id, label_of(tokenizer, id)});
  return tokens;
}

/// A step of a model, and the text so far.
void tell_texts(const tokenizer::Tokenizer& tokenizer, const std::string& context, ExplainedStep& step) {
  step.label = [&tokenizer](int32_t id) { return label_of(tokenizer, id); };
  step.context = context;
  step.continued = context + step.label(step.draw.token);
}

/// A prompt, ready to be continued.
struct ModelRun {
  LoadedEngine loaded;
  std::string text;
  std::vector<size_t> begins;  // of each step's token in it
  std::vector<int32_t> prompt;
  generation::GenerateOptions options;
  std::vector<DialectSettings> dialects;  // empty where none are compared
};

Result<ModelRun> prepare(const ExplainCommand& command) {
  ModelRun run;
  PELLUCID_TRY(run.text, text_or_stdin(command.prompt));
  if (run.text.empty())
    return Error{ErrorCode::kUsage, "the prompt is empty", "there is nothing to continue"};
  if (command.compare) {
    PELLUCID_TRY(run.dialects, compared_dialects(command));
  }
  PELLUCID_TRY(run.loaded, load_engine(command.model));
  PELLUCID_TRY(run.prompt, run.loaded.engine->tokenizer().encode(run.text));
  PELLUCID_TRY(const sampling::Settings base, run.loaded.engine->default_settings());
  PELLUCID_TRY(run.options.settings, apply(command.sampling, base));
  if (command.compare) run.options.settings = run.dialects.front().settings;
  PELLUCID_TRY(
      run.options.negative_prompt,
      negative_prompt_tokens(command.negative_prompt, run.options.settings, run.loaded.engine->tokenizer()));
  run.options.seed = seed_or_random(command.sampling);
  run.options.max_tokens = command.steps;
  return run;
}

/// One step, or what the dialects make of it; its token is appended to the run's text.
Result<void> show(ModelRun& run, const generation::StepView& view, size_t top, StepWriter& writer) {
  const tokenizer::Tokenizer& tokenizer = run.loaded.engine->tokenizer();
  const auto index = static_cast<size_t>(view.index);
  if (view.taken_back != 0) run.text.resize(run.begins[index]);
  run.begins.resize(index);
  run.begins.push_back(run.text.size());
  const DrawAddress address{{}, run.options.seed, run.options.stream, static_cast<uint64_t>(view.index)};
  if (!run.dialects.empty()) {
    PELLUCID_TRY(ComparedStep compared,
                 compare_step(view.logits, run.dialects, address, top, view.context, view.state));
    for (auto& [dialect, step] : compared.dialects) tell_texts(tokenizer, run.text, step);
    return writer.add(compared);
  }
  PELLUCID_TRY(ExplainedStep step,
               explain_step(view.logits, run.options.settings, address, top, view.context, view.state));
  tell_texts(tokenizer, run.text, step);
  step.taken_back = view.taken_back;
  step.phrase = view.phrase;
  run.text = step.continued;
  return writer.add(step);
}

boost::json::object head_of(const ModelRun& run, std::span<const PromptToken> prompt,
                            const generation::Generation& done) {
  boost::json::object head{
      {"model", run.loaded.path}, {"prompt_tokens", ids_json(run.prompt)}, {"prompt", prompt_json(prompt)}};
  if (!run.options.negative_prompt.empty()) {
    head["negative_prompt_tokens"] = ids_json(run.options.negative_prompt);
  }
  if (run.dialects.empty()) head["tokens"] = ids_json(done.tokens);
  head["seed"] = run.options.seed;
  if (run.dialects.empty()) head["settings"] = trace::settings_json(run.options.settings);
  return head;
}

Result<int> explain_model(const ExplainCommand& command) {
  PELLUCID_TRY(ModelRun run, prepare(command));
  generation::Engine& engine = *run.loaded.engine;
  StepWriter writer(command);
  const std::vector<PromptToken> prompt = shown(engine.tokenizer(), run.prompt);
  const std::vector<PromptToken> negative = shown(engine.tokenizer(), run.options.negative_prompt);
  bool started = false;
  const InterruptFlag interrupt;
  run.options.cancelled = [&interrupt] { return interrupt.raised(); };
  Result<void> written;
  const auto observe = [&](const generation::StepView& view) {
    const bool begins = !std::exchange(started, true);
    if (begins) written = writer.prompt(prompt);
    if (begins && written.ok() && !negative.empty()) written = writer.prompt(negative, "negative prompt");
    if (written.ok()) written = show(run, view, command.top, writer);
    return written.ok() && !interrupt.raised();
  };
  generation::Sequence sequence = engine.new_sequence();
  PELLUCID_TRY(const generation::Generation done,
               generation::generate(engine, sequence, run.prompt, run.options, observe));
  PELLUCID_CHECK(written);
  PELLUCID_CHECK(writer.finish(head_of(run, prompt, done)));
  return interrupt.raised() ? kInterrupted : 0;
}

/// The first steps of a search that may go on as far as generate's.
Result<int> explain_beams(const ExplainCommand& command) {
  PELLUCID_TRY(ModelRun run, prepare(command));
  run.options.max_tokens = std::max(command.steps, generation::GenerateOptions{}.max_tokens);
  const generation::BeamOptions options = command.beams.options();
  run.options.settings = generation::beam_settings(run.options.settings, options.choosing);
  generation::Engine& engine = *run.loaded.engine;
  const ReportStyle style = report_style(command.colour, command.width);
  const std::vector<PromptToken> prompt = shown(engine.tokenizer(), run.prompt);
  const TokenLabel label = [&engine](int32_t id) { return label_of(engine.tokenizer(), id); };
  const bool text = command.format == Format::kText;
  const InterruptFlag interrupt;
  run.options.cancelled = [&interrupt] { return interrupt.raised(); };
  boost::json::array steps;
  Result<void> written;
  const auto observe = [&](const generation::BeamStepView& step) {
    if (!text) steps.push_back(beam_step_json(step, label));
    if (text && step.index == 0) written = write_output(prompt_text(prompt, style));
    if (text && written.ok()) written = write_output('\n' + beam_step_text(step, label, style));
    if (written.ok()) written = flush_output();
    return written.ok() && step.index + 1 < command.steps;
  };
  PELLUCID_TRY(const generation::BeamTexts found,
               generation::generate_beams(engine, run.prompt, run.options, options, observe));
  PELLUCID_CHECK(written);
  if (!text) {
    boost::json::object report = head_of(run, prompt, found.texts.front().generation);
    report["steps"] = std::move(steps);
    report["beams"] = beam_texts_json(found);
    report["beam_search"] = beam_options_json(options);
    PELLUCID_CHECK(write_json(report));
  }
  return interrupt.raised() ? kInterrupted : 0;
}

void add_given_options(CLI::App& command, ExplainLogitsOptions& given) {
  CLI::Option* logits =
      command.add_option("--logits", given.logits, "explain these logits instead of a model's");
  CLI::Option* probabilities =
      command.add_option("--probs", given.probabilities, "the same, from probabilities");
  logits->type_name("X,Y,...");
  probabilities->type_name("X,Y,...")->excludes(logits);
  command.add_option("--labels", given.labels, "with either: the tokens (default: numbers)")
      ->type_name("A,B,...");
  command.add_option("--draw", given.draw, "with either: the number in [0, 1) that is drawn")->type_name("U");
}

/// Which of the two kinds of input the options ask for.
Result<int> explain(const ExplainCommand& command) {
  const ExplainLogitsOptions& given = command.given;
  const bool without_model = given.logits || given.probabilities || given.labels || given.draw;
  PELLUCID_CHECK(check(command.beams, command.sampling));
  if (!without_model) return command.beams.wanted() ? explain_beams(command) : explain_model(command);
  if (command.negative_prompt) return refused("--negative-prompt", "it takes a model, and --logits has none");
  return command.compare ? compare_given(command) : explain_given(command);
}

}  // namespace

void add_explain(CLI::App& app, Action& action) {
  CLI::App* command =
      app.add_subcommand("explain", "Show every stage of each step: who was in, who left, the draw");
  const auto options = std::make_shared<ExplainCommand>();
  command->add_option("prompt", options->prompt, "the prompt (default: standard input)");
  add_model_options(*command, options->model);
  CLI::Option* steps = command->add_option("-n,--steps", options->steps, "new tokens to explain")
                           ->transform(at_least_one())
                           ->type_name("N")
                           ->capture_default_str();
  command->add_option("--top", options->top, "candidates in the table")
      ->transform(whole_number(1, 1000))
      ->type_name("N")
      ->capture_default_str();
  add_sampling_options(*command, options->sampling);
  add_negative_prompt_option(*command, options->negative_prompt);
  add_given_options(*command, options->given);
  for (const char* given : {"--logits", "--probs"}) steps->excludes(command->get_option(given));
  command->add_option("--compare", options->compare, "one step by several dialects, and where they part")
      ->type_name("A,B,...")
      ->excludes(steps)
      ->excludes(command->get_option("--dialect"));
  add_beam_options(*command, options->beams);
  for (const char* other : {"--logits", "--probs", "--compare"})
    command->get_option("--beams")->excludes(command->get_option(other));
  command
      ->add_option("--width", options->width,
                   "columns of the text (default: 80, or fewer by COLUMNS or the terminal)")
      ->transform(whole_number(40, 1000))
      ->type_name("N");
  add_colour_option(*command, options->colour);
  add_format_option(*command, options->format);
  command->callback([options, &action] { action = [options] { return explain(*options); }; });
}

}  // namespace pellucid::cli
