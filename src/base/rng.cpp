#include "base/rng.h"

namespace pellucid {
namespace {
constexpr uint32_t kMultiplier0 = 0xD2511F53;
constexpr uint32_t kMultiplier1 = 0xCD9E8D57;
constexpr uint32_t kWeyl0 = 0x9E3779B9;  // golden ratio
constexpr uint32_t kWeyl1 = 0xBB67AE85;  // sqrt(3) - 1
constexpr int kRounds = 10;

constexpr uint32_t low(uint64_t word) { return static_cast<uint32_t>(word); }
constexpr uint32_t high(uint64_t word) { return static_cast<uint32_t>(word >> 32); }
}  // namespace

PhiloxCounter philox4x32(PhiloxKey key, PhiloxCounter counter) {
  for (int round = 0; round < kRounds; ++round) {
    const uint64_t product0 = uint64_t{kMultiplier0} * counter[0];
    const uint64_t product1 = uint64_t{kMultiplier1} * counter[2];
    counter = {high(product1) ^ counter[1] ^ key[0], low(product1), high(product0) ^ counter[3] ^ key[1],
               low(product0)};
    key = {key[0] + kWeyl0, key[1] + kWeyl1};
  }
  return counter;
}

RandomDraw random_draw(uint64_t seed, uint64_t stream, uint64_t step) {
  RandomDraw draw{};
  draw.key = {low(seed), high(seed)};
  draw.counter = {low(step), high(step), low(stream), high(stream)};
  const PhiloxCounter words = philox4x32(draw.key, draw.counter);
  draw.integer = (uint64_t{words[1]} << 32 | words[0]) >> 11;
  draw.u = static_cast<double>(draw.integer) * 0x1.0p-53;
  return draw;
}

}  // namespace pellucid
