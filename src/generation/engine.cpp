#include "generation/engine.h"

#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <utility>

#include "model/architectures.h"
#include "model/forward.h"

namespace pellucid::generation {
namespace {

constexpr int kMaxThreads = 1024;
constexpr int kMaxChunk = 4096;
// A chunk is cut so that its activations fit the first and, with every position's logits asked for, those fit
// the second: the width of a model is a number in its file.
constexpr size_t kMaxScratchBytes = size_t{256} << 20;
constexpr size_t kMaxLogitsBytes = size_t{32} << 20;

/// Processors that this process may run on (fewer than the machine has, in a container).
int available_processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) != 0) return 1;
  return std::max(1, CPU_COUNT(&set));
}

Error out_of_range(std::string_view name, int value, int low, int high) {
  return {ErrorCode::kUsage, fmt::format("invalid {}", name),
          fmt::format("{} is not in {} .. {}", value, low, high)};
}

Result<EngineOptions> resolve(EngineOptions options) {
  if (options.n_threads == 0) options.n_threads = available_processors();
  if (options.n_threads < 1 || options.n_threads > kMaxThreads) {
    return out_of_range("threads", options.n_threads, 1, kMaxThreads);
  }
  if (options.prefill_chunk < 1 || options.prefill_chunk > kMaxChunk) {
    return out_of_range("batch", options.prefill_chunk, 1, kMaxChunk);
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

/// Tokens that run together.
size_t Engine::chunk_of(Want want) const {
  const auto fit = [](size_t limit, size_t bytes_of_one) {
    return std::max<size_t>(1, limit / bytes_of_one);
  };
  const size_t logits = want == Want::kAll ? static_cast<size_t>(model_.spec.n_vocab) * sizeof(float) : 1;
  return std::min({static_cast<size_t>(options_.prefill_chunk),
                   fit(kMaxScratchBytes, model::Scratch::float_bytes_of_token(model_.spec)),
                   fit(kMaxLogitsBytes, logits)});
}

Result<void> Engine::extend(Sequence& sequence, std::span<const int32_t> tokens, Want want,
                            const LogitsSink& sink, const model::Tap& tap, const Cancelled& cancelled) {
  PELLUCID_CHECK(check(sequence, tokens));
  const auto n_vocab = static_cast<size_t>(model_.spec.n_vocab);
  const size_t chunk = chunk_of(want);
  const size_t logit_rows = want == Want::kAll ? std::min(chunk, tokens.size()) : 1;
  if (logits_.size() < logit_rows * n_vocab) logits_ = AlignedBuffer<float>(logit_rows * n_vocab);

  for (size_t done = 0; done < tokens.size() && !(cancelled && cancelled());) {
    const size_t n = std::min(chunk, tokens.size() - done);
    if (!scratch_ || scratch_->max_tokens < static_cast<int>(n)) {
      scratch_ = std::make_unique<model::Scratch>(model_.spec, static_cast<int>(n));
    }
    const int first = static_cast<int>(sequence.tokens.size());
    sequence.cache.reserve(first + static_cast<int>(n));
    model::Batch batch;
    for (size_t i = 0; i < n; ++i) {
      batch.tokens.push_back({tokens[done + i], first + static_cast<int>(i), &sequence.cache});
      const bool is_last = done + i + 1 == tokens.size();
      if (want == Want::kAll || is_last) batch.wanted.push_back(static_cast<int>(i));
    }
    model::forward(model_, batch, *scratch_, pool_, logits_.data(), tap);
    sequence.tokens.insert(sequence.tokens.end(), tokens.begin() + static_cast<ptrdiff_t>(done),
                           tokens.begin() + static_cast<ptrdiff_t>(done + n));
    done += n;
    const size_t rows = batch.wanted.size();
    if (rows != 0 && sink) {
      PELLUCID_CHECK(
          sink(first + batch.wanted.front(), {logits_.data(), rows * n_vocab}, static_cast<int>(rows)));
    }
  }
  return {};
}

}  // namespace pellucid::generation
