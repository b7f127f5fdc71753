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

  /// Describes, checks and packs the model of `file`; the file is not needed afterwards. Errors:
  /// kUnsupported, kBadModel.
  static Result<Model> load(const gguf::File& file, const kernels::KernelTable& kernels,
                            kernels::Precision precision, ThreadPool& pool);
};

}  // namespace pellucid::model
