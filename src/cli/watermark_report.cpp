#include "cli/watermark_report.h"

#include <fmt/format.h>

#include "cli/explain_terms.h"
#include "cli/folded_line.h"
#include "cli/json.h"
#include "sampling/registry.h"
#include "tokenizer/utf8_stream.h"
#include "trace/settings_json.h"

namespace pellucid::cli {
namespace {

constexpr std::string_view kRed = "31";

/// The text, token by token in its colour. A character that tokens share has that of the last.
std::string coloured_text(const WatermarkReport& report) {
  std::string text;
  tokenizer::Utf8Stream utf8;
  for (size_t i = 0; i < report.tokens.size(); ++i) {
    const std::optional<bool> mark = report.score.marks[i];
    const std::string_view style = !mark ? kFaint : *mark ? kGreen : kRed;
    text += styled(utf8.push(report.piece(report.tokens[i]).value_or("")), style, true);
  }
  return text + utf8.finish() + '\n';
}

FoldedLine line(std::string_view name, const ReportStyle& style) {
  return FoldedLine(fmt::format("  {}", name), 16, style);
}

}  // namespace

std::string watermark_text(const WatermarkReport& report, const ReportStyle& style) {
  const sampling::WatermarkScore& score = report.score;
  std::string text = style.colour ? coloured_text(report) + '\n' : std::string();
  text += line("scored", style)
              .words(fmt::format("{} of {} tokens", grouped(score.scored), grouped(report.tokens.size())))
              .str();
  text += line("green", style)
              .words(fmt::format("{} ({:.1f} %), by chance {:.1f} %", grouped(score.green),
                                 100 * score.fraction(), 100 * report.settings.watermark_ratio))
              .str();
  text += line("z", style).words(fmt::format("{:.4f}", score.z)).str();
  text += line("p", style).words(fmt::format("{:.3g}, of so many or more by chance", score.p)).str();
  return text + line("watermark", style)
                    .words(fmt::format("{}: z is {} {}", report.found() ? "found" : "not found",
                                       report.found() ? "above" : "at most", report.threshold))
                    .str();
}

boost::json::object watermark_json(const WatermarkReport& report) {
  const sampling::WatermarkScore& score = report.score;
  boost::json::array tokens;
  for (size_t i = 0; i < report.tokens.size(); ++i) {
    const int32_t id = report.tokens[i];
    const std::optional<bool> mark = score.marks[i];
    const std::optional<std::string> piece = report.piece(id);
    tokens.push_back(
        boost::json::object{{"id", id},
                            {"token", piece ? boost::json::value(to_json_text(*piece)) : nullptr},
                            {"green", mark ? boost::json::value(*mark) : nullptr}});
  }
  const boost::json::object all = trace::settings_json(report.settings);
  boost::json::object settings;
  for (const sampling::SettingRow& row : sampling::row(sampling::StageId::kWatermark).settings) {
    settings[row.name] = all.at(row.name);
  }
  return {{"num_tokens_scored", score.scored},
          {"num_green_tokens", score.green},
          {"green_fraction", score.fraction()},
          {"z_score", score.z},
          {"p_value", score.p},
          {"prediction", report.found()},
          {"z_threshold", report.threshold},
          {"tokens", std::move(tokens)},
          {"settings", std::move(settings)}};
}

}  // namespace pellucid::cli
