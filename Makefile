# Two environments: .venv-serving holds what serving needs and no torch; .venv holds everything.
PYTHON ?= python3
SERVING := .venv-serving
VENV := .venv

.PHONY: demo install test lint generated clean

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

# What the chart and the README hold of the code.
generated: $(VENV)/installed
	$(VENV)/bin/vehicle-damage reference rules > charts/vehicle-damage/files/rules.yaml
	$(VENV)/bin/vehicle-damage reference rules-test > charts/vehicle-damage/files/rules_test.yaml
	$(VENV)/bin/vehicle-damage reference dashboard > charts/vehicle-damage/files/dashboard.json
	$(VENV)/bin/python tests/charts/settings_schema.py

clean:
	rm -rf $(SERVING) $(VENV) demo
