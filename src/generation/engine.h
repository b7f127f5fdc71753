// A model file ready to run: tokenizer, packed weights, threads. The faces see two nouns, an Engine and a
// Sequence, and nothing of tensors.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/thread_pool.h"
#include "bridge/guide.h"
#include "gguf/reader.h"
#include "model/batch.h"
#include "model/model.h"
#include "model/scratch.h"
#include "model/tap.h"
#include "sampling/settings.h"
#include "tokenizer/tokenizer.h"

namespace pellucid::generation {

struct EngineOptions {
  int n_threads = 0;  // 0: available_processors()
  int n_ctx = 0;      // positions a sequence may hold; 0: what the model was trained for
  int prefill_chunk =
      256;  // tokens of a prompt that run together, at most; never changes a bit of the result
  kernels::Precision precision = kernels::Precision::kNative;
  kernels::KvType kv_type = kernels::KvType::kF16;
};

/// The tokens run so far and their keys and values: tokens.size() positions of the cache are valid. A copy is
/// a branch: it shares what is there already.
struct Sequence {
  std::vector<int32_t> tokens;
  model::KvCache cache;

  /// Goes back to the first n tokens.
  void truncate(int n) {
    tokens.resize(static_cast<size_t>(n));
    cache.truncate(n);
  }
};

/// Which positions' logits a run gives.
enum class Want { kNone, kLast, kAll };

/// Tokens that run after those of a sequence.
struct Run {
  Sequence& sequence;
  std::span<const int32_t> tokens;
  Want want = Want::kLast;
};

/// Receives logits [n_rows, n_vocab] of the positions from `first` on; called one or more times, in order. An
/// error ends the run.
using LogitsSink = std::function<Result<void>(int first, std::span<const float> logits, int n_rows)>;

/// Asked before each chunk of a prompt; true ends the run there.
using Cancelled = std::function<bool()>;

/// Not movable: parts refer to each other. One caller at a time.
class Engine {
 public:
  /// Errors: those of gguf::File, Tokenizer and Model; kUsage where an option is out of range.
  static Result<std::unique_ptr<Engine>> load(const std::string& path, const EngineOptions& options);
  /// The same from a file that is open already. One of gguf::File::parse() views bytes that must outlive the
  /// engine.
  static Result<std::unique_ptr<Engine>> from(gguf::File file, const EngineOptions& options);

  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  [[nodiscard]] const gguf::File& file() const { return file_; }
  [[nodiscard]] const tokenizer::Tokenizer& tokenizer() const { return *tokenizer_; }
  [[nodiscard]] const model::Model& model() const { return model_; }
  [[nodiscard]] const EngineOptions& options() const {
    return options_;
  }  // with n_threads and n_ctx resolved
  /// For what is to be done between two passes.
  [[nodiscard]] ThreadPool& threads() const { return pool_; }
  [[nodiscard]] int n_vocab() const { return model_.spec.n_vocab; }

  /// The default settings, overridden by the file's own (`general.sampling.temp`, `.top_k`, `.top_p`).
  /// Errors: kBadModel where those are out of range.
  [[nodiscard]] Result<sampling::Settings> default_settings() const;

  /// The tokens for guides, which are made where they are asked for first. Errors: those of
  /// GuideVocabulary::make().
  [[nodiscard]] Result<const bridge::GuideVocabulary*> guide_vocabulary() const;

  [[nodiscard]] Sequence new_sequence() const { return {{}, model::KvCache(model_.spec, options_.kv_type)}; }

  /// One forward pass over several sequences, each named once: appends the tokens of each run and gives the
  /// logits [rows, n_vocab] asked for, run by run; they stay until the next pass. Which runs share a pass
  /// never changes a bit. Errors, before anything has been run: kUsage (no token, an id out of range, more
  /// than kMaxPass tokens), kContext.
  Result<std::span<const float>> run(std::span<const Run> runs, const model::Tap& tap = {});
  static constexpr int kMaxPass = 4096;

  /// Whether `tokens` may run after those of `sequence`: errors as run().
  [[nodiscard]] Result<void> check(const Sequence& sequence, std::span<const int32_t> tokens) const;

  /// Runs `tokens` after those of `sequence`, as many together as fit, and appends them. Errors: kUsage (no
  /// token, or an id out of range), kContext (they do not fit; both numbers are named), or the sink's. On
  /// error, and where `cancelled` ends it (which is none), the sequence holds what had been run.
  Result<void> extend(Sequence& sequence, std::span<const int32_t> tokens, Want want, const LogitsSink& sink,
                      const model::Tap& tap = {}, const Cancelled& cancelled = {});

  /// Whether to measure how long threads are in products of weight matrices: two readings of a clock for each
  /// tile of one, which is felt where tiles are small.
  void time_products(bool on) { times_products_ = on; }
  [[nodiscard]] double product_seconds() const { return product_seconds_; }  // of all threads together

  /// Tokens of one pass at most, where every run wants `want`: what prefill_chunk and the size of the scratch
  /// allow.
  [[nodiscard]] size_t max_pass(Want want) const;

 private:
  Engine(gguf::File file, const EngineOptions& options)
      : file_(std::move(file)), options_(options), pool_(options.n_threads) {}
  static void add(const Run& run, model::Batch& batch);

  gguf::File file_;
  EngineOptions options_;
  mutable ThreadPool pool_;
  std::unique_ptr<tokenizer::Tokenizer> tokenizer_;
  mutable std::optional<bridge::GuideVocabulary> guide_vocabulary_;
  model::Model model_;
  std::unique_ptr<model::Scratch> scratch_;
  AlignedBuffer<float> logits_;  // [rows, n_vocab] of one chunk
  bool times_products_ = false;
  double product_seconds_ = 0;
};

}  // namespace pellucid::generation
