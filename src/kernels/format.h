// How each packed format lies in memory, as one row of constants per format: read by the packer and, at
// compile time, by the kernels.
//
// A group is 16 rows. For a quantised format it holds three areas, each starting at a multiple of 64 bytes:
//
//   halves  per span of 1 (or 8, K types) blocks: float16 scale[16], then float16 minimum[16] if there is one
//   subs    K types, per block of 32 columns: two bytes per row, the integer sub-scales (see SubScales)
//   planes  per block of 32 columns: the codes. A 64-byte vector holds 4 consecutive columns of 16 rows,
//           row r in bytes 4r .. 4r+3; "k-group j" is columns 4j .. 4j+3 of the block, j = 0 .. 7.
//             8 bits   8 vectors: vector j is k-group j
//             4 bits   4 vectors: low nibbles of vector j are k-group j, high nibbles k-group j + 4
//             2 bits   2 vectors: bits 2i, 2i+1 of vector h are k-group 4h + i
//             5 bits   the 4-bit vectors, then one: bit j is the high bit of k-group j
//             3 bits   the 2-bit vectors, then one: bit j is the high bit of k-group j
//             6 bits   the 4-bit vectors, then the 2-bit vectors of the high bits
//
// A float format holds [n_cols][16] values. Scales are kept exactly as the file has them (a K type's minimum
// with its sign turned, so that it is added), so a packed matrix is at most 4 % larger than its source.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/packed.h"

namespace pellucid::kernels {

/// What the two bytes per row and block of the `subs` area are.
enum class SubScales : uint8_t {
  kNone,       // no such area
  kScaleMin,   // uint8 sub-scale of the block, uint8 sub-minimum of the block
  kHalves,     // int8 sub-scale of columns 0..15, int8 sub-scale of columns 16..31
  kHalvesMin,  // the same as low nibbles; high nibbles: the sub-minimum of each half
};

struct FormatRow {
  TensorType type;
  uint8_t code_bits;     // bits of a stored code
  uint8_t offset;        // integer weight = code - offset (IQ4_NL: of the value that the code selects)
  bool has_minimum;      // a second float16 per span
  uint8_t scale_blocks;  // blocks of 32 that share the float16 scale
  SubScales subs;
};

/// Indexed by PackedFormat. Float formats have code_bits 0.
inline constexpr FormatRow kFormats[] = {
    {TensorType::kF32, 0, 0, false, 0, SubScales::kNone},
    {TensorType::kF16, 0, 0, false, 0, SubScales::kNone},
    {TensorType::kBF16, 0, 0, false, 0, SubScales::kNone},
    {TensorType::kQ4_0, 4, 8, false, 1, SubScales::kNone},
    {TensorType::kQ4_1, 4, 0, true, 1, SubScales::kNone},
    {TensorType::kQ5_0, 5, 16, false, 1, SubScales::kNone},
    {TensorType::kQ5_1, 5, 0, true, 1, SubScales::kNone},
    {TensorType::kQ8_0, 8, 128, false, 1, SubScales::kNone},
    {TensorType::kQ2_K, 2, 0, true, 8, SubScales::kHalvesMin},
    {TensorType::kQ3_K, 3, 4, false, 8, SubScales::kHalves},
    {TensorType::kQ4_K, 4, 0, true, 8, SubScales::kScaleMin},
    {TensorType::kQ5_K, 5, 0, true, 8, SubScales::kScaleMin},
    {TensorType::kQ6_K, 6, 32, false, 8, SubScales::kHalves},
    {TensorType::kIQ4_NL, 4, 128, false, 1, SubScales::kNone},
};
inline constexpr int kFormatCount = sizeof(kFormats) / sizeof(kFormats[0]);

constexpr const FormatRow& format_row(PackedFormat format) { return kFormats[static_cast<int>(format)]; }

/// The 16 values of IQ4_NL, plus its offset of 128. Not `inline`: the objects of the SIMD levels share no
/// symbol.
constexpr uint8_t kIq4NlValues[16] = {1,   24,  45,  63,  79,  93,  106, 118,
                                      129, 141, 153, 166, 181, 197, 217, 241};

/// Byte offsets within a group of 16 rows of n_cols columns.
struct GroupLayout {
  size_t span_bytes;   // float16 scales and minimums of one span
  size_t subs;         // start of the sub-scales
  size_t planes;       // start of the codes
  size_t plane_bytes;  // codes of one block
  size_t bytes;        // the whole group
};

constexpr GroupLayout group_layout(PackedFormat format, int n_cols) {
  constexpr auto round_up = [](size_t n) { return (n + 63) / 64 * 64; };
  const FormatRow& row = format_row(format);
  const auto cols = static_cast<size_t>(n_cols);
  GroupLayout layout{};
  if (row.code_bits == 0) {
    layout.bytes = round_up(cols * kLanes * (format == PackedFormat::kF32 ? 4 : 2));
    return layout;
  }
  const size_t n_blocks = cols / kBlockValues;
  layout.span_bytes = size_t{row.has_minimum ? 2U : 1U} * kLanes * 2;
  layout.plane_bytes = size_t{row.code_bits} * kLanes * kBlockValues / 8;
  layout.subs = round_up(n_blocks / row.scale_blocks * layout.span_bytes);
  layout.planes = layout.subs + (row.subs == SubScales::kNone ? 0 : round_up(n_blocks * kLanes * 2));
  layout.bytes = layout.planes + n_blocks * layout.plane_bytes;
  return layout;
}

}  // namespace pellucid::kernels
