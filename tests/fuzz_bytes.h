// The bytes of a fuzzer as numbers and texts.
#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"

namespace pellucid::test {

/// Reads the fuzzer's bytes from the front; zeros where they have run out.
class FuzzInput {
 public:
  FuzzInput(const uint8_t* data, size_t size) : rest_(reinterpret_cast<const char*>(data), size) {}

  uint32_t below(uint32_t limit) {
    uint32_t value = 0;
    for (int i = 0; i < 2 && !rest_.empty(); ++i) {
      value = value << 8 | static_cast<uint8_t>(rest_.front());
      rest_.remove_prefix(1);
    }
    return value % limit;
  }
  /// At most `limit` bytes, fewer by chance.
  std::string text(uint32_t limit) {
    const size_t size = std::min<size_t>(below(limit + 1), rest_.size());
    std::string out(rest_.substr(0, size));
    rest_.remove_prefix(size);
    return out;
  }
  /// At most `limit` of the pieces, fewer by chance, and texts of its own between them.
  std::string text_of(std::span<const char* const> pieces, int limit) {
    const auto count = static_cast<uint32_t>(pieces.size());
    std::string out;
    for (int i = 0; i < limit; ++i) {
      const uint32_t choice = below(count + 3);
      if (choice == count + 2) break;
      out += choice < count ? std::string(pieces[choice]) : text(8);
    }
    return out;
  }
  [[nodiscard]] std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
};

/// True where an error is one line of a code that a face can tell apart.
inline bool proper(const Error& error, std::initializer_list<ErrorCode> codes) {
  const bool known = std::find(codes.begin(), codes.end(), error.code) != codes.end();
  const std::string message = error.message();
  const bool one_line =
      std::none_of(message.begin(), message.end(), [](char c) { return static_cast<uint8_t>(c) < 0x20; });
  return known && one_line && !error.what.empty() && !error.why.empty();
}

}  // namespace pellucid::test
