#include "cli/folded_line.h"

#include <algorithm>

#include "cli/token_text.h"

namespace pellucid::cli {

FoldedLine::FoldedLine(std::string_view label, size_t indent, const ReportStyle& style)
    : text_(padded(std::string(label), indent)), indent_(indent), column_(indent), style_(style) {
  if (display_width(label) >= indent) text_ += '\n' + std::string(indent, ' ');
}

FoldedLine& FoldedLine::word(std::string_view text, std::string_view ansi) {
  const size_t width = display_width(text);
  const bool first = column_ == indent_;
  if (!first && column_ + 1 + width > style_.width) {
    text_ += '\n' + std::string(indent_, ' ');
    column_ = indent_;
  } else if (!first) {
    text_ += ' ';
    ++column_;
  }
  text_ += styled(text, ansi, style_.colour && !ansi.empty());
  column_ += width;
  return *this;
}

FoldedLine& FoldedLine::words(std::string_view sentence) {
  while (!sentence.empty()) {
    const size_t end = std::min(sentence.find(' '), sentence.size());
    if (end > 0) word(sentence.substr(0, end));
    sentence.remove_prefix(std::min(end + 1, sentence.size()));
  }
  return *this;
}

size_t FoldedLine::room() const {
  const size_t used = column_ + (column_ == indent_ ? 0 : 1);
  return style_.width - std::min(style_.width, used);
}

}  // namespace pellucid::cli
