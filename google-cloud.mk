# From an empty project of Google Cloud to a private endpoint, and back to nothing. The Makefile includes this.
# Recipes are gcloud's own commands. Where logic is needed they run google-cloud/, a program in Python's standard
# library, which prints each command that it runs to change something.

# GCP_PROJECT_ID has no default: nobody should deploy to a project by accident.
GCP_REGION ?= europe-west1
GCP_REPOSITORY ?= machine-learning-api
GCP_REGISTRY ?= $(GCP_REGION)-docker.pkg.dev
GCP_DEPLOYER ?= ml-api-deployer
GCP_RUNTIME ?= ml-api-runtime
GCP_CONFIG ?= machine-learning-api
CLOUD_RUN_SERVICE ?= machine-learning-api
CLOUD_RUN_MEMORY ?= 1Gi
CLOUD_RUN_CPU ?= 2
CLOUD_RUN_CONCURRENCY ?= 40
CLOUD_RUN_MIN_INSTANCES ?= 0
CLOUD_RUN_MAX_INSTANCES ?= 3
CLOUD_RUN_TIMEOUT ?= 60
CLOUD_RUN_INGRESS ?= all
CLOUD_RUN_CPU_BOOST ?= true
# Tries, 5 s apart, until a new role works: that can take Google minutes.
PATIENCE ?= 24
PERCENT ?= 100

# The image's name for docker and Cloud Run is PUSHED, with the registry's host. Its name for gcloud artifacts is
# LISTED, with the repository's location.
ifneq ($(filter gcr.io %.gcr.io,$(GCP_REGISTRY)),)
# The repository of a gcr.io host has the host's name, and is in the host's multi-region.
REPOSITORY := $(GCP_REGISTRY)
LOCATION := $(patsubst eu,europe,$(or $(filter eu asia us,$(GCP_REGISTRY:.gcr.io=)),us))
PUSHED = $(GCP_REGISTRY)/$(GCP_PROJECT_ID)/$(IMAGE)
else
REPOSITORY := $(GCP_REPOSITORY)
LOCATION := $(or $(patsubst %-docker.pkg.dev,%,$(filter %-docker.pkg.dev,$(GCP_REGISTRY))),$(GCP_REGION))
PUSHED = $(GCP_REGISTRY)/$(GCP_PROJECT_ID)/$(REPOSITORY)/$(IMAGE)
endif
LISTED = $(LOCATION)-docker.pkg.dev/$(GCP_PROJECT_ID)/$(REPOSITORY)/$(IMAGE)
# The tag of an image names its commit and its model: 1234567-89abcdef0123. HERE is the tag for this checkout.
SHORTEN := sed -E 's/^([0-9a-f]{7})[0-9a-f]{33}/\1/; s/ (.{1,12}).*/-\1/'
HERE = "$(or $(IMAGE_TAG),$$({ echo $(REVISION) $(MODEL_VERSION); } 2>/dev/null | $(SHORTEN)))"

# Set-up runs as the person who is logged in to gcloud, shipping as the deployer in a gcloud configuration of its
# own. With an empty GCP_CONFIG both run as the login of gcloud.
AS_PERSON = --project=$(GCP_PROJECT_ID)
AS_DEPLOYER = $(AS_PERSON)$(if $(GCP_CONFIG), --configuration=$(GCP_CONFIG))
DEPLOYER = $(GCP_DEPLOYER)@$(GCP_PROJECT_ID).iam.gserviceaccount.com
RUNTIME = $(GCP_RUNTIME)@$(GCP_PROJECT_ID).iam.gserviceaccount.com
KEY = secrets/$(GCP_DEPLOYER).json
# gcloud auth print-identity-token ignores the impersonation of the configuration, so it needs the option.
ifeq ($(GCP_CONFIG),)
ACTS_AS = $(CLOUDSDK_AUTH_IMPERSONATE_SERVICE_ACCOUNT)
else
ACTS_AS = $(if $(wildcard $(KEY)),,$(DEPLOYER))
endif
IMPERSONATED = $(if $(ACTS_AS),--impersonate-service-account=$(ACTS_AS))

# The variables that google-cloud/ gets. Each is a word: the Makefile refuses other values.
NAMED := GCP_PROJECT_ID GCP_REGION GCP_REGISTRY GCP_CONFIG CLOUD_RUN_SERVICE REPOSITORY LOCATION IMAGE PUSHED LISTED \
	DEPLOYER RUNTIME KEY PATIENCE READ_BUCKETS WRITE_BUCKETS READ_SECRETS
# What the service reads and writes: buckets and secrets.
IN_BUCKET = $(if $(filter start,$(FETCH_AT)),$(patsubst gs://%,%,$(filter gs://%,$(MODEL_URI))))
READ_BUCKETS = $(sort $(MODEL_VOLUME) $(firstword $(subst /, ,$(IN_BUCKET))))
WRITE_BUCKETS = $(call check-word,FEEDBACK_URI)$(firstword $(subst /, ,$(FEEDBACK_URI:gs://%=%)))
secret-of = $(firstword $(subst :, ,$(lastword $(subst =, ,$(1)))))
READ_SECRETS = $(sort $(foreach pair,$(subst $(comma), ,$(SECRETS)),$(call secret-of,$(pair))))
PROGRAM = $(foreach name,$(NAMED),$(name)='$($(name))') "$$PYTHON" google-cloud
PERSON = ACTS_AS=person OPTIONS='$(AS_PERSON)' $(PROGRAM)
SHIPPER = ACTS_AS=deployer OPTIONS='$(AS_DEPLOYER)' $(PROGRAM)

.PHONY: try-cloud check-gcp-login enable-apis create-repository create-service-account add-roles create-config \
	create-key setup doctor conf-docker-for-gcp image-to-gcp no-canary deploy release why list-cloud-run \
	describe-service url predict logs feedback require-FEEDBACK_URI list-gcp-images open deploy-canary promote \
	rollback allow-public allow-private allow-invoker allow-deployer delete-deployment delete-latest-gcp-image delete-key \
	delete-service-account destroy require-gcp require-gcloud require-config require-image require-sample \
	require-API_KEY require-percent require-github

##@ Google Cloud: set up, once

try-cloud: develop ## Go from setup to destroy on a small Google Cloud on this machine, without an account
	@$(VENV)/python -m tests.google_cloud "$$MODEL_PATH"

check-gcp-login: require-gcp ## Say who is logged in to gcloud, and whether that fits .env
	@$(PERSON) login
	$(call next,make setup$(comma) or make doctor to see what is missing)

enable-apis: check-gcp-login ## Turn on the APIs of Google that deploying needs
	@$(PERSON) create apis
	$(call next,make create-repository)

create-repository: check-gcp-login ## Make the repository for images, GCP_REPOSITORY
	@$(PERSON) require apis
	@$(PERSON) create repository
	$(call next,make create-service-account)

create-service-account: check-gcp-login ## Make two accounts: one deploys, the service runs as the other
	@$(PERSON) require apis
	@$(PERSON) create deployer runtime
	$(call next,make add-roles)

add-roles: check-gcp-login ## Give them the smallest roles on the smallest things
	@$(PERSON) require apis repository deployer runtime
	@$(PERSON) add-roles
	$(call next,make create-config)

create-config: require-gcp require-GCP_CONFIG ## Make a gcloud configuration that acts as the deployer
	@$(PERSON) create configuration
	$(call next,make release)

create-key: check-gcp-login ## Make a key in secrets/, for those who cannot do without; asks first
	@$(PERSON) require apis deployer
	@$(PERSON) confirm "A key is a password that does not end, and whoever has the file is the deployer. \
	Without one, make create-config lets you act as the deployer with your own login."
	@$(PERSON) create key
	$(call next,make create-config$(comma) which uses the key from now on)

setup: check-gcp-login enable-apis create-repository create-service-account add-roles create-config
setup: ## All of these in order, without a key
	$(call next,make release)

doctor: require-gcp ## Tell of all that deploying needs whether it is there, and what makes it
	@$(PERSON) doctor $(HERE)
	$(call next,make deploy)

##@ Google Cloud: ship

conf-docker-for-gcp: require-docker require-config ## Log docker in to the registry for an hour, as the deployer
	@echo 'gcloud auth print-access-token $(AS_DEPLOYER) |' \
		'docker login --username oauth2accesstoken --password-stdin $(GCP_REGISTRY)'
	@token=$$(gcloud auth print-access-token $(AS_DEPLOYER)) && \
		echo "$$token" | docker login --username oauth2accesstoken --password-stdin $(GCP_REGISTRY)
	$(call next,make release$(comma) or make image-to-gcp)

LABELS := {{index .Config.Labels "$(LABEL).revision"}} {{index .Config.Labels "$(LABEL).version"}}
image-to-gcp: conf-docker-for-gcp require-image ## Push the image, tagged with the source and the model it is made of
	@tag=$$(docker image inspect --format '$(LABELS)' $(IMAGE) | $(SHORTEN)) && \
		(set -x; docker tag $(IMAGE) $(PUSHED):$$tag && docker push $(PUSHED):$$tag && docker rmi $(PUSHED):$$tag) && \
		digest=$$($(SHIPPER) digest $$tag) && echo "$(PUSHED)@$$digest"
	$(call next,make deploy)

# The environment of the service: the project, for the traces in its log, and the settings.
TOLD = GOOGLE_CLOUD_PROJECT=$(GCP_PROJECT_ID) $(call set,$(SETTINGS)) $(MOUNTED)
VARIABLES = ^|^$(subst $(empty) ,|,$(strip $(TOLD)))
# A bucket that is mounted is where the model comes from, unless MODEL_URI says more.
MOUNT := /mnt/models
MOUNTED = $(if $(MODEL_VOLUME),$(if $(and $(filter start,$(FETCH_AT)),$(MODEL_URI)),,MODEL_URI=$(MOUNT)))
BUCKET = --add-volume=name=models,type=cloud-storage,bucket=$(MODEL_VOLUME),readonly=true \
	--add-volume-mount=volume=models,mount-path=$(MOUNT)
VOLUME = $(if $(MODEL_VOLUME),$(BUCKET),--clear-volume-mounts --clear-volumes)
# What is reached at private addresses only, such as a broker.
NETWORK = $(if $(CLOUD_RUN_NETWORK),--network=$(CLOUD_RUN_NETWORK) $(if \
	$(CLOUD_RUN_SUBNET),--subnet=$(CLOUD_RUN_SUBNET)) --vpc-egress=private-ranges-only,--clear-network)
# NAME=value for each variable in $(1) that has a value; an error if a setting is not a word.
set = $(foreach name,$(1),$(if $($(name)),$(call check-word,$(name))$(name)=$($(name))))
check-word = $(if $(call only,$(filter $(SETTINGS),$(1)),$(WORD_CHARACTERS)),$(error $(1): expected \
	letters$(comma) digits and - . _ / : @ + % ~ = * and commas only))
probe = httpGet.path=$(1),httpGet.port=8080,periodSeconds=$(2),timeoutSeconds=$(2),failureThreshold=$(3)
# A deployment does not change who may call: a new service is private, and the deployer may not open it.
DEPLOY = gcloud run deploy $(CLOUD_RUN_SERVICE) $(AS_DEPLOYER) --region=$(GCP_REGION) --quiet \
	--service-account=$(RUNTIME) --port=8080 --set-env-vars='$(VARIABLES)' \
	$(if $(SECRETS),--set-secrets=$(SECRETS),--clear-secrets) $(NETWORK) \
	$(if $(MODEL_VOLUME),--execution-environment=gen2) $(VOLUME) \
	--memory=$(CLOUD_RUN_MEMORY) --cpu=$(CLOUD_RUN_CPU) \
	--$(if $(filter true,$(CLOUD_RUN_CPU_BOOST)),,no-)cpu-boost \
	--concurrency=$(CLOUD_RUN_CONCURRENCY) --timeout=$(CLOUD_RUN_TIMEOUT) --ingress=$(CLOUD_RUN_INGRESS) \
	--min-instances=$(CLOUD_RUN_MIN_INSTANCES) --max-instances=$(CLOUD_RUN_MAX_INSTANCES) \
	--startup-probe=$(call probe,/ready,2,60) --liveness-probe=$(call probe,/health,10,3)
define deploy-image
@digest=$$($(SHIPPER) digest $(HERE)) || exit 1; \
	(set -x; $(DEPLOY) --image=$(PUSHED)@$$digest $(1)) || { $(MAKE) --no-print-directory --silent why; exit 1; }
endef
TRAFFIC = gcloud run services update-traffic $(CLOUD_RUN_SERVICE) $(AS_DEPLOYER) --region=$(GCP_REGION)
FOLLOW = $(TRAFFIC) --to-latest --remove-tags=canary

# A canary that never got ready keeps later revisions from traffic. While the newest revision is not ready, gcloud
# fails here after it has removed the tag; the deployment that follows decides.
no-canary:
	@tags=$$($(SHIPPER) show 'spec.traffic[].tag') || exit 1; \
		case "$$tags" in *canary*) (set -x; $(TRAFFIC) --remove-tags=canary) || : ;; esac

deploy: require-config no-canary ## Deploy the image of what stands here, give it all traffic, try the example row
	$(deploy-image)
	$(FOLLOW)
	$(call send,url=$$($(SHIPPER) url) && at=$$url)
	$(call next,make predict$(comma) make logs$(comma) make rollback if it is not well)

release: build-image image-to-gcp deploy ## Build, push and deploy
	$(call next,make predict$(comma) make logs$(comma) make rollback if it is not well)

# gcloud run services logs read stops at the first log entry that has a JSON payload.
OF_REQUEST := httpRequest.requestMethod,httpRequest.status,httpRequest.requestUrl
LINE := timestamp.date("%H:%M:%S"),severity,textPayload,jsonPayload.message,$(OF_REQUEST)
read-log = gcloud logging read $(AS_DEPLOYER) --format='value[separator=" "]($(LINE))' \
	"resource.type=cloud_run_revision AND resource.labels.location=$(GCP_REGION) \
	AND resource.labels.service_name=$(CLOUD_RUN_SERVICE)$(1)"
# Show the log of the newest revision, if it is not ready.
why:
	@newest=$$($(SHIPPER) show status.latestCreatedRevisionName) && \
		ready=$$($(SHIPPER) show status.latestReadyRevisionName) || exit; \
		[ "$$newest" != "$$ready" ] || exit 0; echo "What the container of $$newest says:" >&2; \
		$(call read-log, AND resource.labels.revision_name=$$newest) --limit=50 --order=asc >&2; \
		echo "It got no traffic: $${ready:-no revision} is what serves. Next: mend it, make release" >&2

##@ Google Cloud: look

SEE_DOCTOR = || { echo "Next: make doctor, which says whether an API is off or a role is missing" >&2; exit 1; }
list-cloud-run: require-config ## List the services in GCP_REGION
	gcloud run services list $(AS_DEPLOYER) --region=$(GCP_REGION) $(SEE_DOCTOR)
	$(call next,make describe-service)

describe-service: require-config ## Tell all of the service
	@$(SHIPPER) require service
	gcloud run services describe $(CLOUD_RUN_SERVICE) $(AS_DEPLOYER) --region=$(GCP_REGION)
	$(call next,make predict)

url: require-config ## Print the address of the service
	@$(SHIPPER) url
	$(call next,make predict$(comma) since only who has a token may call it)

predict: $(if $(API_KEYS),require-API_KEY) require-config $(if $(SAMPLE),require-sample)
predict: ## Send the example row, or SAMPLE=file.json, to the service
	$(call send,url=$$($(SHIPPER) url) && at=$$url)
	$(call next,make predict SAMPLE=file.json$(comma) or make open)

require-API_KEY:
	@[ -n "$$API_KEY" ] || { echo "API_KEY is not set, and the service has API_KEYS:" \
		"write one of its keys into .env, or behind the target: make predict API_KEY=..." >&2; exit 1; }

# curl reads token and API key from standard input, so that they are not in the list of processes. The method and
# the example row come from the revision's own /metadata.
CALL := printf '%s\n' "Authorization: Bearer $$token" "$${API_KEY:+X-Api-Key: $$API_KEY}" | \
	curl --silent --show-error --fail-with-body --max-time 60 --header @-
ROW := import json, sys; about = json.load(sys.stdin); print(about["methods"][0], json.dumps(about["example"]))
LOCKED := The example row is not sent: the service has API_KEYS, and API_KEY is not set
UNSENT = $(if $(API_KEYS),$(if $(API_KEY),,echo "$(LOCKED)" >&2; exit 0;))
define send
@$(UNSENT) $(1) && \
	token=$$(gcloud auth print-identity-token $(IMPERSONATED) $(AS_DEPLOYER) --audiences="$$url") && \
	about=$$($(CALL) "$$at/metadata") && row=$$(printf '%s' "$$about" | "$$PYTHON" -c '$(ROW)') && \
	method=$${row%% *} && row=$${row#* } && data=$${SAMPLE:+@$$SAMPLE} && echo "$$at/$$method $${data:-$$row}" >&2 && \
	$(CALL) --header 'content-type: $(if $(filter %.csv,$(SAMPLE)),text/csv,application/json)' \
		$(if $(SAMPLE),,--header 'x-prediction-log: off') --data-binary "$${data:-$$row}" "$$at/$$method" && echo
endef

logs: require-config ## Show the newest 100 lines of the service's log, the newest first
	@$(SHIPPER) require service
	$(read-log) --limit=100 $(SEE_DOCTOR)
	$(call next,make describe-service)

# As the person: what was predicted for whom is not for the deployer.
feedback: require-GCP_PROJECT_ID require-gcloud require-FEEDBACK_URI install
feedback: ## Add to DATA_DIR what all instances wrote to FEEDBACK_URI, and print what loads it into BigQuery
	@$(VENV)/python -m api.feedback.gather $(GCP_PROJECT_ID) $(GCP_REGION)
	$(call next,make run$(comma) whose /content and training then have the feedback of all instances)

require-FEEDBACK_URI:
	@[ -n "$$FEEDBACK_URI" ] || { echo "FEEDBACK_URI is not set: write the folder of the bucket that the service" \
		"writes to into .env, as in FEEDBACK_URI=gs://bucket/feedback" >&2; exit 1; }

list-gcp-images: require-config ## List the images in the registry
	gcloud artifacts docker images list $(LISTED) $(AS_DEPLOYER) --include-tags --sort-by=~updateTime $(SEE_DOCTOR)
	$(call next,make deploy$(comma) or make delete-latest-gcp-image)

open: require-config ## Let this machine call the private service at http://localhost:OS_PORT, for an hour
	@url=$$($(SHIPPER) url) && \
		token=$$(gcloud auth print-identity-token $(IMPERSONATED) $(AS_DEPLOYER) --audiences="$$url") && \
		echo "Next: curl http://localhost:$(OS_PORT)/metadata from another terminal; Ctrl-C ends this" >&2 && \
		gcloud run services proxy $(CLOUD_RUN_SERVICE) $(AS_DEPLOYER) --region=$(GCP_REGION) \
			--port=$(OS_PORT) --token="$$token"

##@ Google Cloud: change

TAGGED = gcloud run services describe $(CLOUD_RUN_SERVICE) $(AS_DEPLOYER) --region=$(GCP_REGION) \
	--flatten='status.traffic[]' --format='csv[no-heading](status.traffic.tag,status.traffic.url)'
deploy-canary: require-config ## Deploy to an address of its own, without traffic, and send it the example row
	@$(SHIPPER) require service
	$(call deploy-image,--no-traffic --tag=canary)
	$(call send,url=$$($(SHIPPER) url) && at=$$($(TAGGED) | sed -n 's/^canary$(comma)//p'))
	$(call next,make promote PERCENT=10$(comma) make promote$(comma) or make rollback)

promote: require-config require-percent ## Give the newest revision all traffic, or PERCENT=10 of it
	@$(SHIPPER) require service
	$(if $(filter 100,$(PERCENT)),$(FOLLOW),$(TRAFFIC) --to-revisions=LATEST=$(PERCENT))
	$(call next,$(if $(filter 100,$(PERCENT)),make logs,make promote PERCENT=50$(comma) make promote) or make rollback)

REVISIONS = gcloud run revisions list --service=$(CLOUD_RUN_SERVICE) $(AS_DEPLOYER) --region=$(GCP_REGION) \
	--sort-by=~metadata.creationTimestamp \
	--format='csv[no-heading](metadata.name,status.conditions.filter("type:Ready").extract("status"))'
# If the newest revision is not ready, gcloud fails after it has moved the traffic.
rollback: require-config ## Give all traffic to the revision before the newest, or to TO=revision
	@$(SHIPPER) require service
	@ready=$$($(REVISIONS)) || exit 1; to=$${TO:-$$(echo "$$ready" | sed -n "s/,.*True.*//p" | sed -n 2p)}; \
		[ -n "$$to" ] || \
		{ echo "There is no revision before the newest that was ready, so nothing was changed" >&2; exit 1; }; \
		echo "Back to $$to"; (set -x; $(TRAFFIC) --to-revisions=$$to=100 --remove-tags=canary) || \
		[ "$$($(SHIPPER) show 'status.traffic[].revisionName')" = "$$to" ]
	$(call next,make logs; this revision keeps all traffic until make deploy or make promote)

##@ Google Cloud: access

policy = gcloud run services $(1)-iam-policy-binding $(CLOUD_RUN_SERVICE) $(AS_PERSON) --region=$(GCP_REGION) \
	--role=roles/run.invoker --member=$(2)
allow-public: check-gcp-login ## Let anyone call the service; asks first
	@$(PERSON) require service
	@$(PERSON) confirm "Anyone on the internet may then call $(CLOUD_RUN_SERVICE), and you pay for the calls: \
	at most $(CLOUD_RUN_MAX_INSTANCES) instances at a time."
	$(call policy,add,allUsers)
	$(call next,make url$(comma) which anyone may call now$(comma) or make allow-private)

EVERYBODY = gcloud run services get-iam-policy $(CLOUD_RUN_SERVICE) $(AS_PERSON) --region=$(GCP_REGION) \
	--flatten='bindings[].members' --format='value(bindings.members)' \
	--filter='bindings.role=roles/run.invoker AND bindings.members~^all'
allow-private: check-gcp-login ## Let only members call that may invoke it; asks first
	@$(PERSON) require service
	@$(PERSON) confirm "Only members that have roles/run.invoker may then call $(CLOUD_RUN_SERVICE); \
	callers without a token are refused from now on."
	@members=$$($(EVERYBODY)) || exit 1; [ -n "$$members" ] || echo "It is private already"; \
		for member in $$members; do (set -x; $(call policy,remove,$$member)) || exit 1; done
	$(call next,make allow-invoker MEMBER=user:name@example.com)

allow-invoker: check-gcp-login require-MEMBER ## Let MEMBER=user:name@example.com call the service
	@$(PERSON) require-member '$(MEMBER)'
	@$(PERSON) require service
	$(call policy,add,$(MEMBER))
	$(call next,make url$(comma) and send it to them: they call it with an identity token)

allow-deployer: check-gcp-login require-MEMBER ## Let MEMBER=user:name@example.com deploy, too
	@$(PERSON) require-member '$(MEMBER)'
	@$(PERSON) require apis deployer
	@$(PERSON) allow-deployer '$(MEMBER)'
	$(call next,they type make create-config in a checkout with this .env$(comma) then make release)

##@ Google Cloud: away

delete-deployment: require-config ## Delete the service; images, accounts and roles stay
	@$(SHIPPER) delete service
	$(call next,make deploy$(comma) or make destroy to leave nothing)

delete-latest-gcp-image: require-config ## Delete the newest image in the registry; what runs keeps its copy
	@$(SHIPPER) delete newest-image
	$(call next,make list-gcp-images)

delete-key: check-gcp-login ## Delete the deployer's keys, there and in secrets/
	@$(PERSON) delete keys-of-google key
	$(call next,make create-config$(comma) to act as the deployer without a key)

delete-service-account: check-gcp-login ## Delete both accounts, and first their roles
	@$(PERSON) require apis
	@$(PERSON) require-none service delete-deployment
	@$(PERSON) delete project-roles repository-roles key deployer runtime
	$(call next,make setup$(comma) or make destroy to leave nothing)

destroy: check-gcp-login ## Delete everything that these targets made; lists it and asks first
	@$(PERSON) destroy

# Checks that several targets share.

require-gcp: require-GCP_PROJECT_ID require-GCP_REGION require-GCP_REPOSITORY require-GCP_REGISTRY \
	require-GCP_DEPLOYER require-GCP_RUNTIME require-CLOUD_RUN_SERVICE require-IMAGE require-gcloud

require-gcloud:
	@command -v gcloud >/dev/null || \
		{ echo "There is no gcloud: install it, https://cloud.google.com/sdk/docs/install" >&2; exit 1; }

require-config: require-gcp
	@$(SHIPPER) require configuration

require-image:
	@docker image inspect $(IMAGE) >/dev/null 2>&1 || \
		{ echo "There is no image $(IMAGE) here: make build-image" >&2; exit 1; }

require-sample:
	@[ -f "$$SAMPLE" ] || { echo "There is no file $$SAMPLE: set SAMPLE to one with rows in it" >&2; exit 1; }

require-percent:
	@[ "$(PERCENT)" -ge 1 ] 2>/dev/null && [ "$(PERCENT)" -le 100 ] || \
		{ echo "PERCENT=$(PERCENT): expected a whole number from 1 to 100" >&2; exit 1; }

# The settings for builds, which have no .env.
CI_SETTINGS = $(strip $(call set,GCP_REGION GCP_REPOSITORY GCP_REGISTRY GCP_DEPLOYER GCP_RUNTIME IMAGE \
	FETCH_AT MODEL_VOLUME SECRETS $(filter CLOUD_RUN_%,$(KNOWN)) $(filter-out MODEL_SHA256,$(SETTINGS))))

require-github: require-GITHUB_REPOSITORY
	@case $(GITHUB_REPOSITORY) in (*/*/*) ;; (?*/?*) exit ;; esac; \
		echo "GITHUB_REPOSITORY=$(GITHUB_REPOSITORY): expected owner/name" >&2; exit 1

# Optional: delete the .mk together with the .py of its name.
-include $(sort $(wildcard google-cloud/*.mk))
