// What a model costs the machine: bytes to read for a token, multiply-adds for a prompt. With a rate they
// give the share of the machine's peak that is reached.
#pragma once

#include "generation/engine.h"

namespace pellucid::cli {

/// Bytes that one decoded token reads where its sequence has `positions` positions: every weight matrix as
/// packed, except the embedding (unless it makes the logits too), and the keys and values that it attends to.
double bytes_per_token(const generation::Engine& engine, double positions);

/// Multiply-adds of the weight matrices for a prompt of `n_tokens`, logits for the last one alone. Attention
/// is left out, so a share of a peak computed from it is a lower bound.
double macs_of_prompt(const generation::Engine& engine, int n_tokens);

}  // namespace pellucid::cli
