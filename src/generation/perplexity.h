// How well a model predicts a text: exp of the mean negative log-likelihood of its tokens, over windows as
// llama-perplexity cuts them, so that the two can be compared.
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "generation/engine.h"

namespace pellucid::generation {

struct Perplexity {
  double perplexity;
  double standard_error;  // of perplexity, by the delta method
  double mean_nll;        // nats a token
  int64_t n_scored;       // tokens that were predicted
  int n_windows;
};

/// Windows of n_window tokens, without overlap; in each, the tokens of the second half are scored given all
/// before them (so that each has at least n_window / 2 tokens of context). A model that wants a bos gets it
/// in place of the first token of a window. A tail shorter than a window is left out. `progress`, where
/// given, is called after each window; where `cancelled` ends the run, the result is of what had been
/// scored, which may be nothing. Errors: kUsage (n_window < 4), kContext (a window does not fit the context,
/// or the tokens do not fill one), kNumeric.
Result<Perplexity> perplexity(Engine& engine, std::span<const int32_t> tokens, int n_window,
                              const std::function<void(const Perplexity&)>& progress = {},
                              const Cancelled& cancelled = {});

/// -ln softmax(logits)[token], in float64.
double negative_log_likelihood(std::span<const float> logits, int32_t token);

}  // namespace pellucid::generation
