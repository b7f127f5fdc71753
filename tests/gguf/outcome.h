// What becomes of a file, as text to compare with.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "gguf/builder.h"
#include "gguf/check_file.h"
#include "gguf/reader.h"

namespace pellucid::gguf::test {

inline constexpr uint32_t kF32 = 0;  // as files have it

/// The reason why a file is refused, or "accepted"; either way what check_file.h states must hold.
inline std::string outcome(const Bytes& bytes) {
  EXPECT_EQ(check_parse(bytes), "");
  const auto parsed = File::parse(bytes);
  return parsed.ok() ? "accepted" : parsed.error().why;
}
inline std::string outcome(const Builder& builder) { return outcome(builder.bytes()); }

inline bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

}  // namespace pellucid::gguf::test
