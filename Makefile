# One word for everything one does with pellucid. `make help` lists the words; CONTRIBUTING.md explains them.

JOBS ?= $(shell nproc)
FUZZ_SECONDS ?= 60
# Of bench/peers.py; --quick takes minutes and leaves docs/ as it is.
PEERS_OPTIONS ?= --neighbour --into docs
# The folders of tests/ that also run under AddressSanitizer and UndefinedBehaviorSanitizer in `make test`:
# those that read what others wrote. `make asan` takes all; the kernels alone take minutes to compile with it.
ASAN_FOLDERS ?= base gguf tokenizer sampling

PYTHON := .venv/bin/python
NODE := .venv/bin/node
BUILD := build/release
PEERS := build/peers
NEON := build/aarch64
DIGESTS := tests/generation/generation_digests
MODELS := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/pellucid/models
export PELLUCID_BINARY := $(CURDIR)/$(BUILD)/src/cli/pellucid
export ASAN_OPTIONS := detect_stack_use_after_return=1:strict_string_checks=1
export UBSAN_OPTIONS := print_stacktrace=1
export TSAN_OPTIONS := halt_on_error=1

CTEST := ctest --output-on-failure --timeout 600
SOURCES = $(shell git ls-files '*.h' '*.cpp' '*.inl')
# Tests of folders: the build targets, and what ctest is run on.
folder_targets = $(foreach folder,$(1),tests/$(folder)/all)
run_folders = for folder in $(2); do $(CTEST) --test-dir $(1)/tests/$$folder $(3) || exit 1; done

.NOTPARALLEL:
.PHONY: help run test build setup models check lint format asan asan-quick tsan bits statistics neon fuzz bench bench-peers accuracy \
	goldens pictures clean

help: ## list these words
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: setup ## set up, build, fetch the default model, and watch it continue a sentence
	cmake --preset release
	cmake --build $(BUILD) -j $(JOBS) --target pellucid
	$(PYTHON) scripts/fetch_models.py smollm2
	$(PELLUCID_BINARY) generate "Once upon a time" -n 64 --seed 1
	$(PELLUCID_BINARY) explain "Once upon a time" --steps 1 --seed 1

# ctest and pytest come last: their closing lines are the summary. Tests of C++ run side by side but for those that
# use all processors themselves (RUN_SERIAL); what they bound is the time of a processor, not that of the clock.
test: setup models check asan-quick build ## everything that has to pass before a commit is shared
	scripts/setup.sh browser
	$(NODE) --test tests/web/*.test.mjs
	$(CTEST) -j $(JOBS) --test-dir $(BUILD)
	$(PYTHON) -m pytest -q tests/python

build: setup ## the release build: program, tests, benchmarks
	cmake --preset release
	cmake --build $(BUILD) -j $(JOBS)

setup: ## install what is missing (Debian packages, .venv, node_modules)
	scripts/setup.sh

models: setup ## download the models that the tests use, and check them
	$(PYTHON) scripts/fetch_models.py all

check: ## formatting, layers, sizes, names: no compiler needed
	clang-format --dry-run -Werror $(SOURCES)
	$(PYTHON) scripts/check_layers.py
	$(PYTHON) scripts/check_names.py

# Each file by itself, and without the flags of GCC that clang does not know.
lint: ## clang-tidy over every source file
	scripts/setup.sh lint
	cmake --preset release -B build/lint -DCMAKE_UNITY_BUILD=OFF
	sed -i -E 's/ -fno-tree-[a-z-]+//g' build/lint/compile_commands.json
	run-clang-tidy -quiet -j $(JOBS) -p build/lint -extra-arg=-Wno-unknown-warning-option '/(src|tests|bench)/'

format: ## clang-format every source file in place
	clang-format -i $(SOURCES)

asan: ASAN_FOLDERS = base gguf tokenizer sampling kernels model generation trace
asan: asan-quick ## all tests of C++ under AddressSanitizer and UndefinedBehaviorSanitizer

asan-quick: setup
	cmake --preset asan
	cmake --build build/asan -j $(JOBS) --target $(call folder_targets,$(ASAN_FOLDERS))
	$(call run_folders,build/asan,$(ASAN_FOLDERS),-j $(JOBS))

tsan: setup ## the tests that use threads under ThreadSanitizer (not hostile files, which one thread reads, nor the matrix)
	cmake --preset tsan
	cmake --build build/tsan -j $(JOBS) --target $(call folder_targets,base sampling model generation trace)
	$(call run_folders,build/tsan,base sampling model generation trace,-E 'hostile|matrix|statistics')

bits: build models ## every point of the matrix of the determinism contract, and a broken order that must be found
	PELLUCID_BITS=all $(BUILD)/tests/generation/generation_matrix_test
	cmake -S . -B build/broken -G Ninja -DCMAKE_BUILD_TYPE=Release -DPELLUCID_BREAK_ORDER=ON -DPELLUCID_BENCH=OFF
	cmake --build build/broken -j $(JOBS) --target generation_matrix_test
	! build/broken/tests/generation/generation_matrix_test > build/broken/matrix.txt
	grep 'FAILED TESTS' build/broken/matrix.txt

statistics: setup ## draws of every sampler against the textbook's distribution, 10^7 a case
	cmake --preset release
	cmake --build $(BUILD) -j $(JOBS) --target sampling_test sampling_statistics_test
	PELLUCID_DRAWS=10000000 $(BUILD)/tests/sampling/sampling_statistics_test
	PELLUCID_DRAWS=10000000 $(BUILD)/tests/sampling/sampling_test --gtest_filter='Draw.*'

neon: setup models ## the kernels on AArch64 through qemu-user, and the bits of whole models there and here
	scripts/setup.sh aarch64
	cmake --preset aarch64
	cmake --build $(NEON) -j $(JOBS) --target $(call folder_targets,base kernels sampling) generation_digests
	$(call run_folders,$(NEON),base kernels sampling,-E statistics)
	cmake --preset release
	cmake --build $(BUILD) -j $(JOBS) --target generation_digests
	$(BUILD)/$(DIGESTS) > $(NEON)/digests.txt
	for level in dotprod neon; do \
	  PELLUCID_SIMD=$$level qemu-aarch64 -L /usr/aarch64-linux-gnu $(NEON)/$(DIGESTS) | diff $(NEON)/digests.txt - || exit 1; \
	  echo "$$level: $$(wc -l < $(NEON)/digests.txt) runs, every logit as here"; \
	done

fuzz: ## each fuzz target for FUZZ_SECONDS (60)
	scripts/setup.sh lint
	cmake --preset fuzz
	cmake --build build/fuzz -j $(JOBS)
	for target in $$(find build/fuzz/fuzz -maxdepth 1 -type f -executable | sort); do \
	  corpus=build/fuzz/corpus/$$(basename $$target); seeds=fuzz/corpus/$$(basename $$target); \
	  mkdir -p $$corpus; [ -d $$seeds ] || seeds=; \
	  echo "== $$target"; $$target $$corpus $$seeds -max_total_time=$(FUZZ_SECONDS) -timeout=10 || exit 1; \
	done

bench: build ## decode and prefill rates, and their share of what the machine can do
	$(PELLUCID_BINARY) bench

bench-peers: setup models ## the same beside llama.cpp: docs/performance-table.md, docs/performance.svg
	cmake --preset release
	cmake --build $(BUILD) -j $(JOBS) --target pellucid
	python3 scripts/setup_peers.py $(PEERS)
	$(PEERS)/bin/python bench/peers.py $(PEERS_OPTIONS)

accuracy: build models ## logits and tokens against the reference implementations
	python3 scripts/setup_peers.py $(PEERS)
	$(PEERS)/bin/python scripts/accuracy.py
	$(PEERS)/bin/python scripts/accuracy_types.py

goldens: setup models ## make the golden files again from the reference implementations
	for model in $(MODELS)/*.gguf; do \
	  $(PYTHON) tests/gguf/golden.py $$model > tests/gguf/golden/$$(basename $$model).txt || exit 1; \
	done
	python3 scripts/setup_peers.py $(PEERS)
	$(PEERS)/bin/python scripts/golden_tokenizer.py $(MODELS)
	python3 -m venv build/goldens
	build/goldens/bin/pip --disable-pip-version-check install -q --no-deps -r scripts/requirements-goldens.txt
	build/goldens/bin/pip --disable-pip-version-check install -q torch==2.15.0
	build/goldens/bin/python scripts/golden_templates.py
	build/goldens/bin/python scripts/golden_samplers.py
	build/goldens/bin/python scripts/golden_watermark.py
	build/goldens/bin/python scripts/golden_beams.py
	build/goldens/bin/python scripts/golden_guidance.py
	$(PEERS)/bin/python scripts/golden_llama_samplers.py $(MODELS)/SmolLM2-135M-Instruct.Q4_1.gguf

pictures: build models ## docs/plot.png: a page of `pellucid plot` as Chromium shows it
	scripts/setup.sh browser
	$(NODE) scripts/pictures.mjs

clean: ## remove what was built
	rm -rf build bridge/target
