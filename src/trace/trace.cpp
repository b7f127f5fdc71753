#include "trace/trace.h"

#include <fmt/format.h>

#include <algorithm>

namespace pellucid::trace {

std::vector<PathStep> path_of(const Trace& trace, int id) {
  // From the branch to the main text: how far each one reaches is where the one before leaves it.
  struct Part {
    const Branch* branch;
    int end;
  };
  std::vector<Part> parts;
  int end = trace.branches[static_cast<size_t>(id)].n_tokens();
  while (true) {
    const Branch& branch = trace.branches[static_cast<size_t>(id)];
    if (end > branch.at) parts.push_back({&branch, end});
    end = std::min(end, branch.at);
    if (id == 0) break;
    id = branch.parent;
  }
  std::vector<PathStep> path;
  for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
    const auto& steps = part->branch->steps;
    for (int i = part->branch->at; i < part->end; ++i) {
      path.push_back({part->branch, &steps[static_cast<size_t>(i - part->branch->at)]});
    }
  }
  return path;
}

std::vector<const Step*> recorded_steps(const Branch& branch) {
  std::vector<const Step*> all;
  for (const Step& step : branch.steps) {
    for (const Step& one : step.void_steps) all.push_back(&one);
    all.push_back(&step);
  }
  return all;
}

PromptView prompt_of(const Trace& trace, int id) {
  while (id != 0) {
    const Branch& branch = trace.branches[static_cast<size_t>(id)];
    if (branch.prompt) return {branch.prompt->text, branch.prompt->tokens};
    id = branch.parent;
  }
  return {trace.prompt, trace.prompt_tokens};
}

std::vector<int32_t> tokens_of(const Trace& trace, int id) {
  const std::span<const int32_t> prompt = prompt_of(trace, id).tokens;
  std::vector<int32_t> tokens(prompt.begin(), prompt.end());
  for (const PathStep& at : path_of(trace, id)) tokens.push_back(at.step->token);
  return tokens;
}

Result<const Branch*> find_branch(const Trace& trace, int id) {
  if (id >= 0 && static_cast<size_t>(id) < trace.branches.size()) {
    return &trace.branches[static_cast<size_t>(id)];
  }
  return Error{ErrorCode::kUsage, fmt::format("there is no branch {}", id),
               fmt::format("the trace has 0 .. {}", trace.branches.size() - 1)};
}

}  // namespace pellucid::trace
