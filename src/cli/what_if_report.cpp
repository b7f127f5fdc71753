#include "cli/what_if_report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "cli/explain_terms.h"
#include "cli/folded_line.h"
#include "cli/json.h"
#include "cli/token_text.h"
#include "trace/records.h"

namespace pellucid::cli {
namespace {

using trace::Step;

/// Who may be drawn.
size_t left(const Step& step, const trace::Trace& trace) {
  return step.stages.empty() ? static_cast<size_t>(trace.model.n_vocab) : step.stages.back().kept;
}

/// A token whose text the trace does not name is a number.
std::string token_text(const std::string& piece, int32_t id, size_t width) {
  return piece.empty() ? fmt::format("#{}", id) : quoted_token(piece, width);
}

std::string right(const std::string& text, size_t width) {
  return std::string(width - std::min(width, text.size()), ' ') + text;
}

/// The columns of a row: token and who was left, and the same of what would have been.
struct Row {
  std::string step, kept, token, kept_then, token_then, probability;
};

std::string row_text(const Row& row, size_t token_width) {
  return fmt::format("{} {} {} {} {} {}", right(row.step, 5), right(row.kept, 7),
                     padded(row.token, token_width), right(row.kept_then, 7),
                     padded(row.token_then, token_width), right(row.probability, 8));
}

/// Its tokens as wide as the line lets two of them be.
size_t token_width(const ReportStyle& style) { return std::clamp<size_t>((style.width - 36) / 2, 4, 20); }

std::string step_row(const WhatIfReport& report, size_t i, const ReportStyle& style) {
  const auto& [recorded, made] = report.steps[i];
  const size_t width = token_width(style);
  const bool changed = made.token != recorded->token;
  const auto first = report.first_change();
  Row row{std::to_string(recorded->index),
          grouped(left(*recorded, report.trace)),
          token_text(recorded->piece, recorded->token, width),
          grouped(left(made, report.trace)),
          changed ? token_text(made.piece, made.token, width) : "the same",
          recorded->taken ? "taken" : number(made.draw.probability)};
  const std::string text = (changed ? "> " : "  ") + row_text(row, width);
  if (first && i > *first) return styled(text, kFaint, style.colour);
  return styled(text, kBoldGreen, style.colour && changed);
}

/// Those of the recorded text, which cannot be others here.
bool bans_phrases(const WhatIfReport& report) {
  const trace::Branch& branch = report.trace.branches[static_cast<size_t>(report.branch)];
  return sampling::bans_phrases(branch.options.settings);
}

/// Where the text first changes, and how it went until then.
std::string verdict(const WhatIfReport& report, const ReportStyle& style) {
  constexpr size_t kNoteIndent = 2;
  const auto first = report.first_change();
  if (!first) return "The text would have been the same.\n";
  const auto& [recorded, made] = report.steps[*first];
  FoldedLine line("", kNoteIndent, style);
  line.words(fmt::format("The text would first have changed at step {}:", recorded->index));
  line.word(token_text(made.piece, made.token, 24), kBoldGreen).words("in place of");
  line.word(token_text(recorded->piece, recorded->token, 24) + '.');
  std::string before(trace::prompt_of(report.trace, report.branch).text);
  for (size_t i = 0; i < *first; ++i) before += report.steps[i].recorded->piece;
  std::string text = line.str() + "  after " + quoted_tail(before, style.width - 8) + '\n';
  if (bans_phrases(report)) {
    FoldedLine banned("", kNoteIndent, style);
    banned.words(
        "A banned phrase may rule that out, which takes the model's tokens to know: `pellucid branch` runs "
        "the model.");
    text += banned.str();
  }
  if (*first + 1 == report.steps.size()) return text;
  FoldedLine note("", kNoteIndent, style);
  note.words(
      "Later rows are conditional: what would have been drawn after the recorded text, which the changed "
      "one is no more.");
  return text + note.str();
}

/// What stands between the stored logits and those that were drawn from; empty where they are the same.
std::string rounding(const WhatIfReport& report, const ReportStyle& style) {
  if (report.trace.logits_type == trace::LogitsType::kFloat32) return "";
  FoldedLine line("", 2, style);
  line.words("The logits are stored rounded to float16.");
  if (report.rounded_away.empty()) {
    line.words("With the recorded settings they give every recorded draw.");
  } else {
    line.words(fmt::format(
        "With the recorded settings they give the recorded draw but at {} {}: what is "
        "another there may be the rounding's.",
        report.rounded_away.size() == 1 ? "step" : "steps", fmt::join(report.rounded_away, ", ")));
  }
  return line.str();
}

}  // namespace

std::optional<size_t> WhatIfReport::first_change() const {
  const auto found = std::ranges::find_if(
      steps, [](const trace::WhatIfStep& step) { return step.made.token != step.recorded->token; });
  if (found == steps.end()) return std::nullopt;
  return static_cast<size_t>(found - steps.begin());
}

std::string what_if_text(const WhatIfReport& report, const ReportStyle& style) {
  const Row titles{"step", "left", "recorded", "left", "what if", "final"};
  std::string header = "  " + row_text(titles, token_width(style));
  std::string text = styled(header, kBold, style.colour) + '\n';
  for (size_t i = 0; i < report.steps.size(); ++i) text += step_row(report, i, style) + '\n';
  return text + '\n' + verdict(report, style) + rounding(report, style);
}

boost::json::object what_if_json(const WhatIfReport& report) {
  boost::json::array steps;
  for (const auto& [recorded, made] : report.steps) {
    boost::json::object then = trace::step_record(report.branch, made);
    for (const char* of_a_trace : {"record", "branch", "step", "text", "ms"}) then.erase(of_a_trace);
    steps.push_back(boost::json::object{{"step", recorded->index},
                                        {"token", recorded->token},
                                        {"piece", to_json_text(recorded->piece)},
                                        {"kept", left(*recorded, report.trace)},
                                        {"what_if", std::move(then)}});
  }
  boost::json::object object{
      {"branch", report.branch}, {"first_change", nullptr}, {"conditional_after", nullptr}};
  if (const auto first = report.first_change()) {
    object["first_change"] = report.steps[*first].recorded->index;
    object["conditional_after"] = object["first_change"];
  }
  if (bans_phrases(report)) object["phrase_bans_unchecked"] = true;
  object["steps"] = std::move(steps);
  const trace::LogitsType type = report.trace.logits_type;
  object["logits_type"] = trace::kLogitsTypeNames[static_cast<size_t>(type)];
  if (type != trace::LogitsType::kFloat32) {
    object["rounded_away"] = boost::json::value_from(report.rounded_away);
  }
  return object;
}

}  // namespace pellucid::cli
