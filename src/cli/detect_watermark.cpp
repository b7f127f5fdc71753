// pellucid detect-watermark: how likely a text was written with `--watermark-bias` and a key.
#include <fmt/format.h>

#include <cmath>
#include <map>

#include "cli/checks.h"
#include "cli/commands.h"
#include "cli/json.h"
#include "cli/model_path.h"
#include "cli/options.h"
#include "cli/trace_options.h"
#include "cli/watermark_report.h"
#include "trace/reader.h"

namespace pellucid::cli {
namespace {

struct DetectCommand {
  std::optional<std::string> text;
  std::optional<std::string> ids;
  std::optional<std::string> trace;
  int branch = 0;
  std::string model;
  SamplingOptions sampling;
  bool ignore_repeated = false;
  double threshold = 3;
  ColourChoice colour = ColourChoice::kAuto;
  Format format = Format::kText;
};

/// What is scored, and the vocabulary that it is of.
struct Subject {
  std::unique_ptr<gguf::File> file;  // the tokenizer views its strings
  std::optional<tokenizer::Tokenizer> tokenizer;
  std::map<int32_t, std::string> pieces;  // of a trace
  std::vector<int32_t> tokens;
  size_t vocabulary = 0;
  sampling::Settings settings;
};

/// A text or a list of ids, of a model's vocabulary.
Result<Subject> subject_of_text(const DetectCommand& command) {
  Subject subject;
  PELLUCID_TRY(subject.settings, apply(command.sampling, {}));
  std::string text;
  if (!command.ids) {
    PELLUCID_TRY(text, text_or_stdin(command.text));
  }
  PELLUCID_TRY(const std::string path, resolve_model(command.model));
  PELLUCID_TRY(gguf::File file, gguf::File::open(path));
  subject.file = std::make_unique<gguf::File>(std::move(file));
  PELLUCID_TRY(subject.tokenizer, tokenizer::Tokenizer::from(subject.file->metadata()));
  subject.vocabulary = static_cast<size_t>(subject.tokenizer->size());
  if (command.ids) {
    PELLUCID_TRY(subject.tokens, parse_ids(*command.ids));
  } else {
    PELLUCID_TRY(subject.tokens, subject.tokenizer->encode(text, {.add_bos = false}));
  }
  return subject;
}

/// The new tokens of a recorded text, and the last ones of its prompt that their colours depend on.
Result<Subject> subject_of_trace(const DetectCommand& command) {
  PELLUCID_TRY(const trace::Trace trace, trace::read_trace(*command.trace));
  PELLUCID_TRY(const trace::Branch* branch, trace::find_branch(trace, command.branch));
  Subject subject;
  PELLUCID_TRY(subject.settings, apply(command.sampling, branch->options.settings));
  const auto path = trace::path_of(trace, branch->id);
  subject.tokens = trace::tokens_of(trace, branch->id);
  const size_t n_prompt = trace::prompt_of(trace, branch->id).tokens.size();
  const size_t before = std::min(n_prompt, sampling::watermark_prefix(subject.settings));
  subject.tokens.erase(subject.tokens.begin(),
                       subject.tokens.begin() + static_cast<ptrdiff_t>(n_prompt - before));
  for (const trace::PathStep& at : path) subject.pieces.emplace(at.step->token, at.step->piece);
  subject.vocabulary = static_cast<size_t>(trace.model.n_vocab);
  return subject;
}

std::function<std::optional<std::string>(int32_t)> piece_of(const Subject& subject) {
  return [&subject](int32_t id) -> std::optional<std::string> {
    if (subject.tokenizer) return std::string(subject.tokenizer->piece(id));
    const auto found = subject.pieces.find(id);
    if (found == subject.pieces.end()) return std::nullopt;
    return found->second;
  };
}

Result<int> detect(const DetectCommand& command) {
  if (!std::isfinite(command.threshold)) return refused("--z-threshold", "it is no finite number");
  PELLUCID_TRY(const Subject subject, command.trace ? subject_of_trace(command) : subject_of_text(command));
  PELLUCID_TRY(sampling::WatermarkScore score,
               sampling::score_watermark(subject.tokens, subject.settings, subject.vocabulary,
                                         command.ignore_repeated));
  const WatermarkReport report{subject.settings, std::move(score), subject.tokens, piece_of(subject),
                               command.threshold};
  if (command.format == Format::kJson) {
    PELLUCID_CHECK(write_json(watermark_json(report)));
  } else {
    PELLUCID_CHECK(write_output(watermark_text(report, report_style(command.colour))));
  }
  return 0;
}

}  // namespace

void add_detect_watermark(CLI::App& app, Action& action) {
  CLI::App* command =
      app.add_subcommand("detect-watermark", "Count a text's green tokens: was it written with this key?");
  const auto options = std::make_shared<DetectCommand>();
  CLI::Option* text =
      command->add_option("text", options->text, "the text, without its prompt (default: standard input)");
  CLI::Option* ids = command->add_option("--ids", options->ids, "its token ids instead")
                         ->type_name("ID,...")
                         ->excludes(text);
  CLI::Option* trace =
      command->add_option("--trace", options->trace, "a recorded text, with its settings and without a model")
          ->type_name("TRACE")
          ->excludes(text)
          ->excludes(ids);
  command->add_option("--branch", options->branch, "with --trace: which text of it; 0 is the main one")
      ->transform(whole_number(0, std::numeric_limits<int>::max()))
      ->type_name("ID")
      ->needs(trace);
  command
      ->add_option("-m,--model", options->model,
                   "whose tokens they are: a GGUF file, or the name of one in the cache")
      ->type_name("MODEL")
      ->excludes(trace);
  add_stage_options(*command, sampling::StageId::kWatermark, options->sampling);
  command->add_flag("--ignore-repeated", options->ignore_repeated,
                    "a token that occurs again after the same ones doesn't count again");
  command->add_option("--z-threshold", options->threshold, "z above which the watermark counts as found")
      ->type_name("Z")
      ->capture_default_str();
  add_colour_option(*command, options->colour);
  add_format_option(*command, options->format);
  command->callback([options, &action] { action = [options] { return detect(*options); }; });
}

}  // namespace pellucid::cli
