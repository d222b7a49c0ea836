# Set-up is part of each target: the first run creates .venv and installs what is missing.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test lint peers clean
.DEFAULT_GOAL := demo

demo: $(VENV)/.run      ## the whole stack with the demo clip: http://127.0.0.1:8050
	$(BIN)/actionstream demo

test: $(VENV)/.dev      ## lint and every test that this machine can run
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pylint --jobs 2 contracts streaming inference dashboard training stack tests examples benchmarks
	$(BIN)/pytest

lint: $(VENV)/.dev      ## lint alone, mending what can be mended
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

peers:                  ## Debian and Ubuntu: the programs that tests talk to (needs root); tests skip what is missing
	apt-get update
	DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends chromium ffmpeg mosquitto mosquitto-clients \
	  gstreamer1.0-tools gstreamer1.0-rtsp gstreamer1.0-plugins-good gstreamer1.0-plugins-bad \
	  gstreamer1.0-plugins-ugly gstreamer1.0-libav vlc-bin vlc-plugin-base

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "actionstream needs Python 3.11 or newer; name one with: make PYTHON=python3.12"; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: pyproject.toml | $(VENV)/bin/python
	@echo "Installing actionstream into $(VENV) (once; about a minute) …"
	$(BIN)/pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(VENV)/.dev: pyproject.toml | $(VENV)/bin/python
	@echo "Installing actionstream with training and test tools into $(VENV) (once; a few minutes) …"
	$(BIN)/pip install --quiet --disable-pip-version-check -e ".[train,dev]"
	@touch $@ $(VENV)/.run
