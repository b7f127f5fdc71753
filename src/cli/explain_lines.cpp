#include "cli/explain_lines.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/explain_terms.h"
#include "cli/token_text.h"
#include "sampling/registry.h"

namespace pellucid::cli {

std::string step_title(const ExplainedStep& step, const ReportStyle& style) {
  const std::string where = fmt::format("step {} after ", step.step);
  return styled(where, kBold, style.colour) + quoted_tail(step.context, style.width - where.size()) + "\n\n";
}

FoldedLine report_line(std::string_view name, const ReportStyle& style) {
  constexpr size_t kComfortable = 60;
  return {fmt::format("  {}", name), style.width < kComfortable ? 14U : 16U, style};
}

std::string stage_lines(const ExplainedStep& step, const ReportStyle& style) {
  std::string text;
  for (const sampling::StageReport& report : step.chain.result.reports) {
    const sampling::StageRow& stage = sampling::row(report.stage);
    FoldedLine line = report_line(spoken(stage.name), style);
    if (report.skipped) {
      line.words(fmt::format("skipped: {} changes nothing", report.setting));
    } else {
      line.words(with_groups(stage.summary(report)) +
                 (report.removed() == 0 && report.entropy_bits ? ";" : ""));
      if (report.removed() != 0) {
        line.word(
            fmt::format("({}){}", percent(report.mass_kept.value_or(1)), report.entropy_bits ? ";" : ""));
      }
      if (report.entropy_bits) line.word(fmt::format("{:.2f} bits", *report.entropy_bits));
    }
    text += line.str();
  }
  return text;
}

std::string draw_line(const ExplainedStep& step, const ReportStyle& style) {
  constexpr size_t kWidest = 40;
  const sampling::Draw& draw = step.draw;
  FoldedLine line = report_line("draw", style);
  line.words(fmt::format("u = {} in", draw.u));
  line.word(fmt::format("[{:.4g}, {:.4g})", draw.low, draw.high)).word("->");
  line.word(quoted_token(step.label(draw.token), std::min(kWidest, style.width - 16)), kBoldGreen);
  return line.str();
}

}  // namespace pellucid::cli
