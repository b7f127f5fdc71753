// Time of the sampling chain on one row of logits, in vocabularies of the two test models: the default chain
// of each dialect, each stage of the registry by itself and with the default chain, and a few mixtures.
#include <benchmark/benchmark.h>

#include <random>
#include <string>
#include <vector>

#include "sampling/chain.h"
#include "sampling/dialects.h"
#include "sampling/draw.h"
#include "sampling/every_stage.h"
#include "sampling/registry.h"
#include "sampling/support.h"
#include "sampling/watermark.h"

namespace {

using namespace pellucid::sampling;

/// Like a model's: a normal crowd, and a few dozen tokens that stand out.
std::vector<float> logits_of(size_t vocabulary) {
  std::mt19937 random(1);
  std::normal_distribution<float> crowd(0, 2.5F);
  std::vector<float> row(vocabulary);
  for (float& logit : row) logit = crowd(random);
  for (int i = 0; i < 40; ++i) row[random() % vocabulary] = 18 - 0.3F * static_cast<float>(i);
  return row;
}

void chain_and_draw(benchmark::State& state, const Settings& settings) {
  const std::vector<float> row = logits_of(static_cast<size_t>(state.range(0)));
  std::vector<int32_t> text;
  text.reserve(1000);
  for (int32_t i = 0; i < 1000; ++i) text.push_back(i * i % 700);
  TokenSet allowed;
  for (size_t word = 0; word < row.size() / 32; ++word) allowed.push_back(word % 2 == 0 ? 0x01010101U : 0U);
  const std::vector<int32_t> ends{2};
  const std::vector<int32_t> banned{3, 8};
  const std::vector<float> unconditional(row.rbegin(), row.rend());
  Context context;
  context.tokens = text;
  context.end_ids = ends;
  context.banned = banned;
  if (is_guided(settings)) context.unconditional = unconditional;
  context.allowed = is_structured(settings) ? allowed : std::span<const uint32_t>();
  for (const auto _ : state) {
    const auto chain = run_chain(row, settings, context);
    if (!chain.ok()) return state.SkipWithError(chain.error().message().c_str());
    benchmark::DoNotOptimize(drawn_token(chain.value().candidates, 1, 0, context.step++));
  }
}

void add(const std::string& name, const Settings& settings) {
  benchmark::RegisterBenchmark(name.c_str(), chain_and_draw, settings)
      ->Arg(49152)
      ->Arg(262144)
      ->Unit(benchmark::kMicrosecond);
}

void add_stages() {
  for (const StageRow& stage : stages()) {
    const std::string name(stage.name);
    const std::string_view words = test::words_of(stage.id);
    Settings alone = test::with(test::all_off(), words);
    alone.order = {stage.id};
    add(name + " alone", alone);
    add("default, " + name, test::with(Settings(), words));
  }
}

}  // namespace

int main(int argc, char** argv) {
  for (const Dialect& dialect : dialects()) {
    add("dialect " + std::string(dialect.name), dialect_settings(dialect.name).value());
  }
  add("greedy", test::with({}, "temperature=0"));
  add("default, all penalties and dry",
      test::with({}, "repetition_penalty=1.1 frequency_penalty=0.1 presence_penalty=0.1 dry_multiplier=0.8"));
  add("min_p first", test::with({}, "top_k=0 top_p=1 min_p=0.05 temperature=0.8"));
  add_stages();
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
