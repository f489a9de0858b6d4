# Thin: `python -m ui.make` makes .venv and runs things on every platform, with or without make.
SHELL := /bin/bash
PYTHON ?= $(if $(shell command -v python3),python3,python)
STAGE ?= dev
REQUESTS_PER_DAY ?= 1000
ACTION ?= start
IN := .venv/bin
DO := @$(PYTHON) -m ui.make
# For deploy: YES=1 does not ask unless something bills by the hour, ACCEPT_HOURLY=1 nor then; DRY_RUN=1 makes nothing.
# TAG="team=digits cost=42" tags every part made from now on.
# Given on the command line, these are remembered by the stage; empty takes one away (EMAIL=, INSTANCE_TYPE=).
CHOICES = MODE EMAIL RATE BURST QUOTA BUDGET INSTANCE_TYPE INSTANCES MAX_INSTANCES TTL_HOURS MEMORY_MB CONCURRENCY PROVISIONED \
  DOMAIN CERTIFICATE PERMISSIONS_BOUNDARY
GIVEN = $(foreach name,$(CHOICES),$(if $(findstring command,$(origin $(name))),--$(call lower,$(name)) "$($(name))"))
lower = $(shell echo $(1) | tr A-Z_ a-z-)
ASK = $(if $(YES),--yes) $(if $(ACCEPT_HOURLY),--accept-hourly)
DRY = $(if $(DRY_RUN),--dry-run)
# Learns half as many pictures again in a second where the processor has it, and far fewer where it has not.
BFLOAT16 = $(if $(shell grep -m1 avx512_bf16 /proc/cpuinfo 2>/dev/null),--bfloat16)
FOLDS = $(foreach fold,0 1 2 3 4,runs/fold-$(fold))

.PHONY: run test test-slow siege bench bench-ui screenshots stack train evaluate export improve compare lint mutants clean help \
  deploy canary destroy status logs cost .venv/run .venv/test .venv/deploy

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

run:  ## the page on http://localhost:8501 (PORT=9000 for another), with nothing configured
	$(DO) run

test:  ## every test but the slow ones
	$(DO) test

test-slow:  ## what takes minutes: every crash of a deployment, a clean install, the soak
	$(DO) test-slow

siege: .venv/test  ## what hostile pictures, slow sockets, faults and kills do to the API (ten minutes)
	$(IN)/python -m tests.benchmarks.siege

bench: .venv/test  ## side by side with what people would use instead
	$(IN)/python -m tests.benchmarks

bench-ui: .venv/test  ## how long people wait on the page
	$(IN)/python -m tests.benchmarks.bench_ui

screenshots: .venv/test  ## the README's pictures
	$(IN)/python -m tests.browser.screenshots

stack:  ## endpoint :8080, API :8000 relaying by boto3, page :8501; Ctrl-C stops all three
	$(DO) stack

train: .venv/test  ## a network for each fold of people, then the one that ships, which these teach (2 to 3 hours on two cores with bfloat16)
	for fold in 0 1 2 3 4; do \
	  $(IN)/python -m training.train --fold $$fold --epochs 4.5 $(BFLOAT16) --run runs/fold-$$fold || exit 1; \
	done
	$(IN)/python -m training.train --epochs 10 --teachers $(FOLDS) $(BFLOAT16)

export: .venv/test  ## runs/ -> training/artifacts/digits
	$(IN)/python -m training.export --folds $(FOLDS)

evaluate: .venv/test  ## the table of targets, report.json and charts
	$(IN)/python -m training.evaluate

improve: .venv/test  ## teaches the model what people corrected: FEEDBACK=folder or s3://...; STAGE=dev DEPLOY=1: there too
	$(IN)/python -m training.improve $(if $(FEEDBACK),--feedback "$(FEEDBACK)") $(if $(BASE),--base "$(BASE)") \
	  $(if $(DEPLOY),--deploy --stage $(STAGE)) $(IMPROVE_ARGS)

deploy: .venv/deploy  ## endpoint and API to AWS; tells the cost and asks first
	$(IN)/python -m backend.deploy up --stage $(STAGE) --requests-per-day $(REQUESTS_PER_DAY) $(GIVEN) \
	  $(if $(FALLBACK),--$(if $(filter 0,$(FALLBACK)),no-)fallback) $(if $(TAG),--tag $(TAG)) $(ASK) $(DRY) $(DEPLOY_ARGS)

canary: .venv/deploy  ## a new model for SHARE=10 percent of the callers first (SHADOW=1: asked, answers nobody); ACTION=judge, promote, stop
	$(IN)/python -m backend.deploy canary $(ACTION) --stage $(STAGE) $(if $(ARTIFACT),--artifact "$(ARTIFACT)") \
	  $(if $(SHARE),--share $(SHARE)) $(if $(SHADOW),--shadow) $(if $(YES),--yes) $(DRY)

destroy: .venv/deploy  ## all of it away again, what bills first, and the proof
	$(IN)/python -m backend.deploy destroy --stage $(STAGE) $(DRY)

status: .venv/deploy  ## every part of the stage
	$(IN)/python -m backend.deploy status --stage $(STAGE)

logs: .venv/deploy  ## the last hour of endpoint and function; FOLLOW=1 goes on until Ctrl-C
	$(IN)/python -m backend.deploy logs --stage $(STAGE) $(if $(FOLLOW),--follow)

cost: .venv/deploy  ## what each way to run it costs a month; touches nothing
	$(IN)/python -m backend.deploy cost --requests-per-day $(REQUESTS_PER_DAY) $(if $(CHART),--chart $(CHART))

compare: .venv/test  ## the README's table of all networks on all datasets (20 minutes)
	$(IN)/python -m training.compare $(BFLOAT16)

lint:  ## ruff, mypy and vulture
	$(DO) lint

mutants: .venv/test  ## changes the code in 5,000 places, one at a time, and lists what no test notices (hours; MODULES=backend/keys.py)
	$(IN)/python -m tests.mutants $(MODULES)

clean:  ## what can be made again
	rm -rf .venv build runs .pytest_cache .mypy_cache .ruff_cache *.egg-info

.venv/run .venv/test .venv/deploy:
	$(DO) install $(@F)
