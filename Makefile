# Every variable can stand in .env, in the environment, or behind the target: make run PORT=9001.
SHELL := /bin/sh
.DEFAULT_GOAL := help

# make, docker, the shell and Python read .env differently, so only what all of them read alike is
# let in. The value is not printed: it may be a secret.
ENV_FAULT := $(shell awk '!/^[ \t]*(\#.*)?$$/ && (!/^[A-Z][A-Z0-9_]*=/ || /["\047$$`\\]/ || /=.*\#/ || /=[ \t]/ || /[ \t\r]$$/) {print NR; exit}' .env 2>/dev/null)
ifneq ($(ENV_FAULT),)
$(error .env, line $(ENV_FAULT): expected KEY=value, with no space at either end and no quote, dollar, hash, backtick or backslash)
endif
-include .env
export $(shell sed -n 's/^\([A-Z][A-Z0-9_]*\)=.*/\1/p' .env 2>/dev/null)

PYTHON ?= python3
PORT ?= 8080
MODEL_PATH ?= models/latest.joblib
OS_PORT ?= $(PORT)
IMAGE ?= machine-learning-api
CONTAINER ?= $(IMAGE)

EXAMPLE := models/latest.joblib
VENV := .venv/bin
INSTALLED := .venv/.installed
EXTRA := $(wildcard models/requirements.txt)
# What the service in the container is told of its settings; its port and model are the image's own.
SETTINGS := MODEL_SHA256 PROCESSES THREADS MAX_BODY_BYTES MAX_ROWS MAX_WAITING TIMEOUT
# What the image says of itself: the commit it is made of, and the SHA-256 of its model.
REVISION = $$(git rev-parse HEAD 2>/dev/null || echo unknown)$$([ -z "$$(git status --porcelain 2>/dev/null)" ] || echo -dirty)
MODEL_VERSION = $$({ sha256sum $(EXAMPLE) 2>/dev/null || shasum -a 256 $(EXAMPLE); } | cut -c 1-64)
IN_CONTAINER = $(foreach name,$(SETTINGS),$(if $($(name)),--env $(name)=$($(name))))

.PHONY: help install lock train run test lint format bench build-image run-container \
	stop-container logs-container require-docker

help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} \
		/^[a-zA-Z_-]+:.*## / {printf "  \033[36m%-16s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

##@ Here

install: $(INSTALLED) ## Make the environment .venv with everything, in locked versions
train: $(INSTALLED) ## Train the example model and write it to MODEL_PATH
	@$(VENV)/python -m models.train $(MODEL_PATH)

run: $(INSTALLED) $(EXAMPLE) ## Serve MODEL_PATH on http://localhost:PORT; train the example if there is no model
	@exec $(VENV)/python -m api

$(EXAMPLE):
	@$(if $(filter $@,$(MODEL_PATH)),$(MAKE) --no-print-directory train,:)

$(INSTALLED): requirements-dev.lock $(EXTRA)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed: set PYTHON to one, as in make install PYTHON=python3.13" >&2; exit 1; }
	@echo "Making the environment .venv: half a minute, the first time"
	$(PYTHON) -m venv .venv
	$(VENV)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(if $(EXTRA),$(VENV)/pip install --quiet --disable-pip-version-check -r $(EXTRA))
	@touch $@

##@ In a container

build-image: require-docker $(EXAMPLE) ## Build the image IMAGE with models/latest.joblib in it
	@[ "$(MODEL_PATH)" = "$(EXAMPLE)" ] || \
		{ echo "An image is made of $(EXAMPLE): copy $(MODEL_PATH) there" >&2; exit 1; }
	docker build --platform linux/amd64 --tag $(IMAGE) \
		--build-arg REVISION=$(REVISION) --build-arg MODEL_VERSION=$(MODEL_VERSION) .

run-container: require-docker ## Serve the image on http://localhost:OS_PORT
	@docker image inspect $(IMAGE) >/dev/null 2>&1 || { echo "There is no image $(IMAGE): make build-image" >&2; exit 1; }
	@docker rm --force $(CONTAINER) >/dev/null 2>&1 || true
	docker run --detach --name $(CONTAINER) --publish 127.0.0.1:$(OS_PORT):8080 \
		--read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges $(IN_CONTAINER) $(IMAGE)
	@for i in $$(seq 150); do \
		curl --silent --fail --max-time 2 --output /dev/null http://localhost:$(OS_PORT)/ready && exec echo "Ready on http://localhost:$(OS_PORT): make logs-container shows what to send"; \
		[ "$$(docker inspect --format '{{.State.Running}}' $(CONTAINER))" = true ] || break; \
		sleep 0.2; \
	done; docker logs $(CONTAINER) >&2; echo "The container does not answer; its log stands above" >&2; exit 1

stop-container: require-docker ## Stop the container; requests under way are answered first
	docker stop --time 10 $(CONTAINER)
	docker rm $(CONTAINER)

logs-container: require-docker ## Follow the container's log
	docker logs --follow $(CONTAINER)

require-docker:
	@docker version >/dev/null 2>&1 || \
		{ echo "docker does not answer: install it and start it, https://docs.docker.com/get-docker" >&2; exit 1; }

##@ Develop

test: $(INSTALLED) ## Run the tests; they need all of api/ and models/ covered
	$(VENV)/coverage run -m pytest $(PYTEST_ARGS)
	$(VENV)/coverage combine --quiet
	$(VENV)/coverage report

lint: $(INSTALLED) ## Check style and types
	$(VENV)/ruff check .
	$(VENV)/ruff format --check .
	$(VENV)/mypy

format: $(INSTALLED) ## Put the code into form
	$(VENV)/ruff check --fix .
	$(VENV)/ruff format .

bench: $(INSTALLED) ## Measure this server and its peers side by side; takes 20 minutes, needs wrk
	$(VENV)/python -m tests.bench $(BENCH_ARGS)

LOCK = $(VENV)/uv pip compile --quiet --universal --fork-strategy fewest --generate-hashes --no-header pyproject.toml
lock: $(INSTALLED) ## Write the locks anew from pyproject.toml
	$(LOCK) --output-file requirements-dev.lock --extra pandas --extra dev
	$(LOCK) --output-file requirements-pandas.lock --extra pandas --constraint requirements-dev.lock
	$(LOCK) --output-file requirements.lock --constraint requirements-dev.lock
