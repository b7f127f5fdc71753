// The stages, each defined in a file of its own with all there is to say of it: settings, function, words.
// The contracts are those of StageRow (registry.h).
#pragma once

#include "sampling/registry.h"

namespace pellucid::sampling {

// What becomes of the model's logits before any other stage.
extern const StageRow kGuidanceStage;

// Constraints: which tokens may stand here at all.
extern const StageRow kLogitBiasStage;
extern const StageRow kBadWordsStage;
extern const StageRow kAllowedTokensStage;
extern const StageRow kSuppressTokensStage;
extern const StageRow kBeginSuppressStage;
extern const StageRow kForcedTokensStage;
extern const StageRow kMinNewTokensStage;
extern const StageRow kGrammarStage;
extern const StageRow kPhraseBanStage;

// Penalties: what the text so far makes of the logits.
extern const StageRow kRepetitionPenaltyStage;
extern const StageRow kFrequencyPenaltyStage;
extern const StageRow kPresencePenaltyStage;
extern const StageRow kNoRepeatNgramStage;
extern const StageRow kDryStage;
extern const StageRow kLengthDecayStage;

// The shape of the distribution.
extern const StageRow kTemperatureStage;
extern const StageRow kDynamicTemperatureStage;
extern const StageRow kTopKStage;
extern const StageRow kTopPStage;
extern const StageRow kMinPStage;
extern const StageRow kTypicalPStage;
extern const StageRow kEpsilonCutoffStage;
extern const StageRow kEtaCutoffStage;
extern const StageRow kTopHStage;
extern const StageRow kTopNSigmaStage;
extern const StageRow kTopAStage;
extern const StageRow kXtcStage;
extern const StageRow kMirostatStage;
extern const StageRow kAdaptivePStage;

// Who wrote it.
extern const StageRow kWatermarkStage;

}  // namespace pellucid::sampling
