// Traces of real runs: replayed, changed, branched.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>

#include "generation/branch.h"
#include "generation/model_file.h"
#include "generation/scheduler.h"
#include "kernels/table.h"
#include "trace/header.h"
#include "trace/reader.h"
#include "trace/records.h"
#include "trace/replay.h"
#include "trace/what_if.h"
#include "trace/writer.h"

namespace pellucid::trace {
namespace {

using generation::branch_off;
using generation::Engine;
using generation::EngineOptions;
using generation::generate;
using generation::GenerateOptions;
using generation::Generation;
using generation::Scheduler;
using generation::Sequence;
using generation::StepView;

class Traces : public ::testing::Test {
 protected:
  Traces() : file_({.type = TensorType::kQ4_0}), engine_(load({.n_threads = 2})) {}
  void TearDown() override {
    std::remove(trace_path_.c_str());
    std::remove(logits_path_.c_str());
  }

  std::unique_ptr<Engine> load(const EngineOptions& options) {
    auto engine = Engine::load(file_.path(), options);
    EXPECT_TRUE(engine.ok());
    return std::move(engine).value();
  }

  static GenerateOptions options(uint64_t seed, int max_tokens) {
    GenerateOptions options;
    options.seed = seed;
    options.max_tokens = max_tokens;
    options.settings.temperature = 1.2;
    options.settings.top_k = 30;
    options.stop_at_end_of_turn = false;
    options.speculate = true;
    options.watch = 5;
    return options;
  }

  /// Runs and records; the trace is read back from the file.
  Trace record(const GenerateOptions& options, Generation* done = nullptr) {
    const auto header = trace_header(*engine_, file_.path(), model_hash(engine_->file()), "prompt", prompt_,
                                     options, "pellucid");
    EXPECT_TRUE(header.ok());
    Trace trace = header.value();
    trace.logits_path = logits_path_;
    Writer writer(File::create(trace_path_).value(), LogitsWriter::create(logits_path_).value(), *engine_, 5);
    writer.begin(header_record(trace), 0);
    Sequence sequence = engine_->new_sequence();
    auto made = generate(*engine_, sequence, prompt_, options,
                         [&](const StepView& view) { return writer.step(view).ok(); });
    EXPECT_TRUE(made.ok());
    EXPECT_TRUE(writer.end(made.value()).ok());
    if (done != nullptr) *done = made.value();
    auto read = read_trace(trace_path_);
    EXPECT_TRUE(read.ok()) << read.error().message();
    return std::move(read).value();
  }

  static std::vector<int32_t> tokens(const Trace& trace) {
    std::vector<int32_t> tokens;
    for (const Step& step : trace.branches[0].steps) tokens.push_back(step.token);
    return tokens;
  }

  std::string difference(const Trace& trace, Engine& engine, bool speculate = true, int branch = 0) {
    const auto done = replay(engine, trace, branch, speculate);
    EXPECT_TRUE(done.ok()) << done.error().message();
    return done.value().difference.value_or("");
  }

  std::string trace_path_ = ::testing::TempDir() + "pellucid-trace-test.jsonl";
  std::string logits_path_ = ::testing::TempDir() + "pellucid-trace-test.f32";
  generation::test::ModelFile file_;
  std::unique_ptr<Engine> engine_;
  std::vector<int32_t> prompt_{72, 101, 108, 108, 111, 72, 101, 108};
};

TEST_F(Traces, AReplayIsTheSameAtAnyLevelThreadCountAndCut) {
  Generation done;
  const Trace trace = record(options(3, 40), &done);
  EXPECT_EQ(tokens(trace), done.tokens);
  EXPECT_EQ(trace.branches[0].steps.size(), 40U);
  for (const kernels::KernelTable* table : kernels::available_tables()) {
    for (const int n_threads : {1, 3}) {
      const auto other = generation::test::load_at(table->name, file_.path(),
                                                   {.n_threads = n_threads, .prefill_chunk = n_threads + 1});
      ASSERT_TRUE(other.ok());
      EXPECT_EQ(difference(trace, *other.value(), n_threads == 1), "") << table->name;
    }
  }
}

TEST_F(Traces, StatefulStagesReplayToo) {
  GenerateOptions stateful = options(3, 30);
  stateful.settings.mirostat = 2;
  stateful.settings.xtc_probability = 0.5;
  stateful.settings.repetition_penalty = 1.3;
  stateful.settings.dry_multiplier = 0.8;
  const Trace trace = record(stateful);
  EXPECT_TRUE(trace.branches[0].steps[1].state.mirostat_mu.has_value());
  EXPECT_FALSE(trace.breakers.empty());
  EXPECT_EQ(difference(trace, *engine_), "");
}

TEST_F(Traces, WhatWasEditedIsNamedByStepAndStage) {
  const Trace trace = record(options(3, 20));
  const auto edited = [&](const auto& edit) {
    Trace copy = trace;
    edit(copy.branches[0].steps[7]);
    return difference(copy, *engine_);
  };
  const Step& step = trace.branches[0].steps[7];
  ASSERT_GE(step.stages.size(), 3U);
  EXPECT_TRUE(edited([](Step& s) { ++s.logits_hash; }).starts_with("step 7: the hash of the logits is "));
  EXPECT_EQ(edited([](Step& s) { s.stages[1].kept += 1; }),
            fmt::format("step 7: the stage top_k kept {} of {}, recorded are {} of {}", step.stages[1].kept,
                        step.stages[1].entered, step.stages[1].kept + 1, step.stages[1].entered));
  EXPECT_TRUE(edited([](Step& s) {
                *s.stages[2].threshold += 1e-12;
              }).starts_with("step 7: the stage top_p: the threshold is "));
  EXPECT_EQ(edited([](Step& s) { s.stages[1].name = "min_p"; }),
            "step 7: the stage min_p is recorded, top_k ran");
  EXPECT_TRUE(
      edited([](Step& s) { ++s.draw.random->integer; }).starts_with("step 7: the draw's integer is "));
  EXPECT_TRUE(edited([](Step& s) { s.draw.high += 1e-12; }).starts_with("step 7: the draw's interval"));
  EXPECT_EQ(edited([](Step& s) { ++s.token; }),
            fmt::format("step 7: the token is {}, recorded is {}", step.token, step.token + 1));
  EXPECT_EQ(edited([](Step& s) { s.candidates[2].logit += 1e-9; }), "step 7: candidate 2 is another");
  EXPECT_TRUE(edited([](Step& s) { s.state.mirostat_mu = 1; }).starts_with("step 7: the state mirostat_mu"));
  Trace shorter = trace;
  shorter.branches[0].steps.resize(12);
  EXPECT_EQ(difference(shorter, *engine_), "step 12: the text goes on, recorded are 12 steps");
  shorter.branches[0].end.reset();  // stopped there: what is there is right
  EXPECT_EQ(difference(shorter, *engine_), "");
  Trace other_end = trace;
  other_end.branches[0].end->finish_reason = "stop";
  EXPECT_EQ(difference(other_end, *engine_), "the end: it is by length, recorded is stop");
  Trace other_seed = trace;
  other_seed.branches[0].options.seed = 4;
  EXPECT_EQ(difference(other_seed, *engine_), "step 0: the draw's key is another");
}

TEST_F(Traces, WhatIfIsARunUntilTheFirstChange) {
  const Trace trace = record(options(3, 30));
  const auto logits = LogitsFile::open(logits_path_, trace.model.n_vocab);
  ASSERT_TRUE(logits.ok());
  int with_change = 0;
  for (const char* change : {"top_p=0.3", "temperature=0.7", "min_p=0.2", "repetition_penalty=1.5", "top_k=1",
                             "mirostat=2", "no_repeat_ngram_size=1", "temperature=1.2"}) {
    const std::string_view text = change;
    const auto apply = [&](const sampling::Settings& recorded) -> Result<sampling::Settings> {
      sampling::Settings settings = recorded;
      PELLUCID_CHECK(
          sampling::set(settings, text.substr(0, text.find('=')), text.substr(text.find('=') + 1)));
      return settings;
    };
    const auto steps = what_if(trace, 0, logits.value(), {apply, {}});
    ASSERT_TRUE(steps.ok()) << steps.error().message();
    GenerateOptions changed = options(3, 30);
    changed.settings = apply(changed.settings).value();
    Sequence sequence = engine_->new_sequence();
    const auto run = generate(*engine_, sequence, prompt_, changed);
    ASSERT_TRUE(run.ok());
    size_t i = 0;
    for (; i < steps.value().size(); ++i) {
      ASSERT_EQ(steps.value()[i].made.token, run.value().tokens[i]) << change << ' ' << i;
      if (steps.value()[i].made.token != steps.value()[i].recorded->token) break;
    }
    with_change += i < steps.value().size() ? 1 : 0;
    if (text == "temperature=1.2") {
      EXPECT_EQ(i, steps.value().size());
    }
  }
  EXPECT_GE(with_change, 5);
}

TEST_F(Traces, WhatIfRefusesWhatItLacks) {
  Trace trace = record(options(3, 4));
  const auto logits = LogitsFile::open(logits_path_, trace.model.n_vocab);
  ASSERT_TRUE(logits.ok());
  const auto with = [](const char* name, const char* value) {
    return [=](sampling::Settings settings) -> Result<sampling::Settings> {
      PELLUCID_CHECK(sampling::set(settings, name, value));
      return settings;
    };
  };
  const auto dry = what_if(trace, 0, logits.value(), {with("dry_multiplier", "1"), {}});
  ASSERT_FALSE(dry.ok());
  EXPECT_EQ(dry.error().what, "setting dry_multiplier");
  EXPECT_EQ(what_if(trace, 1, logits.value(), {with("top_k", "1"), {}}).error().message(),
            "there is no branch 1: the trace has 0 .. 0");
  trace.branches[0].steps[2].logits->hash ^= 1;
  EXPECT_TRUE(what_if(trace, 0, logits.value(), {with("top_k", "1"), {}})
                  .error()
                  .message()
                  .ends_with("row 2 is not the one that the trace recorded"));
  trace.branches[0].steps[1].logits->row = 1U << 30;
  EXPECT_TRUE(what_if(trace, 0, logits.value(), {with("top_k", "1"), {}})
                  .error()
                  .message()
                  .ends_with("there is no row 1073741824"));
  trace.branches[0].steps[0].logits.reset();
  EXPECT_EQ(what_if(trace, 0, logits.value(), {with("top_k", "1"), {}}).error().message(),
            "step 0 of branch 0: its logits are not stored");
}

/// A branch of the first one's text.
Branch leaving(const Trace& trace, int at) {
  Branch branch = trace.branches[0];
  branch.id = 1;
  branch.at = at;
  branch.steps.clear();
  branch.end.reset();
  return branch;
}

TEST_F(Traces, ABranchWithNothingChangedIsTheSameText) {
  GenerateOptions stateful = options(9, 30);
  stateful.settings.mirostat = 2;
  Generation done;
  const Trace trace = record(stateful, &done);
  for (const int at : {0, 1, 7, 29}) {
    Sequence sequence = engine_->new_sequence();
    const auto again = branch_off(*engine_, sequence, prompt_, options_of(trace, leaving(trace, at)));
    ASSERT_TRUE(again.ok());
    EXPECT_EQ(again.value().tokens, done.tokens) << at;
    EXPECT_EQ(again.value().text, done.text) << at;
    EXPECT_EQ(again.value().finish_reason, done.finish_reason) << at;
  }
}

TEST_F(Traces, ATakenTokenGoesOnAsIfThePromptHadHeldIt) {
  GenerateOptions greedy = options(9, 24);
  greedy.settings.temperature = 0;  // steps are counted otherwise after a longer prompt, which greedy ignores
  const Trace trace = record(greedy);
  Branch branch = leaving(trace, 6);
  branch.options.begun.take = {77, 78};
  Sequence sequence = engine_->new_sequence();
  std::vector<bool> taken;
  const auto made =
      branch_off(*engine_, sequence, prompt_, options_of(trace, branch), [&](const StepView& view) {
        taken.push_back(view.taken);
        return true;
      });
  ASSERT_TRUE(made.ok());
  std::vector<int32_t> longer = prompt_;
  const auto& tokens = made.value().tokens;
  longer.insert(longer.end(), tokens.begin(), tokens.begin() + 8);
  EXPECT_EQ(tokens[6], 77);
  EXPECT_EQ(tokens[7], 78);
  greedy.max_tokens = 16;
  Sequence fresh = engine_->new_sequence();
  const auto plain = generate(*engine_, fresh, longer, greedy);
  ASSERT_TRUE(plain.ok());
  EXPECT_EQ(std::vector(tokens.begin() + 8, tokens.end()), plain.value().tokens);
  EXPECT_EQ(taken[0] && taken[1] && !taken[2], true);
}

TEST_F(Traces, WhatIsInTheCacheIsNotRunAgainAndChangesNothing) {
  const Trace trace = record(options(9, 24));
  Branch branch = leaving(trace, 10);
  branch.options.seed = 11;
  const GenerateOptions from_there = options_of(trace, branch);
  Sequence fresh = engine_->new_sequence();
  const auto without = branch_off(*engine_, fresh, prompt_, from_there);
  Sequence original = engine_->new_sequence();
  ASSERT_TRUE(generate(*engine_, original, prompt_, options(9, 24)).ok());
  Sequence copy = original;
  const auto with = branch_off(*engine_, copy, prompt_, from_there);
  ASSERT_TRUE(with.ok() && without.ok());
  EXPECT_EQ(with.value().tokens, without.value().tokens);
  EXPECT_NE(with.value().tokens, tokens(trace));
  EXPECT_EQ(with.value().timings.prefill_tokens, 1);
  EXPECT_EQ(without.value().timings.prefill_tokens, 18);

  Scheduler scheduler(*engine_, {});
  std::vector<int32_t> whole = prompt_;
  whole.insert(whole.end(), from_there.begun.tokens.begin(), from_there.begun.tokens.end());
  std::vector<int32_t> scheduled;
  scheduler.submit({whole, from_there, {}, [&](Result<Generation> result) {
                      ASSERT_TRUE(result.ok());
                      scheduled = result.value().tokens;
                    }});
  while (scheduler.step()) {
  }
  EXPECT_EQ(scheduled, with.value().tokens);
}

TEST_F(Traces, ATakenTokenThatThereIsNotIsRefused) {
  GenerateOptions bad = options(1, 4);
  bad.begun.take = {engine_->n_vocab()};
  Sequence sequence = engine_->new_sequence();
  EXPECT_EQ(generate(*engine_, sequence, prompt_, bad).error().code, ErrorCode::kUsage);
}

TEST_F(Traces, AnotherContentHasAnotherHash) {
  const uint64_t hash = model_hash(engine_->file());
  const generation::test::ModelFile other({.type = TensorType::kQ4_1});
  const auto engine = Engine::load(other.path(), {});
  ASSERT_TRUE(engine.ok());
  EXPECT_NE(model_hash(engine.value()->file()), hash);
  EXPECT_EQ(model_hash(load({.n_threads = 1})->file()), hash);
}

}  // namespace
}  // namespace pellucid::trace
