// A loaded model: its description, its packed weights and the kernels it runs on. Immutable once loaded, so
// any number of sequences share it.
#pragma once

#include "model/spec.h"
#include "model/weights.h"

namespace pellucid::model {

struct Model {
  ArchSpec spec;
  Weights weights;
  const kernels::KernelTable* kernels = nullptr;

  /// Checks and packs the weights of `file`, described by `spec` (see describe()); the file is not needed
  /// afterwards. Errors: kBadModel.
  static Result<Model> load(const gguf::File& file, const ArchSpec& spec, const kernels::KernelTable& kernels,
                            kernels::Precision precision, ThreadPool& pool);
};

}  // namespace pellucid::model
