#include "generation/trace_header.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "generation/breakers.h"
#include "generation/xxh64.h"
#include "gguf/metadata.h"
#include "tokenizer/utf8_stream.h"

namespace pellucid::generation {
namespace {

template <typename T>
void add_bytes(std::string& bytes, const T& number) {
  bytes.append(reinterpret_cast<const char*>(&number), sizeof(number));
}

void add_bytes(std::string& bytes, std::string_view text) {
  add_bytes(bytes, uint64_t{text.size()});
  bytes += text;
}

/// Texts with their length before them, other scalars as 8 bytes.
struct AddValue {
  std::string& bytes;

  void operator()(std::string_view text) const { add_bytes(bytes, text); }
  void operator()(bool value) const { add_bytes(bytes, uint64_t{value}); }
  void operator()(uint64_t value) const { add_bytes(bytes, value); }
  void operator()(int64_t value) const { add_bytes(bytes, value); }
  void operator()(double value) const { add_bytes(bytes, value); }
  void operator()(const gguf::Array& array) const {
    add_bytes(bytes, array.count);
    for (const std::string_view text : array.strings) add_bytes(bytes, text);
    bytes.append(reinterpret_cast<const char*>(array.bytes.data()), array.bytes.size());
  }
};

/// Of what the tokenizer is made from: key and value of each entry that begins with "tokenizer.", by key.
uint64_t tokenizer_hash(const gguf::Metadata& metadata) {
  std::vector<const gguf::Entry*> entries;
  for (const gguf::Entry& entry : metadata.entries()) {
    if (entry.key.starts_with("tokenizer.")) entries.push_back(&entry);
  }
  std::ranges::sort(entries, {}, &gguf::Entry::key);
  std::string bytes;
  for (const gguf::Entry* entry : entries) {
    add_bytes(bytes, entry->key);
    std::visit(AddValue{bytes}, entry->value);
  }
  return xxh64(std::as_bytes(std::span(bytes)));
}

TraceModel model_of(const Engine& engine, std::string path) {
  const gguf::File& file = engine.file();
  const auto architecture = file.metadata().string("general.architecture");
  TraceModel model;
  model.path = std::move(path);
  model.bytes = file.size_bytes();
  model.hash = model_hash(file);
  if (architecture.ok()) model.architecture = architecture.value();
  model.n_vocab = engine.n_vocab();
  model.tokenizer_hash = tokenizer_hash(file.metadata());
  return model;
}

TraceMachine machine_of(const Engine& engine) {
  const EngineOptions& options = engine.options();
  TraceMachine machine;
  machine.kv_type = options.kv_type == kernels::KvType::kF16 ? "f16" : "f32";
  machine.precision = options.precision == kernels::Precision::kNative ? "native" : "f32";
  machine.n_ctx = options.n_ctx;
  machine.simd = engine.model().kernels->name;
  machine.n_threads = options.n_threads;
  return machine;
}

}  // namespace

uint64_t model_hash(const gguf::File& file) {
  const MappedFile* const mapping = file.mapping();
  if (mapping == nullptr) return 0;
  const uint64_t hash = xxh64(mapping->bytes());
  mapping->release(mapping->bytes());
  return hash;
}

Result<Trace> trace_header(const Engine& engine, std::string path, std::string_view prompt,
                           std::span<const int32_t> prompt_tokens, const GenerateOptions& options,
                           std::string dialect) {
  Trace trace;
  trace.pellucid = PELLUCID_VERSION;
  trace.model = model_of(engine, std::move(path));
  trace.machine = machine_of(engine);
  tokenizer::Utf8Stream utf8;
  trace.prompt = utf8.push(prompt);
  trace.prompt += utf8.finish();
  trace.prompt_tokens.assign(prompt_tokens.begin(), prompt_tokens.end());
  trace.end_ids = engine.tokenizer().stop_ids();
  if (options.settings.dry_multiplier != 0) {
    PELLUCID_TRY(trace.breakers, breaker_tokens(engine.tokenizer(), options.settings.dry_breakers));
  }
  TraceBranch& main = trace.branches.emplace_back();
  main.dialect = std::move(dialect);
  main.options = options;
  return trace;
}

}  // namespace pellucid::generation
