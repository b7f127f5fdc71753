// The bytes of a fuzzer as numbers and texts.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

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
  [[nodiscard]] std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
};

}  // namespace pellucid::test
