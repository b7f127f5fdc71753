// What recording a trace adds to decoding: the same text plain and traced, again and again in one process, so
// that whatever else the machine does meets both.
//
//     bench_trace [--pairs N] [--threads N] [MODEL.gguf ...]
//
// Without models, those of the tests. It prints the median of the pairs' ratios with their quartiles.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "generation/generate.h"
#include "gguf/models.h"
#include "trace/header.h"
#include "trace/records.h"
#include "trace/step.h"
#include "trace/writer.h"

namespace {

using namespace pellucid;

constexpr size_t kTop = 10;  // candidates of a step, as `generate --trace` records them
constexpr int kTokens = 33;  // of each text

template <typename T>
T value_of(Result<T> result) {
  if (!result.ok()) {
    std::fprintf(stderr, "bench_trace: %s\n", result.error().message().c_str());
    std::exit(1);
  }
  return std::move(result).value();
}

/// A file for the traces of a run, gone with it.
struct TraceFile {
  std::string path =
      (std::filesystem::temp_directory_path() / ("bench_trace." + std::to_string(::getpid()))).string();
  TraceFile() = default;
  TraceFile(const TraceFile&) = delete;
  TraceFile& operator=(const TraceFile&) = delete;
  ~TraceFile() { std::filesystem::remove(path); }
};

class Bench {
 public:
  Bench(const std::string& model, int threads)
      : engine_(value_of(generation::Engine::load(model, {.n_threads = threads}))),
        prompt_(value_of(engine_->tokenizer().encode("Once upon a time"))) {
    options_.settings = value_of(engine_->default_settings());
    options_.max_tokens = kTokens;
    options_.stop_at_end_of_turn = false;
  }

  /// Milliseconds of a step, of the text that `seed` gives.
  double plain(uint64_t seed) { return run(seed, 0, {}); }

  double traced(uint64_t seed) {
    std::filesystem::remove(file_.path);
    trace::Writer writer(value_of(trace::File::create(file_.path)), std::nullopt, *engine_, kTop);
    options_.seed = seed;
    const trace::Trace header =
        value_of(trace::trace_header(*engine_, "", 0, "", prompt_, options_, "pellucid"));
    writer.begin(trace::header_record(header), 0);
    return run(seed, trace::to_watch(kTop),
               [&writer](const generation::StepView& step) { return writer.step(step).ok(); });
  }

 private:
  double run(uint64_t seed, size_t watch, const generation::StepObserver& observer) {
    options_.seed = seed;
    options_.watch = watch;
    generation::Sequence sequence = engine_->new_sequence();
    const generation::Generation done =
        value_of(generation::generate(*engine_, sequence, prompt_, options_, observer));
    if (done.finish_reason != generation::FinishReason::kLength) {
      std::fprintf(stderr, "bench_trace: a text has %zu tokens\n", done.tokens.size());
      std::exit(1);
    }
    return done.timings.decode_ms / done.timings.decode_tokens;
  }

  std::unique_ptr<generation::Engine> engine_;
  std::vector<int32_t> prompt_;
  generation::GenerateOptions options_;
  TraceFile file_;
};

double at(const std::vector<double>& sorted, double share) {
  return sorted[static_cast<size_t>(share * static_cast<double>(sorted.size() - 1))];
}

void measure(const std::string& model, int threads, int pairs) {
  Bench bench(model, threads);
  std::vector<double> ratios;
  std::vector<double> steps;
  for (int i = 0; i < pairs; ++i) {
    const auto seed = static_cast<uint64_t>(i);
    const double first = i % 2 == 0 ? bench.plain(seed) : bench.traced(seed);
    const double second = i % 2 == 0 ? bench.traced(seed) : bench.plain(seed);
    steps.push_back(i % 2 == 0 ? first : second);
    ratios.push_back(i % 2 == 0 ? second / first : first / second);
  }
  std::sort(ratios.begin(), ratios.end());
  std::sort(steps.begin(), steps.end());
  std::printf("%s: a step takes %.2f ms; traced %+.1f %% (quartiles %+.1f, %+.1f) in %d pairs of %d steps\n",
              std::filesystem::path(model).filename().c_str(), at(steps, 0.5), 100 * (at(ratios, 0.5) - 1),
              100 * (at(ratios, 0.25) - 1), 100 * (at(ratios, 0.75) - 1), pairs, kTokens - 1);
}

}  // namespace

int main(int argc, char** argv) {
  int pairs = 60;
  int threads = 0;
  std::vector<std::string> models;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if ((argument == "--pairs" || argument == "--threads") && i + 1 < argc) {
      (argument == "--pairs" ? pairs : threads) = std::atoi(argv[++i]);
    } else {
      models.emplace_back(argument);
    }
  }
  if (models.empty()) {
    for (const char* name : {test::kSmolLM2, test::kGemma3}) {
      if (const auto found = test::find_model(name)) models.push_back(*found);
    }
  }
  if (models.empty() || pairs < 1) {
    std::fprintf(stderr, "bench_trace: there is nothing to measure\n");
    return 1;
  }
  for (const std::string& model : models) measure(model, threads, pairs);
}
