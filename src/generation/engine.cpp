#include "generation/engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/processors.h"
#include "generation/guides.h"
#include "model/architectures.h"
#include "model/forward.h"

namespace pellucid::generation {
namespace {

constexpr int kMaxThreads = 1024;
// A chunk is cut so that its activations fit the first and, with every position's logits asked for, those fit
// the second: the width of a model is a number in its file.
constexpr size_t kMaxScratchBytes = size_t{256} << 20;
constexpr size_t kMaxLogitsBytes = size_t{32} << 20;

Error out_of_range(std::string_view name, int value, int low, int high) {
  return {ErrorCode::kUsage, fmt::format("invalid {}", name),
          fmt::format("{} is not in {} .. {}", value, low, high)};
}

Result<EngineOptions> resolve(EngineOptions options) {
  if (options.n_threads == 0) options.n_threads = available_processors();
  if (options.n_threads < 1 || options.n_threads > kMaxThreads) {
    return out_of_range("threads", options.n_threads, 1, kMaxThreads);
  }
  if (options.prefill_chunk < 1 || options.prefill_chunk > Engine::kMaxPass) {
    return out_of_range("batch", options.prefill_chunk, 1, Engine::kMaxPass);
  }
  return options;
}

/// What was read of the file leaves resident memory: vocabulary and weights have copies of their own by now.
void release_pages(const gguf::File& file) {
  if (file.mapping() != nullptr) file.mapping()->release(file.mapping()->bytes());
}

/// The vocabulary of the tokenizer and the rows of the embedding are the same tokens.
Result<void> check_vocabulary(const tokenizer::Tokenizer& tokenizer, const model::ArchSpec& spec) {
  if (tokenizer.size() == spec.n_vocab) return {};
  return Error{ErrorCode::kBadModel, "the vocabulary does not fit the model",
               fmt::format("{} tokens, {} rows of token_embd.weight", tokenizer.size(), spec.n_vocab)};
}

}  // namespace

Result<std::unique_ptr<Engine>> Engine::load(const std::string& path, const EngineOptions& options) {
  PELLUCID_TRY(gguf::File file, gguf::File::open(path));
  return from(std::move(file), options);
}

Result<std::unique_ptr<Engine>> Engine::from(gguf::File file, const EngineOptions& wanted) {
  PELLUCID_TRY(EngineOptions options, resolve(wanted));
  PELLUCID_TRY(const kernels::KernelTable* kernels, kernels::choose_table());
  PELLUCID_TRY(const model::ArchSpec spec, model::describe(file));
  if (options.n_ctx == 0) options.n_ctx = spec.n_ctx_train;
  if (options.n_ctx < 1 || options.n_ctx > spec.n_ctx_train) {
    return out_of_range("ctx", options.n_ctx, 1, spec.n_ctx_train);
  }
  if (options.kv_type == kernels::KvType::kQ8_0 && spec.attention.head_dim % kernels::kBlockValues != 0) {
    return Error{ErrorCode::kUsage, "the KV cache cannot be q8_0",
                 fmt::format("this model's heads have {} values, not a multiple of {}",
                             spec.attention.head_dim, kernels::kBlockValues)};
  }
  auto engine =
      std::unique_ptr<Engine>(new Engine(std::move(file), options));  // NOLINT: the constructor is private
  PELLUCID_TRY(tokenizer::Tokenizer tokenizer, tokenizer::Tokenizer::from(engine->file_.metadata()));
  PELLUCID_CHECK(check_vocabulary(tokenizer, spec));
  engine->tokenizer_ = std::make_unique<tokenizer::Tokenizer>(std::move(tokenizer));
  release_pages(engine->file_);
  PELLUCID_TRY(engine->model_,
               model::Model::load(engine->file_, spec, *kernels, options.precision, engine->pool_));
  release_pages(engine->file_);
  return engine;
}

Result<sampling::Settings> Engine::default_settings() const {
  sampling::Settings settings;
  const gguf::Metadata& metadata = file_.metadata();
  if (metadata.contains("general.sampling.temp")) {
    PELLUCID_TRY(settings.temperature, metadata.f32("general.sampling.temp"));
  }
  if (metadata.contains("general.sampling.top_k")) {
    PELLUCID_TRY(const uint32_t top_k, metadata.u32("general.sampling.top_k"));
    settings.top_k = static_cast<int32_t>(std::min<uint32_t>(top_k, INT32_MAX));
  }
  if (metadata.contains("general.sampling.top_p")) {
    PELLUCID_TRY(settings.top_p, metadata.f32("general.sampling.top_p"));
  }
  if (const auto sane = sampling::check(settings); !sane.ok()) {
    return Error{ErrorCode::kBadModel, "cannot use the file's general.sampling.*", sane.error().message()};
  }
  return settings;
}

Result<const bridge::GuideVocabulary*> Engine::guide_vocabulary() const {
  if (!guide_vocabulary_) {
    PELLUCID_TRY(guide_vocabulary_, make_guide_vocabulary(*tokenizer_));
  }
  return &*guide_vocabulary_;
}

Result<void> Engine::check(const Sequence& sequence, std::span<const int32_t> tokens) const {
  if (tokens.empty()) return Error{ErrorCode::kUsage, "the prompt is empty", "there is no token to run"};
  for (const int32_t token : tokens) {
    if (token < 0 || token >= n_vocab()) {
      return Error{ErrorCode::kUsage, "token id out of range",
                   fmt::format("{} is not in 0 .. {}", token, n_vocab() - 1)};
    }
  }
  const size_t total = sequence.tokens.size() + tokens.size();
  if (total > static_cast<size_t>(options_.n_ctx)) {
    return Error{ErrorCode::kContext, "the tokens do not fit the context",
                 fmt::format("{} tokens, and the context holds {}", total, options_.n_ctx)};
  }
  return {};
}

size_t Engine::max_pass(Want want) const {
  const auto fit = [](size_t limit, size_t bytes_of_one) {
    return std::max<size_t>(1, limit / bytes_of_one);
  };
  const size_t logits = want == Want::kAll ? static_cast<size_t>(model_.spec.n_vocab) * sizeof(float) : 1;
  return std::min({static_cast<size_t>(options_.prefill_chunk),
                   fit(kMaxScratchBytes, model::Scratch::float_bytes_of_token(model_.spec)),
                   fit(kMaxLogitsBytes, logits)});
}

/// Adds the tokens of a run, for which its cache makes room.
void Engine::add(const Run& run, model::Batch& batch) {
  const int first = static_cast<int>(run.sequence.tokens.size());
  const int n = static_cast<int>(run.tokens.size());
  run.sequence.cache.reserve(first, first + n);
  for (int i = 0; i < n; ++i) {
    if (run.want == Want::kAll || (run.want == Want::kLast && i + 1 == n)) {
      batch.wanted.push_back(static_cast<int>(batch.tokens.size()));
    }
    batch.tokens.push_back({run.tokens[static_cast<size_t>(i)], first + i, &run.sequence.cache});
  }
}

Result<std::span<const float>> Engine::run(std::span<const Run> runs, const model::Tap& tap) {
  size_t total = 0;
  for (const Run& one : runs) {
    PELLUCID_CHECK(check(one.sequence, one.tokens));
    total += one.tokens.size();
  }
  if (total == 0 || total > kMaxPass) {
    return out_of_range("number of tokens of a pass", static_cast<int>(std::min<size_t>(total, INT32_MAX)), 1,
                        kMaxPass);
  }
  model::Batch batch;
  for (const Run& one : runs) add(one, batch);
  if (!scratch_ || scratch_->max_tokens < static_cast<int>(total)) {
    scratch_ = std::make_unique<model::Scratch>(model_.spec, static_cast<int>(total));
  }
  const size_t needed = batch.wanted.size() * static_cast<size_t>(n_vocab());
  if (logits_.size() < needed) logits_ = AlignedBuffer<float>(needed);
  scratch_->times_products = times_products_;
  model::forward(model_, batch, *scratch_, pool_, logits_.data(), tap);
  if (times_products_) {
    for (model::PrivateRows& own : scratch_->private_rows) {
      product_seconds_ += std::exchange(own.product_seconds, 0);
    }
  }
  for (const Run& one : runs) {
    one.sequence.tokens.insert(one.sequence.tokens.end(), one.tokens.begin(), one.tokens.end());
  }
  return std::span<const float>(logits_.data(), needed);
}

Result<void> Engine::extend(Sequence& sequence, std::span<const int32_t> tokens, Want want,
                            const LogitsSink& sink, const model::Tap& tap, const Cancelled& cancelled) {
  PELLUCID_CHECK(check(sequence, tokens));
  const size_t chunk = max_pass(want);
  for (size_t done = 0; done < tokens.size() && !(cancelled && cancelled());) {
    const size_t n = std::min(chunk, tokens.size() - done);
    const bool is_last = done + n == tokens.size();
    const Run part{sequence, tokens.subspan(done, n), want == Want::kLast && !is_last ? Want::kNone : want};
    PELLUCID_TRY(const std::span<const float> logits, run({&part, 1}, tap));
    done += n;
    const int rows = static_cast<int>(logits.size() / static_cast<size_t>(n_vocab()));
    if (rows != 0 && sink) {
      PELLUCID_CHECK(sink(static_cast<int>(sequence.tokens.size()) - rows, logits, rows));
    }
  }
  return {};
}

}  // namespace pellucid::generation
