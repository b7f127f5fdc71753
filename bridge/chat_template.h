// Chat templates: how a conversation becomes the prompt a model was trained on. Templates are Jinja, come
// from the model file and are rendered as transformers' apply_chat_template does, by the Rust crate in this
// folder.
#pragma once

#include <ctime>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"

struct pellucid_template;

namespace pellucid::bridge {

/// One turn of a conversation; `role` is "system", "user", "assistant" or whatever the template knows.
struct Message {
  std::string role;
  std::string content;
};

/// A compiled template. Movable; render() may be called from any number of threads.
class ChatTemplate {
 public:
  /// `bos` and `eos` are the texts of the model's begin and end tokens, empty where it has none. Errors:
  /// kBadModel (it does not parse, or is not UTF-8), kLimit (longer or deeper than templates may be).
  static Result<ChatTemplate> compile(std::string_view source, std::string_view bos, std::string_view eos);

  /// The prompt of `messages`, which ends where the assistant begins to speak if `add_generation_prompt`. A
  /// template may write the date, that of `now`; without one it takes its own default, so that a prompt
  /// depends on nothing but its arguments. Errors: kUsage (the template refuses the conversation, or it is
  /// not UTF-8), kBadModel (the template fails), kLimit (it does too much work).
  [[nodiscard]] Result<std::string> render(std::span<const Message> messages, bool add_generation_prompt,
                                           const std::tm* now = nullptr) const;

 private:
  struct Free {
    void operator()(pellucid_template* compiled) const;
  };
  explicit ChatTemplate(pellucid_template* compiled) : compiled_(compiled) {}

  std::unique_ptr<pellucid_template, Free> compiled_;
};

}  // namespace pellucid::bridge
