# Thin: each target is one or two plain commands; the README has them for those without make.
SHELL := /bin/bash
PYTHON ?= python3
PORT ?= 8501
STAGE ?= dev
MODE ?= sagemaker
REQUESTS_PER_DAY ?= 1000
IN := .venv/bin
PIP := $(IN)/python -m pip install --quiet --disable-pip-version-check
AWS_LOCAL := AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME=http://127.0.0.1:8080 AWS_DEFAULT_REGION=us-east-1 \
  AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local
# For deploy: YES=1 does not ask, DRY_RUN=1 prints the calls and makes none, INSTANCE_TYPE=ml.m5.large bills by the hour.
KIND = $(if $(INSTANCE_TYPE),--instance-type $(INSTANCE_TYPE))
DRY = $(if $(DRY_RUN),--dry-run)
# Learns half as many pictures again in a second where the processor has it, and far fewer where it has not.
BFLOAT16 = $(if $(shell grep -m1 avx512_bf16 /proc/cpuinfo 2>/dev/null),--bfloat16)

.PHONY: run test test-slow soak bench bench-ui screenshots stack train evaluate export compare lint clean help \
  deploy destroy status logs cost

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

run: .venv/run  ## the page on http://localhost:8501, with nothing configured
	$(IN)/streamlit run ui/app.py --server.port $(PORT)

test: .venv/test  ## every test but the slow ones
	$(IN)/python -m pytest -m "not slow"

test-slow: .venv/test  ## what takes minutes: every crash of a deployment, a clean install, the soak
	$(IN)/python -m pytest -m slow

soak: .venv/test  ## 16 clients, faults injected, every answer compared with the truth
	$(IN)/python -m pytest -s -m slow tests/benchmarks/test_soak.py

bench: .venv/test  ## side by side with what people would use instead
	$(PIP) -e '.[bench]'
	$(IN)/python -m tests.benchmarks

bench-ui: .venv/test  ## how long people wait on the page
	$(IN)/python -m tests.benchmarks.bench_ui

screenshots: .venv/test  ## the README's pictures
	$(IN)/python -m tests.browser.screenshots

stack: .venv/test  ## endpoint :8080, API :8000 relaying by boto3, page :8501; Ctrl-C stops all three
	@trap 'kill $$(jobs -p) 2>/dev/null; wait' EXIT; trap 'exit 0' INT TERM; \
	$(IN)/python -m training.serve --port 8080 & \
	$(AWS_LOCAL) SAGEMAKER_ENDPOINT_NAME=digits $(IN)/python -m backend.server --port 8000 & \
	API_URL=http://127.0.0.1:8000 $(IN)/streamlit run ui/app.py --server.port $(PORT) & \
	wait

train: .venv/test  ## the network that ships, and beside it one for each fold of writers (82 minutes on two cores)
	$(IN)/python -m training.train $(BFLOAT16) & ships=$$!; \
	for fold in 0 1 2 3 4; do \
	  $(IN)/python -m training.train --fold $$fold --epochs 4.25 $(BFLOAT16) --run runs/fold-$$fold || { kill $$ships; exit 1; }; \
	done; wait $$ships

export: .venv/test  ## runs/ -> training/artifacts/digits
	$(IN)/python -m training.export --folds runs/fold-*

evaluate: .venv/test  ## the table of targets, report.json and charts
	$(IN)/python -m training.evaluate

deploy: .venv/deploy  ## endpoint and API to AWS; tells the cost and asks first
	$(IN)/python -m backend.deploy up --stage $(STAGE) --mode $(MODE) --requests-per-day $(REQUESTS_PER_DAY) $(KIND) \
	  $(if $(EMAIL),--email $(EMAIL)) $(if $(FALLBACK),--fallback) $(if $(YES),--yes) $(DRY) $(DEPLOY_ARGS)

destroy: .venv/deploy  ## all of it away again, and the proof; PAGE=1 the page's container too
	$(if $(PAGE),$(IN)/python -m backend.deploy page destroy --stage $(STAGE) $(DRY))
	$(IN)/python -m backend.deploy destroy --stage $(STAGE) $(DRY)

status: .venv/deploy  ## every part of the stage
	$(IN)/python -m backend.deploy status --stage $(STAGE)

logs: .venv/deploy  ## the last hour of endpoint and function
	$(IN)/python -m backend.deploy logs --stage $(STAGE)

cost: .venv/deploy  ## what each way to run it costs a month; touches nothing
	$(IN)/python -m backend.deploy cost --requests-per-day $(REQUESTS_PER_DAY) $(if $(CHART),--chart $(CHART))

compare: .venv/test  ## the README's table of all networks on all datasets (20 minutes)
	$(IN)/python -m training.compare $(BFLOAT16)

lint: .venv/test  ## ruff and mypy
	$(IN)/ruff check . && $(IN)/ruff format --check . && $(IN)/mypy

clean:  ## what can be made again
	rm -rf .venv build runs .pytest_cache .mypy_cache .ruff_cache *.egg-info

.venv/python:
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; (3, 11) <= v <= (3, 13) or sys.exit("Python 3.11, 3.12 or 3.13 is needed, $(PYTHON) is %d.%d. Try: make $(MAKECMDGOALS) PYTHON=python3.12" % v)'
	$(PYTHON) -m venv .venv
	@touch $@

.venv/run: .venv/python pyproject.toml
	$(PIP) -e '.[ui,backend,embedded]'
	@touch $@

.venv/deploy: .venv/python pyproject.toml
	$(PIP) -e '.[backend,embedded,metrics,deploy]'
	@touch $@

.venv/test: .venv/python pyproject.toml
	$(PIP) -e '.[ui,backend,embedded,metrics,training,deploy,dev]'
	@touch $@
