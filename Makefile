# Everything runs in .venv, made here from PYTHON; nothing outside this folder is touched.
# `make` alone lists the targets.

PYTHON      ?= python3
TORCH       ?= torch==2.13.0
PEERS       ?= gensim scikit-learn scikit-surprise mlxtend pyfim gymnasium tomotopy mabwiser
ROUNDS      ?= 7
THREADS     ?= 2
CORPUS_GB   ?= 5
FUZZ_CASES  ?= 10000
FAULT_KILLS ?= 20
PYTEST_ARGS ?=

BIN   := .venv/bin
RUN   := $(BIN)/python -m
DLKIT := $(RUN) dlkit
PIP   := -m pip --disable-pip-version-check -qq install

# The peers' packages stay out of .venv. PEER_PYTHON=<a python that has the peer> installs nothing.
PEER_PYTHON ?= .bench-venv/bin/python
peer = $(if $(filter .bench-venv/bin/python,$(PEER_PYTHON)),.bench-venv/.installed-$(1))

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:  # two pips in one environment spoil it
.PHONY: bench-word2vec bench-word2vec-memory bench-qlearn bench-bandit bench-lda bench-mf bench-cost-mf bench-bayes-nb-memory bench-bayes-nb bench-apriori help demo docs test lint fuzz faults bench bench-train-mlp bench-train-cnn bench-cost-cnn bench-gan bench-vae bench-seq2seq bench-rnn bench-cost-rnn bench-startup bench-cost bench-split bench-scaling bench-clean experiments cuda-resources cuda-sanitize clean distclean

help:  ## this list
	@echo "dlkit: make demo and make test do all the set-up they need"
	@awk -F ':.*## ' '/^[a-z][a-z0-9-]*:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

# -- environments ----------------------------------------------------------------------------------
.venv/.created:
	@$(PYTHON) -c '' 2>/dev/null || { echo "error: no $(PYTHON) here; install Python 3.11 or newer, or name one: make PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "error: dlkit needs Python 3.11 or newer, $(PYTHON) is $$($(PYTHON) -V); name another: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "error: $(PYTHON) has no venv module (Debian, Ubuntu: apt install python3-venv)"; exit 1; }
	@echo "making .venv from $$($(PYTHON) -V)"
	@$(PYTHON) -m venv .venv
	@touch $@

.venv/.installed-%: pyproject.toml | .venv/.created
	@echo "installing dlkit[$*] into .venv (first time: a minute or two)"
	@$(BIN)/python $(PIP) --editable '.[$*]'
	@touch $@

.bench-venv/.created: | .venv/.created
	@echo "making .bench-venv for the peers"
	@$(PYTHON) -m venv .bench-venv
	@touch $@

.bench-venv/.installed-torch: | .bench-venv/.created
	@echo "installing $(TORCH) into .bench-venv (minutes; pip options such as an index may be part of TORCH)"
	@.bench-venv/bin/python $(PIP) $(TORCH) numpy
	@touch $@

# The peers of the other commands' rows.
.bench-venv/.installed-peers: | .bench-venv/.created
	@echo "installing $(PEERS) into .bench-venv (minutes: some are compiled)"
	@.bench-venv/bin/python $(PIP) $(PEERS)
	@touch $@

# -- to look at it, to work on it --------------------------------------------------------------------
demo: .venv/.installed-report  ## every command on the data in data/, a question to each run, a report (under 3 minutes)
	@DLKIT="$(DLKIT)" sh examples/demo.sh runs/demo

docs: .venv/.installed-docs  ## the documentation as a site, into build/site (needs no network)
	$(RUN) docs.site -o build/site

test: lint  ## lint, types and the whole test suite
	$(RUN) pytest -n 2 $(PYTEST_ARGS)

lint: .venv/.installed-test  ## ruff and mypy
	$(RUN) ruff check .
	$(RUN) mypy

fuzz: .venv/.installed-test  ## the property tests with FUZZ_CASES=10000 random cases each
	DLKIT_FUZZ_CASES=$(FUZZ_CASES) $(RUN) pytest -n 2 -m hypothesis $(PYTEST_ARGS)

faults: .venv/.installed-test  ## kill runs at FAULT_KILLS=20 random moments and resume them
	DLKIT_FAULT_KILLS=$(FAULT_KILLS) $(RUN) pytest -n 2 tests/faults $(PYTEST_ARGS)

cuda-resources: .venv/.installed-test  ## registers and shared memory of every CUDA kernel, sm_70 to sm_90
	$(BIN)/python tests/cuda_compile/resources.py float32 float64 sm_70 sm_75 sm_80 sm_86 sm_89 sm_90

cuda-sanitize: .venv/.installed-test  ## run every CUDA kernel on the CPU under AddressSanitizer (needs g++)
	$(BIN)/python tests/cuda_on_cpu/sanitize.py

# Every recipe to its end, several at once as members of a family; an interrupted one goes on where it was.
EXPERIMENTS ?= $(basename $(notdir $(wildcard recipes/*.yaml)))

experiments: $(EXPERIMENTS:%=runs/%/summary.json)  ## run every recipe (hours; most need DLKIT_DATA); EXPERIMENTS="mlp-mnist ..." for some

runs/%/summary.json: recipes/%.yaml | .venv/.installed-report
	$(DLKIT) $$(sed -n 's/^command: *//p' $<) $< -o runs/$* $$(if [ -e runs/$*/recipe.yaml ]; then echo --resume; fi)

# -- side by side with peers -------------------------------------------------------------------------
BENCH = $(RUN) benchmarks --rounds $(ROUNDS) --threads $(THREADS) --peer-python $(PEER_PYTHON)

bench: .bench-venv/.installed-peers bench-train-mlp bench-train-cnn bench-vae bench-gan bench-rnn bench-seq2seq bench-word2vec bench-lda bench-mf bench-bayes-nb bench-apriori bench-qlearn bench-bandit bench-startup bench-split bench-cost bench-cost-cnn bench-cost-rnn bench-cost-mf bench-bayes-nb-memory  ## every row of benchmarks/RESULTS.md, about an hour on a quiet machine

bench-train-mlp: .venv/.installed-bench $(call peer,torch)  ## one MLP step and a whole run against PyTorch
	$(BENCH) train-mlp train-mlp-cli

bench-train-cnn: .venv/.installed-bench $(call peer,torch)  ## one step of LeNet and its forward pass against PyTorch
	$(BENCH) train-cnn

bench-cost-cnn: .venv/.installed-bench $(call peer,torch)  ## LeNet's step over batch, filters and image size, as a picture
	$(BENCH) cost-cnn

bench-gan: .venv/.installed-bench $(call peer,torch)  ## a step of each network of a GAN against PyTorch
	$(BENCH) gan

bench-mf: .venv/.installed-bench $(call peer,peers)  ## training against Surprise (ml-100k with DLKIT_DATA, and made-up ratings)
	$(BENCH) mf

bench-qlearn: .venv/.installed-bench $(call peer,peers)  ## steps of Q-learning against a loop over Gymnasium
	$(BENCH) qlearn

bench-word2vec: .venv/.installed-bench $(call peer,peers)  ## words a second against gensim, made-up text
	$(BENCH) word2vec

bench-word2vec-memory: .venv/.installed-bench  ## word2vec's memory over a stream of CORPUS_GB=5 (a quarter of an hour)
	CORPUS_GB=$(CORPUS_GB) $(BENCH) word2vec-memory

bench-bayes-nb: .venv/.installed-bench $(call peer,peers)  ## text to trained model against scikit-learn (20 newsgroups with DLKIT_DATA)
	$(BENCH) bayes-nb

bench-cost-mf: .venv/.installed-bench  ## time and memory of mf from 1e5 to 2e7 generated ratings, as a picture
	$(RUN) benchmarks cost-mf --threads $(THREADS)

bench-bayes-nb-memory: .venv/.installed-bench  ## a gigabyte of generated text through bayes-nb: time and peak memory
	$(RUN) benchmarks bayes-nb-memory --threads $(THREADS)

bench-vae: .venv/.installed-bench $(call peer,torch)  ## one step of a variational autoencoder against PyTorch
	$(BENCH) vae

bench-rnn: .venv/.installed-bench $(call peer,torch)  ## one step of a character LSTM against PyTorch
	$(BENCH) rnn

bench-cost-rnn: .venv/.installed-bench $(call peer,torch)  ## the LSTM's step over length, batch and vocabulary, as a picture
	$(BENCH) cost-rnn

bench-seq2seq: .venv/.installed-bench $(call peer,torch)  ## a training step and translations of seq2seq against PyTorch
	$(BENCH) seq2seq

bench-startup: .venv/.installed-bench $(call peer,torch)  ## --help, and the command until its first step is on disk
	$(BENCH) startup

bench-cost: .venv/.installed-bench $(call peer,torch)  ## step time over batch and width, as a picture
	$(BENCH) cost

bench-bandit: .venv/.installed-bench $(call peer,peers)  ## decisions a second by policy against MABWiser and a loop of NumPy
	$(BENCH) bandit

bench-split: .venv/.installed-bench  ## where to cut a step over threads: the batch or each product
	$(BENCH) split

bench-apriori: .venv/.installed-bench $(call peer,peers)  ## item sets of four files against PyFIM and mlxtend (one without DLKIT_DATA)
	$(BENCH) apriori

bench-lda: .venv/.installed-bench $(call peer,peers)  ## topics of 20 newsgroups against scikit-learn and tomotopy (made-up text without DLKIT_DATA)
	$(BENCH) lda

bench-scaling: .venv/.installed-test  ## a step over ranks: constants and model into docs/distributed.md
	$(RUN) benchmarks.scaling --write docs/distributed.md

bench-clean:  ## remove the peers' environment
	rm -rf .bench-venv

clean:  ## remove caches, runs and build products
	rm -rf runs build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find dlkit tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean bench-clean  ## remove .venv too
	rm -rf .venv
