# .venv-serving holds what serving needs and no torch; .venv holds everything; .venv-checkov a linter whose own
# requirements go with nobody else's.
PYTHON ?= python3
SERVING := .venv-serving
VENV := .venv
CHECKOV := .venv-checkov

.PHONY: demo install test lint generated image image-test locks clean

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

$(CHECKOV)/installed: Makefile
	$(PYTHON) -m venv $(CHECKOV)
	$(CHECKOV)/bin/pip install -q -U pip
	$(CHECKOV)/bin/pip install -q checkov==3.3.30
	touch $@

demo: $(SERVING)/installed
	$(SERVING)/bin/vehicle-damage demo --out demo

install: $(VENV)/installed

test: $(SERVING)/installed $(VENV)/installed $(CHECKOV)/installed
	SERVING_PYTHON=$(CURDIR)/$(SERVING)/bin/python CHECKOV=$(CURDIR)/$(CHECKOV)/bin/checkov YOLO_AUTOINSTALL=false \
		$(VENV)/bin/python -m pytest

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

TARGET ?= worker-cpu
BUILDER ?= docker
VERSION ?= $(shell sed -n 's/^appVersion: "\(.*\)"/\1/p' charts/vehicle-damage/Chart.yaml)
image:
	$(BUILDER) build --target $(TARGET) -t vehicle-damage/$(TARGET):$(VERSION) --label org.opencontainers.image.revision=$$(git rev-parse HEAD) .

image-test: $(VENV)/installed
	YOLO_AUTOINSTALL=false $(VENV)/bin/python -m pytest -m container tests/image

# Kept versions stay unless UPGRADE=--upgrade.
UPGRADE ?=
LOCK = $(VENV)/bin/uv pip compile -q $(UPGRADE) --generate-hashes --python-version 3.11 \
	--python-platform x86_64-manylinux_2_28 --custom-compile-command "make locks" --no-emit-index-url

locks: $(VENV)/installed
	$(LOCK) --override requirements/headless.override --extra postgres --extra cluster --extra train \
		-o requirements/trainer.txt pyproject.toml requirements/headless.in
	$(LOCK) --override requirements/headless.override --extra postgres --extra cluster \
		-c requirements/trainer.txt -o requirements/worker-cpu.txt pyproject.toml requirements/headless.in
	$(LOCK) --override requirements/headless.override --override requirements/without-triton.override \
		--extra postgres -c requirements/trainer.txt -o requirements/worker-gpu.txt pyproject.toml \
		requirements/headless.in requirements/torch-runtime.in
	$(LOCK) --override requirements/headless.override --override requirements/without-openvino.override \
		--extra postgres --extra review -c requirements/trainer.txt -o requirements/review.txt pyproject.toml \
		requirements/headless.in
	$(LOCK) -o requirements/build.txt requirements/build.in

clean:
	rm -rf $(SERVING) $(VENV) $(CHECKOV) demo
