# Set a variable in .env, in the environment, or on the command line: make run PORT=9001.
.DEFAULT_GOAL := help

# make, docker, the shell and Python read .env differently. Only lines that all of them read alike are
# accepted. The value is not printed, since it may be a secret.
ENV_FAULT := $(shell awk '/^[ \t]*\#.*\\$$/ || (!/^[ \t]*(\#.*)?$$/ && (!/^[A-Z][A-Z0-9_]*=/ || /["\047$$`\\]/ || /=.*\#/ || /=[ \t]/ || /[ \t]$$/ || /[\001-\037\177]/)) {print NR; exit}' .env 2>/dev/null)
ifneq ($(ENV_FAULT),)
$(error .env, line $(ENV_FAULT): expected KEY=value, with no space at either end and no quote, \
	dollar, hash, backtick or backslash)
endif
ENV_NAMES := $(shell sed -n 's/^\([A-Z][A-Z0-9_]*\)=.*/\1/p' .env 2>/dev/null)
ifneq ($(filter SHELL MAKE%,$(ENV_NAMES)),)
$(error .env: $(firstword $(filter SHELL MAKE%,$(ENV_NAMES))) is a variable of make itself, which .env cannot set)
endif
-include .env
export $(ENV_NAMES)
SHELL := /bin/sh
ifneq ($(origin MAKE),default)
MAKE := make
endif

# The settings that run-container passes to the service. The image has its own port and model.
SETTINGS := MODEL_SHA256 MODEL_REFRESH_SECONDS MODEL_STORE KEEP_VERSIONS MODEL_FETCH_SECONDS \
	MAX_MODEL_BYTES MODEL_NAME ENGINE PROCESSES THREADS KEEP_ALIVE BODY_TIMEOUT TIMEOUT MAX_BODY_BYTES \
	MAX_ANSWER_BYTES MAX_ROWS MAX_WAITING EXTRA_FIELDS LOG_LEVEL ACCESS_LOG API_KEYS LOCK_METRICS \
	ALLOWED_ORIGINS TLS_CERT TLS_KEY ADMIN_KEYS ALLOW_JOBLIB_UPLOAD CHECK_SECONDS CHECK_BYTES MODEL_MIN \
	MODEL_ACCEPT MODEL_TRUSTED_TYPES TASK_WORKERS RESULT_TTL MAX_TASKS MAX_TASK_ROWS MAX_TASK_BYTES \
	TASK_URIS DURABLE TRAIN TRAIN_SECONDS PREDICTION_LOG PREDICTION_LOG_RATE PREDICTION_TTL \
	MAX_PREDICTIONS 	PREDICTION_HASH PREDICTION_DROP FEEDBACK_URI LEARN_EVERY LEARN_CRON
SETTINGS += MLFLOW_TRACKING_URI
# MODEL_URI is the model of a build, unless the service is to fetch it.
FETCH_AT ?= build
ifeq ($(value FETCH_AT),start)
SETTINGS += MODEL_URI
endif
# What opens a source. run-container passes these on as well; no command line shows them.
CREDENTIALS := MLFLOW_TRACKING_TOKEN MLFLOW_TRACKING_USERNAME MLFLOW_TRACKING_PASSWORD \
	WANDB_API_KEY WANDB_BASE_URL AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_REGION AWS_ENDPOINT_URL AZURE_STORAGE_ACCOUNT_NAME AZURE_STORAGE_ACCOUNT_KEY
CREDENTIALS += CELERY_BROKER_URL CELERY_BACKEND_URL PREDICTION_KEY ALERT_URL

# No value becomes code. make checks the values that recipes use directly, by these lists. A variable
# of TEXTS can hold any text, so recipes read it from the environment, as "$$DATA". No value may hold a
# dollar: make would expand it.
NUMBERS := PORT OS_PORT PATIENCE CLOUD_RUN_CONCURRENCY CLOUD_RUN_MIN_INSTANCES CLOUD_RUN_MAX_INSTANCES \
	WORKERS
AMOUNTS := CLOUD_RUN_MEMORY CLOUD_RUN_CPU CLOUD_RUN_TIMEOUT PERCENT CLOUD_RUN_WORKER_MEMORY CLOUD_RUN_WORKER_CPU
SWITCHES := SLIM EXPLAIN CLOUD_RUN_CPU_BOOST
NAMES := GCP_REGION GCP_REPOSITORY GCP_DEPLOYER GCP_RUNTIME GCP_CONFIG GCP_POOL GCP_SCHEDULER \
	CLOUD_RUN_SERVICE CLOUD_RUN_INGRESS CLOUD_RUN_NETWORK CLOUD_RUN_SUBNET VERTEX_MACHINE_TYPE TO
HOSTS := GCP_PROJECT_ID GCP_REGISTRY IMAGE MODEL_VOLUME
TAGS := IMAGE_TAG TAG CONTAINER NAME GITHUB_REPOSITORY
MEMBERS := MEMBER CLOUDSDK_AUTH_IMPERSONATE_SERVICE_ACCOUNT
OPTIONS := IMPERSONATED AS_DEPLOYER
TEXTS := $(filter-out MODEL_URI,$(SETTINGS)) API_KEY PYTHON MODEL_PATH DATA TARGET BACKGROUND SAMPLE \
	CONFIRM PYTEST_ARGS BENCH_ARGS VERSION URL FILE ACCEPT \
	DROP GROUP TIME HELD_OUT SEED FOLDS SEARCH TWINE_REPOSITORY_URL TWINE_USERNAME TWINE_PASSWORD \
	MODEL SLICES EVALUATE_MIN A B
TEXTS += $(CREDENTIALS)
KNOWN := $(sort $(NUMBERS) $(AMOUNTS) $(SWITCHES) $(NAMES) $(HOSTS) $(TAGS) $(MEMBERS) $(OPTIONS) $(TEXTS) \
	MODEL_URI FETCH_AT SECRETS SCHEDULE \
	$(shell sed -n 's/^\# \([A-Z][A-Z0-9_]*\)=.*/\1/p' example.env 2>/dev/null))
GIVEN := $(strip $(foreach name,$(.VARIABLES),$(if $(filter command,$(origin $(name))),$(name))))
# A name that make does not know could be one of its own special variables.
UNKNOWN := $(filter-out $(KNOWN),$(GIVEN))

empty :=
comma := ,
hash := \#
define newline


endef
DIGITS := 0 1 2 3 4 5 6 7 8 9
LOWER := a b c d e f g h i j k l m n o p q r s t u v w x y z
LETTERS := $(LOWER) A B C D E F G H I J K L M N O P Q R S T U V W X Y Z
WORD_CHARACTERS := $(LETTERS) $(DIGITS) - . _ / : @ + % ~ = * $(comma)
# The text $(1) without the characters in the list $(2).
rest = $(if $(2),$(call rest,$(subst $(firstword $(2)),,$(1)),$(wordlist 2,99,$(2))),$(1))
fault = |$(1) ($(subst file,.env,$(origin $(1)))): expected $(2)
# A fault for each variable in $(1) whose value has a character outside $(2). $(3) says what is
# expected, $(4) is an example, and $(5) allows blanks.
only = $(foreach name,$(1),$(if $(call rest,$(if $(5),$(subst $(empty) ,,$(value $(name))),$(value $(name))),$(2)),$(call fault,$(name),$(3)$(if $(4),$(comma) as in $(name)=$(4)))))
FAULTS := \
	$(call only,$(NUMBERS),$(DIGITS),a whole number,8080) \
	$(call only,$(AMOUNTS),$(LETTERS) $(DIGITS) .,a number with its unit,512Mi) \
	$(foreach name,$(SWITCHES),$(if $(filter-out true false,$(subst $(newline),?,$(subst $(empty) ,?,$(value $(name))))),$(call fault,$(name),true or false))) \
	$(call only,$(NAMES),$(LOWER) $(DIGITS) -,lower-case letters$(comma) digits and - only,europe-west1) \
	$(call only,$(HOSTS),$(LOWER) $(DIGITS) - . _ / :,lower-case letters$(comma) digits and - . _ / : only,my-project) \
	$(call only,$(TAGS),$(LETTERS) $(DIGITS) - . _ /,letters$(comma) digits and - . _ / only,v1.2.3) \
	$(call only,$(MEMBERS),$(LETTERS) $(DIGITS) - . _ / : @ + % $(comma),letters$(comma) digits and - . _ / : @ + % only,user:name@example.com) \
	$(call only,$(OPTIONS),$(LETTERS) $(DIGITS) - . _ / : @ =,options of gcloud,--project=name,blank) \
	$(call only,MODEL_URI,$(LETTERS) $(DIGITS) - . _ / : @ + % ~ ? & = $(comma) $(hash),an address of a model without blanks,gs://bucket/path) \
	$(if $(filter-out build start,$(subst $(newline),?,$(subst $(empty) ,?,$(value FETCH_AT)))),$(call fault,FETCH_AT,build or start)) \
	$(call only,SECRETS,$(LETTERS) $(DIGITS) - _ = : $(comma),variables with their secrets,AWS_SECRET_ACCESS_KEY=name:latest) \
	$(call only,SCHEDULE,$(LETTERS) $(DIGITS) * / $(comma) : -,five fields of cron,0 3 * * *,blank) \
	$(call only,MODEL_SHA256,$(DIGITS) a b c d e f A B C D E F,the 64 hexadecimal digits that sha256sum models/latest.joblib prints) \
	$(foreach name,$(filter-out MODEL_SHA256,$(TEXTS)) $(filter $(KNOWN),$(GIVEN)),$(if $(findstring $$,$(value $(name))),$(call fault,$(name),a value without a dollar))) \
	$(call only,$(UNKNOWN),$(WORD_CHARACTERS),letters$(comma) digits and - . _ / : @ + % ~ = * and commas only since make does not know the name)
ifneq ($(UNKNOWN)$(filter-out $(KNOWN),$(ENV_NAMES)),)
FAULTS += $(shell python3 -m models.names $(KNOWN) --given $(foreach name,$(UNKNOWN),$(if $(call rest,$(name),$(LETTERS) $(DIGITS) _),,$(name))) 2>/dev/null | sed 's/^/|/')
endif
ifneq ($(strip $(FAULTS)),)
$(error $(subst |,,$(subst $(empty) |,$(newline),$(strip $(FAULTS)))))
endif

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
CHECK_PYTHON = "$$PYTHON" -c '$(IS_NEW_ENOUGH)' || \
	{ echo "Python 3.11 or newer is needed: set PYTHON to one, as in make install PYTHON=python3.13" >&2; exit 1; }
FIT = "$$PYTHON" -m models.environment $(if $(filter-out python3,$(PYTHON)),--given)
export PYTHON MODEL_PATH API_KEY
# The labels of the image: the commit of its source and the SHA-256 of its model. They are no build
# arguments, since podman's cache ignores a changed build argument.
LABEL := org.opencontainers.image
REVISION = $$(git rev-parse --verify --quiet HEAD 2>/dev/null || echo unknown)$$($(UNCOMMITTED))
# A hash of the uncommitted changes is a part of the tag, so that each state has a tag of its own.
UNCOMMITTED = [ -z "$$(git status --porcelain 2>/dev/null)" ] || echo "-dirty-$$({ git status --porcelain; \
	git diff --binary HEAD; git ls-files --others --exclude-standard | git hash-object --stdin-paths; } 2>/dev/null | \
	git hash-object --stdin | cut -c 1-7)"
# The SHA-256 of the file $(1); macOS has no sha256sum.
sha256 = $$({ sha256sum $(1) 2>/dev/null || shasum -a 256 $(1); } | cut -c 1-64)
MODEL_VERSION = $(call sha256,$(EXAMPLE))
# --env NAME without a value: docker reads the value from the environment.
IN_CONTAINER = $(foreach name,$(SETTINGS) $(CREDENTIALS),$(if $($(name)),--env $(name)))
# Print the next step, but only for a target of the command line and not for its prerequisites.
next = $(if $(filter $@,$(MAKECMDGOALS)),@echo "Next: $(1)" >&2)

# A target may need a file that the target before it writes.
.NOTPARALLEL:
.PHONY: help install develop lock train evaluate compare use-model release-model github-model fetch-model card \
	bake export-plan package publish upload-model run api-key test lint format bench torture easter build-image \
	run-container stop-container logs-container versions activate rollback-model learn check-tag tag dist wheel \
	github-release check-settings require-model-uri fetch-by-tool fetch-by-python require-docker require-card \
	require-compose up down scale run-worker

help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} \
		/^[a-zA-Z_-]+:.*## / {printf "  \033[36m%-24s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

##@ Here

install: ## Make the environment .venv for MODEL_PATH, in locked versions
	@$(CHECK_PYTHON)
	@$(FIT) "$$MODEL_PATH"

card: require-DATA install ## Read the types of the columns from the training rows DATA=train.csv; TARGET=column compares answers
	@$(VENV)/python -m models.describe "$$MODEL_PATH" "$$DATA" --target "$$TARGET" \
		$(if $(BACKGROUND),--background "$$BACKGROUND")

bake: $(EXAMPLE) install ## Compile MODEL_PATH to a plan, and compare its answers with scikit-learn's
	@$(VENV)/python -m models.bake "$$MODEL_PATH"

export-plan: require-FILE install ## Write the plan of MODEL_PATH and its card to FILE, without any code: a model to upload
	@"$$PYTHON" -m models.environment --is-baked "$$MODEL_PATH" || $(VENV)/python -m models.bake "$$MODEL_PATH"
	@$(VENV)/python -m models.export "$$MODEL_PATH" "$$FILE"
	$(call next,make upload-model FILE=... with that file)

upload-model: require-FILE ## Send the model FILE to the service at URL, with the key in API_KEY, and follow its check
	@$(CHECK_PYTHON)
	@"$$PYTHON" -m api.send "$$FILE" --accept "$$ACCEPT"

require-FILE:
	@[ -n "$$FILE" ] || { echo "FILE is not set: name the file, make $(firstword $(MAKECMDGOALS)) FILE=model.plan" >&2; exit 1; }

require-DATA:
	@[ -n "$$DATA" ] || { echo "DATA is not set: name the rows of training, make card DATA=train.csv" >&2; exit 1; }

fetch-model: require-model-uri fetch-by-tool fetch-by-python ## Fetch models/latest.joblib from MODEL_URI, and check its MODEL_SHA256
	@$(if $(MODEL_URI),:,echo \
		"MODEL_URI is not set: $(EXAMPLE) stays as it is$(comma) and is trained if it is not there")
	$(call next,make build-image)

# The model of a folder, as models/sources has it.
OBJECT = $(if $(filter %.joblib %.pkl %.pickle,$(MODEL_URI)),$(MODEL_URI),$(MODEL_URI:/=)/model.joblib)
BESIDE = $(basename $(OBJECT)).json
# Without Python: gcloud knows the person, and has a container that has no more.
fetch-by-tool:
	$(if $(filter gs://%,$(MODEL_URI)),gcloud storage cp '$(OBJECT)' $(EXAMPLE).new $(AS_DEPLOYER))
	@$(if $(filter gs://%,$(MODEL_URI)),gcloud storage objects describe '$(BESIDE)' $(AS_DEPLOYER) >/dev/null 2>&1 || exit 0; \
		(set -x; gcloud storage cp '$(BESIDE)' $(CARD).new $(AS_DEPLOYER)))
	$(if $(filter https://%,$(MODEL_URI)),$(if $(findstring @,$(MODEL_URI)),@)curl --fail --silent --show-error \
		--location --proto =https --output $(EXAMPLE).new '$(MODEL_URI)')
	@$(if $(filter gs://% https://%,$(MODEL_URI)),$(take-model))

# What a scheme needs is in an environment of its own: the service's stays as it is locked.
locked = $(1)==$(shell sed -n 's/^$(1)==\([^ ]*\).*/\1/p' requirements-dev.lock)
NEEDED = msgspec $(if $(filter s3://% az://% mlflow://%,$(MODEL_URI)),obstore)
fetch-by-python:
	@$(if $(filter-out gs://% https://%,$(MODEL_URI)),$(CHECK_PYTHON); $(FIT) && MODEL_SHA256= $(VENV)/uv run --quiet \
		--no-project --isolated --python $(VENV)/python $(foreach name,$(NEEDED),--with $(call locked,$(name))) \
		$(if $(filter wandb://%,$(MODEL_URI)),--with wandb==0.31.0) \
		python -m models.sources '$(MODEL_URI)' $(EXAMPLE).new $(CARD).new || exit 1; $(take-model))

# The old card is removed, since it describes the old model.
PINNED = $(or $(MODEL_SHA256),$(word 2,$(subst $(hash)sha256=, ,$(MODEL_URI))))
define take-model
sha=$(call sha256,$(EXAMPLE).new); case $$sha in \
		($(PINNED)*) mv $(EXAMPLE).new $(EXAMPLE) && rm -f $(CARD) && \
			{ [ ! -f $(CARD).new ] || mv $(CARD).new $(CARD); } && echo "$(EXAMPLE) has the SHA-256 $$sha" ;; \
		(*) rm -f $(EXAMPLE).new $(CARD).new; $(call refuse-model,The model,$(PINNED)) ;; \
	esac
endef
refuse-model = echo "$(1) has the SHA-256 $$sha, and $(if $(MODEL_SHA256),MODEL_SHA256,MODEL_URI) says $(2)" >&2; exit 1

SOURCES := gs://% s3://% az://% https://% mlflow://% wandb://% file://%
require-model-uri:
	@$(if $(findstring ://,$(MODEL_URI)),$(if $(filter-out $(SOURCES),$(MODEL_URI)), \
		echo "MODEL_URI=$(MODEL_URI): expected $(subst %,...,$(SOURCES)) or a path" >&2; exit 1))

run: install check-settings $(EXAMPLE) ## Serve MODEL_PATH on http://localhost:PORT; train the example if there is no model
	@"$$PYTHON" -m models.environment --is-baked "$$MODEL_PATH" || $(VENV)/python -m models.bake "$$MODEL_PATH"
	@$(if $(filter build,$(FETCH_AT)),MODEL_URI=;) exec $(VENV)/python -m api

run-worker: install check-settings $(EXAMPLE) ## Do the tasks of CELERY_BROKER_URL in this terminal, with MODEL_PATH
	@$(if $(filter build,$(FETCH_AT)),MODEL_URI=;) exec $(VENV)/python -m api worker

api-key: require-NAME install ## Make a key for NAME=alice, and print it with its lines for ADMIN_KEYS and API_KEYS
	@$(VENV)/python -m api.http.keys "$$NAME"

versions: ## List the versions of the model that the service at URL keeps, and the one that serves
	@$(CHECK_PYTHON)
	@"$$PYTHON" -m api.client versions

activate: require-VERSION ## Have the service at URL answer by VERSION=1350f591f8b2 from now on
	@$(CHECK_PYTHON)
	@"$$PYTHON" -m api.client activate

rollback-model: ## Have the service at URL answer by the version before the active one
	@$(CHECK_PYTHON)
	@"$$PYTHON" -m api.client rollback

learn: ## Have the service at URL learn from selections, with the key in API_KEY; the new version serves if it is surely better
	@$(CHECK_PYTHON)
	@"$$PYTHON" -m api.learn

require-VERSION:
	@[ -n "$$VERSION" ] || { echo "VERSION is not set: make versions lists them, and the first digits of one" \
		"are enough, as in make activate VERSION=1350f591f8b2" >&2; exit 1; }

check-settings:
	@$(VENV)/python -m api.check --settings

$(EXAMPLE):
	@[ "$$MODEL_PATH" != $@ ] || { $(CHECK_PYTHON); $(FIT) && $(VENV)/python -m models.training.train --to $@; }

##@ A model, from data to a release

TRAINING = "$$VERSION" --name "$$NAME" --function "$$TRAIN" --data "$$DATA" --target "$$TARGET" --drop "$$DROP" \
	--group "$$GROUP" --time "$$TIME" --held-out "$$HELD_OUT" --seed "$$SEED" --folds "$$FOLDS" --search "$$SEARCH"
train: ## Train the release VERSION=1.2.0 of NAME, the next one if none is given, on DATA with the answers in TARGET
	@$(CHECK_PYTHON)
	@$(FIT) && $(VENV)/python -m models.training.train $(TRAINING)

evaluate: ## Measure MODEL (a file, or 1.2.0) on rows DATA with known answers, and write a report; EVALUATE_MIN sets gates, URL asks a service
	@$(CHECK_PYTHON)
	@$(FIT) "$${MODEL:-$$MODEL_PATH}"
	@$(VENV)/python -m models.evaluation "$${MODEL:-$$VERSION}" --name "$$NAME" --data "$$DATA" --target "$$TARGET" \
		--slices "$$SLICES" --min "$$EVALUATE_MIN" --url "$$URL"

compare: require-A require-B ## Compare B with A (files, or as A=1.0.0 B=1.1.0) on the same rows: DATA with known answers, or those held out
	@$(CHECK_PYTHON)
	@$(FIT) "$$MODEL_PATH"
	@case " $$A $$B " in (*" $(EXAMPLE) "*) $(MAKE) --no-print-directory $(EXAMPLE) MODEL_PATH=$(EXAMPLE) ;; esac
	@$(VENV)/python -m models.evaluation.compare "$$A" "$$B" --name "$$NAME" --data "$$DATA" --target "$$TARGET"

PACKAGE = $(VENV)/python -m models.packaging "$$MODEL_PATH" --version "$$VERSION" --name "$$NAME"
package: install ## Write MODEL_PATH, or the release VERSION=1.2.0, as a wheel with predict() and a command to dist/
	@path=$$($(PACKAGE) --path) && $(FIT) "$$path" && $(PACKAGE)
	$(call next,pip install dist/... with that file)

publish: install ## Package it, and upload the wheel to TWINE_REPOSITORY_URL
	@path=$$($(PACKAGE) --path) && $(FIT) "$$path" && $(PACKAGE) --publish

use-model: ## Make the release VERSION=1.2.0 of NAME the model that is served: models/latest.joblib
	@$(CHECK_PYTHON)
	@$(FIT) && $(VENV)/python -m models.releases "$$VERSION" --name "$$NAME"
	$(call next,make run$(comma) or make build-image)

release-model: ## Train, evaluate, compare, package and tag the release VERSION=1.2.0 of NAME, or TAG=model-1.2.0
	@$(CHECK_PYTHON)
	@$(FIT) && $(VENV)/python -m models.packaging.release $(TRAINING) --tag "$$TAG" --min "$$EVALUATE_MIN" --accept "$$ACCEPT"

github-model: require-TAG ## Make the release TAG=model-1.2.0 on GitHub, with what is in dist/TAG
	gh release create $(TAG) dist/$(TAG)/* --verify-tag --notes-file dist/$(TAG).md --title $(TAG)
	$(call next,gh release view $(TAG))

##@ In a container

build-image: require-docker $(EXAMPLE) ## Build the image IMAGE with models/latest.joblib in it
	@[ "$$MODEL_PATH" = "$(EXAMPLE)" ] || \
		{ echo "An image is made of $(EXAMPLE): copy $$MODEL_PATH there" >&2; exit 1; }
	@[ "$(SLIM) $(EXPLAIN)" != "true true" ] || \
		{ echo "EXPLAIN=true looks into scikit-learn, which SLIM=true leaves out: choose one" >&2; exit 1; }
	@sha=$(MODEL_VERSION); \
	case $$sha in ($(MODEL_SHA256)*) ;; (*) $(call refuse-model,$(EXAMPLE),$(MODEL_SHA256)) ;; esac; \
	python=3.13; \
	if "$$PYTHON" -c '$(IS_NEW_ENOUGH)' 2>/dev/null; then \
		python=$$("$$PYTHON" -m models.environment --base $(EXAMPLE)) || exit 1; \
	fi; \
	set -x; \
	docker build --platform linux/amd64 --tag $(IMAGE) \
		--label $(LABEL).revision=$(REVISION) --label $(LABEL).version=$$sha \
		--build-arg MODEL_SHA256=$$sha --build-arg PYTHON=$$python \
		--build-arg SLIM=$(SLIM) --build-arg EXPLAIN=$(EXPLAIN) .

run-container: require-docker ## Serve the image on http://localhost:OS_PORT
	@docker image inspect $(IMAGE) >/dev/null 2>&1 || \
		{ echo "There is no image $(IMAGE): make build-image" >&2; exit 1; }
	@docker rm --force $(CONTAINER) >/dev/null 2>&1 || true
	docker run --detach --name $(CONTAINER) --publish 127.0.0.1:$(OS_PORT):8080 --env PUBLISHED_PORT=$(OS_PORT) \
		--volume $(CONTAINER)-data:/app/data --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges $(IN_CONTAINER) $(IMAGE)
	@for i in $$(seq 150); do \
		curl --silent --fail --max-time 2 --output /dev/null http://localhost:$(OS_PORT)/ready && \
			exec echo "Ready on http://localhost:$(OS_PORT): make logs-container shows what to send"; \
		[ "$$(docker inspect --format '{{.State.Running}}' $(CONTAINER))" = true ] || break; \
		sleep 0.2; \
	done; docker logs $(CONTAINER) >&2; echo "The container does not answer; its log stands above" >&2; exit 1

stop-container: require-docker ## Stop the container, once it has answered its requests
	@docker container inspect $(CONTAINER) >/dev/null 2>&1 || \
		{ echo "There is no container $(CONTAINER): make run-container starts one" >&2; exit 1; }
	docker stop -t 10 $(CONTAINER)
	docker rm $(CONTAINER)

logs-container: require-docker ## Follow the container's log
	docker logs --follow $(CONTAINER)

COMPOSE = OS_PORT=$(OS_PORT) IMAGE=$(IMAGE) WORKERS=$(WORKERS) docker compose
up: require-compose ## Serve the image on http://localhost:OS_PORT, with WORKERS workers, RabbitMQ and Redis
	@grep -qs '^celery' models/requirements.txt || { echo 'The image has no Celery: write $(CELERY) into' \
		'models/requirements.txt, and make build-image' >&2; exit 1; }
	@docker image inspect $(IMAGE) >/dev/null 2>&1 || \
		{ echo "There is no image $(IMAGE): make build-image" >&2; exit 1; }
	$(COMPOSE) up --detach --wait
	$(call next,make scale WORKERS=4$(comma) or make down)

scale: require-compose ## Have WORKERS=4 workers from now on
	$(COMPOSE) up --detach --no-recreate worker

down: require-compose ## Stop all of it; tasks and results stay in volumes
	$(COMPOSE) down

CELERY = $(shell sed -n 's/^PACKAGE = "\(.*\)"/\1/p' api/tasks/celery.py)
require-compose: require-docker
	@docker compose version >/dev/null 2>&1 || \
		{ echo "docker has no compose: install it, https://docs.docker.com/compose/install" >&2; exit 1; }

require-docker:
	@docker ps --quiet >/dev/null 2>&1 || \
		{ echo "docker does not answer: install it and start it, https://docs.docker.com/get-docker" >&2; exit 1; }

require-card:
	@[ -f $(CARD) ] || { echo 'There is no card $(CARD) with an example row: set SAMPLE to a file with' \
		'{"instances": [...]}' >&2; exit 1; }

require-%:
	@[ -n "$($*)" ] || { echo "$* is not set: write it into .env, as example.env shows, or behind the" \
		"target: make $(firstword $(MAKECMDGOALS)) $*=..." >&2; exit 1; }

##@ Release

RELEASE = $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
RELEASED = machine-learning-api-$(RELEASE)
# The lines of CHANGELOG.md on this version.
CHANGES = awk '/^\#\# / {on = $$2 == "$(RELEASE)"; next} on' CHANGELOG.md
check-tag: require-TAG ## Check that TAG=v1.2.3 says the version of pyproject.toml, and that CHANGELOG.md has it
	@[ "$(TAG)" = "v$(RELEASE)" ] || \
		{ echo "The tag $(TAG) is not the version of pyproject.toml: expected v$(RELEASE)" >&2; exit 1; }
	@$(CHANGES) | grep -q . || { echo "CHANGELOG.md says nothing about $(RELEASE): write its changes below" \
		'the heading "## $(RELEASE)"' >&2; exit 1; }
	$(call next,make tag TAG=$(TAG))

tag: check-tag ## Tag this commit as TAG=v1.2.3, with its lines of CHANGELOG.md; pushing the tag makes the release
	@[ -z "$$(git status --porcelain)" ] || \
		{ echo "There are changes that are not committed: commit them, and tag then" >&2; exit 1; }
	$(CHANGES) | git tag --annotate --cleanup=whitespace --file=- $(TAG)
	$(call next,git push origin $(TAG)$(comma) on which GitHub runs .github/workflows/release.yaml)

dist: build-image require-card ## Write the image, the model's card, and the source with its model to dist/
	rm -rf dist && mkdir dist
	cp $(CARD) dist/$(RELEASED)-model-card.json
	docker tag $(IMAGE) $(IMAGE):$(RELEASE)
	docker save --output dist/$(RELEASED)-image.tar $(IMAGE):$(RELEASE) && gzip -n3 dist/$(RELEASED)-image.tar
	git archive --output=dist/$(RELEASED).tar.gz --prefix=$(RELEASED)/models/ \
		--add-file=$(EXAMPLE) --add-file=$(CARD) --prefix=$(RELEASED)/ HEAD
	$(MAKE) wheel
	@cd dist && sums=$$(sha256sum * 2>/dev/null || shasum -a 256 *) && echo "$$sums" | tee SHA256SUMS
	$(call next,make github-release TAG=v$(RELEASE))

wheel: develop ## Write models/plan as a wheel of its own, sklearn-plan, to dist/
	rm -rf dist/plan && mkdir -p dist/plan
	cp -R models/plan dist/plan/sklearn_plan
	cp LICENSE dist/plan && cp docs/plan-format.md dist/plan/README.md
	sed 's/^version = .*/version = "$(RELEASE)"/' models/plan/pyproject.toml >dist/plan/pyproject.toml
	$(VENV)/uv build --quiet --offline --wheel --out-dir dist dist/plan
	rm -r dist/plan

github-release: check-tag ## Make the release TAG=v1.2.3 on GitHub, with what is in dist/
	$(CHANGES) | gh release create $(TAG) dist/* --verify-tag --notes-file - --title $(TAG)
	$(call next,gh release view $(TAG))

##@ Develop

develop: ## Make the environment .venv with all that tests, linters and benchmarks need
	@$(CHECK_PYTHON)
	@$(FIT) --develop

# Three workers on two cores: tests of containers and of Chromium wait for them. The tests start
# thousands of Pythons: without bytecode, each of them compiles all that it imports, scikit-learn in 2 s.
test: develop ## Run all tests, about a quarter of an hour on two cores; every line and branch must be covered
	@printf '%s\n' "--numprocesses 3 --dist loadfile --no-loadscope-reorder -rs $$PYTEST_ARGS" | \
		PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE= xargs -t $(VENV)/coverage run -m pytest
	$(VENV)/coverage combine --quiet
	$(VENV)/coverage report

lint: develop ## Check style and types
	$(VENV)/ruff check .
	$(VENV)/ruff format --check .
	$(VENV)/mypy

format: develop ## Format the code, and mend what ruff can mend
	$(VENV)/ruff check --fix .
	$(VENV)/ruff format .

bench: develop ## Measure this server and others side by side, 20 minutes; needs wrk
	@printf '%s\n' "tests.bench $$BENCH_ARGS" | xargs -t $(VENV)/python -m

torture: develop ## Kill workers, brokers and stores while 1,000 tasks run, in each way to run them, and while truths are told and learnt, 20 minutes
	@for way in embedded celery-rabbitmq celery-redis; do (set -x; $(VENV)/python -m tests.torture $$way) || exit 1; done
	$(VENV)/python -m tests.torture.feedback
	$(VENV)/python -m tests.torture.learning

easter:
	@printf '%s\n' '' '    (o>    A penguin waddles up to an API: "One fish, please."' \
		'  \_//)   "422," says the API. "/beak/0: expected a number, got a fish."' \
		'   \_/_)  "How many fish do you have, then?"' \
		'    _|_   "null. But a fish is required: send null for a missing fish."' ''

LOCK = $(VENV)/uv pip compile --quiet --universal --fork-strategy fewest --generate-hashes --no-header pyproject.toml
lock: develop ## Write the lock files from pyproject.toml
	$(LOCK) --output-file requirements-dev.lock --extra sklearn --extra pandas --extra explain --extra buckets --extra upload --extra tasks --extra dev
	$(LOCK) --output-file requirements-explain.lock --extra sklearn --extra pandas --extra explain --constraint requirements-dev.lock
	$(LOCK) --output-file requirements-pandas.lock --extra sklearn --extra pandas --constraint requirements-dev.lock
	$(LOCK) --output-file requirements.lock --extra sklearn --constraint requirements-dev.lock
	$(LOCK) --output-file requirements-slim.lock --constraint requirements-dev.lock
	echo uv | $(subst pyproject.toml,-,$(LOCK)) --output-file requirements-uv.lock --constraint requirements-dev.lock

include google-cloud.mk
