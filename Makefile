# HeadImpact: `make` lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PREFIX ?= /usr/local
VENV ?= .venv
PYTHON := $(VENV)/bin/python
RELEASE := .build/release
PROGRAM := $(RELEASE)/headimpact
DEMO ?= .cache/demo
RANKS ?= 2

# Debian packages. `make deps` skips installed ones.
PACKAGES := libopenmpi-dev openmpi-bin libhdf5-dev libturbojpeg0-dev libpng-dev \
            libwebp-dev libtiff-dev libgif-dev libpcre2-dev libsimdjson-dev libssl-dev libcairo2-dev fonts-dejavu-core \
            pkg-config \
            $(if $(filter x86_64,$(shell uname -m)),,libopenblas-serial-dev)
PYTHON_PACKAGES := python3 python3-venv
# Hosts in namespaces, for the short form of `make test-cluster`, and all that its long form needs.
HOST_PACKAGES := openssh-client openssh-server iproute2 procps util-linux
CLUSTER_PACKAGES := $(HOST_PACKAGES) slurmctld slurmd slurm-client munge faketime
# The tests open the report in a real browser.
BROWSER_PACKAGES := chromium

# Other flags or another environment make SwiftPM recompile everything: all test targets use these.
TEST_FLAGS := -c release -Xswiftc -enable-testing --explicit-target-dependency-import-check error
# TESTABLE=1 builds the program with the tests' flags: after `make test`, that recompiles nothing.
BUILD_FLAGS := $(if $(TESTABLE),$(TEST_FLAGS),-c release)
# By default, Open MPI refuses to run as root, and to start more ranks than slots.
MPIRUN := mpirun --oversubscribe $(if $(filter 0,$(shell id -u)),--allow-run-as-root)
# The MPI library of `make test-ranks`: openmpi, or mpich in a build folder of its own.
MPI ?= openmpi
$(if $(filter openmpi mpich,$(MPI)),,$(error MPI is $(MPI); it must be openmpi or mpich))
RANK_FLAGS := $(TEST_FLAGS) $(if $(filter mpich,$(MPI)),--scratch-path .build-mpich)
# What starts ranks, and the programs that it starts; other tests needn't be built with MPICH.
RANK_TARGETS := MessagePassing,Jobs,Scoring,Generation,Grounding,AdapterTraining,Experiment,headimpact,mpi-cases
RANK_TESTS := MessagePassingTests|UnitJobRanksTests|RanksTests|ResumeTests|KilledRunTests|RunTests|GroundingRuns

SUDO := $(if $(filter-out 0,$(shell id -u)),sudo)

# Modules that read untrusted files or use raw memory: their tests also run under the sanitizers.
SANITIZED := IO,JSON,Kernels,Transformer,Safetensors,Tokenization,ChatTemplate,COCO,ImageInput
# AddressSanitizer for Swift and C, UndefinedBehaviorSanitizer for C (Swift checks its own arithmetic).
# The check of C++ virtual tables needs a run-time library that Swift doesn't link.
ADDRESS_FLAGS := --sanitize address -Xcc -fsanitize=undefined -Xcc -fno-sanitize-recover=undefined -Xcxx -fno-sanitize=vptr

.PHONY: help deps system-deps python-deps browser-deps swift build test test-python test-ranks mpich-deps test-environments test-cluster test-deploy host-deps cluster-deps sanitize fuzz parity parity-templates demo bench bench-coordinator bench-ranks bench-end bench-deps bench-products product-rates bench-captions bench-coco learn help-texts format lint install uninstall static deb tarball test-packages \
        clean distclean goldens goldens-cache demo-model

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

deps: system-deps python-deps browser-deps host-deps swift ## Install missing Debian packages and Python tools

# $(call apt,PACKAGES) installs those that are missing; $(call apt,PACKAGES,quiet) starts none of their daemons.
define apt
missing=$$(for package in $(1); do \
    dpkg-query -W -f '$${Status}' $$package 2>/dev/null | grep -q 'ok installed' || echo $$package; done); \
if [ -n "$$missing" ]; then \
    echo "Installing" $$missing; \
    $(if $(2),$(no_daemons)) \
    $(SUDO) apt-get update -qq; \
    $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing; \
fi
endef

# What a package's installation asks before it starts a daemon; the tests start their own.
no_daemons = if [ ! -e /usr/sbin/policy-rc.d ]; then \
    trap '$(SUDO) rm -f /usr/sbin/policy-rc.d' EXIT; \
    printf '\043!/bin/sh\nexit 101\n' | $(SUDO) tee /usr/sbin/policy-rc.d >/dev/null; \
    $(SUDO) chmod 755 /usr/sbin/policy-rc.d; fi;

system-deps:
	@$(call apt,$(PACKAGES))

browser-deps: system-deps
	@$(call apt,$(BROWSER_PACKAGES))

host-deps: system-deps
	@$(call apt,$(HOST_PACKAGES),quiet)

cluster-deps: system-deps
	@$(call apt,$(CLUSTER_PACKAGES),quiet)

python-deps: system-deps
	@$(call apt,$(PYTHON_PACKAGES))
	@tools/install-python.sh $(VENV)

swift:
	@command -v swift >/dev/null || { \
	    echo "swift is not on the PATH: HeadImpact needs Swift 6.2 or later, from https://www.swift.org/install/linux" >&2; \
	    exit 1; }
	@version=$$(swift --version 2>/dev/null | sed -nE 's/.*Swift version ([0-9]+\.[0-9]+).*/\1/p' | head -1); \
	if [ "$$(printf '%s\n' 6.2 "$$version" | sort -V | head -1)" != 6.2 ]; then \
	    echo "Swift $$version is too old: HeadImpact needs 6.2 or later, from https://www.swift.org/install/linux" >&2; \
	    exit 1; fi

# No -march: the kernels select instructions at run time, so one build serves every node.
build: system-deps swift ## Build the program: .build/release/headimpact
	swift build $(BUILD_FLAGS) --product headimpact

goldens-cache: python-deps ## Rebuild the real Qwen2 tokenizer from its published ranks, for the tokenizer tests
	@[ ! -f tools/goldens/tokenizer/make.py ] || $(PYTHON) tools/goldens/tokenizer/make.py --cache .cache/qwen2-tokenizer

test: deps goldens-cache ## Run all tests (installs missing packages first)
	swift build $(TEST_FLAGS) --build-tests
	swift test $(TEST_FLAGS) --skip-build
	@$(MAKE) --no-print-directory test-python

# The Python side of the tests: the comparison behind `make parity` must itself detect errors; the report in a
# browser; docs/analysis.py; the links of the docs; the manifests and images of deploy/; the bench; one fault of each kind on hosts in namespaces.
test-python: python-deps
	$(PYTHON) -m unittest discover -s tools/parity -p 'test_*.py'
	$(PYTHON) -m unittest discover -s tools/report -p 'test_*.py'
	$(PYTHON) -m unittest discover -s tools/docs -p 'test_*.py'
	$(PYTHON) -m unittest discover -s tools/packages -p 'test_manual.py'
	$(PYTHON) -m unittest discover -s tools/deploy -p 'test_manifests.py'
	$(PYTHON) -m unittest discover -s Benchmarks -p 'test_*.py'
	$(PYTHON) -m unittest discover -s tools/cluster -p 'test_*.py'

test-ranks: deps $(if $(filter mpich,$(MPI)),mpich-deps) ## Test what runs on several ranks only; MPI=mpich builds with MPICH
	export MPI=$(MPI) $(if $(filter mpich,$(MPI)),HEADIMPACT_TESTS=$(RANK_TARGETS)); \
	swift build $(RANK_FLAGS) --build-tests && \
	swift test $(RANK_FLAGS) --skip-build --filter '$(RANK_TESTS)'

mpich-deps: system-deps
	@$(call apt,mpich libmpich-dev)

test-environments: deps build ## Test the program with few threads, little memory, few file descriptors, and a full or read-only disk
	$(PYTHON) -m unittest discover -s tools/environment -p 'test_*.py'

test-cluster: deps cluster-deps build ## As root: kill, cut off and mislead the program on hosts in namespaces and under Slurm (CLUSTER_OPTIONS="--seed 1 --moments 200")
	$(PYTHON) tools/cluster/run.py $(CLUSTER_OPTIONS)

test-deploy: deps cluster-deps build ## Run the scripts of deploy/ on Slurm with three nodes, and the image's sshd (as root)
	$(PYTHON) -m unittest discover -v -s tools/deploy -p 'test_*.py'

# Debug builds, which have additional checks (guards around scratch memory, Swift's exclusivity).
sanitize: deps goldens-cache ## Test kernels and file readers in a debug build under the sanitizers
	export HEADIMPACT_TESTS=$(SANITIZED) ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1; \
	swift build --build-tests --scratch-path .build-sanitize $(ADDRESS_FLAGS) && \
	swift test --skip-build --scratch-path .build-sanitize $(ADDRESS_FLAGS)
	export HEADIMPACT_TESTS=Kernels; \
	swift build --build-tests --scratch-path .build-threads --sanitize thread && \
	swift test --skip-build --scratch-path .build-threads --sanitize thread

fuzz: deps build ## Fuzz every reader of files and messages with libFuzzer, one minute each (FUZZ_OPTIONS="--seconds 600 --targets image")
	HEADIMPACT_FUZZ=1 swift build -c release --scratch-path .build-fuzz --product fuzz -Xswiftc -enable-testing \
	    -Xswiftc -sanitize=fuzzer,address -Xcc -fsanitize=fuzzer-no-link,address,undefined -Xcxx -fno-sanitize=vptr
	$(PYTHON) tools/fuzz/run.py $(FUZZ_OPTIONS)

parity: deps build ## Compare headimpact with the Python reference on fresh random models and photographs
	$(PYTHON) tools/parity/run.py $(PARITY_OPTIONS)
	@$(MAKE) --no-print-directory parity-templates

# Random templates, and those of the goldens on many conversations.
parity-templates: python-deps swift ## Compare 10,000 random chat templates and the published ones with jinja2, as configured by transformers
	swift build $(BUILD_FLAGS) --product chat-template-cases
	$(PYTHON) tools/parity/chat_templates.py --program $(RELEASE)/chat-template-cases $(PARITY_TEMPLATE_OPTIONS)
	$(PYTHON) tools/parity/chat_templates.py --program $(RELEASE)/chat-template-cases --templates tools/goldens/chat-templates/templates

demo: deps build ## Install, build, and score the bundled demonstration model on two ranks
	$(PROGRAM) demo --output $(DEMO) --overwrite
	rm -f $(DEMO)/hi.h5 $(DEMO)/hi.h5.*
	$(MPIRUN) -np $(RANKS) $(PROGRAM) score --model $(DEMO)/model --dataset $(DEMO)/dataset/keyobjects.json \
	    --images $(DEMO)/dataset/images --output $(DEMO)/hi.h5
	$(PROGRAM) select $(DEMO)/hi.h5 --strategy top --layers 3 --format table
	@$(PROGRAM) report $(DEMO)/hi.h5 --output $(DEMO)/report --overwrite --dataset $(DEMO)/dataset/keyobjects.json \
	    --images $(DEMO)/dataset/images > /dev/null
	@echo "The Head Impact of every layer and head is in $(DEMO)/hi.h5 (h5py, xarray, HDFView, h5dump)."
	@echo "Figures and tables: open $(DEMO)/report/index.html in a browser."

# The libraries that the program's matrix products are measured beside; they are loaded when the bench runs.
BENCH_PACKAGES := libdnnl-dev libopenblas0-pthread

bench-deps: deps
	@$(call apt,$(BENCH_PACKAGES))

bench: deps build product-rates ## Compare with transformers and PEFT on a full-size random Qwen2-VL-2B (4.4 GB on disk, under 40 minutes; BENCH_OPTIONS="--minutes 15", "--family all", "--quick")
	$(PYTHON) Benchmarks/bench.py $(BENCH_OPTIONS)

bench-products: bench-deps product-rates ## Measure matrix products beside oneDNN, OpenBLAS and the processor's limits (7 minutes; BENCH_PRODUCTS_OPTIONS="--shapes decoder --rows 437 --json")
	$(RELEASE)/product-rates $(BENCH_PRODUCTS_OPTIONS)

product-rates: system-deps swift
	swift build $(BUILD_FLAGS) --product product-rates

bench-coordinator: deps build ## Measure what rank 0 can coordinate, and simulate 10,000 ranks with it
	swift build $(BUILD_FLAGS) --product mpi-cases
	$(PYTHON) Benchmarks/coordinator.py

bench-ranks: deps build ## Measure what ranks cost, in time and processor time (BENCH_RANKS_OPTIONS="--demo")
	$(PYTHON) Benchmarks/ranks.py $(BENCH_RANKS_OPTIONS)

bench-end: deps build ## Measure the end of a scoring run, the bootstrap and the writing of hi.h5, on several ranks
	$(PYTHON) Benchmarks/end.py $(BENCH_END_OPTIONS)

bench-captions: deps build ## Measure evaluate on 40,000 images, with pycocoevalcap (BENCH_CAPTIONS_OPTIONS="--pycocoevalcap DIR") if Java is installed
	$(PYTHON) Benchmarks/captions.py $(BENCH_CAPTIONS_OPTIONS)

bench-coco: deps build ## Measure dataset build on files of train2017's size
	$(PYTHON) Benchmarks/coco.py

learn: deps build ## Train the demonstration model's best layers on another form of its descriptions (minutes), and count the correct ones
	$(PYTHON) Benchmarks/shifted.py

goldens: python-deps ## Regenerate the golden values of the tests
	@for make in tools/goldens/*/make.py; do echo $$make; $(PYTHON) $$make; done

demo-model: python-deps ## Retrain the bundled demonstration model (hours on a CPU)
	$(PYTHON) tools/demo-model/train.py $(DEMO_MODEL_OPTIONS)

# The tests compare --help with files; this rewrites them, and git shows what changed.
help-texts: deps ## Rewrite the help texts for the tests (Tests/CommandLineTests/Help)
	swift build $(TEST_FLAGS) --build-tests
	rm -f Tests/CommandLineTests/Help/*.txt
	WRITE_HELP_TEXTS=1 swift test $(TEST_FLAGS) --skip-build --filter HelpTests
	git diff --stat -- Tests/CommandLineTests/Help

format: swift ## Format the Swift sources
	swift format --in-place --parallel --recursive Package.swift Sources Tests Benchmarks

lint: swift python-deps ## Check formatting, file and function lengths, and undeclared imports
	swift format lint --strict --parallel --recursive Package.swift Sources Tests Benchmarks
	python3 tools/checks/imports.py
	python3 tools/checks/sizes.py
	python3 tools/checks/lifetimes.py

install: build ## Install the program, its resources, manual pages and shell completions under PREFIX (/usr/local)
	tools/packages/place.sh $(RELEASE) $(DESTDIR)$(PREFIX)

# The Swift run-time inside the program: nobody needs Swift to run it.
static: system-deps swift
	swift build -c release --static-swift-stdlib --scratch-path .build-static --product headimpact

deb: static ## Make a Debian package of the program for this distribution: dist/headimpact_*.deb
	tools/packages/deb.sh .build-static dist

tarball: static ## Make an archive of the program that runs without Swift: dist/headimpact-*.tar.gz
	tools/packages/tarball.sh .build-static dist

test-packages: deb tarball ## As root: install both on a bare Debian 12 and Ubuntu 24.04, and run them there
	@$(call apt,debootstrap)
	python3 -m unittest discover -v -s tools/packages -p 'test_packages.py'

uninstall: ## Remove what install put under PREFIX
	rm -rf $(DESTDIR)$(PREFIX)/lib/headimpact $(DESTDIR)$(PREFIX)/bin/headimpact \
	    $(DESTDIR)$(PREFIX)/share/bash-completion/completions/headimpact \
	    $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_headimpact \
	    $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/headimpact.fish $(DESTDIR)$(PREFIX)/share/man/man1/headimpact.1 \
	    $(DESTDIR)$(PREFIX)/share/man/man1/headimpact-*.1

clean: ## Remove build products
	rm -rf .build .build-* dist

distclean: clean ## Remove build products, the virtual environment and all caches
	rm -rf $(VENV) .cache
