# `make train` and `make test` set everything up by themselves; `make` alone lists what there is.
PYTHON ?= python3
VENV ?= .venv
TASK ?= qmini
NUM_ENVS ?=
ITERATIONS ?= 150
ARGS ?=
CASES ?= 20000

BIN := $(VENV)/bin
# Without a GPU its simulator is only needed to test it.
GPU := $(wildcard /dev/nvidiactl)
# What runs in the user's Python 3.8 with Isaac Gym has to stay fit for it.
PYTHON_3_8 := $(BIN)/vermin --quiet --no-tips --eval-annotations --violations --target=3.8- legged_gym/simulators/isaacgym/w*.py
PIP := $(BIN)/python -m pip --disable-pip-version-check
TORCH_CPU := https://download.pytorch.org/whl/cpu

.DEFAULT_GOAL := help
.PHONY: help setup train play demo tensorboard speedrun warm test coverage fuzz reference lint wheel docs web audit mutants soak

help:
	@echo 'make train        set up, then train Qmini for some minutes'
	@echo '                  (NUM_ENVS=256, on a GPU 4096; ITERATIONS=$(ITERATIONS); TASK=$(TASK); ARGS="--seed=1 ...")'
	@echo 'make play         drive the newest run, or at first the shipped policy, in a window or a browser'
	@echo 'make demo         write a web page in which the shipped policy walks, and open it (TASK=$(TASK))'
	@echo 'make tensorboard  watch the runs in a browser'
	@echo 'make warm         compile everything that a training needs, so that the first one starts at once'
	@echo 'make speedrun     measure the time from the command to a policy that passes (ARGS="--seeds 1 2 3")'
	@echo 'make test         set up, then run all tests'
	@echo 'make coverage     run all tests, and tell which branches of the package they take'
	@echo 'make fuzz         try 20000 random command lines, settings and files (CASES=20000)'
	@echo 'make reference    write docs/configuration.md from the configuration classes'
	@echo 'make lint         ruff, mypy and the layers'
	@echo 'make mutants      put some sixty faults into the code, one at a time, and see whether the tests notice (ARGS="--only=reset")'
	@echo 'make soak         run random valid configurations, one after the other (ARGS="--runs=200 --robots=1000")'
	@echo 'make audit        compare the pinned packages with constraints.lock, and check them for known vulnerabilities'
	@echo 'make docs         build the documentation site into build/site'
	@echo 'make web          build the page that export.py --web fills, which needs Node'
	@echo 'make wheel        build the wheel and try it in an empty environment'
	@echo 'make setup        only set up: $(VENV) with the dependencies pinned in constraints.txt'

setup: $(VENV)/.installed
	@echo 'ready: $(VENV)'

train: $(VENV)/.installed
	$(BIN)/python legged_gym/scripts/train.py --task=$(TASK) --headless $(if $(NUM_ENVS),--num_envs=$(NUM_ENVS)) --max_iterations=$(ITERATIONS) $(ARGS)

play: $(VENV)/.installed
	$(BIN)/python legged_gym/scripts/play.py --task=$(TASK) $(ARGS)

tensorboard: $(VENV)/.installed
	$(BIN)/python legged_gym/scripts/dashboard.py

demo: build/demo/$(TASK).html
	@echo 'the page needs no server, and also runs on a phone: $<'
	@$(BIN)/python -c 'import sys, webbrowser; sys.exit(not webbrowser.open("file://$(CURDIR)/$<"))' || echo 'no browser here: open it yourself'

build/demo/%.html: resources/policies/% $(wildcard legged_gym/deploy/web*) $(VENV)/.installed
	@mkdir -p build/demo
	$(BIN)/python legged_gym/scripts/export.py --task=$* --load_run=shipped --output=build/demo/$* --web=$@

resources/policies/%:
	@echo "error: no policy of '$*' comes with the project: there are $(notdir $(wildcard resources/policies/*))" >&2; exit 2

# Warp's kernels and torch.compile's are kept for the next start.
warm: $(VENV)/.installed
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT \
	&& $(BIN)/python legged_gym/scripts/train.py --task=$(TASK) --headless --max_iterations=2 --log_root="$$folder" $(ARGS)

speedrun: $(VENV)/.installed
	$(BIN)/python legged_gym/scripts/speedrun.py --task=$(TASK) --markdown $(ARGS)

test: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(PYTHON_3_8)
	$(BIN)/lint-imports --no-logo
	$(BIN)/python -m pytest -n auto $(ARGS)

# pyproject.toml says what is measured, and what can't be.
coverage:
	$(MAKE) --no-print-directory test ARGS="--cov --cov-report=term:skip-covered $(ARGS)"

fuzz: $(VENV)/.installed-test
	FUZZ_CASES=$(CASES) $(BIN)/python -m pytest tests/test_fuzz.py $(ARGS)

lint: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(PYTHON_3_8)
	$(BIN)/lint-imports --no-logo
	$(BIN)/mypy

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "error: Python 3.11 or newer is needed, '$(PYTHON)' is $$($(PYTHON) --version 2>&1). Name another one: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "error: '$(PYTHON)' has no venv module (Debian, Ubuntu: apt install python3-venv)" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)

# Without an NVIDIA GPU, PyTorch's own index has a build that is some gigabytes smaller. Where that index can't be
# reached, the usual one serves as well.
$(VENV)/.installed: setup.py constraints.txt | $(VENV)/bin/python
	@if [ "$$(uname -s)" = Linux ] && [ -z "$(GPU)" ]; then \
	  echo 'PyTorch: trying the CPU build'; \
	  $(PIP) install -q --retries 0 --timeout 15 --no-deps -c constraints.txt --index-url $(TORCH_CPU) torch 2>/dev/null \
	    || echo 'PyTorch: taking the usual build'; fi
	@echo 'installing the dependencies into $(VENV), which takes some minutes'
	$(PIP) install -q -c constraints.txt -e '.$(if $(GPU),[warp])'
	@touch $@

soak: $(VENV)/.installed-test
	$(BIN)/python tests/soak.py $(ARGS)

mutants: $(VENV)/.installed-test
	$(BIN)/python tests/mutants.py $(ARGS)

# Known holes are asked for at PyPI; what can't be asked about is no success.
audit: $(VENV)/bin/python
	$(BIN)/python .ci/lock.py check --index
	$(PYTHON) -m venv build/audit
	build/audit/bin/python -m pip --disable-pip-version-check install -q pip-audit
	build/audit/bin/pip-audit --strict --disable-pip --no-deps -r constraints.txt

# Links between pages are checked, and a warning is an error.
reference: $(VENV)/.installed
	$(BIN)/python -m legged_gym.cli.reference docs/configuration.md

docs: $(VENV)/.installed-test $(patsubst resources/policies/%,build/demo/%.html,$(wildcard resources/policies/*))
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build -q
	@mkdir build/site/demo && cp build/demo/*.html build/site/demo
	@echo 'documentation: build/site/index.html; its search needs a server: $(BIN)/python -m http.server -d build/site'

web: web/node_modules/.package-lock.json
	node web/build.mjs

web/node_modules/.package-lock.json: web/package-lock.json
	npm ci --prefix web --no-fund --no-audit --loglevel=error

# The wheel is tried from another folder, in an environment that has nothing but it and its dependencies.
wheel: $(VENV)/.installed-test
	@rm -rf build dist
	$(PIP) wheel -q --no-deps --wheel-dir dist .
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && wheel=$$(ls "$$PWD"/dist/*.whl) \
	&& $(PYTHON) -m venv "$$folder/venv" \
	&& (cd $(VENV)/lib/python3*/site-packages && pwd) >"$$(echo "$$folder"/venv/lib/python3*/site-packages)/dependencies.pth" \
	&& cd "$$folder" && venv/bin/python -m pip --disable-pip-version-check install -q --no-deps "$$wheel" \
	&& venv/bin/qmini-train --headless --num_envs=4 --max_iterations=1 && venv/bin/qmini-export \
	&& venv/bin/qmini-sim2sim --vx=0.3 --seconds=2 --trials=1 \
	&& venv/bin/qmini-sim2sim --task=go2 --policy=shipped --vx=0.3 --seconds=2 --trials=1 && find . -path ./venv -prune -o -type f -print

# What tests of films, page and window need beside Python; without it they say so and are skipped.
PACKAGES := libegl1 libopengl0 libgl1-mesa-dri chromium chromium-driver xvfb xdotool
MISSING = $$(for package in $(PACKAGES); do \
  dpkg-query -Wf '$${db:Status-Status}' $$package 2>/dev/null | grep -q '^installed' || printf '%s ' $$package; done)

$(VENV)/.installed-test: $(VENV)/.installed
	$(PIP) install -q -c constraints.txt -e '.[test,docs]'
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory web/node_modules/.package-lock.json \
	  || echo 'npm failed: the tests of the page in the browser are skipped'; fi
	@missing="$(MISSING)"; \
	if [ -n "$$missing" ] && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "installing what tests of films, page and window need: apt-get install $$missing"; \
	  apt-get update -qq >/dev/null 2>&1; \
	  for package in $$missing; do \
	    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$package >/dev/null 2>&1; done; \
	  missing="$(MISSING)"; fi; \
	[ -z "$$missing" ] || echo "packages are missing, without which tests are skipped (Debian, Ubuntu: apt install $${missing% })"
	@touch $@
