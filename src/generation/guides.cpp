#include "generation/guides.h"

#include <string>
#include <vector>

namespace pellucid::generation {
namespace {

using bridge::GuideKind;

/// What one setting asks for.
struct Structure {
  std::string_view setting;
  GuideKind kind;
  std::vector<std::string> sources;
};

std::optional<Structure> structure_of(const sampling::Settings& settings) {
  if (!settings.json_schema.empty())
    return Structure{"json_schema", GuideKind::kJsonSchema, {settings.json_schema}};
  if (!settings.regex.empty()) return Structure{"regex", GuideKind::kRegex, {settings.regex}};
  if (!settings.choice.empty()) return Structure{"choice", GuideKind::kChoice, settings.choice};
  if (!settings.grammar.empty()) return Structure{"grammar", GuideKind::kGrammar, {settings.grammar}};
  return std::nullopt;
}

}  // namespace

Result<bridge::GuideVocabulary> make_guide_vocabulary(const tokenizer::Tokenizer& tokenizer) {
  std::vector<std::string> tokens;
  tokens.reserve(static_cast<size_t>(tokenizer.size()));
  for (int32_t id = 0; id < tokenizer.size(); ++id) {
    std::string& token = tokens.emplace_back(tokenizer.is_special(id) ? "\xFF" : "");
    token += tokenizer.is_special(id) ? tokenizer.text_of(id) : tokenizer.piece(id);
  }
  return bridge::GuideVocabulary::make(tokens, tokenizer.stop_ids());
}

Result<std::optional<bridge::Guide>> guide_of(const Engine& engine, const sampling::Settings& settings) {
  const std::optional<Structure> structure = structure_of(settings);
  if (!structure) return std::optional<bridge::Guide>();
  PELLUCID_TRY(const bridge::GuideVocabulary* vocabulary, engine.guide_vocabulary());
  auto guide = bridge::Guide::compile(*vocabulary, structure->kind, structure->sources);
  if (guide.ok()) return std::optional(std::move(guide).value());
  return Error{guide.error().code, "setting " + std::string(structure->setting), guide.error().why};
}

}  // namespace pellucid::generation
