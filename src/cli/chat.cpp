#include "cli/chat.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>

#include "base/text.h"
#include "cli/output.h"

namespace pellucid::cli {
namespace {

constexpr std::string_view kQuotes = "\"\"\"";
constexpr std::string_view kPrompt = ">>> ";
constexpr std::string_view kMorePrompt = "... ";

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

/// The first word of `text` and what follows it.
std::pair<std::string_view, std::string_view> split_word(std::string_view text) {
  const size_t end = std::min(text.find_first_of(" \t"), text.size());
  return {text.substr(0, end), trimmed(text.substr(end))};
}

/// Levenshtein's distance.
size_t distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t change = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = std::exchange(row[j], std::min({row[j] + 1, row[j - 1] + 1, change}));
    }
  }
  return row[b.size()];
}

class Chat {
 public:
  Chat(const ChatBackend& backend, const ChatConsole& console, const std::string& system)
      : backend_(backend), console_(console) {
    set_system(messages_, system);
  }

  Result<int> run();

 private:
  using Handler = Result<void> (Chat::*)(std::string_view argument);
  struct Command {
    std::string_view name;
    std::string_view argument;
    std::string_view help;
    Handler handler;
  };
  static const std::array<Command, 11> kCommands;

  Result<void> handle(const Line& line);
  Result<std::optional<std::string>> read_block(std::string_view first);
  Result<void> command(std::string_view text);
  Result<void> send(std::string text);
  Result<bool> ask(std::vector<Message> conversation, uint64_t attempt);
  void advise(const Answer& answer);
  void interrupted_at_prompt();

  Result<void> help(std::string_view);
  Result<void> system(std::string_view text);
  Result<void> set(std::string_view text);
  Result<void> regenerate(std::string_view);
  Result<void> clear(std::string_view);
  Result<void> history(std::string_view);
  Result<void> save(std::string_view path);
  Result<void> exit(std::string_view);

  const ChatBackend& backend_;
  const ChatConsole& console_;
  std::vector<Message> messages_;  // a system message perhaps, then turns of user and assistant, all answered
  uint64_t attempt_ = 0;           // of the last answer
  int interrupts_ = 0;             // Ctrl-C at the prompt, in a row
  std::optional<int> status_;      // set when the chat is over
};

const std::array<Chat::Command, 11> Chat::kCommands{{
    {"/help", "", "this list", &Chat::help},
    {"/?", "", "", &Chat::help},
    {"/system", "TEXT", "sets the system message; \"\" removes it, no text shows it", &Chat::system},
    {"/set", "NAME VALUE", "changes a setting, e.g. /set temperature 0, \"\" empties one; alone shows them",
     &Chat::set},
    {"/regenerate", "", "another answer to the last message", &Chat::regenerate},
    {"/clear", "", "forgets the conversation, keeps the system message", &Chat::clear},
    {"/history", "", "shows the conversation", &Chat::history},
    {"/save", "FILE", "writes the conversation as JSON", &Chat::save},
    {"/exit", "", "leaves; so do /bye, Ctrl-D, and Ctrl-C twice", &Chat::exit},
    {"/bye", "", "", &Chat::exit},
    {"/quit", "", "", &Chat::exit},
}};

Result<int> Chat::run() {
  const InterruptFlag between_answers;  // so that Ctrl-C never ends the program in passing
  if (console_.interactive) console_.say("Type a message, or /help. Ctrl-C stops an answer.\n");
  while (!status_) {
    const Line line = console_.read_line(console_.interactive ? kPrompt : "");
    if (line.kind == Line::Kind::kEnd) {
      if (console_.interactive) console_.say("\n");
      return 0;
    }
    if (line.kind == Line::Kind::kCancelled) {
      interrupted_at_prompt();
      continue;
    }
    interrupts_ = 0;
    if (const Result<void> done = handle(line); !done.ok()) {
      if (!console_.interactive || done.error().code == ErrorCode::kIo) return done.error();
      console_.say(fmt::format("error: {}\n", printable(done.error().message())));
    }
  }
  return *status_;
}

void Chat::interrupted_at_prompt() {
  if (!console_.interactive || ++interrupts_ > 1) {
    status_ = kInterrupted;
  } else {
    console_.say("Ctrl-C again, Ctrl-D or /exit to leave.\n");
  }
}

/// A message, a command, or the beginning of a block between triple quotes.
Result<void> Chat::handle(const Line& line) {
  const std::string_view text = trimmed(line.text);
  if (text.empty()) return {};
  console_.remember(line.text);
  if (text.substr(0, kQuotes.size()) == kQuotes) {
    PELLUCID_TRY(std::optional<std::string> block, read_block(text.substr(kQuotes.size())));
    if (!block || trimmed(*block).empty()) return {};
    return send(*std::move(block));
  }
  if (text.substr(0, 2) == "//") return send(std::string(text.substr(1)));
  if (text.front() == '/') return command(text);
  return send(line.text);
}

/// The lines up to one that ends in triple quotes; nothing where Ctrl-C gives it up.
Result<std::optional<std::string>> Chat::read_block(std::string_view first) {
  std::string block;
  std::string line(first);
  for (bool opening = true;; opening = false) {
    const size_t close = line.rfind(kQuotes);
    if (close != std::string::npos &&
        trimmed(std::string_view(line).substr(close + kQuotes.size())).empty()) {
      return std::optional(block + line.substr(0, close));
    }
    // The line of the opening quotes counts only if something follows them.
    if (!opening || !line.empty()) block += line + "\n";
    const Line next = console_.read_line(console_.interactive ? kMorePrompt : "");
    if (next.kind == Line::Kind::kCancelled) {
      if (!console_.interactive) status_ = kInterrupted;
      return std::optional<std::string>();
    }
    if (next.kind == Line::Kind::kEnd) {
      if (console_.interactive) status_ = 0;
      return Error{ErrorCode::kUsage, "the message is not complete", "it began with \"\"\" and has no end"};
    }
    line = next.text;
  }
}

Result<void> Chat::command(std::string_view text) {
  const auto [name, argument] = split_word(text);
  const Command* nearest = nullptr;
  size_t best = 3;  // farther away it is no slip of the finger
  for (const Command& row : kCommands) {
    const size_t d = distance(name, row.name);
    if (d == 0) return (this->*row.handler)(argument);
    if (d < best && row.name.size() > d) {
      best = d;
      nearest = &row;
    }
  }
  return Error{ErrorCode::kUsage, fmt::format("unknown command {}", in_quotes(name)),
               nearest ? fmt::format("did you mean {}? (/help lists them)", nearest->name)
                       : "/help lists them; // begins a message with a slash"};
}

Result<void> Chat::send(std::string text) {
  std::vector<Message> conversation = messages_;
  conversation.push_back({"user", std::move(text)});
  PELLUCID_TRY([[maybe_unused]] const bool answered, ask(std::move(conversation), 0));
  return {};
}

/// Asks for an answer; it and what it answers become the conversation unless nothing came. Returns whether
/// they did.
Result<bool> Chat::ask(std::vector<Message> conversation, uint64_t attempt) {
  const InterruptFlag interrupt;
  Result<void> written;
  Question question;
  question.conversation = conversation;
  question.attempt = attempt;
  question.on_text = [&](std::string_view text) {
    if (written.ok()) written = console_.answer(console_.terminal ? without_controls(text) : text);
  };
  question.cancelled = [&] { return interrupt.raised() || !written.ok(); };
  const Result<Answer> result = backend_.answer(question);
  PELLUCID_CHECK(written);
  if (!result.ok()) {
    const Error& error = result.error();
    if (error.code != ErrorCode::kContext) return error;
    return Error{error.code, "the conversation does not fit the context",
                 error.why + "; the message was not kept: /clear begins anew, or say it shorter"};
  }
  const Answer& answer = result.value();
  PELLUCID_CHECK(console_.answer("\n"));
  if (interrupt.raised() && !console_.interactive) status_ = kInterrupted;
  advise(answer);
  if (answer.text.empty() && answer.end == AnswerEnd::kCancelled) return false;
  conversation.push_back({"assistant", answer.text});
  messages_ = std::move(conversation);
  attempt_ = attempt;
  return true;
}

void Chat::advise(const Answer& answer) {
  if (answer.end == AnswerEnd::kContextFull) {
    console_.say("The context is full: /clear begins a new conversation.\n");
  }
  if (!console_.interactive) return;
  if (answer.end == AnswerEnd::kLength) console_.say("The answer reached its longest length.\n");
  if (answer.end == AnswerEnd::kCancelled) {
    console_.say(answer.text.empty() ? "Stopped; the message was not kept.\n"
                                     : "Stopped; what was said so far is kept.\n");
  }
  if (!answer.note.empty()) console_.say(answer.note + "\n");
}

Result<void> Chat::help(std::string_view) {
  for (const Command& row : kCommands) {
    if (row.help.empty()) continue;
    console_.say(fmt::format("  {:<24}{}\n", fmt::format("{} {}", row.name, row.argument), row.help));
  }
  console_.say(
      "  \"\"\"                     begins a message of many lines, which ends with \"\"\" too\n"
      "  //TEXT                  a message that begins with a slash\n");
  return {};
}

Result<void> Chat::system(std::string_view text) {
  if (text == "\"\"") {
    set_system(messages_, {});
  } else if (!text.empty()) {
    set_system(messages_, text);
  } else if (!messages_.empty() && messages_.front().role == "system") {
    console_.say(messages_.front().content + "\n");
  } else {
    console_.say("There is no system message.\n");
  }
  return {};
}

Result<void> Chat::set(std::string_view text) {
  if (text.empty()) {
    console_.say(backend_.settings() + "\n");
    return {};
  }
  const auto [name, value] = split_word(text);
  if (value.empty())
    return Error{ErrorCode::kUsage, "/set takes a name and a value", "/set alone shows them"};
  return backend_.set(name, value == "\"\"" ? "" : value);
}

Result<void> Chat::regenerate(std::string_view) {
  if (messages_.empty() || messages_.back().role != "assistant") {
    return Error{ErrorCode::kUsage, "there is nothing to answer again", "no message has been answered yet"};
  }
  PELLUCID_TRY([[maybe_unused]] const bool answered,
               ask({messages_.begin(), messages_.end() - 1}, attempt_ + 1));
  return {};
}

Result<void> Chat::clear(std::string_view) {
  std::erase_if(messages_, [](const Message& message) { return message.role != "system"; });
  if (console_.interactive) console_.say("The conversation is forgotten.\n");
  return {};
}

Result<void> Chat::history(std::string_view) {
  if (messages_.empty()) console_.say("Nothing was said yet.\n");
  for (const Message& message : messages_) {
    console_.say(fmt::format("[{}] {}\n", message.role, without_controls(message.content)));
  }
  return {};
}

Result<void> Chat::save(std::string_view path) {
  if (path.empty()) return Error{ErrorCode::kUsage, "/save takes a file", "none is named"};
  const std::string name(path);
  boost::json::array messages;
  for (const Message& message : messages_) {
    messages.push_back(boost::json::object{{"role", message.role}, {"content", message.content}});
  }
  const std::string text = boost::json::serialize(boost::json::object{{"messages", messages}}) + "\n";
  const auto refused = [&]() -> Error {
    // Not kIo, which ends the chat: this is for the person to correct.
    return {ErrorCode::kUsage, fmt::format("cannot write {}", in_quotes(name, kWhole)), std::strerror(errno)};
  };
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(name.c_str(), "wxe"), &std::fclose);
  if (!file) return refused();
  if (std::fwrite(text.data(), 1, text.size(), file.get()) != text.size() || std::fflush(file.get()) != 0) {
    return refused();
  }
  if (console_.interactive) console_.say(fmt::format("Written to {}.\n", printable(name)));
  return {};
}

Result<void> Chat::exit(std::string_view) {
  status_ = 0;
  return {};
}

}  // namespace

std::string without_controls(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const bool c1 =
        byte == 0xC2 && i + 1 < text.size() && (static_cast<unsigned char>(text[i + 1]) & 0xE0) == 0x80;
    if (c1) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[++i]));
    } else if ((byte < 0x20 && byte != '\n' && byte != '\t') || byte == 0x7F) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out += text[i];
    }
  }
  return out;
}

ChatConsole standard_console(LineEditor& editor) {
  ChatConsole console;
  console.interactive = editor.interactive();
  console.terminal = ::isatty(STDOUT_FILENO) != 0;
  console.read_line = [&editor](std::string_view prompt) { return editor.read(prompt); };
  console.remember = [&editor](const std::string& text) { editor.remember(text); };
  console.answer = [](std::string_view text) -> Result<void> {
    PELLUCID_CHECK(write_output(text));
    return flush_output();
  };
  console.say = [](std::string_view text) { std::fwrite(text.data(), 1, text.size(), stderr); };
  return console;
}

void set_system(std::vector<Message>& conversation, std::string_view text) {
  const bool present = !conversation.empty() && conversation.front().role == "system";
  if (present) conversation.erase(conversation.begin());
  if (!text.empty()) conversation.insert(conversation.begin(), {"system", std::string(text)});
}

Result<int> run_chat(const ChatBackend& backend, const ChatConsole& console, const std::string& system) {
  return Chat(backend, console, system).run();
}

}  // namespace pellucid::cli
