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
SLIM ?= false
EXPLAIN ?= false
CONTAINER ?= $(IMAGE)

EXAMPLE := models/latest.joblib
CARD := $(EXAMPLE:.joblib=.json)
VENV := .venv/bin
IS_NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
CHECK_PYTHON = $(PYTHON) -c '$(IS_NEW_ENOUGH)' || \
	{ echo "Python 3.11 or newer is needed: set PYTHON to one, as in make install PYTHON=python3.13" >&2; exit 1; }
FIT = $(PYTHON) -m models.environment $(if $(filter-out python3,$(PYTHON)),--given)
# Recipes read it from the environment, since a path may have blanks.
export MODEL_PATH
# What the service in the container is told of its settings; its port and model are the image's own.
SETTINGS := MODEL_SHA256 MODEL_NAME ENGINE PROCESSES THREADS MAX_BODY_BYTES MAX_ROWS MAX_WAITING TIMEOUT EXTRA_FIELDS LOG_LEVEL
# What the image says of itself: the commit it is made of, and the SHA-256 of its model. They are not
# given as build arguments, since podman's cache takes no notice of those.
LABEL := org.opencontainers.image
REVISION = $$(git rev-parse HEAD 2>/dev/null || echo unknown)$$([ -z "$$(git status --porcelain 2>/dev/null)" ] || echo -dirty)
MODEL_VERSION = $$({ sha256sum $(EXAMPLE) 2>/dev/null || shasum -a 256 $(EXAMPLE); } | cut -c 1-64)
IN_CONTAINER = $(foreach name,$(SETTINGS),$(if $($(name)),--env $(name)=$($(name))))
# Said by the target that was asked for, not by those it goes through.
next = $(if $(filter $@,$(MAKECMDGOALS)),@echo "Next: $(1)" >&2)
comma := ,

# What one target makes, the next one needs.
.NOTPARALLEL:
.PHONY: help install develop lock train fetch-model card bake run test lint format bench build-image run-container stop-container \
	logs-container check-tag dist github-release require-model-uri require-docker require-card

help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} \
		/^[a-zA-Z_-]+:.*## / {printf "  \033[36m%-24s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

##@ Here

install: ## Make the environment .venv that MODEL_PATH needs, in locked versions
	@$(CHECK_PYTHON)
	@$(FIT) "$$MODEL_PATH"

# Make the environment .venv with all that tests need.
develop:
	@$(CHECK_PYTHON)
	@$(FIT) --develop

train: ## Train the example model and write it to MODEL_PATH
	@$(CHECK_PYTHON)
	@$(FIT) && $(VENV)/python -m models.train "$$MODEL_PATH"

card: require-DATA install ## Let training rows, DATA=train.csv, tell the types of MODEL_PATH's columns; ANSWER=column compares
	@$(VENV)/python -m models.describe "$$MODEL_PATH" '$(DATA)' --answer '$(ANSWER)' $(if $(BACKGROUND),--background '$(BACKGROUND)')

bake: $(EXAMPLE) install ## Compile MODEL_PATH to a plan, and prove that it answers as scikit-learn does
	@$(VENV)/python -m models.bake "$$MODEL_PATH"

require-DATA:
	@[ -n "$(DATA)" ] || { echo "DATA is not set: name the rows of training, make card DATA=train.csv" >&2; exit 1; }

# The card that lies here describes another model.
fetch-model: require-model-uri ## Fetch models/latest.joblib from MODEL_URI, and check that it has MODEL_SHA256
	$(if $(MODEL_URI),$(if $(filter gs://%,$(MODEL_URI)),gcloud storage cp '$(MODEL_URI)' $(EXAMPLE).new $(AS_DEPLOYER),curl --fail --silent --show-error --location --proto =https --output $(EXAMPLE).new '$(MODEL_URI)'))
	@$(if $(MODEL_URI),sha=$$({ sha256sum $(EXAMPLE).new 2>/dev/null || shasum -a 256 $(EXAMPLE).new; } | cut -c 1-64); case $$sha in \
		($(MODEL_SHA256)*) mv $(EXAMPLE).new $(EXAMPLE) && rm -f $(CARD) && echo "$(EXAMPLE) has the SHA-256 $$sha" ;; \
		(*) rm $(EXAMPLE).new; echo "The model has the SHA-256 $$sha$(comma) and MODEL_SHA256 says $(MODEL_SHA256)" >&2; exit 1 ;; esac,\
		echo "MODEL_URI is not set: $(EXAMPLE) stays as it is$(comma) and is trained if it is not there")
	$(call next,make build-image)

require-model-uri:
	@$(if $(MODEL_URI),$(if $(filter gs://% https://%,$(MODEL_URI)),,echo "MODEL_URI=$(MODEL_URI): expected gs://bucket/path or https://host/path" >&2; exit 1))

run: $(EXAMPLE) install ## Serve MODEL_PATH on http://localhost:PORT; train the example if there is no model
	@$(PYTHON) -m models.environment --is-baked "$$MODEL_PATH" || $(VENV)/python -m models.bake "$$MODEL_PATH"
	@exec $(VENV)/python -m api

$(EXAMPLE):
	@[ "$$MODEL_PATH" != $@ ] || { $(CHECK_PYTHON); $(FIT) && $(VENV)/python -m models.train $@; }

##@ In a container

build-image: require-docker $(EXAMPLE) ## Build the image IMAGE with models/latest.joblib in it
	@[ "$$MODEL_PATH" = "$(EXAMPLE)" ] || \
		{ echo "An image is made of $(EXAMPLE): copy $$MODEL_PATH there" >&2; exit 1; }
	@case $(MODEL_VERSION) in ($(MODEL_SHA256)*) ;; \
		(*) echo "$(EXAMPLE) has the SHA-256 $(MODEL_VERSION)$(comma) and MODEL_SHA256 says $(MODEL_SHA256)" >&2; exit 1 ;; esac
	@[ "$(SLIM) $(EXPLAIN)" != "true true" ] || \
		{ echo "EXPLAIN=true looks into scikit-learn, which SLIM=true leaves out: choose one" >&2; exit 1; }
	@python=3.13; if $(PYTHON) -c '$(IS_NEW_ENOUGH)' 2>/dev/null; then python=$$($(PYTHON) -m models.environment --base $(EXAMPLE)) || exit 1; fi; \
		set -x; docker build --platform linux/amd64 --tag $(IMAGE) \
		--label $(LABEL).revision=$(REVISION) --label $(LABEL).version=$(MODEL_VERSION) --build-arg SLIM=$(SLIM) --build-arg EXPLAIN=$(EXPLAIN) \
		--build-arg PYTHON=$$python .

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

require-card:
	@[ -f $(CARD) ] || { echo 'There is no card $(CARD) with an example row: set SAMPLE to a file with {"instances": [...]}' >&2; exit 1; }

require-%:
	@[ -n "$($*)" ] || { echo "$* is not set: write it into .env, as example.env shows, or behind the target: make $(firstword $(MAKECMDGOALS)) $*=..." >&2; exit 1; }

##@ Release

VERSION = $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
RELEASED = machine-learning-api-$(VERSION)
check-tag: require-TAG ## Check that TAG=v1.2.3 says the version of pyproject.toml
	@[ "$(TAG)" = "v$(VERSION)" ] || { echo "The tag $(TAG) is not the version of pyproject.toml: expected v$(VERSION)" >&2; exit 1; }
	$(call next,make dist)

dist: build-image require-card ## Write the model's card, the image, and the source with its model, to dist/
	rm -rf dist && mkdir dist
	cp $(CARD) dist/$(RELEASED)-model-card.json
	docker tag $(IMAGE) $(IMAGE):$(VERSION)
	docker save --output dist/$(RELEASED)-image.tar $(IMAGE):$(VERSION) && gzip -n3 dist/$(RELEASED)-image.tar
	git archive --output=dist/$(RELEASED).tar.gz --prefix=$(RELEASED)/models/ --add-file=$(EXAMPLE) --add-file=$(CARD) --prefix=$(RELEASED)/ HEAD
	@cd dist && { sha256sum * 2>/dev/null || shasum -a 256 *; } | tee SHA256SUMS
	$(call next,make github-release TAG=v$(VERSION))

github-release: check-tag ## Make the release TAG=v1.2.3 on GitHub, with what is in dist/
	gh release create $(TAG) dist/* --verify-tag --generate-notes --title $(TAG)
	$(call next,gh release view $(TAG))

##@ Develop

test: develop ## Run the tests; they need all of api/ and models/ covered
	PYTHONHASHSEED=0 $(VENV)/coverage run -m pytest --numprocesses 2 --dist loadfile $(PYTEST_ARGS)
	$(VENV)/coverage combine --quiet
	$(VENV)/coverage report

lint: develop ## Check style and types
	$(VENV)/ruff check .
	$(VENV)/ruff format --check .
	$(VENV)/mypy

format: develop ## Put the code into form
	$(VENV)/ruff check --fix .
	$(VENV)/ruff format .

bench: develop ## Measure this server and its peers on a core, the client on another; 20 minutes, needs wrk
	$(VENV)/python -m tests.bench $(BENCH_ARGS)

LOCK = $(VENV)/uv pip compile --quiet --universal --fork-strategy fewest --generate-hashes --no-header pyproject.toml
lock: develop ## Write the locks anew from pyproject.toml
	$(LOCK) --output-file requirements-dev.lock --extra sklearn --extra pandas --extra explain --extra dev
	$(LOCK) --output-file requirements-explain.lock --extra sklearn --extra pandas --extra explain --constraint requirements-dev.lock
	$(LOCK) --output-file requirements-pandas.lock --extra sklearn --extra pandas --constraint requirements-dev.lock
	$(LOCK) --output-file requirements.lock --extra sklearn --constraint requirements-dev.lock
	$(LOCK) --output-file requirements-slim.lock --constraint requirements-dev.lock
	echo uv | $(subst pyproject.toml,-,$(LOCK)) --output-file requirements-uv.lock --constraint requirements-dev.lock

include google-cloud.mk
