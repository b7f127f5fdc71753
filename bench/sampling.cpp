// Time of the sampling chain on one row of logits, in vocabularies of the two test models: the default chain,
// chains of other engines, and each stage by itself behind nothing.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "sampling/chain.h"
#include "sampling/draw.h"
#include "sampling/registry.h"

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

/// The settings that the words "name=value ..." say.
Settings settings_of(std::string_view words) {
  Settings settings;
  while (!words.empty()) {
    const std::string_view word = words.substr(0, words.find(' '));
    words.remove_prefix(std::min(word.size() + 1, words.size()));
    const size_t equals = word.find('=');
    const auto done = set(settings, word.substr(0, equals), word.substr(equals + 1));
    if (done.ok()) continue;
    std::fprintf(stderr, "%s\n", done.error().message().c_str());
    std::exit(2);
  }
  return settings;
}

void chain_and_draw(benchmark::State& state, const char* words) {
  const std::vector<float> row = logits_of(static_cast<size_t>(state.range(0)));
  const Settings settings = settings_of(words);
  std::vector<int32_t> text;
  text.reserve(1000);
  for (int32_t i = 0; i < 1000; ++i) text.push_back(i * i % 700);
  Context context;
  context.tokens = text;
  for (const auto _ : state) {
    const auto chain = run_chain(row, settings, context);
    if (!chain.ok()) return state.SkipWithError(chain.error().message().c_str());
    benchmark::DoNotOptimize(draw(chain.value().candidates, 1, 0, context.step++));
  }
}

void add(const char* name, const char* words) {
  benchmark::RegisterBenchmark(name, chain_and_draw, words)
      ->Arg(49152)
      ->Arg(262144)
      ->Unit(benchmark::kMicrosecond);
}

}  // namespace

int main(int argc, char** argv) {
  add("default", "");
  add("greedy", "temperature=0");
  add("default, repetition 1.1", "repetition_penalty=1.1");
  add("default, all penalties and dry",
      "repetition_penalty=1.1 frequency_penalty=0.1 presence_penalty=0.1 dry_multiplier=0.8");
  add("llama.cpp's", "order=top_k,top_p,min_p,temperature top_k=40 top_p=0.95 min_p=0.05 temperature=0.8");
  add("transformers'", "top_k=50 top_k_ties=keep top_p=1 temperature=0.7");
  add("min_p first", "top_k=0 top_p=1 min_p=0.05 temperature=0.8");
  add("top_p alone", "top_k=0 top_p=0.95");
  add("typical_p alone", "top_k=0 top_p=1 typical_p=0.95");
  add("epsilon_cutoff alone", "top_k=0 top_p=1 epsilon_cutoff=0.001");
  add("eta_cutoff alone", "top_k=0 top_p=1 eta_cutoff=0.001");
  add("top_h alone", "top_k=0 top_p=1 top_h=0.5");
  add("top_n_sigma alone", "top_k=0 top_p=1 top_n_sigma=1");
  add("top_a alone", "top_k=0 top_p=1 top_a=0.1");
  add("mirostat 2 alone", "top_k=0 top_p=1 mirostat=2");
  add("default, xtc", "xtc_probability=0.5");
  add("default, adaptive_p", "adaptive_target=0.3");
  add("default, dynamic temperature", "dynatemp_range=0.5");
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
