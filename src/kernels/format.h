// How each packed format lies in memory, as one row of constants per format: read by the packer and, at
// compile time, by the kernels.
//
// A group is 16 rows. For a quantised format it is one run of 64-byte lines that a product reads from the
// first to the last, because a second stream of scales beside the codes halves what the hardware prefetchers
// deliver:
//
//   halves  float16 scale[16] of two spans, or scale[16] and minimum[16] of one; a span is 1 (K types: 8)
//   blocks subs    K types only, of two blocks: two bytes per row and block, the integer sub-scales (see
//   SubScales) planes  of one block of 32 columns: the codes. A 64-byte vector holds 4 consecutive columns of
//   16 rows,
//           row r in bytes 4r .. 4r+3; "k-group j" is columns 4j .. 4j+3 of the block, j = 0 .. 7.
//             8 bits   8 vectors: vector j is k-group j
//             4 bits   4 vectors: low nibbles of vector j are k-group j, high nibbles k-group j + 4
//             2 bits   2 vectors: bits 2i, 2i+1 of vector h are k-group 4h + i
//             5 bits   one vector whose bit j is the high bit of k-group j, then the 4-bit vectors
//             3 bits   the same, then the 2-bit vectors
//             6 bits   the 2-bit vectors of the high bits, then the 4-bit vectors
//
// Each line stands right before the planes of the first block that needs it: Q4_0 is halves, planes, planes,
// ...; Q4_K is halves, then four times (subs, planes, planes), ...
//
// A float format holds [n_cols][16] values. Scales are kept exactly as the file has them (a K type's minimum
// with its sign turned, so that it is added), so a packed matrix is at most 4 % larger than its source.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/packed.h"

namespace pellucid::kernels {

/// What the two bytes per row and block of a `subs` line are.
enum class SubScales : uint8_t {
  kNone,       // no such line
  kScaleMin,   // uint8 sub-scale of the block, uint8 sub-minimum of the block
  kHalves,     // int8 sub-scale of columns 0..15, int8 sub-scale of columns 16..31; Q3_K: within [-32, 31]
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

inline constexpr size_t kLineBytes = 64;
inline constexpr size_t kPageBytes = 4096;

/// Codes of one block of a group.
constexpr size_t plane_bytes(PackedFormat format) {
  return size_t{format_row(format).code_bits} * kLanes * kBlockValues / 8;
}

/// The part of it that stands first, the high bits of 3-, 5- and 6-bit codes.
constexpr int high_plane_bytes(int code_bits) {
  const int high_bits = code_bits == 3 || code_bits == 5 ? 1 : code_bits == 6 ? 2 : 0;
  return high_bits * kLanes * kBlockValues / 8;
}

/// Byte offsets of one block within its group of 16 rows.
struct BlockPlace {
  size_t halves;  // of its span: float16 scale[16], then minimum[16] where there is one
  size_t subs;    // two bytes per row
  size_t planes;
};

constexpr BlockPlace block_place(PackedFormat format, size_t block) {
  const FormatRow& row = format_row(format);
  const bool has_subs = row.subs != SubScales::kNone;
  const size_t halves_blocks =
      size_t{row.scale_blocks} * (row.has_minimum ? 1 : 2);  // blocks of a halves line
  // Where b blocks and so many lines end.
  const auto before = [&](size_t b, size_t halves_lines, size_t subs_lines) {
    return b * plane_bytes(format) + (halves_lines + (has_subs ? subs_lines : 0)) * kLineBytes;
  };
  const size_t halves_line = block / halves_blocks;
  const size_t subs_line = block / 2;
  BlockPlace place{};
  place.halves = before(halves_line * halves_blocks, halves_line, halves_line * halves_blocks / 2);
  place.halves += block % halves_blocks / row.scale_blocks * (kLineBytes / 2);
  place.subs = before(subs_line * 2, halves_line + 1, subs_line) + block % 2 * (kLineBytes / 2);
  place.planes = before(block, halves_line + 1, subs_line + 1);
  return place;
}

/// What a block takes, lines that it shares with others by its share of them.
constexpr size_t block_bytes(PackedFormat format) {
  constexpr size_t kMany = 16;  // the scales of a span of each format, twice
  return (block_place(format, kMany).planes - block_place(format, 0).planes) / kMany;
}

/// Bytes of a group of 16 rows.
constexpr size_t group_bytes(PackedFormat format, int n_cols) {
  const auto cols = static_cast<size_t>(n_cols);
  if (cols == 0) return 0;
  size_t bytes = cols * kLanes * (format == PackedFormat::kF32 ? 4 : 2);
  if (format_row(format).code_bits != 0) {
    bytes = block_place(format, cols / kBlockValues - 1).planes + plane_bytes(format);
  }
  bytes = (bytes + kLineBytes - 1) / kLineBytes * kLineBytes;
  // Else the same place of all groups, or of every other one, would be the same place of a page (group_runs).
  return bytes % (kPageBytes / 2) == 0 ? bytes + kLineBytes : bytes;
}

}  // namespace pellucid::kernels
