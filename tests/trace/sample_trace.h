// A small trace made by hand, with every kind of field, for tests and fuzzing of its reader.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/xxh64.h"
#include "trace/reader.h"
#include "trace/records.h"
#include "trace/trace.h"

namespace pellucid::trace::test {

inline Step sample_step(int index) {
  const sampling::TokenSet allowed{0x108};  // tokens 3 and 8
  Step step;
  step.index = index;
  step.token = 3 + index;
  step.taken = index == 2;
  step.piece = index == 1 ? "\xC3" : " the";  // half a character
  step.text = index == 1 ? "" : " the";
  step.logits_hash = 0x0123456789ABCDEF;
  if (index == 0) step.logits = {7, step.logits_hash};
  if (index == 1) step.logits = {8, 5};
  if (index == 0) step.allowed = {2, xxh64(std::as_bytes(std::span(allowed))), allowed};
  if (index == 1) step.allowed = {2, 5, {}};
  step.stages = {{"temperature", true, 9, 9, 0, {}, {}}, {"xtc", false, 9, 2, 1, 0.1, random_draw(1, 2, 3)}};
  step.draw.random = random_draw(5, 0, static_cast<uint64_t>(index));
  step.draw.u = step.draw.random->u;
  step.draw.token = 3;
  step.draw.probability = 1.0 / 3;
  step.draw.high = 0.9824023684587937;  // a number that Boost.JSON 1.81 would not read back
  step.draw.margin = 1e-9;
  step.gap = 0.1;
  step.near_tie = true;
  if (index == 0) step.prediction = {3.3, 9.824023684587937, 0.1, 2, 3.321928094887362};
  if (index == 1) step.prediction = {3.3, -1e-3, 0, {}, {}};  // a token that the model rules out
  if (index != 2) step.final_entropy_bits = 0.9;
  step.candidates = {{3, " the", 1.25, 1.0 / 3, ""}, {8, "\xFF", -2, 0, "xtc"}};
  if (index != 0) step.state.mirostat_mu = 9.824023684587937;
  step.ms = 0.5;
  return step;
}

inline Trace sample_trace() {
  Trace trace;
  trace.pellucid = "0.1.0";
  trace.model = {"model.gguf", 4096, 0xFEDCBA9876543210, "llama", 9, 1};
  trace.machine = {"f16", "native", 64, "scalar", 2};
  trace.prompt = "Once \"upon\"\n";
  trace.prompt_tokens = {1, 2};
  trace.end_ids = {0};
  trace.breakers = {{4, 1}, {5, 2}};
  trace.logits_path = "run.f32";
  Branch& main = trace.branches.emplace_back();
  main.dialect = "pellucid";
  main.options.seed = 0xFFFFFFFFFFFFFFFF;
  main.options.stop = {"\n\n"};
  main.options.settings.logit_bias = {{{3}, -1.5}};
  main.steps = {sample_step(0), sample_step(1), sample_step(2)};
  main.end = End{"length", 3};
  Branch branch = main;
  branch.id = 1;
  branch.at = 1;
  branch.options.begun.take = {4};
  branch.steps = {sample_step(1), sample_step(2)};
  branch.end.reset();
  trace.branches.push_back(branch);
  return trace;
}

/// All records in order, as lines.
inline std::vector<std::string> lines_of(const Trace& trace) {
  std::vector<std::string> lines{boost::json::serialize(header_record(trace))};
  for (const Branch& branch : trace.branches) {
    if (branch.id != 0) lines.push_back(boost::json::serialize(branch_record(branch)));
    for (const Step& step : branch.steps)
      lines.push_back(boost::json::serialize(step_record(branch.id, step)));
    if (branch.end) {
      generation::Generation done;
      done.tokens.resize(static_cast<size_t>(branch.end->n_tokens));
      done.finish_reason = branch.end->finish_reason == "stop"     ? generation::FinishReason::kStop
                           : branch.end->finish_reason == "length" ? generation::FinishReason::kLength
                                                                   : generation::FinishReason::kCancelled;
      lines.push_back(boost::json::serialize(end_record(branch.id, done)));
    }
  }
  return lines;
}

inline Result<Trace> read(const std::vector<std::string>& lines) {
  Reader reader;
  for (const std::string& line : lines) PELLUCID_CHECK(reader.line(line));
  return std::move(reader).finish();
}

/// What is wrong with how some text is read as a trace; empty where it is refused properly, or read, holds
/// together, and says the same once written and read again.
inline std::string check_reading(std::string_view text) {
  std::vector<std::string> lines;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    lines.emplace_back(text.substr(at, end - at));
    at = end + 1;
  }
  const auto trace = read(lines);
  if (!trace.ok()) {
    const Error& error = trace.error();
    const bool proper =
        error.code == ErrorCode::kBadTrace && error.what.starts_with("line ") && !error.why.empty();
    return proper ? "" : "an error that is none: " + error.message();
  }
  for (const Branch& branch : trace.value().branches) {
    const auto path = path_of(trace.value(), branch.id);
    if (static_cast<int>(path.size()) != branch.n_tokens()) return "a path of another length";
    for (size_t i = 0; i < path.size(); ++i) {
      if (path[i].step->index != static_cast<int>(i)) return "a path with a gap";
    }
  }
  const std::vector<std::string> written = lines_of(trace.value());
  const auto again = read(written);
  if (!again.ok()) return "what was written is refused: " + again.error().message();
  return lines_of(again.value()) == written ? "" : "written twice, it differs";
}

}  // namespace pellucid::trace::test
