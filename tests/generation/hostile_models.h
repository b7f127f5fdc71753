// Tiny models with every kind of metadata, to be damaged, and what must hold of any bytes taken for a model:
// used by tests and by the fuzzer.
#pragma once

#include <algorithm>
#include <cmath>
#include <span>
#include <string>
#include <vector>

#include "generation/generate.h"
#include "gguf/check_file.h"
#include "model/tiny_model.h"
#include "tokenizer/small_models.h"

namespace pellucid::generation::test {

using gguf::test::Builder;
using gguf::test::Bytes;

/// As small as the architecture allows; gemma3 with a SentencePiece-style vocabulary, the others byte-level.
inline model::test::TinyOptions tiny_options(const std::string& architecture, TensorType type) {
  tokenizer::test::Keys keys =
      architecture == "gemma3" ? tokenizer::test::spm_keys() : tokenizer::test::byte_level_keys();
  model::test::TinyOptions options;
  options.architecture = architecture;
  options.type = type;
  options.n_layers = 1;
  options.n_embd = 32;
  options.n_heads = 2;
  options.n_kv_heads = architecture == "gpt2" ? 2 : 1;
  options.head_dim = 16;
  options.n_ff = 32;
  options.n_vocab = static_cast<uint32_t>(keys.tokens.size());
  options.n_ctx = 32;
  options.window = architecture == "gemma3" || architecture == "llama" ? 4 : 0;
  options.vocabulary = [keys](Builder& builder) { keys.add_to(builder); };
  return options;
}

/// The same with the optional keys.
inline Bytes tiny_file(const std::string& architecture, TensorType type) {
  model::test::TinyOptions options = tiny_options(architecture, type);
  options.more = [architecture](Builder& builder) {
    builder.f32("general.sampling.temp", 0.7f).u32("general.sampling.top_k", 20);
    builder.f32("general.sampling.top_p", 0.9f);
    builder.string("tokenizer.chat_template", "{{ messages[0].content }}");
    builder.boolean("tokenizer.ggml.add_bos_token", false).boolean("tokenizer.ggml.add_eos_token", false);
    builder.u32("tokenizer.ggml.eot_token_id", 1).u32("tokenizer.ggml.unknown_token_id", 0);
    if (architecture == "gpt2") return;
    builder.u32(architecture + ".rope.dimension_count", 16).f32(architecture + ".rope.freq_base", 10000.0f);
    builder.string(architecture + ".rope.scaling.type", "linear");
    builder.f32(architecture + ".rope.scaling.factor", 2.0f);
    if (architecture != "gemma3") return;
    builder.u32("gemma3.attention.sliding_window_pattern", 2).f32("gemma3.rope.freq_base_swa", 5000.0f);
    builder.f32("gemma3.final_logit_softcapping", 30.0f).boolean("tokenizer.ggml.add_space_prefix", false);
  };
  return model::test::tiny_model(options);
}

/// How far a file came. `problem` is "" where it ended as it may.
struct Outcome {
  enum class End { kRefused, kNotNumbers, kGenerated };
  End end = End::kRefused;
  std::string message;  // of the error
  std::string problem;
};

/// A file may be refused as damaged or unsupported, by one proper error.
inline Outcome refused(const Error& error) {
  const bool allowed = error.code == ErrorCode::kBadModel || error.code == ErrorCode::kUnsupported ||
                       error.code == ErrorCode::kLimit;
  std::string problem = gguf::test::check_error(error);
  if (problem.empty() && !allowed) problem = "not an error of a file: " + error.message();
  return {Outcome::End::kRefused, error.message(), problem};
}

/// Four tokens, or the error that names the step at which the logits stopped being numbers.
inline Outcome generate_four(Engine& engine, std::span<const int32_t> prompt,
                             const sampling::Settings& settings) {
  GenerateOptions options;
  options.settings = settings;
  options.max_tokens = 4;
  Outcome outcome{Outcome::End::kGenerated, "", ""};
  const StepObserver watch = [&](const StepView& step) {
    const bool sane = step.draw().token >= 0 && step.draw().token < engine.n_vocab() &&
                      step.draw().probability > 0 && step.draw().probability <= 1;
    if (!sane) outcome.problem = "a draw that is none";
    return true;
  };
  Sequence sequence = engine.new_sequence();
  const Result<Generation> generation = generate(engine, sequence, prompt, options, watch);
  if (generation.ok()) {
    const size_t n = generation.value().tokens.size();
    if (n < 1 || n > 4) outcome.problem = std::to_string(n) + " tokens";
    return outcome;
  }
  const Error& error = generation.error();
  const bool numeric = error.code == ErrorCode::kNumeric && error.what.starts_with("step ");
  outcome.end = Outcome::End::kNotNumbers;
  outcome.message = error.message();
  outcome.problem = gguf::test::check_error(error);
  if (!numeric && error.code != ErrorCode::kContext) outcome.problem = "not a step: " + error.message();
  return outcome;
}

/// Loads bytes as a model and generates, greedily and with the model's own settings.
inline Outcome run_model(std::span<const std::byte> bytes) {
  auto file = gguf::File::parse(bytes);
  if (!file.ok()) return refused(file.error());
  auto loaded = Engine::from(std::move(file).value(), EngineOptions{.n_threads = 1});
  if (!loaded.ok()) return refused(loaded.error());
  Engine& engine = *loaded.value();
  auto prompt = engine.tokenizer().encode("ab <s>a\n\n\xff");
  if (!prompt.ok()) return refused(prompt.error());
  if (prompt.value().empty()) prompt.value().push_back(0);
  sampling::Settings greedy;
  greedy.temperature = 0;
  Outcome outcome = generate_four(engine, prompt.value(), greedy);
  if (!outcome.problem.empty() || outcome.end != Outcome::End::kGenerated) return outcome;
  const Result<sampling::Settings> own = engine.default_settings();
  if (!own.ok()) return refused(own.error());
  return generate_four(engine, prompt.value(), own.value());
}

}  // namespace pellucid::generation::test
