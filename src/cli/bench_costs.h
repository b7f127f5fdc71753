// What a model costs the machine: bytes to read for a token, multiply-adds for a prompt. With a rate they
// give the share of the machine's peak that is reached.
#pragma once

#include "generation/engine.h"

namespace pellucid::cli {

/// Bytes of every weight matrix that a decoded token meets, as packed: all but the embedding, unless that
/// makes the logits too.
double weight_bytes(const generation::Engine& engine);

/// Bytes of the keys and values that a token attends to where its sequence has `positions` positions.
double kv_bytes(const generation::Engine& engine, double positions);

/// Multiply-adds of the weight matrices for a prompt of `n_tokens`, logits for the last one alone, which is
/// also the only one that meets more of the last layer than queries, keys and values. Attention is left out,
/// so a share of a peak computed from it is a lower bound.
double macs_of_prompt(const generation::Engine& engine, int n_tokens);

}  // namespace pellucid::cli
