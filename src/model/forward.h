// The forward pass: tokens to logits, one function for every architecture and for every batch. A row's bits
// depend only on its own sequence: not on what else is in the batch, how the prompt is cut, or the number of
// threads.
#pragma once

#include "base/thread_pool.h"
#include "model/batch.h"
#include "model/model.h"
#include "model/scratch.h"
#include "model/tap.h"

namespace pellucid::model {

/// Runs `batch` (1 to scratch.max_tokens tokens), stores its keys and values, and writes the logits of
/// batch.wanted to `logits` [wanted, n_vocab]. Preconditions: tokens in [0, n_vocab), caches reserved,
/// positions below n_ctx_train where positions are learned. Not concurrent on one scratch or pool.
void forward(const Model& model, const Batch& batch, Scratch& scratch, ThreadPool& pool, float* logits,
             const Tap& tap = {});

}  // namespace pellucid::model
