// What a trace holds, as values: where a text came from, and each step of it; and of the texts that branch
// off from it. docs/trace.md describes the file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "generation/continuation.h"
#include "sampling/context.h"
#include "sampling/draw.h"
#include "sampling/prediction.h"
#include "sampling/row.h"
#include "trace/logits_file.h"

namespace pellucid::trace {

/// Of the format. A reader takes any minor version: what it does not know it ignores.
inline constexpr int kMajor = 1;
inline constexpr int kMinor = 1;

struct Model {
  std::string path;
  uint64_t bytes = 0;
  uint64_t hash = 0;  // xxh64() of the whole file
  std::string architecture;
  int n_vocab = 0;
  uint64_t tokenizer_hash = 0;  // of the metadata that begins with "tokenizer."
};

/// How it was run. The types change bits, n_ctx where a text ends; the others are for information.
struct Machine {
  std::string kv_type;    // one of kernels::kKvTypeNames
  std::string precision;  // "native" or "f32"
  int n_ctx = 0;
  std::string simd;
  int n_threads = 0;
};

struct Candidate {
  int32_t id = 0;
  std::string piece;       // bytes
  double logit = 0;        // as the model gave it, or guidance made it
  double probability = 0;  // final; 0 where it was removed
  std::string removed_by;  // the stage; empty where none did
  bool operator==(const Candidate&) const = default;
};

struct Stage {
  std::string name;
  bool skipped = false;
  size_t entered = 0;
  size_t kept = 0;
  size_t changed = 0;               // logits
  std::optional<double> threshold;  // where it cut; none where it is not finite, or skipped
  std::optional<RandomDraw> random;
};

/// What the structure of the output let come next.
struct Allowed {
  size_t count = 0;        // tokens
  uint64_t hash = 0;       // xxh64() of the set
  sampling::TokenSet set;  // empty where the logits are not stored either
};

/// With guidance: the logits of the unconditional text.
struct Unconditional {
  uint64_t logits_hash = 0;           // xxh64()
  std::optional<LogitsPlace> logits;  // in the file of logits
};

struct Step {
  int index = 0;
  int32_t token = 0;
  bool taken = false;                 // not drawn: someone took it
  std::string piece;                  // its bytes
  std::string text;                   // what became certain with it
  uint64_t logits_hash = 0;           // xxh64() of the raw logits
  std::optional<LogitsPlace> logits;  // in the file of logits
  std::optional<Unconditional> unconditional;
  std::optional<Allowed> allowed;  // where the output has a structure
  std::vector<Stage> stages;
  sampling::Draw draw;
  std::optional<double> gap;                       // between the two largest logits, raw or guided ones
  std::optional<sampling::Prediction> prediction;  // these two: none in what an early 1.1 wrote
  std::optional<double> final_entropy_bits;        // of what is drawn from
  bool near_tie = false;
  std::vector<Candidate> candidates;  // the best by raw logit, best first
  sampling::State state;              // before the step
  std::vector<int32_t> banned;        // tokens ruled out, for they led to a banned phrase here
  int taken_back = 0;                 // how many of the steps recorded before are void
  std::string banned_phrase;          // which made them so
  std::vector<Step> void_steps;       // all that were recorded between the step before and this one
  double ms = 0;                      // since the step before, or since the start
};

struct End {
  std::string finish_reason;
  int n_tokens = 0;  // new ones, the whole text's
};

struct Prompt {
  std::string text;  // what is not UTF-8 replaced
  std::vector<int32_t> tokens;
};

/// A text, from where it leaves its parent's on. The main one, 0, has no parent and begins at 0. So does a
/// turn of a conversation, which has a prompt of its own; its parent is the text recorded before.
struct Branch {
  int id = 0;
  int parent = 0;
  int at = 0;                           // its first step; the parent's steps before are its own
  std::optional<Prompt> prompt;         // of a turn
  std::string dialect;                  // whose settings it began with
  generation::GenerateOptions options;  // all that shapes it; of `begun`, what is taken
  std::vector<Step> steps;
  std::optional<End> end;  // none where the program was stopped before

  [[nodiscard]] int n_tokens() const { return at + static_cast<int>(steps.size()); }
};

struct Trace {
  std::string pellucid;  // the version that wrote it
  Model model;
  Machine machine;
  std::string prompt;  // text, what is not UTF-8 replaced
  std::vector<int32_t> prompt_tokens;
  sampling::TokenIds end_ids;                // tokens that end a text
  std::vector<sampling::TokenIds> breakers;  // DRY's, where the settings of the main text use it
  std::string logits_path;                   // of the side file, relative to the trace; empty without
  LogitsType logits_type = LogitsType::kFloat32;
  std::vector<Branch> branches;  // index = id; the main one at least
};

/// All steps of a branch as they were recorded, void ones, too.
std::vector<const Step*> recorded_steps(const Branch& branch);

/// A step of a text, and whose settings it was made with.
struct PathStep {
  const Branch* branch;
  const Step* step;
};

/// All steps of a branch's text, those of its ancestors before it included.
std::vector<PathStep> path_of(const Trace& trace, int branch);

/// What a branch's text begins with: the prompt of the turn that it belongs to, or the trace's.
struct PromptView {
  std::string_view text;
  std::span<const int32_t> tokens;
};
PromptView prompt_of(const Trace& trace, int branch);

/// Prompt and tokens of all steps of a branch's text.
std::vector<int32_t> tokens_of(const Trace& trace, int branch);

/// Errors: kUsage, with the branches there are.
Result<const Branch*> find_branch(const Trace& trace, int id);

}  // namespace pellucid::trace
