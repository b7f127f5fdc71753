// Weight matrices as the kernels read them: 16 output rows interleaved, so that each vector lane owns one row
// and the canonical order of the determinism contract (sequential over the blocks of a row) costs nothing.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "base/arena.h"
#include "base/error.h"
#include "base/tensor_type.h"
#include "base/thread_pool.h"

namespace pellucid::kernels {

inline constexpr int kLanes = 16;        // rows interleaved = virtual lanes of every reduction
inline constexpr int kBlockValues = 32;  // activations share one scale per block of this many values

/// How the product is computed.
enum class Precision {
  kNative,   // quantised weights meet activations quantised to int8; F32, F16 and BF16 weights meet float32
             // activations
  kFloat32,  // every weight is dequantised to float32 and meets float32 activations: slow, for reference
};

/// One layout per source type; the layouts are drawn in format.h.
enum class PackedFormat : uint8_t {
  kF32,
  kF16,
  kBF16,
  kQ4_0,
  kQ4_1,
  kQ5_0,
  kQ5_1,
  kQ8_0,
  kQ2_K,
  kQ3_K,
  kQ4_K,
  kQ5_K,
  kQ6_K,
  kIQ4_NL,
};

/// A matrix [n_rows, n_cols] in packed form. Rows are padded to a multiple of 16 with zeros. A copy
/// shares the bytes.
struct PackedMatrix {
  PackedFormat format = PackedFormat::kF32;
  int n_rows = 0;
  int n_cols = 0;
  size_t group_bytes = 0;              // bytes of one group of 16 rows
  std::shared_ptr<std::byte[]> bytes;  // [n_groups, group_bytes]

  [[nodiscard]] int n_groups() const { return (n_rows + kLanes - 1) / kLanes; }
  [[nodiscard]] size_t n_bytes() const { return static_cast<size_t>(n_groups()) * group_bytes; }
  [[nodiscard]] const std::byte* group(int g) const {
    return bytes.get() + static_cast<size_t>(g) * group_bytes;
  }
  /// Whether the product wants quantised activations (else float32 ones).
  [[nodiscard]] bool wants_quantized() const;
};

/// The groups of 16 rows that a call of matmul computes: [begin, end), and the same again `stride` further
/// on, n_runs times in all. All of them are groups of the matrix.
struct Groups {
  int begin = 0;
  int end = 0;
  int n_runs = 1;
  int stride = 0;
};

/// All groups of a matrix as n_runs runs of the same length, which a product reads in turns, and the rest.
/// They are as long as can be, or a few groups less where they would begin at about the same place of a page,
/// from which memory delivers them one after the other.
struct GroupRuns {
  Groups runs;
  Groups rest;
};
GroupRuns group_runs(const PackedMatrix& matrix, int n_runs);

/// Told of a range of the source that has been packed and will not be read again, on any thread of the pool.
using SourceDone = std::function<void(std::span<const std::byte>)>;

/// Packs n_rows * n_cols values of `type` into a piece of `arena`. Precondition: `data` holds exactly those
/// (the model layer has checked shapes). `done` lets the caller give the memory of the source back while the
/// rest is being packed.
PackedMatrix pack(TensorType type, std::span<const std::byte> data, int n_rows, int n_cols,
                  Precision precision, Arena& arena, ThreadPool& pool, const SourceDone& done = {});

/// Writes row `row` of a packed matrix as float32 [n_cols]: the embedding look-up. Equals decode_row of the
/// source bits.
void unpack_row(const PackedMatrix& matrix, int row, float* out);

/// Dequantises n values of `type`: the readable definition of each format, and the oracle of the packed ones.
/// Bitwise equal to ggml's to_float. n is a multiple of the type's block_values.
void decode(TensorType type, const std::byte* source, int64_t n, float* out);

/// IEEE half <-> single; to_half rounds to nearest even.
float half_to_float(uint16_t half);
uint16_t float_to_half(float value);

}  // namespace pellucid::kernels
