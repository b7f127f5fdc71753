// Lines from the user: edited at a terminal (with a history), or read as they come from a pipe or a file.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace pellucid::cli {

/// What reading a line gave.
struct Line {
  enum class Kind {
    kText,
    kEnd,       // end of input, or Ctrl-D on an empty line
    kCancelled  // Ctrl-C; what was typed is dropped
  };
  Kind kind = Kind::kEnd;
  std::string text;  // UTF-8 as far as the input is, without the line break
};

/// One a process: it reads standard input, and writes prompts to standard error.
class LineEditor {
 public:
  LineEditor();
  ~LineEditor();
  LineEditor(const LineEditor&) = delete;
  LineEditor& operator=(const LineEditor&) = delete;

  /// Whether a person types: standard input and standard error are a terminal. Prompts are for persons only.
  [[nodiscard]] bool interactive() const;

  Line read(std::string_view prompt);

  /// Makes `text` reachable with the arrow keys.
  void remember(const std::string& text);

 private:
  struct Terminal;
  std::unique_ptr<Terminal> terminal_;  // null where lines come from a pipe
  std::string pending_;                 // bytes read from a pipe after the last line
};

}  // namespace pellucid::cli
