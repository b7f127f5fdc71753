#include "cli/chat_trace.h"

#include "trace/records.h"

namespace pellucid::cli {

Result<ChatTrace> ChatTrace::open(const TraceOptions& options, const LoadedEngine& loaded,
                                  const std::optional<std::string>& dialect) {
  PELLUCID_TRY(trace::Writer writer, open_trace(options, loaded));
  return ChatTrace(options, std::move(writer), dialect.value_or("pellucid"));
}

Result<void> ChatTrace::begin(const LoadedEngine& loaded, std::string_view prompt,
                              std::vector<int32_t> tokens, const generation::GenerateOptions& run) {
  asked_ = std::move(tokens);
  if (n_texts_ == 0) {
    PELLUCID_TRY(const trace::Trace trace, new_trace(options_, loaded, prompt, asked_, run, dialect_));
    writer_.begin(trace::header_record(trace), 0);
    return {};
  }
  PELLUCID_CHECK(check_recordable(run));
  trace::Branch branch;
  branch.id = n_texts_;
  branch.dialect = dialect_;
  branch.options = run;
  const auto same = first_answers_.find(asked_);
  branch.parent = same == first_answers_.end() ? n_texts_ - 1 : same->second;
  if (same == first_answers_.end()) branch.prompt = {std::string(prompt), asked_};
  writer_.begin(trace::branch_record(branch), branch.id);
  return {};
}

Result<void> ChatTrace::step(const generation::StepView& view) {
  if (!writer_.begun()) first_answers_.try_emplace(asked_, n_texts_++);
  return writer_.step(view);
}

Result<void> ChatTrace::end(const generation::Generation& done) {
  return writer_.begun() ? writer_.end(done) : Result<void>();
}

}  // namespace pellucid::cli
