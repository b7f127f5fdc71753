#include "cli/explain_compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string_view>
#include <unordered_map>

#include "sampling/chain.h"
#include "sampling/registry.h"
#include "trace/settings_json.h"

namespace pellucid::cli {
namespace {

using sampling::Candidates;

/// The stages that ran, and didn't just stand in the order.
std::vector<const sampling::StageReport*> stages_of(const ExplainedStep& step) {
  std::vector<const sampling::StageReport*> stages;
  for (const sampling::StageReport& report : step.chain.result.reports) {
    if (!report.skipped) stages.push_back(&report);
  }
  return stages;
}

/// Those of the stages that a chain must not leave out while they are set have their defaults.
sampling::Settings with_order(sampling::Settings settings, const std::vector<sampling::StageId>& order) {
  using sampling::StageId;
  const sampling::Settings defaults;
  for (const StageId id : {StageId::kGuidance, StageId::kGrammar, StageId::kPhraseBan}) {
    if (std::ranges::find(order, id) != order.end()) continue;
    for (const sampling::SettingRow& row : sampling::row(id).settings) {
      std::visit([&](auto field) { settings.*field = defaults.*field; }, row.field);
    }
  }
  settings.order = order;
  return settings;
}

/// The candidates before the first stage and after each: those of chains of the first stages.
Result<std::vector<Candidates>> points_of(std::span<const float> logits, const ExplainedStep& step,
                                          const sampling::Context& context, const sampling::State& state) {
  std::vector<sampling::StageId> order;
  std::vector<Candidates> points;
  const auto add = [&]() -> Result<void> {
    PELLUCID_TRY(sampling::ChainResult part,
                 sampling::run_chain(logits, with_order(step.settings, order), context, state));
    points.push_back(std::move(part.candidates));
    return {};
  };
  PELLUCID_CHECK(add());
  for (const sampling::StageReport* report : stages_of(step)) {
    order.push_back(report->stage);
    PELLUCID_CHECK(add());
  }
  return points;
}

bool alike(const Candidates& a, const Candidates& b) {
  constexpr double kSame = 1e-9;
  if (a.size() != b.size() || !std::ranges::equal(a.ids(), b.ids())) return false;
  for (size_t rank = 0; rank < a.size(); ++rank) {
    if (std::abs(a.probability(rank) - b.probability(rank)) > kSame) return false;
  }
  return true;
}

/// Distance and tokens of their own.
void compare_ends(const Candidates& one, const Candidates& other, Parting& parting) {
  std::unordered_map<int32_t, double> left;
  for (size_t rank = 0; rank < one.size(); ++rank) left.emplace(one.id(rank), one.probability(rank));
  double sum = 0;
  for (size_t rank = 0; rank < other.size(); ++rank) {
    const auto found = left.find(other.id(rank));
    sum += std::abs(other.probability(rank) - (found == left.end() ? 0 : found->second));
    if (found == left.end()) {
      ++parting.other_alone;
    } else {
      left.erase(found);
    }
  }
  for (const auto& [id, probability] : left) sum += probability;
  parting.one_alone = left.size();
  parting.distance = sum / 2;
}

/// The last pair of points that are alike; the first pair, before any stage, always is.
Parting part(const std::vector<Candidates>& one, const std::vector<Candidates>& other) {
  Parting parting;
  const auto find = [&] {
    for (size_t i = one.size(); i-- > 0;) {
      for (size_t j = other.size(); j-- > 0;) {
        if (alike(one[i], other[j])) return std::pair(i, j);
      }
    }
    return std::pair(size_t{0}, size_t{0});
  };
  std::tie(parting.one_alike, parting.other_alike) = find();
  parting.left = one[parting.one_alike].size();
  parting.agree = parting.one_alike + 1 == one.size() && parting.other_alike + 1 == other.size();
  compare_ends(one.back(), other.back(), parting);
  return parting;
}

std::vector<ComparedToken> tokens_of(std::span<const float> logits, const std::vector<DialectStep>& dialects,
                                     size_t top) {
  std::vector<ComparedToken> tokens;
  const auto add = [&](int32_t id) {
    if (std::ranges::find(tokens, id, &ComparedToken::id) == tokens.end())
      tokens.push_back({id, logits[static_cast<size_t>(id)]});
  };
  const auto& best = dialects.front().step.chain.candidates;
  for (size_t i = 0; i < std::min(top, best.size()); ++i) add(best[i].id);
  for (const DialectStep& dialect : dialects) add(dialect.step.draw.token);
  return tokens;
}

boost::json::value stage_json(const DialectStep& dialect, size_t index) {
  const auto name = stage_at(dialect.step, index);
  return name ? boost::json::value(*name) : nullptr;
}

boost::json::object to_json(const Parting& parting, const std::vector<DialectStep>& dialects) {
  const DialectStep& one = dialects[parting.one];
  const DialectStep& other = dialects[parting.other];
  const auto before = [](const DialectStep& dialect, size_t point) {
    return point == 0 ? boost::json::value() : stage_json(dialect, point - 1);
  };
  using List = boost::json::array;
  return {{"dialects", List{one.dialect.name, other.dialect.name}},
          {"agree", parting.agree},
          {"alike_after", List{before(one, parting.one_alike), before(other, parting.other_alike)}},
          {"left", parting.left},
          {"part_at", List{stage_json(one, parting.one_alike), stage_json(other, parting.other_alike)}},
          {"distance", parting.distance},
          {"alone", List{parting.one_alone, parting.other_alone}}};
}

}  // namespace

Result<std::vector<sampling::Dialect>> parse_dialects(const std::string& names) {
  std::vector<sampling::Dialect> chosen;
  std::string_view rest = names;
  for (bool more = true; more;) {
    const std::string_view name = rest.substr(0, rest.find(','));
    more = name.size() < rest.size();
    rest.remove_prefix(std::min(name.size() + 1, rest.size()));
    PELLUCID_TRY(const sampling::Dialect dialect, sampling::find_dialect(name));
    if (std::ranges::find(chosen, dialect.name, &sampling::Dialect::name) != chosen.end())
      return Error{ErrorCode::kUsage, "--compare", fmt::format("{} is in it twice", dialect.name)};
    chosen.push_back(dialect);
  }
  if (chosen.size() < 2)
    return Error{ErrorCode::kUsage, "--compare", "two dialects are needed, such as hf,llamacpp"};
  return chosen;
}

Result<ComparedStep> compare_step(std::span<const float> logits, std::span<const DialectSettings> dialects,
                                  const DrawAddress& address, size_t top, const sampling::Context& context,
                                  const sampling::State& state) {
  sampling::Context here = context;
  here.seed = address.seed;
  here.stream = address.stream;
  here.step = address.step;
  ComparedStep compared;
  std::vector<Candidates> first;
  for (const auto& [dialect, settings] : dialects) {
    PELLUCID_TRY(ExplainedStep step, explain_step(logits, settings, address, top, context, state));
    PELLUCID_TRY(std::vector<Candidates> points, points_of(logits, step, here, state));
    compared.dialects.push_back({dialect, std::move(step)});
    if (compared.dialects.size() == 1) {
      first = std::move(points);
      continue;
    }
    Parting& parting = compared.partings.emplace_back(part(first, points));
    parting.other = compared.dialects.size() - 1;
  }
  compared.tokens = tokens_of(logits, compared.dialects, top);
  return compared;
}

std::optional<std::string_view> stage_at(const ExplainedStep& step, size_t index) {
  const auto stages = stages_of(step);
  if (index >= stages.size()) return std::nullopt;
  return sampling::row(stages[index]->stage).name;
}

boost::json::object compare_json(const ComparedStep& compared) {
  boost::json::array dialects;
  for (const auto& [dialect, step] : compared.dialects) {
    boost::json::object object{{"name", dialect.name},
                               {"engine", dialect.engine},
                               {"settings", trace::settings_json(step.settings)}};
    for (auto& [key, value] : explain_json(step)) object[key] = std::move(value);
    dialects.push_back(std::move(object));
  }
  boost::json::array partings;
  for (const Parting& parting : compared.partings) partings.push_back(to_json(parting, compared.dialects));
  return {{"dialects", std::move(dialects)}, {"partings", std::move(partings)}};
}

}  // namespace pellucid::cli
