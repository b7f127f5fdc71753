// The guides of texts whose output has to be of a structure, from their settings.
#pragma once

#include <optional>

#include "base/error.h"
#include "bridge/guide.h"
#include "generation/engine.h"
#include "sampling/settings.h"
#include "tokenizer/tokenizer.h"

namespace pellucid::generation {

/// A model's tokens for guides: a token that is not text goes by its name. Errors: those of
/// GuideVocabulary::make().
Result<bridge::GuideVocabulary> make_guide_vocabulary(const tokenizer::Tokenizer& tokenizer);

/// The guide that the settings ask for; none where they ask for no structure. Errors: kUsage and kLimit with
/// the setting's name and what is wrong with it.
Result<std::optional<bridge::Guide>> guide_of(const Engine& engine, const sampling::Settings& settings);

}  // namespace pellucid::generation
