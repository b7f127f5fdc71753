// A conversation's trace: each answer is a text of it. The first is the main one; an answer to the same
// prompt as one before (/regenerate) is a branch of that; the others are turns, with a prompt of their own.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/trace_options.h"

namespace pellucid::cli {

class ChatTrace {
 public:
  /// Errors: those of open_trace().
  static Result<ChatTrace> open(const TraceOptions& options, const LoadedEngine& loaded,
                                const std::optional<std::string>& dialect);

  /// Before an answer to the prompt. Errors: those of new_trace().
  Result<void> begin(const LoadedEngine& loaded, std::string_view prompt, std::vector<int32_t> tokens,
                     const generation::GenerateOptions& run);
  Result<void> step(const generation::StepView& view);
  /// An answer without a token is not recorded.
  Result<void> end(const generation::Generation& done);

 private:
  ChatTrace(TraceOptions options, trace::Writer writer, std::string dialect)
      : options_(std::move(options)), writer_(std::move(writer)), dialect_(std::move(dialect)) {}

  TraceOptions options_;
  trace::Writer writer_;
  std::string dialect_;
  std::vector<int32_t> asked_;                         // the prompt that is being answered
  std::map<std::vector<int32_t>, int> first_answers_;  // to each prompt: the text's number
  int n_texts_ = 0;
};

}  // namespace pellucid::cli
