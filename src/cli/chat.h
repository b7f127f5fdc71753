// The conversation at a terminal or through a pipe: reads messages and commands, asks for answers, keeps the
// history. It knows neither engine nor template: a backend of functions answers.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "bridge/chat_template.h"
#include "cli/line_editor.h"

namespace pellucid::cli {

using bridge::Message;

/// Why an answer ended.
enum class AnswerEnd {
  kDone,         // the model ended its turn
  kLength,       // the maximum of new tokens
  kContextFull,  // no position is left in the context
  kCancelled,    // cancelled() became true
};

struct Answer {
  std::string text;
  AnswerEnd end = AnswerEnd::kDone;
  std::string note;  // a line about the run, for a person: speed, seed; may be empty
};

/// What is to be answered, and what to do meanwhile.
struct Question {
  std::span<const Message> conversation;          // ends with the user's message
  uint64_t attempt = 0;                           // 0, then 1, 2, ... for other answers to the same message
  std::function<void(std::string_view)> on_text;  // text as it becomes certain, whole characters
  std::function<bool()> cancelled;                // to be asked before each step, and while a prompt runs
};

struct ChatBackend {
  /// Errors: kContext (the conversation does not fit), kUsage (the template refuses it), ...
  std::function<Result<Answer>(const Question& question)> answer;
  /// /set NAME VALUE. Errors: kUsage.
  std::function<Result<void>(std::string_view name, std::string_view value)> set;
  /// What /set shows: one setting a line.
  std::function<std::string()> settings;
};

/// Where the conversation takes place.
struct ChatConsole {
  bool interactive = false;  // a person types: prompts, notes and advice are shown
  bool terminal = false;     // answers go to a terminal: control characters are shown, not sent
  std::function<Line(std::string_view prompt)> read_line;
  std::function<void(const std::string& text)> remember;      // a line for the editor's history
  std::function<Result<void>(std::string_view text)> answer;  // standard output, at once
  std::function<void(std::string_view text)> say;             // standard error
};

/// Standard input, output and error, with `editor` alive as long as the console.
ChatConsole standard_console(LineEditor& editor);

/// Runs until the end of the input, /exit, or Ctrl-C twice; returns the exit status. `system` may be empty. A
/// person sees errors and goes on; through a pipe the first error ends the chat and is returned.
Result<int> run_chat(const ChatBackend& backend, const ChatConsole& console, const std::string& system);

/// Makes `text` the system message of a conversation, in place of another; without one where it is empty.
void set_system(std::vector<Message>& conversation, std::string_view text);

/// `text` with control characters other than line breaks and tabs written as \xNN, so that a model cannot
/// drive the terminal.
std::string without_controls(std::string_view text);

}  // namespace pellucid::cli
