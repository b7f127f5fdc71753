// The arithmetic, one table of functions per SIMD level. Every entry computes the same bits at every level:
// the order of operations is part of each contract below. Vectors named [..] are row-major float32 unless
// said otherwise.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "kernels/packed.h"

namespace pellucid::kernels {

/// How a level wants the digits of whole strips, the widest ones.
enum class StripLayout : uint8_t {
  kFours,        // as those of narrower ones
  kBiasedFours,  // the low ones plus 128, unsigned: the same as their bits ^ 128
  kTiles,  // no digits but the integers: bfloat16[16][32] of a block, of each four columns the middle two
           // swapped; and sums as the bits of float32
};

/// Quantised activations lie in strips: as many tokens together as a whole strip has while there are as many,
/// then half of it, and so on, of the rest. A strip of W tokens holds block after block; what a block has one
/// of per token lies [W], its integers lie [8][W][4]: four consecutive columns of each token. So a product of
/// W tokens reads one stream. A strip of tiles may have as few as 9 tokens, and copies of the last one, which
/// costs less than strips of 8 and fewer; those need memory, too.
constexpr int whole_strip(StripLayout layout) { return layout == StripLayout::kTiles ? 16 : 8; }
/// As few tokens as a whole strip may have.
constexpr int fewest_of_strip(StripLayout layout) { return layout == StripLayout::kTiles ? 9 : 8; }
/// How wide the next strip is.
constexpr int strip_width(StripLayout layout, int tokens_left) {
  int width = whole_strip(layout);
  if (tokens_left >= fewest_of_strip(layout)) return width;
  while (width > tokens_left) width /= 2;
  return width;
}
/// What the digits of a token take of QuantizedRows::low.
constexpr int64_t strip_row_bytes(StripLayout layout, int n_cols) {
  return int64_t{n_cols} * (layout == StripLayout::kTiles ? 2 : 1);
}

/// Activations of n_tokens rows of n_cols values, quantised per block of 32: value = scale * q, q an integer,
/// rounded to nearest even, from 256 on to 8 significant bits, so that it is a bfloat16. A few large values
/// would make the scale of a block too coarse for all others. So the k-group (four columns side by side,
/// format.h) with the largest |x| of the block, the first one of equals, has a second digit: q = low + 8 high
/// there, low within [-4, 3], and q = low within [-127, 127] elsewhere. The scale is max|x| / 127 over the
/// other seven, and at least max|x| / 127 / 8 of the whole block. A product is exact in integers within a
/// block. n_cols is a multiple of 32. A block that holds NaN or infinity gets a scale that is not finite, so
/// the product is not finite either.
struct QuantizedRows {
  int8_t* low;           // [n_tokens, n_cols] in strips, strip_row_bytes a token; whole strips: StripLayout
  int8_t* high;          // [n_tokens, n_cols / 32, 4] in strips: of the k-group that has them (not in kTiles)
  uint8_t* high_groups;  // [n_tokens, n_cols / 32] in strips: which one that is (not in kTiles)
  int32_t* sums;         // the same places: the sum of the block's q (kTiles: the bits of that as a float)
  int32_t* firsts;       // the same: that of its first 16
  float* scales;         // the same

  /// The rows from `token` on, where a strip begins.
  [[nodiscard]] QuantizedRows from(int64_t token, int n_cols, StripLayout layout) const {
    const int64_t block = token * (n_cols / kBlockValues);
    return {low + token * strip_row_bytes(layout, n_cols),
            high + block * 4,
            high_groups + block,
            sums + block,
            firsts + block,
            scales + block};
  }
};
inline constexpr int kHighBits = 3;  // what a high digit is shifted by: 8 times a code of 5 bits is a byte

/// Columns [first, first + n) of rows of `all`; whole blocks.
struct Columns {
  int first;
  int n;
  int all;
};

/// The two faces of a batch of activations; a product reads the one that its matrix wants.
struct Activations {
  const float* floats;  // [n_tokens, n_cols]
  QuantizedRows quantized;
  int n_tokens;
  int n_cols;
};

/// KV storage: a page holds kPagePositions consecutive positions of one layer and one kv head, keys
/// transposed so that each lane owns a position: K [4][head_dim][16], so that of a short sequence few lines
/// are read, then V [64][head_dim]. Elements are float16, float32, or int8 in blocks of 32 of one position's
/// values: value = scale * code, scale = max|x| / 127 rounded to float16, codes rounded to nearest even. The
/// scales [head_dim / 32][64] of K stand right after its codes, those of V after its own.
inline constexpr int kPagePositions = 64;
enum class KvType : uint8_t { kF16, kF32, kQ8_0 };
inline constexpr std::array<std::string_view, 3> kKvTypeNames{"f16", "f32", "q8_0"};  // indexed by KvType
std::optional<KvType> kv_type_named(std::string_view name);
constexpr int64_t kv_page_bytes(KvType type, int head_dim) {
  constexpr int kBlockBytes[] = {64, 128, 34};  // of 32 values
  return int64_t{2} * kPagePositions * head_dim * kBlockBytes[static_cast<int>(type)] / kBlockValues;
}

/// Attention is computed span by span of this many positions, counted from position 0, and the spans are
/// joined in order: whoever computes them, together or apart, gets the same bits.
inline constexpr int kSpanPositions = 256;

/// The softmax of one head over some positions, unfinished: values are sums of e^(score - maximum) v, to be
/// divided by `total`, the sum of e^(score - maximum).
struct AttentionPart {
  float maximum;
  float total;
};

/// The pages of a sequence as a layer and kv head see them: positions [64 p, 64 p + 64) lie `slice` bytes
/// into page p.
struct KvPages {
  const std::byte* const* pages;
  int64_t slice;

  KvPages(const std::byte* const* all = nullptr, int64_t of_each = 0)  // NOLINT(google-explicit-constructor)
      : pages(all), slice(of_each) {}
  [[nodiscard]] const std::byte* operator[](int p) const { return pages[p] + slice; }
  [[nodiscard]] KvPages from(int p) const { return {pages + p, slice}; }
};

/// Attention of one token's query heads that share a kv head, over positions [begin, end) of its sequence.
struct AttentionTask {
  const float* q;        // [n_heads, head_dim], already rotated
  float* out;            // [n_heads, head_dim]: the unfinished sums
  AttentionPart* parts;  // [n_heads]
  KvPages pages;
  KvType kv_type;
  int n_heads;
  int head_dim;              // a multiple of 16; of 32 for kQ8_0
  int begin;                 // first visible position (sliding window), >= 0
  int end;                   // one past the last visible position, > begin
  float scale;               // scores are multiplied by it
  KvPages next = {};         // pages that are probably read after it: asked for ahead
  int n_next = 0;            // how many
  bool is_asked_for = true;  // it was what its worker's task before had as `next`
};

/// Attention of consecutive tokens of one sequence, of the query heads that share a kv head. What they read
/// is in its pages, their own keys and values too; pages that none of them sees may be null.
struct AttentionRun {
  const float* q;  // of the first token: [n_heads, head_dim], already rotated
  float* out;      // of the first token: [n_heads, head_dim]
  int64_t stride;  // from a token's q to that of the next one; the same of out
  KvPages pages;
  KvType kv_type;  // kF16 or kF32
  int n_heads;
  int head_dim;  // a multiple of 16
  int n_tokens;  // at least 1; n_tokens * n_heads <= kRunRows
  int position;  // of the first token
  int window;    // positions that a token sees, its own the last one of them; 0: all up to its own
  float scale;
};
inline constexpr int kRunRows = 64;  // whose weights of a span are 64 KB

enum class RopePairing : uint8_t {
  kAdjacent,  // (x[2i], x[2i+1]): llama as GGUF stores it
  kHalf,      // (x[i], x[i + n/2]): NeoX, used by qwen and gemma
};

struct KernelTable {
  std::string_view name;  // "scalar", "avx2", "avxvnni", "avx512", "amx", "neon", "dotprod"

  StripLayout strip_layout;
  /// How many runs of groups a product of one token reads in turns. Memory delivers several streams that are
  /// far apart faster than one.
  uint8_t streams;

  /// y[t * y_stride + r - first] = sum over k of w[r, k] x[t, k] for tokens [0, x.n_tokens) and the rows r of
  /// `groups`, `first` the first of them; rows beyond n_rows are not written. Per element: acc = 0, then for
  /// each block of 32 in order, with the exact integers int_dot = sum of integer weights times integers of x
  /// (types with sub-blocks of 16: the sum of both halves' dots times their integer sub-scales):
  ///   without a minimum: acc = fma(scale_w * scale_x, float(int_dot), acc)
  ///   with a minimum:    acc = fma(scale_x, fma(scale_w, float(int_dot), min_w * float(sum_x)), acc)
  ///                      (Q2_K: sum_x is the sum of both halves' sums times their integer minimums).
  /// For float weights acc = fma(w, x, acc) for each k in order.
  void (*matmul)(const PackedMatrix& w, const Activations& x, float* y, int64_t y_stride,
                 const Groups& groups);

  /// Fills some columns of n_tokens rows of `out` from x, rows x_stride apart that begin with those columns.
  void (*quantize)(const float* x, int64_t x_stride, int n_tokens, const Columns& columns,
                   const QuantizedRows& out);

  /// y = x / sqrt(mean(x^2) + eps) * weight, n a multiple of 16 or any; in place allowed. Sums: 16 lanes, one
  /// fixed tree.
  void (*rms_norm)(const float* x, const float* weight, float eps, int n, float* y);
  /// y = (x - mean) / sqrt(var + eps) * weight + bias.
  void (*layer_norm)(const float* x, const float* weight, const float* bias, float eps, int n, float* y);

  /// Rotates the first n_rot values of each of n_heads heads of head_dim values, in place; cos/sin [n_rot /
  /// 2].
  void (*rope)(float* x, int n_heads, int head_dim, int n_rot, const float* cos, const float* sin,
               RopePairing pairing);

  /// Writes one position's key and value (each [head_dim]) into slot [0, 64) of a page.
  void (*store_kv)(const float* k, const float* v, int head_dim, KvType type, int slot, std::byte* page);
  /// softmax(q K^T scale) V but for the last division. A weight e^(score - maximum) below e^-69 is 0. Within
  /// a span: scores are chains over head_dim, the sum of weights takes 16 lanes and one fixed tree, the
  /// output is a chain over positions. Spans are joined as join_spans does. Depends only on q, the keys and
  /// values of [begin, end): not on other tokens. kQ8_0: score = fma(scale_k, chain of the block's 32
  /// columns, score) for each block in order; the chain over positions is out = fma(weight * scale_v,
  /// float(code), out).
  void (*attention)(const AttentionTask& task);
  /// The same of several tokens, joined and divided: each value as attention and join_spans would have it,
  /// but sooner, for keys and values are converted once.
  void (*attention_run)(const AttentionRun& run);
  /// Joins n_spans consecutive spans of one head in order and divides: out [head_dim]. Those of span s are
  /// parts[s * stride] and values[s * stride * head_dim ..]. With M the larger maximum, a = e^(maximum - M)
  /// and b = e^(next maximum - M): total = fma(total, a, next total * b), value = fma(value, a, next value *
  /// b). `out` may be `values`.
  void (*join_spans)(const float* values, const AttentionPart* parts, int n_spans, int64_t stride,
                     int head_dim, float* out);

  void (*silu_mul)(float* gate, const float* up, int n);  // gate = silu(gate) * up
  void (*gelu_mul)(float* gate, const float* up, int n);  // gate = gelu_tanh(gate) * up
  void (*gelu)(float* x, int n);                          // x = gelu_tanh(x)
  void (*add)(float* x, const float* y, int n);           // x += y
  void (*scale)(float* x, float factor, int n);           // x *= factor
  void (*softcap)(float* x, float cap, int n);            // x = cap * tanh(x / cap)
};

/// The levels this binary holds and this machine runs, best first; scalar is always last.
std::span<const KernelTable* const> available_tables();
/// The level that PELLUCID_SIMD names (scalar, avx2, avxvnni, avx512, amx, neon, dotprod), else the best.
/// Errors (kUsage): unknown, or not on this machine.
Result<const KernelTable*> choose_table();

}  // namespace pellucid::kernels
