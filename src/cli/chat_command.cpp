// pellucid chat: a conversation with a model, by its own chat template.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/text.h"
#include "cli/chat.h"
#include "cli/chat_prompt.h"
#include "cli/chat_trace.h"
#include "cli/checks.h"
#include "cli/commands.h"
#include "cli/local_time.h"
#include "cli/negative_prompt.h"
#include "cli/options.h"
#include "cli/output.h"
#include "generation/branch.h"
#include "generation/guides.h"
#include "trace/step.h"

namespace pellucid::cli {
namespace {

struct ChatCommand {
  ModelOptions model;
  SamplingOptions sampling;
  std::string system;
  std::optional<std::string> negative_prompt;
  std::optional<std::string> now;
  int max_tokens = 1024;
  TraceOptions trace;
};

/// The engine's side of the conversation: what has been run stays in the cache, so that a turn costs its own
/// tokens.
class Partner {
 public:
  Partner(LoadedEngine loaded, bridge::ChatTemplate chat_template, const std::tm& now,
          generation::GenerateOptions options, std::optional<std::string> negative_system,
          std::optional<ChatTrace> trace)
      : loaded_(std::move(loaded)),
        template_(std::move(chat_template)),
        now_(now),
        options_(std::move(options)),
        negative_system_(std::move(negative_system)),
        trace_(std::move(trace)),
        sequence_(loaded_.engine->new_sequence()) {}

  Result<Answer> answer(const Question& question) {
    PELLUCID_TRY(const std::string text, template_.render(question.conversation, true, &now_));
    PELLUCID_TRY(const std::vector<int32_t> ids, tokens_of(text));
    generation::GenerateOptions options = options_;
    PELLUCID_TRY(options.negative_prompt, negative_prompt(question.conversation));
    options.stream = question.attempt;
    options.cancelled = question.cancelled;
    if (trace_) PELLUCID_CHECK(trace_->begin(loaded_, text, ids, options));
    Result<void> recorded;
    const auto observe = [&](const generation::StepView& step) {
      if (trace_) recorded = trace_->step(step);  // first, so that nothing is shown that isn't recorded
      if (recorded.ok() && !step.text.empty()) question.on_text(step.text);
      return recorded.ok() && !question.cancelled();
    };
    PELLUCID_TRY(generation::Generation done,
                 generation::branch_off(*loaded_.engine, sequence_, ids, options, observe));
    PELLUCID_CHECK(recorded);
    if (trace_) PELLUCID_CHECK(trace_->end(done));
    const size_t longest =
        std::max(ids.size(), options.negative_prompt.size()) - ids.size() + sequence_.tokens.size();
    return Answer{std::move(done.text), end_of(done, longest), note(done)};
  }

  Result<void> set(std::string_view name, std::string_view value) {
    if (name == "seed") {
      PELLUCID_TRY(options_.seed, parse_seed(value));
      return {};
    }
    sampling::Settings changed = options_.settings;
    PELLUCID_TRY(const std::string text, setting_text(name, value));
    PELLUCID_CHECK(sampling::set(changed, name, text));
    PELLUCID_CHECK(sampling::check(changed));
    PELLUCID_CHECK(generation::guide_of(*loaded_.engine, changed));
    options_.settings = changed;
    return {};
  }

  [[nodiscard]] std::string settings() const {
    std::string lines = sampling::to_string(options_.settings);
    std::replace(lines.begin(), lines.end(), ' ', '\n');
    return lines + fmt::format("\nseed={}", options_.seed);
  }

 private:
  /// A template writes what belongs around its text.
  [[nodiscard]] Result<std::vector<int32_t>> tokens_of(const std::string& text) const {
    return loaded_.engine->tokenizer().encode(text, {.add_bos = false});
  }

  /// The conversation as it would be with the other system message; none where no guidance asks for it.
  [[nodiscard]] Result<std::vector<int32_t>> negative_prompt(std::span<const Message> conversation) const {
    if (!negative_system_ || !sampling::is_guided(options_.settings)) return std::vector<int32_t>();
    std::vector<Message> other(conversation.begin(), conversation.end());
    set_system(other, *negative_system_);
    PELLUCID_TRY(const std::string text, template_.render(other, true, &now_));
    return tokens_of(text);
  }

  static Result<uint64_t> parse_seed(std::string_view text) {
    uint64_t seed = 0;
    const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), seed);
    if (status != std::errc() || end != text.data() + text.size()) {
      return Error{ErrorCode::kUsage, "invalid seed",
                   fmt::format("{} is not an integer of 0 .. 2^64-1", in_quotes(text))};
    }
    return seed;
  }

  /// `n_positions` are those of the longer text, where there are two.
  [[nodiscard]] AnswerEnd end_of(const generation::Generation& done, size_t n_positions) const {
    if (done.finish_reason == generation::FinishReason::kCancelled) return AnswerEnd::kCancelled;
    if (done.finish_reason == generation::FinishReason::kStop) return AnswerEnd::kDone;
    const bool full = n_positions >= static_cast<size_t>(loaded_.engine->options().n_ctx);
    return full ? AnswerEnd::kContextFull : AnswerEnd::kLength;
  }

  [[nodiscard]] std::string note(const generation::Generation& done) const {
    const generation::Timings& t = done.timings;
    return fmt::format("[seed {} | prefill {} tokens | decode {} tokens, {:.0f}/s]", options_.seed,
                       t.prefill_tokens, t.decode_tokens,
                       t.decode_ms > 0 ? t.decode_tokens / t.decode_ms * 1e3 : 0.0);
  }

  LoadedEngine loaded_;
  bridge::ChatTemplate template_;
  std::tm now_;  // when the conversation began: the prompts before are the beginning of the next
  generation::GenerateOptions options_;
  std::optional<std::string> negative_system_;  // of the text that guidance leads away from
  std::optional<ChatTrace> trace_;
  generation::Sequence sequence_;
};

Result<int> chat(const ChatCommand& command) {
  PELLUCID_TRY(const std::tm now, local_time_or_now(command.now));
  ModelOptions model = command.model;
  model.hash = command.trace.path.has_value();
  PELLUCID_TRY(LoadedEngine loaded, load_engine(model));
  PELLUCID_TRY(bridge::ChatTemplate chat_template, chat_template_of(*loaded.engine));
  PELLUCID_TRY(const sampling::Settings base, loaded.engine->default_settings());
  generation::GenerateOptions options;
  PELLUCID_TRY(options.settings, apply(command.sampling, base));
  PELLUCID_CHECK(check_negative_prompt(command.negative_prompt, options.settings));
  options.seed = seed_or_random(command.sampling);
  options.max_tokens = command.max_tokens;
  PELLUCID_CHECK(generation::guide_of(*loaded.engine, options.settings));
  std::optional<ChatTrace> trace;
  if (command.trace.path) {
    options.watch = trace::to_watch(command.trace.top);
    PELLUCID_TRY(trace, ChatTrace::open(command.trace, loaded, command.sampling.dialect));
  }
  Partner partner(std::move(loaded), std::move(chat_template), now, std::move(options),
                  command.negative_prompt, std::move(trace));
  const ChatBackend backend{
      .answer = [&](const Question& question) { return partner.answer(question); },
      .set = [&](std::string_view name, std::string_view value) { return partner.set(name, value); },
      .settings = [&] { return partner.settings(); },
  };
  LineEditor editor;
  return run_chat(backend, standard_console(editor), command.system);
}

}  // namespace

void add_chat(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("chat", "Talk with a model; /help lists the commands");
  const auto options = std::make_shared<ChatCommand>();
  add_model_options(*command, options->model);
  add_sampling_options(*command, options->sampling);
  add_negative_prompt_option(*command, options->negative_prompt, "the system message to lead away from");
  command->add_option("--system", options->system, "the system message")->type_name("TEXT");
  command->add_option("-n,--max-tokens", options->max_tokens, "new tokens of an answer at most")
      ->transform(at_least_one())
      ->type_name("N")
      ->capture_default_str();
  add_now_option(*command, options->now);
  add_trace_options(*command, options->trace);
  command->callback([options, &action] { action = [options] { return chat(*options); }; });
}

}  // namespace pellucid::cli
