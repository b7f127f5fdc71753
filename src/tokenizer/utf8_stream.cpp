#include "tokenizer/utf8_stream.h"

#include "tokenizer/utf8.h"

namespace pellucid::tokenizer {

namespace {
constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD
}

std::string Utf8Stream::push(std::string_view bytes) {
  std::string joined;
  if (!pending_.empty()) {
    joined = pending_ + std::string(bytes);
    bytes = joined;
    pending_.clear();
  }
  std::string text;
  text.reserve(bytes.size());
  size_t begin = 0;  // of the well-formed run that ends at i
  for (size_t i = 0; i < bytes.size();) {
    const Utf8Step step = utf8_step(bytes.substr(i));
    if (step.kind != Utf8Step::kCharacter) {
      text.append(bytes.substr(begin, i - begin));
      begin = i + step.length;
      if (step.kind == Utf8Step::kIncomplete) {
        pending_ = bytes.substr(i);
      } else {
        text.append(kReplacement);
      }
    }
    i += step.length;
  }
  text.append(bytes.substr(begin));
  return text;
}

std::string Utf8Stream::finish() {
  const bool inside = !pending_.empty();
  pending_.clear();
  return std::string(inside ? kReplacement : std::string_view{});
}

}  // namespace pellucid::tokenizer
