// The text of `explain --compare`.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string_view>

#include "cli/explain_compare.h"
#include "cli/explain_lines.h"
#include "cli/explain_terms.h"
#include "cli/token_text.h"
#include "sampling/registry.h"

namespace pellucid::cli {
namespace {

/// How much the table says: less where the columns do not suffice, down to names cut short.
enum class Detail { kAll, kNoReasons, kNoLogits };

/// A row of the table: the titles, a token, or all others.
struct TableLine {
  std::vector<std::string> cells;
  std::string_view ansi;
};

/// What a dialect made of a token: a probability, or the stage that cut it.
std::string outcome(const ExplainedStep& step, int32_t id, Detail detail) {
  if (const auto probability = step.chain.result.candidates.probability_of(id))
    return (id == step.draw.token ? "> " : "") + number(*probability);
  const auto& histories = step.chain.candidates;
  const auto history = std::ranges::find(histories, id, &sampling::CandidateHistory::id);
  const auto by = history == histories.end() ? std::nullopt : history->removed_by();
  if (detail != Detail::kAll || !by) return "cut";
  return spoken(sampling::row(step.chain.result.reports[*by].stage).name);
}

/// The tokens without a row of their own: the probability that a dialect leaves them.
std::string outcome_of_others(const ComparedStep& compared, const ExplainedStep& step) {
  const sampling::Candidates& left = step.chain.result.candidates;
  size_t shown = 0;
  double mass = 1;
  for (const ComparedToken& token : compared.tokens) {
    const auto probability = left.probability_of(token.id);
    shown += probability ? 1 : 0;
    mass -= probability.value_or(0);
  }
  return shown == left.size() ? "cut" : number(std::max(mass, 0.0));
}

std::string title_of(const sampling::Dialect& dialect, Detail detail) {
  constexpr size_t kCell = 8;  // "> 0.1234"
  std::string title(dialect.name);
  if (detail != Detail::kNoLogits || title.size() <= kCell) return title;
  return title.substr(0, kCell - 1) + "…";
}

std::vector<TableLine> lines_of(const ComparedStep& compared, Detail detail, size_t token_width) {
  const ExplainedStep& first = compared.dialects.front().step;
  const auto line = [&](std::string token, std::string id, std::string logit, const auto& of_dialect) {
    TableLine made{{std::move(token)}, {}};
    if (detail != Detail::kNoLogits) {
      made.cells.push_back(std::move(id));
      made.cells.push_back(std::move(logit));
    }
    for (const DialectStep& dialect : compared.dialects) made.cells.push_back(of_dialect(dialect));
    return made;
  };
  std::vector<TableLine> lines;
  lines.push_back(line("token", "id", "logit",
                       [&](const DialectStep& dialect) { return title_of(dialect.dialect, detail); }));
  lines.back().ansi = kBold;
  for (const ComparedToken& token : compared.tokens) {
    lines.push_back(
        line(quoted_token(first.label(token.id), token_width), std::to_string(token.id),
             std::isinf(token.logit) ? "-inf" : number(token.logit),
             [&](const DialectStep& dialect) { return outcome(dialect.step, token.id, detail); }));
    const auto drawn = [&](const DialectStep& dialect) { return dialect.step.draw.token == token.id; };
    if (std::ranges::any_of(compared.dialects, drawn)) lines.back().ansi = kBoldGreen;
  }
  const size_t others = first.chain.vocabulary - compared.tokens.size();
  if (others == 0) return lines;
  lines.push_back(
      line(fmt::format("+{} {}", grouped(others), others == 1 ? "other" : "others"), "", "",
           [&](const DialectStep& dialect) { return outcome_of_others(compared, dialect.step); }));
  lines.back().ansi = kFaint;
  return lines;
}

/// Tokens to the left, all else to the right.
std::string aligned(const std::vector<TableLine>& lines, const std::vector<size_t>& widths,
                    const ReportStyle& style) {
  std::string text;
  for (const TableLine& line : lines) {
    std::string row = "  " + padded(line.cells.front(), widths.front());
    for (size_t i = 1; i < line.cells.size(); ++i) {
      row += std::string(1 + widths[i] - display_width(line.cells[i]), ' ') + line.cells[i];
    }
    row.erase(row.find_last_not_of(' ') + 1);
    text += styled(row, line.ansi, style.colour && !line.ansi.empty()) + '\n';
  }
  return text;
}

std::string table(const ComparedStep& compared, const ReportStyle& style) {
  constexpr size_t kLeastToken = 8;
  constexpr size_t kMostToken = 16;
  for (const Detail detail : {Detail::kAll, Detail::kNoReasons, Detail::kNoLogits}) {
    const bool last = detail == Detail::kNoLogits;
    const std::vector<TableLine> lines = lines_of(compared, detail, last ? kLeastToken : kMostToken);
    std::vector<size_t> widths(lines.front().cells.size());
    size_t total = 1;
    for (size_t i = 0; i < widths.size(); ++i) {
      for (const TableLine& line : lines) widths[i] = std::max(widths[i], display_width(line.cells[i]));
      total += 1 + widths[i];
    }
    if (total <= style.width || last) return aligned(lines, widths, style);
  }
  return {};
}

/// "after temperature (hf) and top-k (llamacpp), with 3 left; then top-p (hf), the draw (llamacpp)".
std::string place(const Parting& parting, const DialectStep& one, const DialectStep& other) {
  const auto named = [](const DialectStep& dialect, size_t index) {
    const auto stage = stage_at(dialect.step, index);
    return fmt::format("{} ({})", stage ? spoken(*stage) : "the draw", dialect.dialect.name);
  };
  std::string start = "at the start";
  if (parting.one_alike > 0 && parting.other_alike > 0) {
    start = fmt::format("after {} and {}", named(one, parting.one_alike - 1),
                        named(other, parting.other_alike - 1));
  } else if (parting.one_alike > 0 || parting.other_alike > 0) {
    start = "after " + (parting.one_alike > 0 ? named(one, parting.one_alike - 1)
                                              : named(other, parting.other_alike - 1));
  }
  return fmt::format("{}, with {} left; then {}, {}", start, grouped(parting.left),
                     named(one, parting.one_alike), named(other, parting.other_alike));
}

std::string parting_lines(const Parting& parting, const ComparedStep& compared, const ReportStyle& style) {
  const DialectStep& one = compared.dialects[parting.one];
  const DialectStep& other = compared.dialects[parting.other];
  FoldedLine line = report_line(other.dialect.name, style);
  if (parting.agree)
    return line
        .words(fmt::format("agrees with {}: the same tokens, the same probabilities", one.dialect.name))
        .str();
  line.words(fmt::format("parts from {} {};", one.dialect.name, place(parting, one, other)));
  line.words(fmt::format("in the end {} of the probability lies elsewhere", percent(parting.distance)));
  const auto alone = [&](size_t n, const DialectStep& dialect) {
    if (n == 0) return;
    line.words(fmt::format("and {} {} kept by {} alone", grouped(n), n == 1 ? "token is" : "tokens are",
                           dialect.dialect.name));
  };
  alone(parting.one_alone, one);
  alone(parting.other_alone, other);
  return line.str();
}

}  // namespace

std::string compare_text(const ComparedStep& compared, const ReportStyle& style) {
  const ExplainedStep& first = compared.dialects.front().step;
  std::string text = step_title(first, style) + table(compared, style);
  for (const auto& [dialect, step] : compared.dialects) {
    text += '\n' + report_line(dialect.name, style).word(dialect.engine).str();
    text += stage_lines(step, style) + draw_line(step, style);
  }
  text += '\n';
  for (const Parting& parting : compared.partings) text += parting_lines(parting, compared, style);
  return text;
}

}  // namespace pellucid::cli
