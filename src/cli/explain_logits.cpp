#include "cli/explain_logits.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <string_view>

#include "base/text.h"
#include "cli/checks.h"

namespace pellucid::cli {
namespace {

/// The entries between commas, spaces around them removed.
std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> parts;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    std::string_view part = text.substr(begin, end - begin);
    while (part.starts_with(' ')) part.remove_prefix(1);
    while (part.ends_with(' ')) part.remove_suffix(1);
    parts.emplace_back(part);
    begin = end + 1;
  }
  return parts;
}

/// The whole of `text` as a number.
template <typename Number>
std::optional<Number> parse_number(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  Number number{};
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

/// What no stage could work with is the user's mistake here, not a model's.
Result<void> check_logits(const std::string& name, const std::vector<float>& row) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (size_t i = 0; i < row.size(); ++i) {
    if (!(row[i] < kInfinity))
      return refused(name, fmt::format("entry {} is {}: a logit is a number or -inf", i + 1, row[i]));
  }
  if (std::all_of(row.begin(), row.end(), [](float x) { return x == -kInfinity; }))
    return refused(name, "every token is ruled out");
  return {};
}

Result<std::vector<float>> logits_of(const ExplainLogitsOptions& options) {
  if (options.logits.has_value() == options.probabilities.has_value()) {
    return refused("cannot explain a draw", "either --logits or --probs must be given");
  }
  if (options.logits) {
    PELLUCID_TRY(std::vector<float> row, parse_floats("--logits", *options.logits));
    PELLUCID_CHECK(check_logits("--logits", row));
    return row;
  }
  PELLUCID_TRY(std::vector<float> row, parse_floats("--probs", *options.probabilities));
  for (float& x : row) {
    if (!(x >= 0 && x <= 1)) return refused("--probs", fmt::format("{} is not between 0 and 1", x));
    x = std::log(x);
  }
  PELLUCID_CHECK(check_logits("--probs", row));
  return row;
}

/// "1 label", "2 labels".
std::string counted(size_t n, std::string_view noun) {
  return fmt::format("{} {}{}", n, noun, n == 1 ? "" : "s");
}

/// Labels rarely bring the space that a model's tokens have.
std::string joined(const std::string& context, const std::string& label) {
  const bool apart = !context.empty() && context.back() != ' ' && !label.starts_with(' ');
  return context + (apart ? " " : "") + label;
}

}  // namespace

Result<std::vector<float>> parse_floats(const std::string& name, const std::string& text) {
  const std::vector<std::string> parts = split(text);
  std::vector<float> numbers;
  for (const std::string& part : parts) {
    const std::optional<float> value = parse_number<float>(part);
    if (!value) {
      return refused(name, fmt::format("entry {} is {}, not a number a float32 can hold", numbers.size() + 1,
                                       in_quotes(part)));
    }
    numbers.push_back(*value);
  }
  return numbers;
}

Result<GivenStep> given_step(const ExplainLogitsOptions& options) {
  GivenStep given;
  PELLUCID_TRY(given.logits, logits_of(options));
  const size_t n = given.logits.size();
  if (options.labels) {
    given.labels = split(*options.labels);
    if (given.labels.size() != n) {
      return refused("--labels",
                     fmt::format("{} for {}", counted(given.labels.size(), "label"), counted(n, "token")));
    }
  } else {
    for (size_t id = 0; id < n; ++id) given.labels.push_back(fmt::format("#{}", id));
  }
  given.address.seed = options.seed;
  if (options.draw) {
    given.address.u = parse_number<double>(*options.draw);
    if (!given.address.u)
      return refused("--draw", fmt::format("{} is not a number", in_quotes(*options.draw)));
  }
  return given;
}

void tell_texts(const GivenStep& given, const std::string& context, ExplainedStep& step) {
  step.context = context;
  step.continued = joined(context, given.labels[static_cast<size_t>(step.draw.token)]);
  step.label = [labels = given.labels](int32_t id) { return labels[static_cast<size_t>(id)]; };
}

Result<ExplainedStep> explain_logits(const ExplainLogitsOptions& options) {
  PELLUCID_TRY(const GivenStep given, given_step(options));
  PELLUCID_TRY(ExplainedStep step, explain_step(given.logits, options.settings, given.address, options.top));
  tell_texts(given, options.context, step);
  return step;
}

}  // namespace pellucid::cli
