#include "model/model.h"

namespace pellucid::model {

Result<Model> Model::load(const gguf::File& file, const ArchSpec& spec, const kernels::KernelTable& kernels,
                          kernels::Precision precision, ThreadPool& pool) {
  PELLUCID_TRY(Weights weights, load_weights(file, spec, precision, pool));
  return Model{spec, std::move(weights), &kernels};
}

}  // namespace pellucid::model
