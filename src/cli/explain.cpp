// pellucid explain: shows each step of a generation with all that led to its token; or one step on given
// logits.
#include <unistd.h>

#include "cli/checks.h"
#include "cli/commands.h"
#include "cli/explain_logits.h"
#include "cli/explain_report.h"
#include "cli/json.h"
#include "cli/options.h"
#include "cli/terminal.h"
#include "generation/generate.h"
#include "generation/settings_json.h"

namespace pellucid::cli {
namespace {

struct ExplainCommand {
  std::optional<std::string> prompt;
  ModelOptions model;
  SamplingOptions sampling;
  int steps = 1;
  size_t top = 10;
  ExplainLogitsOptions given;  // empty where a model is to run
  std::optional<size_t> width;
  ColourChoice colour = ColourChoice::kAuto;
  Format format = Format::kText;
};

/// Where the steps go: text at once, JSON at the end.
class StepWriter {
 public:
  explicit StepWriter(const ExplainCommand& command)
      : format_(command.format),
        style_{command.width.value_or(report_width(environment("COLUMNS"), STDOUT_FILENO)),
               use_colour(command.colour, terminal_facts(STDOUT_FILENO))} {}

  Result<void> prompt(std::span<const PromptToken> tokens) {
    if (format_ == Format::kJson) return {};
    first_ = false;
    return write_output(prompt_text(tokens, style_));
  }

  Result<void> add(const ExplainedStep& step) {
    if (format_ == Format::kJson) {
      steps_.push_back(explain_json(step));
      return {};
    }
    PELLUCID_CHECK(write_output((first_ ? "" : "\n") + explain_text(step, style_)));
    first_ = false;
    return flush_output();
  }

  Result<void> finish(boost::json::object head) {
    if (format_ == Format::kText) return {};
    head["steps"] = std::move(steps_);
    return write_json(head);
  }

 private:
  Format format_;
  ReportStyle style_;
  boost::json::array steps_;
  bool first_ = true;
};

Result<int> explain_given(const ExplainCommand& command) {
  ExplainLogitsOptions options = command.given;
  PELLUCID_TRY(options.settings, apply(command.sampling, sampling::Settings{}));
  options.context = command.prompt.value_or("");
  options.seed = seed_or_random(command.sampling);
  options.top = command.top;
  PELLUCID_TRY(const ExplainedStep step, explain_logits(options));
  StepWriter writer(command);
  PELLUCID_CHECK(writer.add(step));
  PELLUCID_CHECK(
      writer.finish({{"seed", options.seed}, {"settings", generation::settings_json(options.settings)}}));
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

Result<int> explain_model(const ExplainCommand& command) {
  PELLUCID_TRY(std::string context, text_or_stdin(command.prompt));
  if (context.empty()) return Error{ErrorCode::kUsage, "the prompt is empty", "there is nothing to continue"};
  PELLUCID_TRY(LoadedEngine loaded, load_engine(command.model));
  generation::Engine& engine = *loaded.engine;
  PELLUCID_TRY(const std::vector<int32_t> prompt, engine.tokenizer().encode(context));
  PELLUCID_TRY(const sampling::Settings base, engine.default_settings());
  generation::GenerateOptions options;
  PELLUCID_TRY(options.settings, apply(command.sampling, base));
  options.seed = seed_or_random(command.sampling);
  options.max_tokens = command.steps;

  StepWriter writer(command);
  const std::vector<PromptToken> prompt_tokens = shown(engine.tokenizer(), prompt);
  bool started = false;
  const InterruptFlag interrupt;
  options.cancelled = [&interrupt] { return interrupt.raised(); };
  const auto show = [&](const generation::StepView& view) -> Result<void> {
    if (!std::exchange(started, true)) PELLUCID_CHECK(writer.prompt(prompt_tokens));
    const DrawAddress address{{}, options.seed, options.stream, static_cast<uint64_t>(view.index)};
    PELLUCID_TRY(ExplainedStep step,
                 explain_step(view.logits, options.settings, address, command.top, view.context, view.state));
    step.label = [&engine](int32_t id) { return label_of(engine.tokenizer(), id); };
    step.context = context;
    context += step.label(step.draw.token);
    step.continued = context;
    return writer.add(step);
  };
  Result<void> shown;
  const auto observe = [&](const generation::StepView& view) {
    shown = show(view);
    return shown.ok() && !interrupt.raised();
  };
  generation::Sequence sequence = engine.new_sequence();
  PELLUCID_TRY(const generation::Generation done,
               generation::generate(engine, sequence, prompt, options, observe));
  PELLUCID_CHECK(shown);
  PELLUCID_CHECK(writer.finish({{"model", loaded.path},
                                {"prompt_tokens", to_json(prompt)},
                                {"prompt", prompt_json(prompt_tokens)},
                                {"tokens", to_json(done.tokens)},
                                {"seed", options.seed},
                                {"settings", generation::settings_json(options.settings)}}));
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
  return without_model ? explain_given(command) : explain_model(command);
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
  add_given_options(*command, options->given);
  for (const char* given : {"--logits", "--probs"}) steps->excludes(command->get_option(given));
  command
      ->add_option("--width", options->width,
                   "columns of the text (default: 80, or fewer by COLUMNS or the terminal)")
      ->transform(whole_number(40, 1000))
      ->type_name("N");
  command->add_option("--color,--colour", options->colour, "auto, always or never; NO_COLOR counts for auto")
      ->transform(one_of({{"auto", static_cast<int>(ColourChoice::kAuto)},
                          {"always", static_cast<int>(ColourChoice::kAlways)},
                          {"never", static_cast<int>(ColourChoice::kNever)}}))
      ->type_name("WHEN");
  add_format_option(*command, options->format);
  command->callback([options, &action] { action = [options] { return explain(*options); }; });
}

}  // namespace pellucid::cli
