#include "cli/explain_beams.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "cli/explain_lines.h"
#include "cli/explain_terms.h"
#include "cli/folded_line.h"
#include "cli/json.h"
#include "cli/token_text.h"

namespace pellucid::cli {
namespace {

using generation::Beam;
using generation::BeamCandidate;
using generation::BeamFate;
using generation::BeamStepView;
using generation::FinishedBeam;

std::string text_of(const Beam& beam, const TokenLabel& label) {
  std::string text;
  for (const int32_t token : beam.tokens) text += label(token);
  return text;
}

/// Of a text that ends with a candidate.
double score_of(const BeamStepView& step, const BeamCandidate& candidate) {
  return step.search.score(candidate.sum, step.index + 1);
}

/// Its place among the beams of the next step.
std::optional<size_t> place_of(const BeamStepView& step, size_t candidate) {
  const std::vector<size_t>& chosen = step.search.chosen();
  const auto found = std::ranges::find(chosen, candidate);
  if (found == chosen.end()) return std::nullopt;
  return static_cast<size_t>(found - chosen.begin());
}

std::string reason(const BeamStepView& step, size_t i) {
  const BeamCandidate& candidate = step.candidates[i];
  const int beams = step.search.rules().beams;
  const std::string_view how = candidate.ends ? "ends" : "at the maximum";
  switch (step.fates[i]) {
    case BeamFate::kGoesOn:
      return fmt::format("goes on as beam {}", place_of(step, i).value_or(0));
    case BeamFate::kFinishes:
      return fmt::format("{}, score {}", how, number(score_of(step, candidate)));
    case BeamFate::kOutscored:
      return fmt::format("{}, score {}: {} are better", how, number(score_of(step, candidate)), beams);
    case BeamFate::kTooLow:
      return fmt::format("{}, not in the first {}", how, beams);
    default:
      return fmt::format("{} better go on", beams);
  }
}

double logprob_of(const BeamStepView& step, const BeamCandidate& candidate) {
  return candidate.sum - step.before[candidate.parent].sum;
}

std::string beam_rows(const BeamStepView& step, const TokenLabel& label, const ReportStyle& style) {
  std::string text = styled(fmt::format("  {:>4} {:>9}  text", "beam", "sum"), kBold, style.colour) + '\n';
  for (size_t i = 0; i < step.before.size(); ++i) {
    text += fmt::format("  {:>4} {:>9}  {}\n", i, number(step.before[i].sum),
                        quoted_tail(text_of(step.before[i], label), style.width - 19));
  }
  return text;
}

/// One row of the table of candidates. Where it is narrow, there are no ids.
std::string candidate_row(std::string_view mark, std::string_view beam, std::string_view token,
                          std::string_view id, std::string_view logprob, std::string_view sum, bool narrow) {
  return fmt::format("{} {:>4} {}{} {:>9} {:>9}", mark, beam, token,
                     narrow ? std::string() : fmt::format("{:>8}", id), logprob, sum);
}

std::string candidate_rows(const BeamStepView& step, const TokenLabel& label, const ReportStyle& style) {
  constexpr size_t kReason = 30;
  const bool narrow = style.width < 44;
  const size_t others = narrow ? 27 : 35;  // columns beside token and fate
  const size_t width = std::clamp<size_t>(style.width - std::min(style.width, others + kReason), 8, 20);
  std::string text =
      styled(candidate_row(" ", "beam", padded("token", width), "id", "logprob", "sum", narrow), kBold,
             style.colour) +
      '\n';
  const size_t room = style.width - std::min(style.width, others + width);
  for (size_t i = 0; i < step.candidates.size(); ++i) {
    const BeamCandidate& one = step.candidates[i];
    const bool ended = step.fates[i] == BeamFate::kFinishes;
    const bool stays = ended || step.fates[i] == BeamFate::kGoesOn;
    std::string row = candidate_row(
        stays ? ">" : " ", std::to_string(one.parent), padded(quoted_token(label(one.token), width), width),
        std::to_string(one.token), number(logprob_of(step, one)), number(one.sum), narrow);
    if (const std::string why = reason(step, i); why.size() < room) row += ' ' + why;
    text += styled(row, ended ? kBoldGreen : kFaint, style.colour && (ended || !stays)) + '\n';
  }
  return text;
}

std::string finished_lines(const BeamStepView& step, const TokenLabel& label, const ReportStyle& style) {
  std::string text;
  for (const FinishedBeam& one : step.search.finished()) {
    FoldedLine line = report_line(text.empty() ? "finished" : "", style);
    line.word(fmt::format("{:>9}", number(one.score)));
    line.word(quoted_tail(text_of(one.beam, label), line.room() - 1));
    text += line.str();
  }
  return text;
}

/// Why the search ends here, or that it does not.
std::string end_line(const BeamStepView& step, const ReportStyle& style) {
  const generation::BeamSearch& search = step.search;
  const auto beams = static_cast<size_t>(search.rules().beams);
  FoldedLine line = report_line("search", style);
  if (!search.done()) {
    line.words(fmt::format("goes on: {} of {} finished", search.finished().size(), beams));
  } else if (search.running().empty()) {
    line.words("ends: no beam is left to go on");
  } else if (search.rules().early_stopping == generation::EarlyStopping::kTrue) {
    line.words(fmt::format("ends: {} of {} finished", beams, beams));
  } else {
    line.words(fmt::format("ends: the best beam would score no higher than {}",
                           number(search.finished().back().score)));
  }
  return line.str();
}

boost::json::object to_json(const Beam& beam, const TokenLabel& label) {
  return {{"sum_logprob", beam.sum},
          {"tokens", ids_json(beam.tokens)},
          {"text", replaced_utf8(text_of(beam, label))}};
}

boost::json::object candidate_json(const BeamStepView& step, size_t i, const TokenLabel& label) {
  const BeamCandidate& one = step.candidates[i];
  boost::json::object object{{"parent", one.parent},
                             {"id", one.token},
                             {"token", replaced_utf8(label(one.token))},
                             {"logprob", logprob_of(step, one)},
                             {"sum_logprob", one.sum},
                             {"u", one.u ? boost::json::value(*one.u) : boost::json::value(nullptr)},
                             {"ends", one.ends},
                             {"fate", std::string(generation::to_string(step.fates[i]))},
                             {"becomes", nullptr},
                             {"score", nullptr},
                             {"reason", reason(step, i)}};
  if (const auto place = place_of(step, i)) {
    object["becomes"] = *place;
  } else if (step.fates[i] != BeamFate::kCrowded) {
    object["score"] = score_of(step, one);
  }
  return object;
}

}  // namespace

std::string beam_step_text(const BeamStepView& step, const TokenLabel& label, const ReportStyle& style) {
  const std::string title = fmt::format("step {}: {} {}, {} candidates", step.index, step.before.size(),
                                        step.before.size() == 1 ? "beam" : "beams", step.candidates.size());
  return styled(title, kBold, style.colour) + "\n\n" + beam_rows(step, label, style) + '\n' +
         candidate_rows(step, label, style) + '\n' + finished_lines(step, label, style) +
         end_line(step, style);
}

boost::json::object beam_step_json(const BeamStepView& step, const TokenLabel& label) {
  boost::json::array beams;
  for (const Beam& beam : step.before) beams.push_back(to_json(beam, label));
  boost::json::array candidates;
  for (size_t i = 0; i < step.candidates.size(); ++i) candidates.push_back(candidate_json(step, i, label));
  boost::json::array finished;
  for (const FinishedBeam& one : step.search.finished()) {
    boost::json::object text{{"score", one.score}};
    for (auto& member : to_json(one.beam, label)) text.insert(member);
    finished.push_back(std::move(text));
  }
  return {{"step", step.index},
          {"beams", std::move(beams)},
          {"candidates", std::move(candidates)},
          {"finished", std::move(finished)},
          {"done", step.search.done()}};
}

}  // namespace pellucid::cli
