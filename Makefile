# Two environments: .venv-serving holds what serving needs and no torch; .venv holds everything.
PYTHON ?= python3
SERVING := .venv-serving
VENV := .venv

.PHONY: demo install test lint clean

$(SERVING)/installed: pyproject.toml
	$(PYTHON) -m venv $(SERVING)
	$(SERVING)/bin/pip install -q -U pip
	$(SERVING)/bin/pip install -q -e ".[embedded]"
	touch $@

$(VENV)/installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install -q -U pip
	$(VENV)/bin/pip install -q -e ".[all]"
	touch $@

demo: $(SERVING)/installed
	$(SERVING)/bin/vehicle-damage demo --out demo

install: $(VENV)/installed

test: $(SERVING)/installed $(VENV)/installed
	SERVING_PYTHON=$(CURDIR)/$(SERVING)/bin/python YOLO_AUTOINSTALL=false $(VENV)/bin/python -m pytest

lint: $(VENV)/installed
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/lint-imports

clean:
	rm -rf $(SERVING) $(VENV) demo
