#include "cli/explain_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/terminal.h"
#include "cli/token_text.h"
#include "sampling/registry.h"

namespace pellucid::cli {
namespace {

using sampling::CandidateHistory;
using sampling::StageReport;

constexpr std::string_view kBold = "1";
constexpr std::string_view kFaint = "2";
constexpr std::string_view kGreen = "32";
constexpr std::string_view kYellow = "33";
constexpr std::string_view kBoldGreen = "1;32";

/// "top_k" as people write it: "top-k".
std::string spoken(std::string_view name) {
  std::string text(name);
  std::replace(text.begin(), text.end(), '_', '-');
  return text;
}

/// The beginning of a line below the table.
std::string labelled(std::string_view name) { return padded(fmt::format("  {}", name), 16); }

/// 49142 as "49,142".
std::string grouped(size_t number) {
  std::string text = std::to_string(number);
  for (size_t i = text.size(); i > 3;) text.insert(i -= 3, 1, ',');
  return text;
}

std::string percent(double probability) {
  const double value = 100 * probability;
  if (value > 0 && value < 0.05) return "< 0.1 %";
  if (value < 100 && value >= 99.95) return "> 99.9 %";
  return fmt::format("{:.1f} %", value);
}

/// Four decimals; an exponent where those would be too wide for a column or say nothing.
std::string number(double value) {
  const double size = std::abs(value);
  if (size >= 1e5 || (size > 0 && size < 5e-5)) return fmt::format("{:.2e}", value);
  return fmt::format("{:.4f}", value);
}

/// A bar of eighths of a column.
std::string bar(double share, size_t width) {
  static constexpr std::array<std::string_view, 8> kEighths{"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  const auto eighths =
      static_cast<size_t>(std::lround(std::clamp(share, 0.0, 1.0) * 8 * static_cast<double>(width)));
  std::string text;
  for (size_t i = 0; i < eighths / 8; ++i) text += "█";
  text += kEighths[eighths % 8];
  if (text.empty() && share > 0) text = kEighths[1];
  return text;
}

double final_probability(const CandidateHistory& candidate) {
  if (!candidate.survived()) return 0;
  return (candidate.after.empty() ? candidate.before : candidate.after.back())->probability;
}

/// Why a candidate is no longer there: "top-k: rank 4 > 3". The column of the stage says where, too.
std::string removal(const sampling::WatchedChain& chain, const CandidateHistory& candidate) {
  if (!candidate.before) return "ruled out before the chain";
  const std::optional<size_t> by = candidate.removed_by();
  if (!by) return {};
  const StageReport& report = chain.result.reports[*by];
  const size_t rank = (*by == 0 ? candidate.before : candidate.after[*by - 1])->rank;
  const sampling::StageRow& stage = sampling::row(report.stage);
  return fmt::format("{}: {}", spoken(stage.name), stage.reason(report, rank));
}

/// True where a stage's column shows logits: it changed those, and dropped nobody.
bool shows_logits(const StageReport& report) {
  return sampling::row(report.stage).pointwise && report.removed() == 0;
}

/// One column of the table: a title and the cells, right-aligned but for the first and the last.
struct Column {
  std::string title;
  std::vector<std::string> cells;

  [[nodiscard]] size_t width() const {
    size_t widest = display_width(title);
    for (const std::string& cell : cells) widest = std::max(widest, display_width(cell));
    return widest;
  }
};

Column stage_column(const sampling::WatchedChain& chain, size_t index) {
  const StageReport& report = chain.result.reports[index];
  const bool logits = shows_logits(report);
  Column column{logits ? "scaled" : spoken(sampling::row(report.stage).name), {}};
  for (const CandidateHistory& candidate : chain.candidates) {
    const auto& after = candidate.after[index];
    if (after) {
      column.cells.push_back(number(logits ? after->logit : after->probability));
    } else {
      column.cells.emplace_back(candidate.removed_by() == index ? "cut" : "");
    }
  }
  return column;
}

/// Columns that a table's row takes, with its mark and the gaps.
size_t width_of(const std::vector<Column>& columns) {
  size_t width = 2;
  for (const Column& column : columns) width += column.width() + 1;
  return width;
}

/// The tokens get what the numbers and a reason leave of `width`, and never less than says something.
std::vector<Column> columns_of(const ExplainedStep& step, size_t width) {
  constexpr size_t kReasonWidth = 16;
  const sampling::WatchedChain& chain = step.chain;
  std::vector<Column> columns{{"token", {}}, {"id", {}}, {"logit", {}}};
  for (const CandidateHistory& candidate : chain.candidates) {
    columns[1].cells.push_back(std::to_string(candidate.id));
    columns[2].cells.push_back(std::isinf(candidate.raw_logit) ? "-inf" : number(candidate.raw_logit));
  }
  for (size_t i = 0; i < chain.result.reports.size(); ++i) {
    if (!chain.result.reports[i].skipped) columns.push_back(stage_column(chain, i));
  }
  Column last{"final", {}};
  for (const CandidateHistory& candidate : chain.candidates) {
    last.cells.push_back(candidate.survived() ? number(final_probability(candidate)) : "0");
  }
  columns.push_back(std::move(last));
  const size_t used = width_of(columns) + kReasonWidth;
  const size_t room = std::clamp<size_t>(width - std::min(width, used), 8, 16);
  for (const CandidateHistory& candidate : chain.candidates) {
    columns[0].cells.push_back(quoted_token(step.label(candidate.id), room));
  }
  return columns;
}

/// "+49,142 others, 3.1 %" and what became of them.
std::string others_row(const sampling::TailHistory& tail) {
  const std::string row =
      fmt::format("+{} others, {}", grouped(tail.count_before), percent(tail.mass_before));
  if (tail.count_before == 0) return row;
  const size_t left = tail.count_after.empty() ? tail.count_before : tail.count_after.back();
  const double mass = tail.mass_after.empty() ? tail.mass_before : tail.mass_after.back();
  return left == 0 ? row + "; none is left"
                   : fmt::format("{}; {} left, {}", row, grouped(left), percent(mass));
}

/// The reasons, in columns of `room`: without the name of the stage where one would not fit.
std::vector<std::string> reasons(const sampling::WatchedChain& chain, size_t room) {
  std::vector<std::string> all;
  for (const CandidateHistory& candidate : chain.candidates) {
    all.push_back(candidate.survived() ? "" : removal(chain, candidate));
  }
  if (std::all_of(all.begin(), all.end(), [&](const std::string& one) { return one.size() <= room; }))
    return all;
  for (std::string& one : all) {
    const size_t colon = one.find(": ");
    one = one.substr(colon == std::string::npos ? 0 : colon + 2).substr(0, room);
  }
  return all;
}

std::string table(const ExplainedStep& step, const ReportStyle& style) {
  const sampling::WatchedChain& chain = step.chain;
  const std::vector<Column> columns = columns_of(step, style.width);
  std::vector<size_t> widths;
  for (const Column& column : columns) widths.push_back(column.width());
  const size_t room = style.width - std::min(style.width, width_of(columns));  // of the bar or the reason
  const std::vector<std::string> why = reasons(chain, room);
  const auto line = [&](auto&& cell_of, std::string_view mark) {
    std::string text(mark);
    for (size_t i = 0; i < columns.size(); ++i) {
      const std::string& cell = cell_of(columns[i]);
      const std::string gap(widths[i] - std::min(widths[i], display_width(cell)), ' ');
      text += i == 0 ? cell + gap + ' ' : gap + cell + ' ';
    }
    return text;
  };
  std::string header = line([](const Column& column) -> const std::string& { return column.title; }, "  ");
  header.erase(header.find_last_not_of(' ') + 1);
  std::string text = styled(header, kBold, style.colour) + '\n';
  for (size_t i = 0; i < chain.candidates.size(); ++i) {
    const CandidateHistory& candidate = chain.candidates[i];
    const bool drawn = candidate.id == step.draw.token;
    const std::string row = line([i](const Column& column) -> const std::string& { return column.cells[i]; },
                                 drawn ? "> " : "  ");
    if (candidate.survived()) {
      text += styled(row, drawn ? kBoldGreen : "", style.colour && drawn);
      text += styled(bar(final_probability(candidate), std::min<size_t>(room, 40)), kGreen, style.colour);
    } else {
      text += styled(row + why[i], kFaint, style.colour);
    }
    text += '\n';
  }
  return text + styled("  " + others_row(chain.tail), kFaint, style.colour) + '\n';
}

std::string stage_lines(const ExplainedStep& step) {
  std::string text;
  for (const StageReport& report : step.chain.result.reports) {
    const sampling::StageRow& stage = sampling::row(report.stage);
    text += labelled(spoken(stage.name));
    if (report.skipped) {
      text += fmt::format("skipped: {} changes nothing\n", report.setting);
      continue;
    }
    text += stage.summary(report);
    if (report.removed() != 0) text += fmt::format(" ({})", percent(report.mass_kept.value_or(1)));
    if (report.entropy_bits) text += fmt::format("; {:.2f} bits", *report.entropy_bits);
    text += '\n';
  }
  return text;
}

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

/// Where a draw's number came from.
DrawAddress address_of(const RandomDraw& random) {
  const auto joined = [](uint32_t low, uint32_t high) { return uint64_t{high} << 32 | low; };
  const auto& [step_low, step_high, stream_low, stream_high] = random.counter;
  return {random.u, joined(random.key[0], random.key[1]), joined(stream_low, stream_high),
          joined(step_low, step_high)};
}

std::string source_lines(const RandomDraw& random) {
  const DrawAddress address = address_of(random);
  return fmt::format("{}{} / 2^53\n", labelled("u"), random.integer) +
         fmt::format("{}Philox4x32-10: seed {}, stream {}, step {}\n", labelled("from"), address.seed,
                     address.stream, address.step);
}

/// How nearly it was another token.
std::string closeness_lines(const ExplainedStep& step, const ReportStyle& style) {
  const bool greedy = sampling::greedy(step.settings);
  const std::string flag = near_tie(step) ? styled("  << near tie", kYellow, style.colour) : "";
  std::string text = labelled("margin");
  if (step.chain.result.candidates.size() == 1) {
    text += fmt::format("{}one token is left: any u gives it\n", greedy ? "greedy: " : "only ");
  } else {
    text += fmt::format("{} to the nearest boundary{}\n", number(step.draw.margin), flag);
  }
  if (!step.gap) return text;
  return text + fmt::format("{}{} between the logits of the two best{}\n", labelled("gap"), number(*step.gap),
                            greedy ? flag : "");
}

std::string draw_lines(const ExplainedStep& step, const ReportStyle& style) {
  const sampling::Draw& draw = step.draw;
  std::string line =
      fmt::format("{}u = {} in [{:.4g}, {:.4g}) -> ", labelled("draw"), draw.u, draw.low, draw.high);
  const size_t room = style.width - std::min(style.width, line.size());
  line +=
      styled(quoted_token(step.label(draw.token), std::clamp<size_t>(room, 4, 40)), kBoldGreen, style.colour);
  std::string text = line + '\n';
  if (draw.random) text += source_lines(*draw.random);
  text += strip(step, style);
  text += fmt::format("{}{}\n", labelled("probability"), number(draw.probability));
  return text + closeness_lines(step, style);
}

/// The difference of the two largest, if there are two above -infinity.
std::optional<double> gap_of(std::span<const float> logits) {
  constexpr float kNone = -std::numeric_limits<float>::infinity();
  float best = kNone;
  float second = kNone;
  for (const float x : logits) {
    if (x > best)
      second = std::exchange(best, x);
    else
      second = std::max(second, x);
  }
  if (second == kNone) return std::nullopt;
  return static_cast<double>(best) - static_cast<double>(second);
}

// JSON

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
  }
  return object;
}

}  // namespace

Result<ExplainedStep> explain_step(std::span<const float> logits, const sampling::Settings& settings,
                                   const DrawAddress& address, size_t top) {
  PELLUCID_TRY(sampling::ChainResult fast, sampling::run_chain(logits, settings));
  ExplainedStep step;
  step.step = static_cast<size_t>(address.step);
  step.settings = settings;
  step.gap = gap_of(logits);
  if (address.u) {
    PELLUCID_TRY(step.draw, sampling::draw_at(fast.candidates, *address.u));
  } else {
    step.draw = sampling::draw(fast.candidates, address.seed, address.stream, address.step);
  }
  const std::array drawn{step.draw.token};
  PELLUCID_TRY(step.chain, sampling::watch_chain(logits, settings, top, drawn));
  return step;
}

bool near_tie(const ExplainedStep& step) {
  constexpr double kNearGap = 0.01;
  constexpr double kNearMargin = 0.001;
  return sampling::greedy(step.settings) ? step.gap && *step.gap < kNearGap : step.draw.margin < kNearMargin;
}

std::string prompt_text(std::span<const PromptToken> prompt, const ReportStyle& style) {
  constexpr size_t kTokenWidth = 24;
  std::string text =
      styled(fmt::format("prompt, {} {}", grouped(prompt.size()), prompt.size() == 1 ? "token" : "tokens"),
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

boost::json::array prompt_json(std::span<const PromptToken> prompt) {
  boost::json::array list;
  for (const PromptToken& token : prompt) list.push_back(to_json(token));
  return list;
}

std::string explain_text(const ExplainedStep& step, const ReportStyle& style) {
  const std::string where = fmt::format("step {} after ", step.step);
  std::string text = styled(where, kBold, style.colour);
  text += quoted_tail(step.context, std::max<size_t>(style.width, 40) - where.size());
  text += "\n\n" + table(step, style) + '\n' + stage_lines(step) + draw_lines(step, style);
  const size_t half = std::max<size_t>(style.width, 40) / 2 - 10;
  return text + fmt::format("{}{} -> {}\n", labelled("text"), quoted_tail(step.context, half),
                            quoted_tail(step.continued, half));
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
  return object;
}

}  // namespace pellucid::cli
