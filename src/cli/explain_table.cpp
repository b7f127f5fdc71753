#include "cli/explain_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/explain_terms.h"
#include "cli/folded_line.h"
#include "cli/terminal.h"
#include "cli/token_text.h"
#include "sampling/registry.h"

namespace pellucid::cli {
namespace {

using sampling::CandidateHistory;
using sampling::StageReport;

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

/// True where a stage's column shows logits, for it changed those.
bool shows_logits(const StageReport& report) {
  const sampling::StageRow& stage = sampling::row(report.stage);
  return stage.edit != nullptr || stage.remake != nullptr || (stage.pointwise && report.removed() == 0);
}

/// A narrow table leaves out the columns that matter least; those that matter most are always there.
constexpr size_t kAlways = 1000;

/// One column: a title and the cells, right-aligned but for the token's.
struct Column {
  std::string title;
  size_t importance;
  std::vector<std::string> cells;

  [[nodiscard]] size_t width() const {
    size_t widest = display_width(title);
    for (const std::string& cell : cells) widest = std::max(widest, display_width(cell));
    return widest;
  }
};

std::string title_of(const StageReport& report) {
  const sampling::StageRow& stage = sampling::row(report.stage);
  if (!stage.pointwise) return spoken(stage.name);
  return shows_logits(report) ? "scaled" : "greedy";
}

Column stage_column(const sampling::WatchedChain& chain, size_t index) {
  constexpr size_t kStages = 10;
  const StageReport& report = chain.result.reports[index];
  const bool logits = shows_logits(report);
  Column column{title_of(report), kStages + index, {}};
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

/// The columns of the stages that ran. The last one repeats the final probabilities, if it has any.
std::vector<Column> stage_columns(const sampling::WatchedChain& chain) {
  constexpr size_t kRepeats = 1;
  std::vector<Column> columns;
  bool repeats = false;
  for (size_t i = 0; i < chain.result.reports.size(); ++i) {
    if (chain.result.reports[i].skipped) continue;
    columns.push_back(stage_column(chain, i));
    repeats = !shows_logits(chain.result.reports[i]);
  }
  if (repeats) columns.back().importance = kRepeats;
  return columns;
}

/// Columns that a table's row takes, with its mark and the gaps.
size_t width_of(const std::vector<Column>& columns) {
  size_t width = 2;
  for (const Column& column : columns) width += column.width() + 1;
  return width;
}

constexpr size_t kLeastToken = 8;
constexpr size_t kLeastBar = 6;

/// The tokens as wide as `room` lets them be.
Column token_column(const ExplainedStep& step, size_t room) {
  Column tokens{"token", kAlways, {}};
  for (const CandidateHistory& candidate : step.chain.candidates) {
    tokens.cells.push_back(quoted_token(step.label(candidate.id), room));
  }
  return tokens;
}

/// Leaves out columns until the others fit beside `tokens` columns.
void narrow(std::vector<Column>& columns, size_t tokens, size_t width) {
  while (tokens + width_of(columns) > width) {
    const auto least = std::min_element(columns.begin(), columns.end(), [](const Column& a, const Column& b) {
      return a.importance < b.importance;
    });
    if (least->importance == kAlways) return;
    columns.erase(least);
  }
}

/// Columns for the tokens, where the others take `used`: first without a good bar or reason, then without
/// any, before they become hard to read.
size_t token_room(size_t used, size_t width) {
  constexpr size_t kReadable = 12;
  constexpr size_t kReason = 16;
  size_t room = 0;
  for (const size_t beside : {kReason + 1, kLeastBar + 1, size_t{0}}) {
    room = width - std::min(width, used + beside);
    if (room >= kReadable) break;
  }
  return std::clamp<size_t>(room, kLeastToken, 16);
}

std::vector<Column> columns_of(const ExplainedStep& step, size_t width) {
  const sampling::WatchedChain& chain = step.chain;
  Column ids{"id", 0, {}};
  Column logits{"logit", 100, {}};
  Column last{"final", kAlways, {}};
  for (const CandidateHistory& candidate : chain.candidates) {
    ids.cells.push_back(std::to_string(candidate.id));
    logits.cells.push_back(std::isinf(candidate.raw_logit) ? "-inf" : number(candidate.raw_logit));
    last.cells.push_back(candidate.survived() ? number(final_probability(candidate)) : "0");
  }
  std::vector<Column> columns{std::move(ids), std::move(logits)};
  for (Column& column : stage_columns(chain)) columns.push_back(std::move(column));
  columns.push_back(std::move(last));
  narrow(columns, token_column(step, kLeastToken).width(), width);
  columns.insert(columns.begin(), token_column(step, token_room(width_of(columns), width)));
  return columns;
}

/// "+49,142 others, 3.1 %" and what became of them; empty where there are none.
std::string others_row(const sampling::TailHistory& tail, size_t width) {
  if (tail.count_before == 0) return {};
  FoldedLine line("", 2, {width, false});
  line.words(fmt::format("+{} {},", grouped(tail.count_before), tail.count_before == 1 ? "other" : "others"));
  line.word(percent(tail.mass_before) + ";");
  const size_t left = tail.count_after.empty() ? tail.count_before : tail.count_after.back();
  const double mass = tail.mass_after.empty() ? tail.mass_before : tail.mass_after.back();
  if (left == 0) return line.words("none is left").str();
  return line.words(fmt::format("{} left,", grouped(left))).word(percent(mass)).str();
}

/// The reasons, in columns of `room`: without the name of the stage where one would not fit, and none that
/// does not fit even so (the column of the stage says "cut").
std::vector<std::string> reasons(const sampling::WatchedChain& chain, size_t room) {
  std::vector<std::string> all;
  for (const CandidateHistory& candidate : chain.candidates) {
    all.push_back(candidate.survived() ? "" : with_groups(removal(chain, candidate)));
  }
  const auto fits = [room](const std::string& one) { return one.size() <= room; };
  if (std::all_of(all.begin(), all.end(), fits)) return all;
  for (std::string& one : all) {
    const size_t colon = one.find(": ");
    one = one.substr(colon == std::string::npos ? 0 : colon + 2);
    if (!fits(one)) one.clear();
  }
  return all;
}

/// A row, padded to where the bar or the reason begins.
std::string row_text(const std::vector<Column>& columns, const std::vector<size_t>& widths,
                     std::string_view mark, const std::function<const std::string&(const Column&)>& cell_of) {
  std::string text(mark);
  for (size_t i = 0; i < columns.size(); ++i) {
    const std::string& cell = cell_of(columns[i]);
    const std::string gap(widths[i] - std::min(widths[i], display_width(cell)), ' ');
    text += i == 0 ? cell + gap + ' ' : gap + cell + ' ';
  }
  return text;
}

std::string trimmed(std::string row) {
  row.erase(row.find_last_not_of(' ') + 1);
  return row;
}

}  // namespace

std::string explain_table(const ExplainedStep& step, const ReportStyle& style) {
  const sampling::WatchedChain& chain = step.chain;
  const std::vector<Column> columns = columns_of(step, style.width);
  std::vector<size_t> widths;
  widths.reserve(columns.size());
  for (const Column& column : columns) widths.push_back(column.width());
  const size_t room = style.width - std::min(style.width, width_of(columns));  // of the bar or the reason
  const std::vector<std::string> why = reasons(chain, room);
  const std::string header = row_text(
      columns, widths, "  ", [](const Column& column) -> const std::string& { return column.title; });
  std::string text = styled(trimmed(header), kBold, style.colour) + '\n';
  for (size_t i = 0; i < chain.candidates.size(); ++i) {
    const CandidateHistory& candidate = chain.candidates[i];
    const bool drawn = candidate.id == step.draw.token;
    const std::string row =
        row_text(columns, widths, drawn ? "> " : "  ",
                 [i](const Column& column) -> const std::string& { return column.cells[i]; });
    if (!candidate.survived()) {
      text += styled(trimmed(row + why[i]), kFaint, style.colour);
    } else {
      const std::string filled =
          room < kLeastBar ? "" : bar(final_probability(candidate), std::min<size_t>(room, 40));
      text += styled(filled.empty() ? trimmed(row) : row, kBoldGreen, style.colour && drawn);
      text += styled(filled, kGreen, style.colour);
    }
    text += '\n';
  }
  std::string others = others_row(chain.tail, style.width);
  if (others.empty()) return text;
  others.pop_back();
  return text + styled(others, kFaint, style.colour) + '\n';
}

}  // namespace pellucid::cli
