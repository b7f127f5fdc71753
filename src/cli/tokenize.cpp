// pellucid tokenize, detokenize: text <-> ids, with the tokenizer of a model file and none of its weights.
#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/json.h"
#include "cli/model_path.h"
#include "cli/options.h"

namespace pellucid::cli {
namespace {

struct Vocabulary {
  std::unique_ptr<gguf::File> file;  // the tokenizer views its strings
  tokenizer::Tokenizer tokenizer;
};

Result<Vocabulary> open(const std::string& model) {
  PELLUCID_TRY(const std::string path, resolve_model(model));
  PELLUCID_TRY(gguf::File file, gguf::File::open(path));
  auto kept = std::make_unique<gguf::File>(std::move(file));
  PELLUCID_TRY(tokenizer::Tokenizer tokenizer, tokenizer::Tokenizer::from(kept->metadata()));
  return Vocabulary{std::move(kept), std::move(tokenizer)};
}

struct TokenizeOptions {
  std::optional<std::string> text;
  std::string model;
  tokenizer::EncodeOptions encode;
  Format format = Format::kJson;
};

Result<int> tokenize(const TokenizeOptions& options) {
  PELLUCID_TRY(const std::string text, text_or_stdin(options.text));
  PELLUCID_TRY(const Vocabulary vocabulary, open(options.model));
  PELLUCID_TRY(const std::vector<int32_t> ids, vocabulary.tokenizer.encode(text, options.encode));
  if (options.format == Format::kText) {
    for (const int32_t id : ids) {
      PELLUCID_CHECK(write_output(fmt::format(
          "{:>8}  {}\n", id, boost::json::serialize(to_json_text(vocabulary.tokenizer.piece(id))))));
    }
    return 0;
  }
  boost::json::array pieces;
  for (const int32_t id : ids) pieces.emplace_back(to_json_text(vocabulary.tokenizer.piece(id)));
  PELLUCID_CHECK(write_json(boost::json::object{{"tokens", ids_json(ids)}, {"pieces", std::move(pieces)}}));
  return 0;
}

struct DetokenizeOptions {
  std::vector<std::string> ids;
  std::string model;
  bool show_special = true;
  Format format = Format::kText;
};

Result<int> detokenize(const DetokenizeOptions& options) {
  std::string list = fmt::format("{}", fmt::join(options.ids, " "));
  if (options.ids.empty()) {
    PELLUCID_TRY(list, text_or_stdin(std::nullopt));
  }
  PELLUCID_TRY(const std::vector<int32_t> ids, parse_ids(list));
  PELLUCID_TRY(const Vocabulary vocabulary, open(options.model));
  for (const int32_t id : ids) {
    if (id < 0 || id >= vocabulary.tokenizer.size()) {
      return Error{ErrorCode::kUsage, "token id out of range",
                   fmt::format("{} is not in 0 .. {}", id, vocabulary.tokenizer.size() - 1)};
    }
  }
  const std::string text = vocabulary.tokenizer.decode(ids, options.show_special);
  if (options.format == Format::kJson) {
    PELLUCID_CHECK(write_json(boost::json::object{{"text", to_json_text(text)}}));
  } else {
    PELLUCID_CHECK(write_output(text + "\n"));
  }
  return 0;
}

}  // namespace

void add_tokenize(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("tokenize", "Text to token ids, as JSON");
  const auto options = std::make_shared<TokenizeOptions>();
  command->add_option("text", options->text, "the text (default: standard input, to the byte)");
  command->add_option("-m,--model", options->model, "a GGUF file, or the name of one in the cache");
  command->add_flag_callback(
      "--no-bos", [options] { options->encode.add_bos = false; }, "add no token of the model's own");
  command->add_flag_callback(
      "--no-special", [options] { options->encode.parse_special = false; },
      "special tokens in the text are plain text");
  add_format_option(*command, options->format);
  command->callback([options, &action] { action = [options] { return tokenize(*options); }; });
}

void add_detokenize(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("detokenize", "Token ids to text");
  const auto options = std::make_shared<DetokenizeOptions>();
  command->add_option("ids", options->ids, "ids, separated by spaces or commas (default: standard input)");
  command->add_option("-m,--model", options->model, "a GGUF file, or the name of one in the cache");
  command->add_flag_callback(
      "--hide-special", [options] { options->show_special = false; }, "leave special tokens out");
  add_format_option(*command, options->format);
  command->callback([options, &action] { action = [options] { return detokenize(*options); }; });
}

}  // namespace pellucid::cli
