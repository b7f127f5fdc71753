// The conversation, with a backend that is a function and a user that is a list of lines; then the line
// editor and Ctrl-C at a pseudo-terminal.
#include "cli/chat.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <deque>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "cli/output.h"

namespace pellucid::cli {
namespace {

const Line kInterrupt{Line::Kind::kCancelled, ""};

/// A scripted user and a backend that records what it was asked.
struct Session {
  std::deque<Line> lines;
  bool interactive = true;
  std::vector<std::vector<Message>> asked;
  std::vector<uint64_t> attempts;
  std::vector<std::pair<std::string, std::string>> set;
  std::vector<std::string> prompts;
  std::deque<Result<Answer>> answers;  // "answer N" once they are used up
  std::string out;
  std::string err;

  explicit Session(const std::vector<std::string>& texts) {
    for (const std::string& text : texts) lines.push_back({Line::Kind::kText, text});
  }

  Result<Answer> answer(const Question& question) {
    asked.emplace_back(question.conversation.begin(), question.conversation.end());
    attempts.push_back(question.attempt);
    Result<Answer> result = Answer{"answer " + std::to_string(asked.size()), AnswerEnd::kDone, ""};
    if (!answers.empty()) {
      result = answers.front();
      answers.pop_front();
    }
    if (result.ok()) question.on_text(result.value().text);
    return result;
  }

  Result<int> run(const std::string& system = "") {
    ChatBackend backend;
    backend.answer = [this](const Question& question) { return answer(question); };
    backend.set = [this](std::string_view name, std::string_view value) -> Result<void> {
      if (name != "temperature") return Error{ErrorCode::kUsage, "unknown setting", std::string(name)};
      set.emplace_back(name, value);
      return {};
    };
    backend.settings = [] { return "temperature=1\ntop_k=50"; };
    ChatConsole console;
    console.interactive = interactive;
    console.terminal = interactive;
    console.read_line = [this](std::string_view prompt) {
      prompts.emplace_back(prompt);
      if (lines.empty()) return Line{};
      Line line = lines.front();
      lines.pop_front();
      return line;
    };
    console.remember = [](const std::string&) {};
    console.answer = [this](std::string_view text) -> Result<void> {
      out += text;
      return {};
    };
    console.say = [this](std::string_view text) { err += text; };
    return run_chat(backend, console, system);
  }
};

/// "role:content role:content ..."
std::string flat(const std::vector<Message>& messages) {
  std::string text;
  for (const Message& m : messages) text += (text.empty() ? "" : " ") + m.role + ":" + m.content;
  return text;
}

TEST(Chat, EachQuestionCarriesTheWholeConversation) {
  Session session({"one", "", "   ", "two", "/exit", "never"});
  const auto status = session.run("be brief");
  ASSERT_TRUE(status.ok());
  EXPECT_EQ(status.value(), 0);
  ASSERT_EQ(session.asked.size(), 2U);
  EXPECT_EQ(flat(session.asked[0]), "system:be brief user:one");
  EXPECT_EQ(flat(session.asked[1]), "system:be brief user:one assistant:answer 1 user:two");
  EXPECT_EQ(session.out, "answer 1\nanswer 2\n");
}

TEST(Chat, APipeShowsAnswersOnly) {
  Session session({"one", "two"});
  session.interactive = false;
  const auto status = session.run();
  ASSERT_TRUE(status.ok());
  EXPECT_EQ(session.out, "answer 1\nanswer 2\n");
  EXPECT_EQ(session.err, "");
  EXPECT_EQ(session.prompts, (std::vector<std::string>{"", "", ""}));
}

TEST(Chat, APipeEndsAtTheFirstError) {
  Session session({"one", "/nope", "two"});
  session.interactive = false;
  const auto status = session.run();
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, ErrorCode::kUsage);
  EXPECT_EQ(session.asked.size(), 1U);
}

TEST(Chat, BlocksBetweenTripleQuotesAreOneMessage) {
  Session session({"\"\"\"first", "  second", "", "third\"\"\"", "\"\"\"", "a", "\"\"\"",
                   "\"\"\"same line\"\"\"", "\"\"\"", "\"\"\"", "\"\"\"", "", "x \"\"\" y", "\"\"\"  "});
  ASSERT_TRUE(session.run().ok());
  ASSERT_EQ(session.asked.size(), 4U);  // the empty block is no message
  EXPECT_EQ(session.asked[0].back().content, "first\n  second\n\nthird");
  EXPECT_EQ(session.asked[1].back().content, "a\n");
  EXPECT_EQ(session.asked[2].back().content, "same line");
  EXPECT_EQ(session.asked[3].back().content, "\nx \"\"\" y\n");
  EXPECT_EQ(session.prompts[1], "... ");
}

TEST(Chat, AnInterruptGivesABlockUp) {
  Session session({"\"\"\"lost"});
  session.lines.push_back(kInterrupt);
  session.lines.push_back({Line::Kind::kText, "kept"});
  ASSERT_TRUE(session.run().ok());
  ASSERT_EQ(session.asked.size(), 1U);
  EXPECT_EQ(session.asked[0].back().content, "kept");
}

TEST(Chat, AnOpenBlockAtTheEndOfAPipeIsAnError) {
  Session session({"\"\"\"open"});
  session.interactive = false;
  const auto status = session.run();
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.error().why.find("has no end"), std::string::npos);
}

TEST(Chat, CommandsChangeTheConversation) {
  Session session(
      {"/system you are a cat", "one", "/system", "/clear", "two", "/system \"\"", "three", "/history"});
  ASSERT_TRUE(session.run().ok());
  ASSERT_EQ(session.asked.size(), 3U);
  EXPECT_EQ(flat(session.asked[0]), "system:you are a cat user:one");
  EXPECT_EQ(flat(session.asked[1]), "system:you are a cat user:two");
  EXPECT_EQ(flat(session.asked[2]), "user:two assistant:answer 2 user:three");
  EXPECT_NE(session.err.find("you are a cat\n"), std::string::npos);
  EXPECT_NE(session.err.find("[user] three\n[assistant] answer 3\n"), std::string::npos);
}

TEST(Chat, RegenerateAsksAgainWithAnotherAttempt) {
  Session session({"/regenerate", "one", "/regenerate", "/regenerate", "two"});
  ASSERT_TRUE(session.run().ok());
  ASSERT_EQ(session.asked.size(), 4U);
  EXPECT_EQ(flat(session.asked[1]), "user:one");
  EXPECT_EQ(flat(session.asked[3]), "user:one assistant:answer 3 user:two");
  EXPECT_EQ(session.attempts, (std::vector<uint64_t>{0, 1, 2, 0}));
  EXPECT_NE(session.err.find("nothing to answer again"), std::string::npos);
}

TEST(Chat, SettingsAreShownAndSet) {
  Session session({"/set", "/set temperature  0.5 ", "/set temperature", "/set colour red", "/exit"});
  ASSERT_TRUE(session.run().ok());
  EXPECT_EQ(session.set, (std::vector<std::pair<std::string, std::string>>{{"temperature", "0.5"}}));
  EXPECT_NE(session.err.find("top_k=50"), std::string::npos);
  EXPECT_NE(session.err.find("unknown setting: colour"), std::string::npos);
}

TEST(Chat, UnknownCommandsAreNotSentAndAreGuessed) {
  for (const auto& [typed, guess] : std::vector<std::pair<std::string, std::string>>{
           {"/regenrate", "/regenerate"}, {"/hlep", "/help"}, {"/exti", "/exit"}, {"/sets", "/set"}}) {
    Session session({typed});
    ASSERT_TRUE(session.run().ok());
    EXPECT_TRUE(session.asked.empty());
    EXPECT_NE(session.err.find("did you mean " + guess + "?"), std::string::npos) << session.err;
  }
  Session far({"/etc/passwd", "//etc/passwd"});
  ASSERT_TRUE(far.run().ok());
  EXPECT_EQ(far.err.find("did you mean"), std::string::npos);
  ASSERT_EQ(far.asked.size(), 1U);
  EXPECT_EQ(far.asked[0].back().content, "/etc/passwd");
}

TEST(Chat, AFailedQuestionLeavesTheConversationAsItWas) {
  Session session({"one", "two", "three", "/regenerate", "four"});
  session.answers.push_back(Answer{"first", AnswerEnd::kDone, ""});
  session.answers.push_back(Error{ErrorCode::kContext, "prompt", "needs 9 positions of 8"});
  session.answers.push_back(Answer{"", AnswerEnd::kCancelled, ""});
  session.answers.push_back(Error{ErrorCode::kNumeric, "step 3", "NaN"});
  session.answers.push_back(Answer{"last", AnswerEnd::kContextFull, ""});
  const auto status = session.run();
  ASSERT_TRUE(status.ok());
  EXPECT_EQ(flat(session.asked[4]), "user:one assistant:first user:four");
  EXPECT_NE(session.err.find("needs 9 positions of 8"), std::string::npos);
  EXPECT_NE(session.err.find("/clear begins anew"), std::string::npos);
  EXPECT_NE(session.err.find("The context is full"), std::string::npos);
}

TEST(Chat, APartOfAnAnswerIsKept) {
  Session session({"one", "two"});
  session.answers.push_back(Answer{"half of", AnswerEnd::kCancelled, ""});
  ASSERT_TRUE(session.run().ok());
  EXPECT_EQ(flat(session.asked[1]), "user:one assistant:half of user:two");
}

TEST(Chat, CtrlCTwiceAtThePromptLeavesWith130) {
  Session session({});
  session.lines = {
      kInterrupt, {Line::Kind::kText, "one"}, kInterrupt, kInterrupt, {Line::Kind::kText, "two"}};
  const auto status = session.run();
  ASSERT_TRUE(status.ok());
  EXPECT_EQ(status.value(), kInterrupted);
  EXPECT_EQ(session.asked.size(), 1U);
}

TEST(Chat, CtrlCDuringAnAnswerIsSeenByTheBackend) {
  Session session({"one", "two"});
  std::vector<bool> seen;
  ChatBackend backend;
  backend.answer = [&](const Question& question) -> Result<Answer> {
    if (seen.empty()) std::raise(SIGINT);
    seen.push_back(question.cancelled());
    return Answer{"", seen.back() ? AnswerEnd::kCancelled : AnswerEnd::kDone, ""};
  };
  ChatConsole console;
  console.interactive = true;
  console.read_line = [&](std::string_view) {
    if (session.lines.empty()) return Line{};
    Line line = session.lines.front();
    session.lines.pop_front();
    return line;
  };
  console.remember = [](const std::string&) {};
  console.answer = [](std::string_view) { return Result<void>(); };
  console.say = [](std::string_view) {};
  const auto status = run_chat(backend, console, "");
  ASSERT_TRUE(status.ok());
  EXPECT_EQ(seen, (std::vector<bool>{true, false}));
}

TEST(Chat, SaveWritesOnceAndReadsBack) {
  const std::string path = testing::TempDir() + "/pellucid_chat_" + std::to_string(::getpid()) + ".json";
  Session session({"say \"h\u00e9\"", "/save " + path, "/save " + path, "/save /nowhere/x", "/save"});
  ASSERT_TRUE(session.run("s").ok());
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  const auto saved = boost::json::parse(text.str());
  EXPECT_EQ(saved.at("messages").as_array().size(), 3U);
  EXPECT_EQ(saved.at("messages").at(1).at("content").as_string(), "say \"h\u00e9\"");
  EXPECT_NE(session.err.find("File exists"), std::string::npos);
  EXPECT_NE(session.err.find("/nowhere/x"), std::string::npos);
  std::filesystem::remove(path);
}

TEST(Chat, AModelCannotDriveTheTerminal) {
  EXPECT_EQ(without_controls("a\033[2Jb\tc\n\x7f\u00e9\u009b1m"), "a\\x1b[2Jb\tc\n\\x7f\u00e9\\x9b1m");
  Session session({"one"});
  session.answers.push_back(Answer{"\033]0;title\a", AnswerEnd::kDone, ""});
  ASSERT_TRUE(session.run().ok());
  EXPECT_EQ(session.out, "\\x1b]0;title\\x07\n");
}

/// The chat in a child whose terminal is ours. The backend repeats the message; "wait" answers once it is
/// cancelled.
class AtATerminal : public testing::Test {
 protected:
  void SetUp() override {
    child_ = ::forkpty(&terminal_, nullptr, nullptr, nullptr);
    ASSERT_GE(child_, 0);
    if (child_ == 0) ::_exit(chat());
  }

  void TearDown() override {
    if (child_ > 0 && !reaped_) {
      ::kill(child_, SIGKILL);
      ::waitpid(child_, nullptr, 0);
    }
    ::close(terminal_);
  }

  static int chat() {
    ::setenv("TERM", "xterm", 1);
    ChatBackend backend;
    backend.answer = [](const Question& question) -> Result<Answer> {
      const std::string text = question.conversation.back().content;
      if (text != "wait") {
        question.on_text("<" + text + ">");
        return Answer{text, AnswerEnd::kDone, ""};
      }
      question.on_text("<waiting>");
      while (!question.cancelled()) std::this_thread::sleep_for(std::chrono::milliseconds(5));
      return Answer{"waiting", AnswerEnd::kCancelled, ""};
    };
    backend.settings = [] { return std::string(); };
    LineEditor editor;
    const auto status = run_chat(backend, standard_console(editor), "");
    return status.ok() ? status.value() : 99;
  }

  void type(const std::string& keys) {
    ASSERT_EQ(::write(terminal_, keys.data(), keys.size()), ssize_t(keys.size()));
  }

  /// Reads until `text` appears after what was read before.
  bool shows(const std::string& text) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (std::chrono::steady_clock::now() < end) {
      if (const size_t at = screen_.find(text, seen_); at != std::string::npos) {
        seen_ = at + text.size();
        return true;
      }
      pollfd ready{terminal_, POLLIN, 0};
      char bytes[1024];
      if (::poll(&ready, 1, 100) <= 0) continue;
      const ssize_t n = ::read(terminal_, bytes, sizeof bytes);
      if (n <= 0) return false;
      screen_.append(bytes, static_cast<size_t>(n));
    }
    return false;
  }

  /// Of the child, which is given some seconds to end; -1 where it does not.
  int exit_status() {
    EXPECT_FALSE(shows("\x01 never shown"));  // reads to the end, so that the child is not held up
    for (int tries = 0; tries < 500; ++tries) {
      int status = 0;
      if (::waitpid(child_, &status, WNOHANG) == child_) {
        reaped_ = true;
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return -1;
  }

  pid_t child_ = -1;
  int terminal_ = -1;
  bool reaped_ = false;
  std::string screen_;
  size_t seen_ = 0;
};

TEST_F(AtATerminal, EditsAndAnswersUnicode) {
  ASSERT_TRUE(shows(">>> "));
  type("h\u00e9x\x7fllo \u4f60\u597d\r");  // with a rubout
  EXPECT_TRUE(shows("<h\u00e9llo \u4f60\u597d>")) << screen_;
  ASSERT_TRUE(shows(">>> "));
  type("\033[A\r");  // the line before
  EXPECT_TRUE(shows("<h\u00e9llo \u4f60\u597d>")) << screen_;
  ASSERT_TRUE(shows(">>> "));  // before it, Ctrl-D would go to the terminal's own line editing
  type("\x04");
  EXPECT_EQ(exit_status(), 0);
}

TEST_F(AtATerminal, CtrlCStopsAnAnswerAndNotTheProgram) {
  ASSERT_TRUE(shows(">>> "));
  type("wait\r");
  ASSERT_TRUE(shows("<waiting>")) << screen_;
  type("\x03");
  EXPECT_TRUE(shows("kept")) << screen_;
  ASSERT_TRUE(shows(">>> "));
  type("again\r");
  EXPECT_TRUE(shows("<again>")) << screen_;
  ASSERT_TRUE(shows(">>> "));
  type("\x04");
  EXPECT_EQ(exit_status(), 0);
}

TEST_F(AtATerminal, CtrlCAtThePromptSaysHowToLeaveThenLeaves) {
  ASSERT_TRUE(shows(">>> "));
  type("half a line\x03");
  EXPECT_TRUE(shows("/exit to leave")) << screen_;
  ASSERT_TRUE(shows(">>> "));
  type("\x03");
  EXPECT_EQ(exit_status(), kInterrupted);
}

}  // namespace
}  // namespace pellucid::cli
