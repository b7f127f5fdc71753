#include "cli/tree_report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <vector>

#include "base/text.h"
#include "cli/explain_terms.h"
#include "cli/json.h"
#include "cli/settings_changes.h"
#include "cli/token_text.h"

namespace pellucid::cli {
namespace {

using trace::Branch;
using trace::Step;
using trace::Trace;

/// True where a text begins with a prompt, not with another text.
bool is_root(const Branch& branch) { return branch.id == 0 || branch.prompt; }

/// The branches that leave each one, in order.
std::vector<std::vector<int>> children_of(const Trace& trace) {
  std::vector<std::vector<int>> children(trace.branches.size());
  for (const Branch& branch : trace.branches) {
    if (!is_root(branch)) children[static_cast<size_t>(branch.parent)].push_back(branch.id);
  }
  const auto at = [&trace](int id) { return trace.branches[static_cast<size_t>(id)].at; };
  for (std::vector<int>& ids : children) std::ranges::stable_sort(ids, {}, at);
  return children;
}

/// The branch's own steps at which others leave it.
std::set<int> points_of(const Trace& trace, const Branch& branch, const std::vector<int>& children) {
  std::set<int> points;
  for (const int id : children) {
    const int at = trace.branches[static_cast<size_t>(id)].at;
    if (at >= branch.at) points.insert(at);
  }
  return points;
}

/// Any bytes as one line, unquoted.
std::string escaped(const std::string& bytes) {
  const std::string quoted = quoted_token(bytes, bytes.size() * 4 + 4);
  return quoted.substr(1, quoted.size() - 2);
}

/// Tokens that differ from what was drawn are part of the text as any other.
std::string marked_text(const Branch& branch, const std::set<int>& points) {
  std::string text;
  std::string plain;
  for (const Step& step : branch.steps) {
    const bool is_point = points.contains(step.index);
    if (is_point || step.near_tie) text += escaped(std::exchange(plain, {}));
    if (is_point) text += "◆";
    if (step.near_tie) text += "≈";
    plain += step.piece;
  }
  return '"' + text + escaped(plain) + '"';
}

std::string head_of(const Trace& trace, const Branch& branch) {
  std::vector<std::string> parts;
  if (branch.id == 0) {
    parts.push_back(fmt::format("seed {}", branch.options.seed));
  } else {
    const Branch& parent = trace.branches[static_cast<size_t>(branch.parent)];
    std::string what =
        branch.prompt ? fmt::format("after {}", parent.id) : fmt::format("from step {}", branch.at);
    std::string taken;
    for (size_t i = 0; i < std::min(branch.options.begun.take.size(), branch.steps.size()); ++i) {
      taken += branch.steps[i].piece;
    }
    if (!taken.empty()) what += " took " + quoted_token(taken, 24);
    parts.push_back(std::move(what));
    for (std::string& change : branch_changes(branch, parent)) parts.push_back(printable(change));
  }
  const size_t n = branch.steps.size();
  parts.push_back(fmt::format("{} {}", n, n == 1 ? "step" : "steps"));
  parts.push_back(branch.end ? printable(branch.end->finish_reason) : "stopped before its end");
  return fmt::format("{}  {}", branch.id, fmt::join(parts, ", "));
}

/// Cuts `text` into lines of `width` columns at most, at spaces where there are any; no more than `most`
/// lines.
std::vector<std::string> wrapped(std::string_view text, size_t width, size_t most) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    size_t end = 0;
    size_t columns = 0;
    size_t space = 0;  // behind the last one that fits
    while (end < text.size()) {
      size_t next = end + 1;
      while (next < text.size() && (static_cast<unsigned char>(text[next]) & 0xC0) == 0x80) ++next;
      columns += display_width(text.substr(end, next - end));
      if (columns > width) break;
      end = next;
      if (text[next - 1] == ' ') space = next;
    }
    if (end < text.size() && space > 0) end = space;
    if (end == 0) break;  // a character is wider than the line
    if (lines.size() == most) {
      lines.back() = lines.back().substr(0, lines.back().find_last_not_of(' ') + 1) + "…";
      break;
    }
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  return lines;
}

/// A branch to draw: what stands before its lines, and how deep it is.
struct Node {
  int id;
  std::string before;
  bool last;
};

constexpr size_t kIndent = 3;
constexpr size_t kLeastText = 24;  // columns of text beside the deepest branch; deeper ones are not indented

/// The lines of one branch, and what stands before those of its children.
std::string node_text(const Trace& trace, const Node& node, const std::vector<int>& children,
                      const ReportStyle& style, std::string& below) {
  constexpr size_t kMostLines = 4;
  const Branch& branch = trace.branches[static_cast<size_t>(node.id)];
  below = node.before + (node.last ? "   " : "│  ");
  const size_t room = style.width - 1 - display_width(below);  // one column for the ellipsis
  std::string text;
  bool first = true;
  for (const std::string& line : wrapped(head_of(trace, branch), room, kMostLines)) {
    text += std::exchange(first, false) ? node.before + (node.last ? "└─ " : "├─ ") : below;
    text += styled(line, kBold, style.colour) + '\n';
  }
  const std::string beside = below + (children.empty() ? "   " : "│  ");
  const std::string own = marked_text(branch, points_of(trace, branch, children));
  for (const std::string& line : wrapped(own, room - kIndent, kMostLines)) text += beside + line + '\n';
  if (display_width(below) + kIndent + kLeastText > style.width) below = node.before;
  return text;
}

/// A prompt, and all that was made of it.
std::string root_text(const Trace& trace, int root, const std::vector<std::vector<int>>& children,
                      const ReportStyle& style) {
  std::string text = quoted_tail(std::string(trace::prompt_of(trace, root).text), style.width) + '\n';
  std::vector<Node> stack{{root, "", true}};
  while (!stack.empty()) {
    const Node node = std::move(stack.back());
    stack.pop_back();
    const std::vector<int>& below_it = children[static_cast<size_t>(node.id)];
    std::string below;
    text += node_text(trace, node, below_it, style, below);
    for (size_t i = below_it.size(); i-- > 0;)
      stack.push_back({below_it[i], below, i + 1 == below_it.size()});
  }
  return text;
}

std::string trimmed_lines(std::string_view text) {
  std::string trimmed;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    trimmed += line.substr(0, line.find_last_not_of(' ') + 1);
    trimmed += '\n';
    text.remove_prefix(end + 1);
  }
  return trimmed;
}

}  // namespace

std::string tree_text(const Trace& trace, const ReportStyle& style) {
  const std::vector<std::vector<int>> children = children_of(trace);
  std::string text;
  for (const Branch& branch : trace.branches) {
    if (is_root(branch)) text += (text.empty() ? "" : "\n") + root_text(trace, branch.id, children, style);
  }
  const auto marks = [&trace](const Branch& branch) {
    return std::ranges::any_of(branch.steps, &Step::near_tie) || trace.branches.size() > 1;
  };
  if (std::ranges::any_of(trace.branches, marks)) text += "\n◆ a branch leaves here   ≈ a near tie\n";
  return trimmed_lines(text);
}

boost::json::object tree_json(const Trace& trace) {
  const std::vector<std::vector<int>> children = children_of(trace);
  boost::json::array branches;
  for (const Branch& branch : trace.branches) {
    const Branch& parent = trace.branches[static_cast<size_t>(branch.parent)];
    std::string own;
    boost::json::array near_ties;
    for (const Step& step : branch.steps) {
      own += step.piece;
      if (step.near_tie) near_ties.emplace_back(step.index);
    }
    boost::json::object object{{"branch", branch.id}, {"parent", nullptr}, {"at", branch.at}};
    if (branch.id != 0) object["parent"] = branch.parent;
    if (branch.prompt) object["prompt"] = branch.prompt->text;
    object["take"] = ids_json(branch.options.begun.take);
    object["changes"] = boost::json::value_from(branch_changes(branch, parent));
    object["seed"] = branch.options.seed;
    object["n_steps"] = branch.steps.size();
    object["finish_reason"] = branch.end ? boost::json::value(branch.end->finish_reason) : nullptr;
    object["text"] = to_json_text(own);
    object["near_ties"] = std::move(near_ties);
    object["branch_points"] =
        boost::json::value_from(points_of(trace, branch, children[static_cast<size_t>(branch.id)]));
    branches.push_back(std::move(object));
  }
  return {{"model", trace.model.path}, {"prompt", trace.prompt}, {"branches", std::move(branches)}};
}

}  // namespace pellucid::cli
