#include "generation/stop.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace pellucid::generation {

StopStrings::StopStrings(std::vector<std::string> strings)
    : strings_(std::make_shared<const std::vector<std::string>>(std::move(strings))) {
  assert(std::ranges::none_of(*strings_, &std::string::empty));
}

std::string StopStrings::push(std::string_view text) {
  if (stopped_) return {};
  held_ += text;
  size_t first = std::string::npos;  // where the earliest stop string begins
  for (const std::string& stop : *strings_) first = std::min(first, held_.find(stop));
  if (first != std::string::npos) {
    stopped_ = true;
    held_.resize(first);
    return std::exchange(held_, {});
  }
  const size_t certain = held_.size() - held_length();
  std::string out = held_.substr(0, certain);
  held_.erase(0, certain);
  return out;
}

std::string StopStrings::finish() { return std::exchange(held_, {}); }

size_t StopStrings::held_length() const {
  size_t longest = 0;
  for (const std::string& stop : *strings_) {
    for (size_t n = std::min(stop.size() - 1, held_.size()); n > longest; --n) {
      if (std::string_view(held_).ends_with(std::string_view(stop).substr(0, n))) longest = n;
    }
  }
  return longest;
}

}  // namespace pellucid::generation
