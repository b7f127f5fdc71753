#include "trace/header.h"

#include <map>
#include <string>
#include <utility>
#include <variant>

#include "base/xxh64.h"
#include "generation/breakers.h"
#include "gguf/metadata.h"
#include "tokenizer/utf8_stream.h"

namespace pellucid::trace {
namespace {

/// The elements of an array as they lie in the file: texts each behind its length of 8 bytes.
std::span<const std::byte> encoded(const gguf::Array& array) {
  if (array.strings.empty()) return array.bytes;
  const char* const begin = array.strings.front().data() - sizeof(uint64_t);
  const char* const end = array.strings.back().data() + array.strings.back().size();
  return std::as_bytes(std::span(begin, end));
}

/// Of a value as GGUF encodes it, scalars in 8 bytes.
struct HashOf {
  uint64_t operator()(std::string_view text) const { return xxh64(std::as_bytes(std::span(text))); }
  uint64_t operator()(const gguf::Array& array) const { return xxh64(encoded(array)); }
  uint64_t operator()(bool value) const { return (*this)(uint64_t{value}); }
  template <typename T>
  uint64_t operator()(T value) const {
    return xxh64(std::as_bytes(std::span(&value, 1)));
  }
};

/// Of what the tokenizer is made from: each key that begins with "tokenizer.", in order, and its value's
/// hash.
uint64_t tokenizer_hash(const gguf::Metadata& metadata) {
  std::map<std::string_view, uint64_t> hashes;
  for (const gguf::Entry& entry : metadata.entries()) {
    if (entry.key.starts_with("tokenizer.")) hashes[entry.key] = std::visit(HashOf{}, entry.value);
  }
  std::string bytes;
  for (const auto& [key, hash] : hashes) {
    bytes += key;
    bytes.append(reinterpret_cast<const char*>(&hash), sizeof(hash));
  }
  return xxh64(std::as_bytes(std::span(bytes)));
}

Model model_of(const generation::Engine& engine, std::string path, uint64_t hash) {
  const gguf::File& file = engine.file();
  const auto architecture = file.metadata().string("general.architecture");
  Model model;
  model.path = std::move(path);
  model.bytes = file.size_bytes();
  model.hash = hash;
  if (architecture.ok()) model.architecture = architecture.value();
  model.n_vocab = engine.n_vocab();
  model.tokenizer_hash = tokenizer_hash(file.metadata());
  return model;
}

Machine machine_of(const generation::Engine& engine) {
  const generation::EngineOptions& options = engine.options();
  Machine machine;
  machine.kv_type = kernels::kKvTypeNames[static_cast<size_t>(options.kv_type)];
  machine.precision = options.precision == kernels::Precision::kNative ? "native" : "f32";
  machine.n_ctx = options.n_ctx;
  machine.simd = engine.model().kernels->name;
  machine.n_threads = options.n_threads;
  return machine;
}

}  // namespace

uint64_t model_hash(const gguf::File& file) {
  return file.mapping() == nullptr ? 0 : xxh64(file.mapping()->bytes());
}

Result<Trace> trace_header(const generation::Engine& engine, std::string path, uint64_t hash,
                           std::string_view prompt, std::span<const int32_t> prompt_tokens,
                           const generation::GenerateOptions& options, std::string dialect) {
  Trace trace;
  trace.pellucid = PELLUCID_VERSION;
  trace.model = model_of(engine, std::move(path), hash);
  trace.machine = machine_of(engine);
  tokenizer::Utf8Stream utf8;
  trace.prompt = utf8.push(prompt);
  trace.prompt += utf8.finish();
  trace.prompt_tokens.assign(prompt_tokens.begin(), prompt_tokens.end());
  trace.end_ids = engine.tokenizer().stop_ids();
  if (options.settings.dry_multiplier != 0) {
    PELLUCID_TRY(trace.breakers,
                 generation::breaker_tokens(engine.tokenizer(), options.settings.dry_breakers));
  }
  Branch& main = trace.branches.emplace_back();
  main.dialect = std::move(dialect);
  main.options = options;
  return trace;
}

}  // namespace pellucid::trace
