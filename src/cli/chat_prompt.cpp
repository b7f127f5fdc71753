#include "cli/chat_prompt.h"

namespace pellucid::cli {

Result<bridge::ChatTemplate> chat_template_of(const generation::Engine& engine) {
  constexpr std::string_view kKey = "tokenizer.chat_template";
  if (!engine.file().metadata().contains(kKey)) {
    return Error{ErrorCode::kUnsupported, "no chat template",
                 "the model file has none: it is not made for chat"};
  }
  PELLUCID_TRY(const std::string_view source, engine.file().metadata().string(kKey));
  const tokenizer::Tokenizer& tokenizer = engine.tokenizer();
  return bridge::ChatTemplate::compile(source, tokenizer.text_of(tokenizer.bos()),
                                       tokenizer.text_of(tokenizer.eos()));
}

}  // namespace pellucid::cli
