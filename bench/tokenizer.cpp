// Speed of encoding and decoding 4 MB of text, in bytes a second, and of loading a vocabulary.
// The models are those of the tests; without them there is nothing to measure.
#include "tokenizer/tokenizer.h"

#include <benchmark/benchmark.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

#include "gguf/models.h"
#include "gguf/reader.h"

namespace {

using pellucid::gguf::File;
using pellucid::tokenizer::Tokenizer;

/// A model of the tests, where it is there.
pellucid::Result<File> open(const char* name) {
  return File::open(pellucid::test::find_model(name).value_or(name));
}

/// The file named by PELLUCID_BENCH_TEXT, or some English prose, repeated to 4 MB.
std::string bench_text() {
  std::string unit = "It was the best of times, it was the worst of times: 1775, in London & Paris.\n";
  if (const char* name = std::getenv("PELLUCID_BENCH_TEXT")) {
    std::ostringstream content;
    content << std::ifstream(name, std::ios::binary).rdbuf();
    unit = content.str();
  }
  std::string text;
  while (text.size() < (size_t{4} << 20)) text += unit;
  return text;
}

void encode(benchmark::State& state, const char* model, const std::string& text) {
  const auto file = open(model);
  if (!file.ok()) return state.SkipWithError(file.error().message().c_str());
  const auto tokenizer = Tokenizer::from(file.value().metadata());
  for (auto _ : state) {
    auto ids = tokenizer.value().encode(text);
    benchmark::DoNotOptimize(ids);
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * text.size()));
}

void decode(benchmark::State& state, const char* model, const std::string& text) {
  const auto file = open(model);
  if (!file.ok()) return state.SkipWithError(file.error().message().c_str());
  const auto tokenizer = Tokenizer::from(file.value().metadata());
  const auto ids = tokenizer.value().encode(text);
  for (auto _ : state) {
    auto bytes = tokenizer.value().decode(ids.value(), true);
    benchmark::DoNotOptimize(bytes);
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * text.size()));
}

void load(benchmark::State& state, const char* model) {
  const auto file = open(model);
  if (!file.ok()) return state.SkipWithError(file.error().message().c_str());
  for (auto _ : state) {
    auto tokenizer = Tokenizer::from(file.value().metadata());
    benchmark::DoNotOptimize(tokenizer);
  }
}

}  // namespace

int main(int argc, char** argv) {
  constexpr const char* kSmolLM2 = "SmolLM2-135M-Instruct.Q4_1.gguf";
  constexpr const char* kGemma3 = "gemma-3-270m-q4_k_m.gguf";
  const std::string text = bench_text();
  const std::string letters(size_t{4} << 20, 'a');
  for (const char* model : {kSmolLM2, kGemma3}) {
    const std::string suffix = std::string("/") + (model == kSmolLM2 ? "smollm2" : "gemma3");
    benchmark::RegisterBenchmark(("load" + suffix).c_str(), load, model)->Unit(benchmark::kMillisecond);
    benchmark::RegisterBenchmark(("encode" + suffix).c_str(), encode, model, text)
        ->Unit(benchmark::kMillisecond);
    benchmark::RegisterBenchmark(("encode_one_letter" + suffix).c_str(), encode, model, letters)
        ->Unit(benchmark::kMillisecond);
    benchmark::RegisterBenchmark(("decode" + suffix).c_str(), decode, model, text)
        ->Unit(benchmark::kMillisecond);
  }
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
