// The JSON of explain: a step at full precision.
#include <array>
#include <cmath>
#include <utility>

#include "cli/explain_report.h"
#include "cli/explain_terms.h"
#include "cli/token_text.h"
#include "sampling/registry.h"

namespace pellucid::cli {
namespace {

using sampling::CandidateHistory;
using sampling::StageReport;

boost::json::value to_json(const std::optional<sampling::Standing>& standing) {
  if (!standing) return nullptr;
  return boost::json::object{
      {"rank", standing->rank}, {"logit", standing->logit}, {"probability", standing->probability}};
}

boost::json::object to_json(const StageReport& report) {
  const sampling::StageRow& stage = sampling::row(report.stage);
  boost::json::object object{{"name", stage.name},        {"skipped", report.skipped},
                             {"setting", report.setting}, {"entered", report.entered},
                             {"kept", report.kept},       {"removed", report.removed()},
                             {"threshold", nullptr},      {"mass_kept", nullptr},
                             {"entropy_bits", nullptr},   {"summary", "changes nothing"}};
  if (report.mass_kept) object["mass_kept"] = *report.mass_kept;
  if (report.entropy_bits) object["entropy_bits"] = *report.entropy_bits;
  if (!report.skipped) {
    object["threshold"] = report.threshold;
    object["summary"] = stage.summary(report);
  }
  return object;
}

boost::json::object to_json(const PromptToken& token) {
  boost::json::object object{{"id", token.id}, {"token", replaced_utf8(token.bytes)}, {"bytes", nullptr}};
  if (!is_utf8(token.bytes)) {
    boost::json::array list;
    for (const char byte : token.bytes) list.emplace_back(static_cast<unsigned char>(byte));
    object["bytes"] = std::move(list);
  }
  return object;
}

boost::json::object to_json(const ExplainedStep& step, const CandidateHistory& candidate) {
  boost::json::object object = to_json(PromptToken{candidate.id, step.label(candidate.id)});
  object["logit"] = nullptr;
  object["before"] = to_json(candidate.before);
  object["after"] = boost::json::array();
  object["removed_by"] = nullptr;
  object["reason"] = nullptr;
  object["probability"] = final_probability(candidate);
  if (!std::isinf(candidate.raw_logit)) object["logit"] = static_cast<double>(candidate.raw_logit);
  for (const auto& standing : candidate.after) object["after"].as_array().push_back(to_json(standing));
  if (const auto by = candidate.removed_by()) {
    object["removed_by"] = sampling::row(step.chain.result.reports[*by].stage).name;
  }
  if (!candidate.survived()) object["reason"] = removal(step.chain, candidate);
  return object;
}

boost::json::object to_json(const sampling::TailHistory& tail) {
  boost::json::array after;
  for (size_t i = 0; i < tail.count_after.size(); ++i) {
    after.push_back(boost::json::object{{"count", tail.count_after[i]}, {"probability", tail.mass_after[i]}});
  }
  return {{"count", tail.count_before}, {"probability", tail.mass_before}, {"after", std::move(after)}};
}

template <size_t N>
boost::json::array to_json(const std::array<uint32_t, N>& words) {
  return boost::json::array(words.begin(), words.end());
}

boost::json::object draw_json(const ExplainedStep& step) {
  const sampling::Draw& draw = step.draw;
  boost::json::object object{{"u", draw.u},
                             {"token", replaced_utf8(step.label(draw.token))},
                             {"id", draw.token},
                             {"rank", draw.rank},
                             {"probability", draw.probability},
                             {"low", draw.low},
                             {"high", draw.high},
                             {"margin", draw.margin},
                             {"greedy", sampling::greedy(step.settings)},
                             {"near_tie", near_tie(step)},
                             {"random", nullptr}};
  if (draw.random) {
    const DrawAddress address = address_of(*draw.random);
    object["random"] = boost::json::object{{"seed", address.seed},
                                           {"stream", address.stream},
                                           {"step", address.step},
                                           {"key", to_json(draw.random->key)},
                                           {"counter", to_json(draw.random->counter)},
                                           {"integer", draw.random->integer}};
    if (address.redraws != 0) object["random"].as_object()["redraws"] = address.redraws;
  }
  return object;
}

}  // namespace

boost::json::array prompt_json(std::span<const PromptToken> prompt) {
  boost::json::array list;
  for (const PromptToken& token : prompt) list.push_back(to_json(token));
  return list;
}

boost::json::object explain_json(const ExplainedStep& step) {
  boost::json::array stages;
  for (const StageReport& report : step.chain.result.reports) stages.push_back(to_json(report));
  boost::json::array candidates;
  for (const CandidateHistory& candidate : step.chain.candidates)
    candidates.push_back(to_json(step, candidate));
  boost::json::object object{{"step", step.step},
                             {"context", replaced_utf8(step.context)},
                             {"text", replaced_utf8(step.continued)},
                             {"vocabulary", step.chain.vocabulary},
                             {"entropy_bits", step.chain.entropy_bits_before},
                             {"stages", std::move(stages)},
                             {"candidates", std::move(candidates)},
                             {"others", to_json(step.chain.tail)},
                             {"draw", draw_json(step)},
                             {"gap", nullptr}};
  if (step.gap) object["gap"] = *step.gap;
  if (step.taken_back != 0) {
    object["taken_back"] = step.taken_back;
    object["banned_phrase"] = step.phrase;
  }
  return object;
}

}  // namespace pellucid::cli
