// What the functions of a forward pass share: everything one pass refers to, and how rows are spread over
// threads.
#pragma once

#include <algorithm>
#include <string_view>

#include "base/thread_pool.h"
#include "model/batch.h"
#include "model/model.h"
#include "model/scratch.h"
#include "model/tap.h"

namespace pellucid::model {

struct Pass {
  const Model& model;
  const Batch& batch;
  Scratch& s;
  ThreadPool& pool;
  const Tap& tap;
  bool are_strangers;  // no two tokens are of one sequence

  [[nodiscard]] const ArchSpec& spec() const { return model.spec; }
  [[nodiscard]] const kernels::KernelTable& kernels() const { return *model.kernels; }
  [[nodiscard]] int n_tokens() const { return static_cast<int>(batch.tokens.size()); }

  void watch(std::string_view name, int layer, const float* values, int n_rows, int n_cols) const {
    if (tap) tap(name, layer, {values, static_cast<size_t>(n_rows) * static_cast<size_t>(n_cols)}, n_rows);
  }
};

/// Row t of a row-major matrix.
template <typename T>
T* row(T* matrix, int t, int n_cols) {
  return matrix + static_cast<ptrdiff_t>(t) * n_cols;
}

/// body(t) for each row, on all threads where there are enough of them. How it is cut never depends on the
/// number of threads.
template <typename Body>
void for_rows(ThreadPool& pool, int n_rows, const Body& body) {
  constexpr int kRowsPerTask = 4;
  if (n_rows < kFewRows) {
    for (int t = 0; t < n_rows; ++t) body(t);
    return;
  }
  pool.run((n_rows + kRowsPerTask - 1) / kRowsPerTask, [&](int task, int) {
    const int end = std::min(n_rows, (task + 1) * kRowsPerTask);
    for (int t = task * kRowsPerTask; t < end; ++t) body(t);
  });
}

}  // namespace pellucid::model
