#include "model/model.h"

#include "model/architectures.h"

namespace pellucid::model {

Result<Model> Model::load(const gguf::File& file, const kernels::KernelTable& kernels,
                          kernels::Precision precision, ThreadPool& pool) {
  Model model;
  PELLUCID_TRY(model.spec, describe(file));
  PELLUCID_TRY(model.weights, load_weights(file, model.spec, precision, pool));
  model.kernels = &kernels;
  return model;
}

}  // namespace pellucid::model
