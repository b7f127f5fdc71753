// Log-probabilities that say what they are: of the model's own distribution, of the edited and tempered one,
// or of the one that was drawn from.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "generation/chooser.h"
#include "generation/continuation.h"

namespace pellucid::generation {

/// The softmax of what:
enum class LogprobKind : uint8_t {
  kRaw,     // the model's logits
  kScaled,  // what biases, bans, penalties and temperature make of them; nothing is cut. Temperature 0 scales
            // nothing.
  kFinal,   // what is left after every stage: what is drawn from
};
std::string_view to_string(LogprobKind kind);

/// A token in a distribution. What is ruled out has -inf and no rank.
struct TokenLogprob {
  int32_t id = 0;
  double logprob = 0;
  size_t rank = 0;  // 1 = most likely; 0: ruled out

  bool operator==(const TokenLogprob&) const = default;
};

/// The token of a position, and the most likely ones there: by log-probability, then id; none ruled out.
struct PositionLogprobs {
  TokenLogprob token;
  std::vector<TokenLogprob> top;
};

struct LogprobOptions {
  LogprobKind kind = LogprobKind::kRaw;
  size_t top = 0;  // of each position, how many of the most likely
};

/// Of one token by the model's logits, which are numbers; -inf where it is ruled out.
double raw_logprob(std::span<const float> logits, int32_t token);

/// Of a step as an observer sees it, the token that the text goes on with. Errors: as the chain's.
Result<PositionLogprobs> logprobs_of(const StepView& step, const sampling::Settings& settings,
                                     const LogprobOptions& options);

/// The log-probabilities of a prompt, position by position.
class PromptLogprobs {
 public:
  /// Errors: kUsage (settings).
  static Result<PromptLogprobs> make(const tokenizer::Tokenizer& tokenizer, std::vector<int32_t> prompt,
                                     const GenerateOptions& options, const LogprobOptions& wanted);

  /// Takes logits [n_rows, n_vocab] of the positions from `first` on: each gives the log-probability of the
  /// next token. kScaled and kFinal are what a text would begin with that had this much of the prompt.
  Result<void> add(int first, std::span<const float> logits, int n_rows);

  /// One for each token of the prompt after the first, of which nothing is known.
  [[nodiscard]] const std::vector<PositionLogprobs>& positions() const { return positions_; }

 private:
  PromptLogprobs(std::vector<int32_t> prompt, sampling::Settings settings, const LogprobOptions& options,
                 Chooser chooser)
      : prompt_(std::move(prompt)),
        settings_(std::move(settings)),
        options_(options),
        chooser_(std::move(chooser)) {}

  std::vector<int32_t> prompt_;
  sampling::Settings settings_;
  LogprobOptions options_;
  Chooser chooser_;
  std::vector<PositionLogprobs> positions_;
};

}  // namespace pellucid::generation
