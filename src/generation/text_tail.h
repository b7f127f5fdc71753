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
  std::string push(std::string_view bytes) { return stop_.push(utf8_.push(bytes)); }
  std::string finish() {
    std::string text = stop_.push(utf8_.finish());
    return text + stop_.finish();
  }
  [[nodiscard]] bool stopped() const { return stop_.stopped(); }

 private:
  tokenizer::Utf8Stream utf8_;
  StopStrings stop_;
};

}  // namespace pellucid::generation
