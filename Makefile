# The whole contributor's interface. Every target sets up what it needs.
#   make demo        one picture of examples/ through the main job into out/demo/
#   make test        what every change must pass
#   make test-full   also the long runs: all pictures, kill storms, fuzzing; before a release
#   make test-gui    the panel in a real Blender window, by real clicks: $BLENDER, or as root a Debian chroot that it makes
#   make test-matrix every case of the add-on in every Blender that it supports (some GB of downloads, once)
#   make addon       the extension that artists install: dist/figurine-<version>.zip
#   make lint        style and types
#   make bench       measures a run of every picture in examples/
#   make clean       removes what these made, .venv included

PYTHON ?= $(firstword $(foreach p,python3.11 python3.13 python3,$(shell command -v $(p) 2>/dev/null)))
VENV := .venv/bin/python
# Set by many, and then every process of the tests, hundreds, compiles all that it imports.
export PYTHONDONTWRITEBYTECODE :=

GUI_TEST_OUT ?= out/gui

.PHONY: demo test test-full test-gui test-matrix addon lint bench setup clean

# The networks' tests need torch, the hosted editor's its SDK; the demo and the panel need neither.
EXTRAS := blender,dev
# Two at a time, a file's tests together: half of them wait for Blender or for a server. The long ones of integration/
# come first, so that neither waits for the other at the end.
PARALLEL := --numprocesses 2 --dist loadfile --no-loadscope-reorder

setup:
	@if [ -z "$(PYTHON)" ]; then \
	  if [ "$$(id -u)" = 0 ] && [ "$$CI" = true ] && command -v apt-get >/dev/null; then \
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3.11-venv >/dev/null; \
	  else \
	    echo "Python 3.11 (or 3.13) is missing. On Debian or Ubuntu: sudo apt-get install -y python3.11-venv" >&2; exit 1; \
	  fi; \
	fi
	@$(or $(PYTHON),python3.11) bootstrap.py --extras $(EXTRAS)

demo: setup
	@$(VENV) -m inference_server run examples/adventurer.png --out out/demo

test test-full: EXTRAS := blender,dev,neural,hosted
# Threads of the networks' libraries that share two cores with another test wait for each other by spinning.
test test-full test-matrix: export OMP_NUM_THREADS := 1

test: lint
	@$(VENV) -m pytest -m "not full" $(PARALLEL)

test-full: lint
	@$(VENV) -m pytest $(PARALLEL)

test-gui: setup
	@GUI_TEST_OUT=$(GUI_TEST_OUT) $(VENV) -m pytest tests/gui -rs

test-matrix: setup
	@$(VENV) tests/matrix/run.py

addon: setup
	@$(VENV) build_addon.py

lint: setup
	@$(VENV) -m ruff check .
	@$(VENV) -m ruff format --check .
	@$(VENV) -m mypy

bench: setup
	@$(VENV) -m tests.bench.backbone

clean:
	rm -rf .venv out dist .pytest_cache .mypy_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
