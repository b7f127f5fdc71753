#include "base/aligned_buffer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <limits>

namespace pellucid {
namespace {

TEST(AlignedBuffer, IsAlignedAndZeroAtEverySize) {
  for (const size_t size : {size_t{1}, size_t{63}, size_t{64}, size_t{4097}, (size_t{1} << 20) - 1,
                            size_t{1} << 20, size_t{3000001}}) {
    AlignedBuffer<uint8_t> buffer(size);
    ASSERT_EQ(buffer.size(), size);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer.data()) % 64, 0u);
    EXPECT_TRUE(std::all_of(buffer.span().begin(), buffer.span().end(), [](uint8_t b) { return b == 0; }));
    buffer[size - 1] = 1;  // the last byte is ours
  }
}

TEST(AlignedBuffer, MovesKeepTheAddress) {
  AlignedBuffer<float> first(1000);
  float* const address = first.data();
  const AlignedBuffer<float> second = std::move(first);
  EXPECT_EQ(second.data(), address);
}

TEST(AlignedBuffer, RefusesSizesThatCannotBe) {
  EXPECT_THROW(AlignedBuffer<double>(std::numeric_limits<size_t>::max() / 4), std::bad_alloc);
}

}  // namespace
}  // namespace pellucid
