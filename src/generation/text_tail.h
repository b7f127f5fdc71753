// The text of a continuation as it becomes certain.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "generation/stop.h"
#include "tokenizer/utf8_stream.h"

namespace pellucid::generation {

/// Bytes of tokens -> characters -> text that no stop string takes back.
class TextTail {
 public:
  explicit TextTail(const std::vector<std::string>& stop) : stop_(stop) {}
  std::string push(std::string_view bytes) {
    newest_ = utf8_.push(bytes);
    return stop_.push(newest_);
  }
  /// The characters that the latest push() completed.
  [[nodiscard]] const std::string& newest() const { return newest_; }
  std::string finish() {
    std::string text = stop_.push(utf8_.finish());
    return text + stop_.finish();
  }
  [[nodiscard]] bool stopped() const { return stop_.stopped(); }

 private:
  tokenizer::Utf8Stream utf8_;
  std::string newest_;
  StopStrings stop_;
};

}  // namespace pellucid::generation
