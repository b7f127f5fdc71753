// The hyperparameters of a file, read under its architecture's prefix and checked: nothing zero, nothing
// beyond its cap, everything divisible that must be. Errors (kBadModel, kUnsupported) name the key.
#pragma once

#include <string>
#include <string_view>

#include "gguf/reader.h"
#include "model/spec.h"

namespace pellucid::model {

class Hyperparameters {
 public:
  Hyperparameters(const gguf::File& file, std::string_view architecture)
      : file_(&file), prefix_(architecture) {}

  /// The sizes every family shares: layers, widths, heads, feed-forward, vocabulary, context, rope, norm
  /// epsilon. head_dim comes from `attention.key_length` where present, else n_embd / n_heads.
  [[nodiscard]] Result<ArchSpec> common(NormKind norm) const;

  /// An integer in [low, high], required or with a fallback.
  [[nodiscard]] Result<int> integer(std::string_view key, int low, int high) const;
  [[nodiscard]] Result<int> integer_or(std::string_view key, int low, int high, int fallback) const;
  /// A float in [low, high], or the fallback where the key is absent.
  [[nodiscard]] Result<float> number_or(std::string_view key, float low, float high, float fallback) const;
  [[nodiscard]] Result<std::string_view> string_or(std::string_view key, std::string_view fallback) const;

 private:
  [[nodiscard]] std::string full(std::string_view key) const;
  [[nodiscard]] Result<int> vocabulary() const;
  [[nodiscard]] Result<RopeSpec> rope(int head_dim) const;

  const gguf::File* file_;
  std::string prefix_;
};

}  // namespace pellucid::model
