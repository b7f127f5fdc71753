// Time of a guide at each token of real JSON documents, in the vocabulary of a model: the mask, and taking
// the token. The model is that of the tests; without it there is nothing to measure.
#include <benchmark/benchmark.h>

#include <chrono>
#include <string>

#include "generation/guides.h"
#include "gguf/models.h"
#include "gguf/reader.h"

namespace {

using namespace pellucid;
using Clock = std::chrono::steady_clock;

struct Document {
  const char* name;
  const char* schema;
  const char* text;
};

constexpr Document kDocuments[] = {
    {"person",
     R"({"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer","minimum":0,"maximum":150},
         "email":{"type":"string","format":"email"},"tags":{"type":"array","items":{"type":"string"}}},
         "required":["name","age"],"additionalProperties":false})",
     R"({"name": "Ada Lovelace", "age": 36, "email": "ada@example.org", "tags": ["mathematics", "engines"]})"},
    {"order",
     R"({"$defs":{"money":{"type":"object","properties":{"amount":{"type":"number"},"currency":{"enum":["EUR","USD",
         "GBP"]}},"required":["amount","currency"]}},"type":"object","properties":{"id":{"type":"string","pattern":
         "^[A-Z]{2}-[0-9]{6}$"},"placed":{"type":"string","format":"date-time"},"items":{"type":"array","items":{
         "type":"object","properties":{"sku":{"type":"string"},"count":{"type":"integer","minimum":1},"price":{
         "$ref":"#/$defs/money"}},"required":["sku","count","price"]}},"note":{"type":["string","null"]}},
         "required":["id","placed","items"]})",
     R"({"id": "DE-004217", "placed": "2026-03-04T05:06:07Z", "items": [{"sku": "brass gear, 40 teeth", "count": 12,
"price": {"amount": 3.25, "currency": "EUR"}}, {"sku": "axle", "count": 1, "price": {"amount": 19, "currency": "EUR"}}],
"note": "Leave it at the door, please; the bell has been out of order since Tuesday."})"},
    {"tool call",
     R"({"anyOf":[{"type":"object","properties":{"tool":{"const":"search"},"query":{"type":"string","maxLength":200},
         "limit":{"type":"integer","minimum":1,"maximum":50}},"required":["tool","query"]},{"type":"object",
         "properties":{"tool":{"const":"weather"},"city":{"type":"string"},"days":{"type":"integer"}},
         "required":["tool","city"]}]})",
     R"({"tool": "search", "query": "determinism of floating point sums on several threads", "limit": 10})"},
    {"any JSON", "true",
     R"({"title": "A list of things", "values": [1, 2.5, -3e8, true, null, "text with \"quotes\""], "deep": {"a": {
"b": {"c": []}}}})"},
};

std::optional<std::string> model_path() { return test::find_model(test::kSmolLM2); }

/// Tokenizer and vocabulary, made once.
struct Tokens {
  gguf::File file;
  tokenizer::Tokenizer tokenizer;
  bridge::GuideVocabulary vocabulary;

  static const Tokens& get() {
    static const Tokens tokens = [] {
      gguf::File file = std::move(gguf::File::open(*model_path())).value();
      auto tokenizer = std::move(tokenizer::Tokenizer::from(file.metadata())).value();
      auto vocabulary = std::move(generation::make_guide_vocabulary(tokenizer)).value();
      return Tokens{std::move(file), std::move(tokenizer), std::move(vocabulary)};
    }();
    return tokens;
  }
};

/// A mean over the tokens of the document; the first text of a schema also fills the lexer's tables.
void masks(benchmark::State& state, const Document& document, bool first) {
  if (!model_path()) return state.SkipWithError("there is no model");
  const Tokens& tokens = Tokens::get();
  const auto ids = tokens.tokenizer.encode(document.text, {.add_bos = false}).value();
  const std::vector<std::string> schema{document.schema};
  const auto compile = [&] {
    return bridge::Guide::compile(tokens.vocabulary, bridge::GuideKind::kJsonSchema, schema);
  };
  const auto compiled = compile();
  for (const auto _ : state) {
    auto guide = first ? compile() : compiled;
    Clock::duration spent{};
    for (const int32_t id : ids) {
      const auto start = Clock::now();
      const auto allowed = guide.value().allowed();
      spent += Clock::now() - start;
      if (!allowed.ok() || !guide.value().take(id).ok()) return state.SkipWithError("not of the schema");
    }
    state.SetIterationTime(std::chrono::duration<double>(spent).count() / static_cast<double>(ids.size()));
  }
}

void compile(benchmark::State& state, const Document& document) {
  if (!model_path()) return state.SkipWithError("there is no model");
  const std::vector<std::string> schema{document.schema};
  for (const auto _ : state) {
    benchmark::DoNotOptimize(
        bridge::Guide::compile(Tokens::get().vocabulary, bridge::GuideKind::kJsonSchema, schema));
  }
}

void make_vocabulary(benchmark::State& state) {
  if (!model_path()) return state.SkipWithError("there is no model");
  for (const auto _ : state)
    benchmark::DoNotOptimize(generation::make_guide_vocabulary(Tokens::get().tokenizer));
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::RegisterBenchmark("vocabulary", make_vocabulary)->Unit(benchmark::kMillisecond);
  for (const Document& document : kDocuments) {
    const std::string name = document.name;
    benchmark::RegisterBenchmark(("compile/" + name).c_str(), compile, document)
        ->Unit(benchmark::kMicrosecond);
    for (const bool first : {true, false}) {
      benchmark::RegisterBenchmark(("mask/" + name + (first ? "/first" : "/again")).c_str(), masks, document,
                                   first)
          ->UseManualTime()
          ->Unit(benchmark::kMicrosecond)
          ->Iterations(first ? 30 : 300);
    }
  }
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
