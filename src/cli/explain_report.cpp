#include "cli/explain_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/explain_lines.h"
#include "cli/explain_table.h"
#include "cli/explain_terms.h"
#include "cli/folded_line.h"
#include "cli/token_text.h"
#include "sampling/margin.h"
#include "sampling/registry.h"

namespace pellucid::cli {
namespace {

/// The candidates end to end on [0, 1), and where u fell.
std::string strip(const ExplainedStep& step, const ReportStyle& style) {
  const size_t columns = std::min<size_t>(style.width, 100) - 18;
  const auto column_of = [columns](double x) {
    return std::min(columns - 1, static_cast<size_t>(x * static_cast<double>(columns)));
  };
  std::vector<std::string_view> cells(columns, "─");
  double end = 0;
  const sampling::Candidates& left = step.chain.result.candidates;
  for (size_t rank = 0; rank + 1 < left.size() && end < 1; ++rank) {
    end += left.probability(rank);
    cells[column_of(end)] = "┼";
    if (rank > 4 * columns) break;  // narrower than a column from here on
  }
  cells[column_of(step.draw.u)] = style.colour ? "\x1b[1;32m▲\x1b[0m" : "▲";
  std::string text = "  0 ├";
  for (const std::string_view cell : cells) text += cell;
  return text + "┤ 1\n";
}

std::string source_lines(const RandomDraw& random, const ReportStyle& style) {
  const DrawAddress address = address_of(random);
  std::string from =
      fmt::format("Philox4x32-10: seed {}, stream {}, step {}", address.seed, address.stream, address.step);
  if (address.redraws != 0) from += fmt::format(", redraws {}", address.redraws);
  return report_line("u", style).words(fmt::format("{} / 2^53", random.integer)).str() +
         report_line("from", style).words(from).str();
}

/// That the steps before don't count.
std::string taken_back_line(const ExplainedStep& step, const ReportStyle& style) {
  if (step.taken_back == 0) return {};
  FoldedLine line = report_line("taken back", style);
  line.words(fmt::format("{} {}, which made the banned phrase", step.taken_back,
                         step.taken_back == 1 ? "step" : "steps"));
  line.word(quoted_token(step.phrase, 40), kYellow);
  return line.str() + '\n';
}

/// How nearly it was another token.
std::string closeness_lines(const ExplainedStep& step, const ReportStyle& style) {
  const bool one_is_left = step.chain.result.candidates.size() == 1;
  const auto flag = [&](FoldedLine& line) {
    if (near_tie(step)) line.word(" << near tie", kYellow);
  };
  FoldedLine margin = report_line("margin", style);
  if (one_is_left) {
    const bool greedy = sampling::greedy(step.settings);
    margin.words(fmt::format("{}one token is left, any u gives it", greedy ? "greedy: " : "only "));
  } else {
    margin.words(fmt::format("{} to the nearest boundary", number(step.draw.margin)));
    flag(margin);
  }
  if (!step.gap) return margin.str();
  FoldedLine gap = report_line("gap", style);
  gap.words(fmt::format("{} between the logits of the two best", number(*step.gap)));
  if (one_is_left) flag(gap);
  return margin.str() + gap.str();
}

std::string draw_lines(const ExplainedStep& step, const ReportStyle& style) {
  std::string text = draw_line(step, style);
  if (step.draw.random) text += source_lines(*step.draw.random, style);
  text += strip(step, style);
  text += report_line("probability", style).words(number(step.draw.probability)).str();
  return text + closeness_lines(step, style);
}

/// The text before and after; what is too long gives up its beginning.
std::string text_line(const ExplainedStep& step, const ReportStyle& style) {
  constexpr std::string_view kArrow = "-> ";
  FoldedLine line = report_line("text", style);
  const size_t room = line.room();
  line.word(quoted_tail(step.context, room));
  line.word(std::string(kArrow) + quoted_tail(step.continued, room - kArrow.size()));
  return line.str();
}

}  // namespace

Result<ExplainedStep> explain_step(std::span<const float> logits, const sampling::Settings& settings,
                                   const DrawAddress& address, size_t top, sampling::Context context,
                                   const sampling::State& state) {
  context.seed = address.seed;
  context.stream = address.stream;
  context.step = address.step;
  sampling::WatchedBest watched{.top = 2};
  PELLUCID_TRY(sampling::ChainResult fast, sampling::run_chain(logits, settings, context, state, &watched));
  ExplainedStep step;
  step.step = static_cast<size_t>(address.step);
  step.settings = settings;
  step.gap = watched.gap;
  if (address.u) {
    PELLUCID_TRY(step.draw, sampling::draw_at(fast.candidates, *address.u));
  } else {
    step.draw =
        sampling::draw(fast.candidates, address.seed, address.stream, sampling::step_address(context));
  }
  const std::array drawn{step.draw.token};
  PELLUCID_TRY(step.chain, sampling::watch_chain(logits, settings, top, drawn, context, state));
  return step;
}

bool near_tie(const ExplainedStep& step) {
  return sampling::near_tie(step.chain.result.candidates, step.gap, step.draw);
}

std::string prompt_text(std::span<const PromptToken> prompt, const ReportStyle& style,
                        std::string_view name) {
  constexpr size_t kTokenWidth = 24;
  std::string text =
      styled(fmt::format("{}, {} {}", name, grouped(prompt.size()), prompt.size() == 1 ? "token" : "tokens"),
             kBold, style.colour);
  size_t column = style.width;
  for (const PromptToken& token : prompt) {
    const std::string quoted = quoted_token(token.bytes, kTokenWidth);
    const std::string id = std::to_string(token.id);
    const size_t width = display_width(quoted) + id.size() + 3;
    const bool wraps = column + width > style.width;
    text += wraps ? "\n  " : "  ";
    column = (wraps ? 0 : column) + width;
    text += quoted + ' ' + styled(id, kFaint, style.colour);
  }
  return text + '\n';
}

std::string explain_text(const ExplainedStep& step, const ReportStyle& style) {
  return taken_back_line(step, style) + step_title(step, style) + explain_table(step, style) + '\n' +
         stage_lines(step, style) + draw_lines(step, style) + text_line(step, style);
}

}  // namespace pellucid::cli
