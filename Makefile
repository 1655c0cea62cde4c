# The two commands of the README, and what they stand on.
PYTHON ?= $(shell for v in 3.11 3.12 3.10; do command -v python$$v && break; done || echo python3)
VENV   := .venv
BIN    := $(VENV)/bin
DEMO   ?=
TEST   ?=
JOBS   ?= 2
PIP     = $(BIN)/python -m pip --disable-pip-version-check install --quiet --no-compile --constraint constraints.txt

# Packages are byte-compiled when first imported (--no-compile: installs in half the time), so let Python keep the result.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: venv demo test test-arm lint system-packages constraints clean

venv: $(VENV)/.installed-training

demo: venv
	@$(BIN)/lutlens demo $(DEMO)

# A file's tests stay together: they share services and builds.
test: $(VENV)/.installed-dev system-packages lint
	$(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadfile $(TEST)

# The board's wheel and tests on an ARM userland: needs root, takes minutes, is not part of `make test`.
test-arm: $(VENV)/.installed-dev
	$(BIN)/python tests/arm/run.py

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' || \
	  { echo "lutlens needs Python 3.10, 3.11 or 3.12 (pynq 4.0 needs numpy < 2): make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# An extra is a set of packages; the stamp says which set this environment holds.
$(VENV)/.installed-%: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing lutlens[$*] into $(VENV) (a few minutes the first time)"
	@$(PIP) --editable '.[$*]'
	@touch $@

# The browser test drives Debian's Chromium, deployment's its OpenSSH server, C99 is compiled by its clang, too;
# everything else comes from PyPI.
system-packages:
	@missing=; command -v chromium >/dev/null || missing=chromium; \
	command -v clang >/dev/null || missing="$$missing clang"; \
	command -v tclsh >/dev/null || missing="$$missing tcl"; \
	PATH="$$PATH:/usr/sbin" command -v sshd >/dev/null || missing="$$missing openssh-server"; \
	[ -z "$$missing" ] || if [ "$$(id -u)" = 0 ]; then \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y $$missing >/dev/null; \
	else echo "The tests need more of the system. Run: sudo apt-get install $$missing" >&2; exit 1; fi

# A universal lock; CUDA packages and local version labels are taken out, so that it serves every machine.
constraints: | $(BIN)/python
	$(BIN)/python -m pip --quiet install uv
	{ sed -n '1,/^torch==/p' constraints.txt; \
	  $(BIN)/uv pip compile --universal --python-version 3.10 --no-annotate --no-header --extra dev pyproject.toml \
	  | grep -vE '^(torch|nvidia-|cuda-)'; } > constraints.new
	mv constraints.new constraints.txt

clean:
	rm -rf build dist *.egg-info $(VENV)
