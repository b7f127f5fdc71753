#include "cli/line_editor.h"

#include <histedit.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <clocale>
#include <cstdio>
#include <cstring>
#include <cwchar>
#include <memory>

#include "cli/output.h"

namespace pellucid::cli {
namespace {

constexpr int kHistoryLines = 500;

void append_utf8(std::string& out, char32_t c) {
  const auto tail = [&](int shift) { out += static_cast<char>(0x80 | ((c >> shift) & 0x3F)); };
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xC0 | (c >> 6));
    tail(0);
  } else if (c < 0x10000) {
    out += static_cast<char>(0xE0 | (c >> 12));
    tail(6);
    tail(0);
  } else {
    out += static_cast<char>(0xF0 | (c >> 18));
    tail(12);
    tail(6);
    tail(0);
  }
}

std::string to_utf8(const wchar_t* text, int n) {
  std::string out;
  for (int i = 0; i < n; ++i) append_utf8(out, static_cast<char32_t>(text[i]));
  return out;
}

std::wstring to_wide(const std::string& text) {
  std::wstring out(text.size(), L'\0');
  std::mbstate_t state{};
  const char* from = text.c_str();
  const size_t n = std::mbsrtowcs(out.data(), &from, out.size(), &state);
  out.resize(n == static_cast<size_t>(-1) ? 0 : n);
  return out;
}

/// The editor decodes what is typed by the locale; without a UTF-8 locale the C library's own is taken.
void use_utf8_locale() {
  if (std::setlocale(LC_CTYPE, "") == nullptr || MB_CUR_MAX < 4) std::setlocale(LC_CTYPE, "C.UTF-8");
}

}  // namespace

/// libedit's editor and history.
struct LineEditor::Terminal {
  struct FreeEditor {
    void operator()(EditLine* e) const { el_end(e); }
  };
  struct FreeHistory {
    void operator()(HistoryW* h) const { history_wend(h); }
  };
  std::unique_ptr<HistoryW, FreeHistory> history{history_winit()};
  std::unique_ptr<EditLine, FreeEditor> editor{el_init("pellucid", stdin, stderr, stderr)};
  std::wstring prompt;
  const InterruptFlag* interrupt = nullptr;  // while a line is read

  Terminal();
  static Terminal& of(EditLine* editor);
  static wchar_t* prompt_of(EditLine* editor) { return of(editor).prompt.data(); }
  static int read_character(EditLine* editor, wchar_t* c);
  Line read(std::string_view text);
};

LineEditor::Terminal& LineEditor::Terminal::of(EditLine* editor) {
  void* self = nullptr;
  el_wget(editor, EL_CLIENTDATA, &self);
  return *static_cast<Terminal*>(self);
}

LineEditor::Terminal::Terminal() {
  HistEventW event;
  history_w(history.get(), &event, H_SETSIZE, kHistoryLines);
  history_w(history.get(), &event, H_SETUNIQUE, 1);
  el_wset(editor.get(), EL_CLIENTDATA, this);
  el_wset(editor.get(), EL_PROMPT, &Terminal::prompt_of);
  el_wset(editor.get(), EL_EDITOR, L"emacs");
  el_wset(editor.get(), EL_HIST, history_w, history.get());
  el_wset(editor.get(), EL_GETCFN, &Terminal::read_character);
  el_wset(editor.get(), EL_BIND, L"^R", L"em-inc-search-prev", nullptr);
  el_wset(editor.get(), EL_BIND, L"^W", L"ed-delete-prev-word", nullptr);
  el_source(editor.get(), nullptr);  // the user's own ~/.editrc
}

/// One character; libedit's own function would swallow the first Ctrl-C.
int LineEditor::Terminal::read_character(EditLine* editor, wchar_t* c) {
  const Terminal& self = of(editor);
  std::mbstate_t state{};
  for (;;) {
    if (self.interrupt->raised()) return -1;
    pollfd input{STDIN_FILENO, POLLIN, 0};
    constexpr int kLookMs = 200;  // a signal between the look at the flag and the wait is seen this soon
    if (::poll(&input, 1, kLookMs) <= 0) continue;
    char byte = 0;
    const ssize_t n = ::read(STDIN_FILENO, &byte, 1);
    if (n == 0) return 0;
    if (n < 0) {
      if (errno == EINTR || errno == EAGAIN) continue;
      return -1;
    }
    const size_t used = std::mbrtowc(c, &byte, 1, &state);
    if (used == static_cast<size_t>(-2)) continue;  // the middle of a character
    if (used != static_cast<size_t>(-1)) return 1;
    state = {};  // not UTF-8: dropped
  }
}

Line LineEditor::Terminal::read(std::string_view text) {
  const InterruptFlag flag(InterruptFlag::Waiting::kEnds);
  interrupt = &flag;
  prompt = to_wide(std::string(text));
  // Else the prompt shows first, and a Ctrl-D that is sooner than libedit goes to the terminal's own editing.
  el_wset(editor.get(), EL_PREP_TERM, 1);
  int n = 0;
  const wchar_t* line = el_wgets(editor.get(), &n);
  interrupt = nullptr;
  if (flag.raised()) {
    std::fputs("^C\n", stderr);
    return {Line::Kind::kCancelled, ""};
  }
  if (line == nullptr || n <= 0) return {Line::Kind::kEnd, ""};
  Line result{Line::Kind::kText, to_utf8(line, n)};
  while (!result.text.empty() && (result.text.back() == '\n' || result.text.back() == '\r')) {
    result.text.pop_back();
  }
  return result;
}

LineEditor::LineEditor() {
  if (::isatty(STDIN_FILENO) == 0 || ::isatty(STDERR_FILENO) == 0) return;
  use_utf8_locale();
  auto terminal = std::make_unique<Terminal>();
  if (terminal->editor && terminal->history) terminal_ = std::move(terminal);
}

LineEditor::~LineEditor() = default;

bool LineEditor::interactive() const { return terminal_ != nullptr; }

void LineEditor::remember(const std::string& text) {
  if (!terminal_ || text.empty()) return;
  HistEventW event;
  history_w(terminal_->history.get(), &event, H_ENTER, to_wide(text).c_str());
}

Line LineEditor::read(std::string_view prompt) {
  if (terminal_) return terminal_->read(prompt);
  const InterruptFlag flag(InterruptFlag::Waiting::kEnds);
  for (;;) {
    if (const size_t end = pending_.find('\n'); end != std::string::npos) {
      Line line{Line::Kind::kText, pending_.substr(0, end)};
      pending_.erase(0, end + 1);
      if (!line.text.empty() && line.text.back() == '\r') line.text.pop_back();
      return line;
    }
    char bytes[4096];
    const ssize_t n = ::read(STDIN_FILENO, bytes, sizeof bytes);
    if (flag.raised()) return {Line::Kind::kCancelled, ""};
    if (n > 0) {
      pending_.append(bytes, static_cast<size_t>(n));
    } else if (n == 0 || errno != EINTR) {
      if (pending_.empty()) return {Line::Kind::kEnd, ""};
      return {Line::Kind::kText, std::exchange(pending_, {})};
    }
  }
}

}  // namespace pellucid::cli
