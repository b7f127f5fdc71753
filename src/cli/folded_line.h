// A line of a report that goes on below itself, indented, where the next word would not fit.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "cli/terminal.h"

namespace pellucid::cli {

class FoldedLine {
 public:
  /// Begins with `label`, padded to `indent` columns, or on a line of its own where it is longer; the lines
  /// below are indented so.
  FoldedLine(std::string_view label, size_t indent, const ReportStyle& style);

  /// Appends `text` unbroken, after a space if it isn't the line's first, in a style of styled().
  FoldedLine& word(std::string_view text, std::string_view ansi = {});
  /// The same for each word between spaces.
  FoldedLine& words(std::string_view sentence);
  /// Columns that are left on this line for one more word.
  [[nodiscard]] size_t room() const;

  /// The lines, each ending in '\n'.
  [[nodiscard]] std::string str() const { return text_ + '\n'; }

 private:
  std::string text_;
  size_t indent_;
  size_t column_;
  ReportStyle style_;
};

}  // namespace pellucid::cli
