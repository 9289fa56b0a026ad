# From an empty project of Google Cloud to a private endpoint, and back to nothing. The Makefile includes it.

# Nobody ships to a project that they have not named, so GCP_PROJECT_ID has no default.
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

# docker and Cloud Run know an image by its registry's host, gcloud artifacts by its place. A gcr.io
# host is a repository of that name, in the multi-region of the host.
GCR := $(filter gcr.io %.gcr.io,$(GCP_REGISTRY))
REPOSITORY := $(or $(GCR),$(GCP_REPOSITORY))
LOCATION := $(if $(GCR),$(or $(patsubst eu,europe,$(filter eu asia,$(GCR:.gcr.io=))),us),$(or $(patsubst %-docker.pkg.dev,%,$(filter %-docker.pkg.dev,$(GCP_REGISTRY))),$(GCP_REGION)))
PUSHED = $(GCP_REGISTRY)/$(GCP_PROJECT_ID)$(if $(GCR),,/$(REPOSITORY))/$(IMAGE)
LISTED_IN = $(LOCATION)-docker.pkg.dev/$(GCP_PROJECT_ID)/$(REPOSITORY)
LISTED = $(LISTED_IN)/$(IMAGE)
# A tag says of which source and which model: 1234567-89abcdef0123.
SHORTEN := sed -E 's/^([0-9a-f]{7})[0-9a-f]{33}/\1/; s/ (.{1,12}).*/-\1/'
IMAGE_TAG ?= $(call once,tag,{ echo $(REVISION) $(MODEL_VERSION); } 2>/dev/null | $(SHORTEN))

# A person sets up, as whoever gcloud is logged in; the deployer ships, in a configuration of its own.
# With an empty GCP_CONFIG both are whoever gcloud is logged in.
AS_PERSON = --project=$(GCP_PROJECT_ID)
AS_DEPLOYER = $(AS_PERSON)$(if $(GCP_CONFIG), --configuration=$(GCP_CONFIG))
PERSON = $(call once,person,gcloud config get account 2>/dev/null)
DEPLOYER = $(GCP_DEPLOYER)@$(GCP_PROJECT_ID).iam.gserviceaccount.com
RUNTIME = $(GCP_RUNTIME)@$(GCP_PROJECT_ID).iam.gserviceaccount.com
KEY = secrets/$(GCP_DEPLOYER).json
HAS_KEY = $(wildcard $(KEY))
# An identity token is made for an account, and gcloud does not take which one from the configuration.
IMPERSONATED = $(addprefix --impersonate-service-account=,$(if $(GCP_CONFIG),$(if $(HAS_KEY),,$(DEPLOYER)),$(CLOUDSDK_AUTH_IMPERSONATE_SERVICE_ACCOUNT)))
LOGIN := config.account,config.active_config_name,config.project,config.properties.run.region,config.properties.auth.impersonate_service_account
# What the deployer's configuration must say: the project, whom it impersonates, whose login it uses.
ACTING := properties.core.project,properties.auth.impersonate_service_account,properties.core.account
ACTS = $(GCP_PROJECT_ID)|$(if $(HAS_KEY),|$(DEPLOYER),$(DEPLOYER)|%)

GCP_APIS = $(addsuffix .googleapis.com,run artifactregistry iam iamcredentials cloudresourcemanager logging)
# What Vertex AI, triggers, schedules and GitHub need besides; the targets that make these turn it on.
LATER_APIS = $(addsuffix .googleapis.com,aiplatform cloudbuild cloudscheduler storage sts)
# Who may do what: PLACE|ROLE|MEMBER. add-roles grants these rows, and doctor looks for them.
GCP_ROLES = \
	project|roles/run.developer|serviceAccount:$(DEPLOYER) \
	project|roles/run.invoker|serviceAccount:$(DEPLOYER) \
	project|roles/logging.viewer|serviceAccount:$(DEPLOYER) \
	repository|roles/artifactregistry.repoAdmin|serviceAccount:$(DEPLOYER) \
	runtime|roles/iam.serviceAccountUser|serviceAccount:$(DEPLOYER) \
	deployer|roles/iam.serviceAccountTokenCreator|$(if $(PERSON:%.gserviceaccount.com=),user,serviceAccount):$(PERSON)
place = $(word 1,$(subst |, ,$(1)))
role = $(word 2,$(subst |, ,$(1)))
member = $(word 3,$(subst |, ,$(1)))
# What reads and writes the policy of a place, as in $(call policy_project,get-iam-policy).
policy_project = gcloud projects $(1) $(GCP_PROJECT_ID)
policy_repository = gcloud artifacts repositories $(1) $(REPOSITORY) --location=$(LOCATION) $(AS_PERSON)
policy_runtime = gcloud iam service-accounts $(1) $(RUNTIME) $(AS_PERSON)
policy_deployer = gcloud iam service-accounts $(1) $(DEPLOYER) $(AS_PERSON)
BOUND := --flatten='bindings[].members' --format='value[separator="|"](bindings.role,bindings.members)'
OURS = --filter='bindings.members~"($(GCP_DEPLOYER)|$(GCP_RUNTIME))@$(GCP_PROJECT_ID)[.]iam"'

# Each prints what there is of a thing, one a line.
ASK_apis = gcloud services list --enabled $(AS_PERSON) --format='value(config.name)'
ASK_repository = gcloud artifacts repositories list --location=$(LOCATION) $(AS_PERSON) --filter='name~/$(REPOSITORY)$$' --format='value(name.basename())'
ASK_images = gcloud artifacts docker images list $(LISTED) $(AS_DEPLOYER) --sort-by=~updateTime --format='value(version)'
ASK_others = gcloud artifacts docker images list $(LISTED_IN) $(AS_PERSON) --filter='package!=$(LISTED)' --limit=1 --format='value(package)'
ASK_login = { sed -n 's|.*"\($(GCP_REGISTRY)\)": *{.*|\1|p' "$${DOCKER_CONFIG:-$$HOME/.docker}/config.json" 2>/dev/null || :; }
ask_tagged = gcloud artifacts docker images list $(LISTED) $(AS_DEPLOYER) --include-tags --filter=tags=$(1) --format='value(version)'
ask_accounts = gcloud iam service-accounts list $(AS_PERSON) --filter='email=($(1))' --format='value(email)'
ask_configuration = gcloud config configurations list --filter=name=$(GCP_CONFIG) --format='value[separator="|"]($(1))'
ask_service = gcloud run services list --region=$(GCP_REGION) $(AS_DEPLOYER) --filter=metadata.name=$(CLOUD_RUN_SERVICE) --format='value($(1))'

# Ask first, then act: an error of gcloud's stops the target, and never counts as "there is none".
if-there = there=$$($(call quiet,$(1))) && if [ -n "$$there" ]; then $(2); $(if $(3),else echo "There is no $(3)"; )fi
unless-there = there=$$($(call quiet,$(1))) && if [ -n "$$there" ]; then echo "There is already $$there"; else set -x; $(2); fi
# What gcloud says besides the answer is of interest only if there is none.
quiet = exec 3>&1; error=$$({ $(1); } 2>&1 >&3) || { echo "$$error" >&2; exit 1; }
# What a command prints, asked once in a run of make: NONE if that is nothing, UNKNOWN if it fails.
once = $(if $(filter file,$(origin said_$(1))),,$(eval said_$(1) := $(or $(shell ($(call quiet,$(2))) || echo UNKNOWN),NONE)))$(said_$(1))
# Nothing is asked of a thing ($(1)) that is not among those there are ($(2)), nor without a login.
of = $(if $(filter NONE,$(PERSON)),false,$(if $(filter UNKNOWN $(1),$(2)),$(3),:))
of-api = $(call of,$(1).googleapis.com,$(HAVE_apis),$(2))
HAVE_apis = $(call once,apis,$(call of,ask,ask,$(ASK_apis)))
HAVE_repository = $(call once,repository,$(call of-api,artifactregistry,$(ASK_repository)))
HAVE_accounts = $(call once,accounts,$(call of-api,iam,$(call ask_accounts,$(DEPLOYER) $(RUNTIME))))
HAVE_configuration = $(call once,configuration,$(call ask_configuration,$(ACTING)))
HAVE_service = $(call once,service,$(call ask_service,$(NAME_AND_URL)))
NAME_AND_URL := metadata.name,status.url
URL = $(word 2,$(HAVE_service))

.PHONY: check-gcp-login enable-apis create-repository create-service-account add-roles create-config create-key \
	setup doctor conf-docker-for-gcp image-to-gcp no-canary deploy release why list-cloud-run describe-service \
	url predict logs list-gcp-images open deploy-canary promote rollback allow-public allow-private \
	allow-invoker delete-deployment delete-latest-gcp-image delete-key delete-service-account show-things \
	destroy deploy-vertex predict-vertex delete-vertex create-trigger delete-trigger create-schedule \
	delete-schedule create-github-identity delete-github-identity require-gcp require-gcloud require-apis \
	require-repository require-accounts require-config require-service require-no-service require-image \
	require-sample require-API_KEY require-percent require-pushed require-github require-trigger

##@ Google Cloud: set up, once

check-gcp-login: require-gcp ## Say who is logged in to gcloud, and whether that fits .env
	@[ "$(PERSON)" != NONE ] || { echo "Nobody is logged in to gcloud: gcloud auth login" >&2; exit 1; }
	@gcloud info --format='csv[no-heading]($(LOGIN))' | { IFS=, read -r account name project region acting; \
		[ "$$project" = "$(GCP_PROJECT_ID)" ] || project="$${project:-none}; make uses $(GCP_PROJECT_ID), GCP_PROJECT_ID of .env"; \
		[ "$$region" = "$(GCP_REGION)" ] || region="$${region:-none}; make uses $(GCP_REGION), GCP_REGION of .env or its default"; \
		printf '%-14s %s\n' account "$$account" configuration "$$name" project "$$project" region "$$region"; \
		[ "$${acting:-$$account}" != "$(DEPLOYER)" ] || { echo "That is the deployer, and a person is needed: gcloud config configurations activate default" >&2; exit 1; }; }
	@$(ASK_apis) >/dev/null || { echo "$(PERSON) sees no project $(GCP_PROJECT_ID): set GCP_PROJECT_ID in .env to one that gcloud projects list shows" >&2; exit 1; }
	$(call next,make setup$(comma) or make doctor to see what is missing)

enable-apis: check-gcp-login ## Turn on the APIs of Google that deploying needs
	gcloud services enable $(GCP_APIS) $(AS_PERSON)
	$(call next,make create-repository)

create-repository: check-gcp-login require-apis ## Make the repository for images, GCP_REPOSITORY
	@$(call unless-there,$(ASK_repository),gcloud artifacts repositories create $(REPOSITORY) --repository-format=docker --location=$(LOCATION) $(AS_PERSON))
	$(call next,make create-service-account)

create-service-account: check-gcp-login require-apis ## Make two accounts: one deploys, the service runs as the other
	@$(call unless-there,$(call ask_accounts,$(DEPLOYER)),gcloud iam service-accounts create $(GCP_DEPLOYER) --display-name="Deploys $(CLOUD_RUN_SERVICE)" $(AS_PERSON))
	@$(call unless-there,$(call ask_accounts,$(RUNTIME)),gcloud iam service-accounts create $(GCP_RUNTIME) --display-name="Runs $(CLOUD_RUN_SERVICE)" $(AS_PERSON))
	$(call next,make add-roles)

# A new account is not known everywhere at once, so a binding is tried again.
define bind
@for try in 1 2 3; do (set -x; $(call policy_$(call place,$(1)),add-iam-policy-binding) --role=$(call role,$(1)) \
	--member=$(call member,$(1)) --condition=None --format=none) && exit; sleep 5; done; exit 1

endef
add-roles: check-gcp-login require-apis require-repository require-accounts ## Give them the smallest roles on the smallest things
	$(foreach row,$(GCP_ROLES),$(call bind,$(row)))
	$(call next,make create-config)

configure = gcloud config set $(1) --configuration=$(GCP_CONFIG)
create-config: check-gcp-login require-GCP_CONFIG require-apis require-accounts ## Make a gcloud configuration that acts as the deployer
	@$(call unless-there,$(call ask_configuration,name),gcloud config configurations create $(GCP_CONFIG) --no-activate)
	$(call configure,project $(GCP_PROJECT_ID))
	$(call configure,run/region $(GCP_REGION))
	$(call configure,verbosity error) # or each command warns that it acts as another
	$(if $(HAS_KEY),gcloud auth activate-service-account $(DEPLOYER) --key-file=$(KEY) --configuration=$(GCP_CONFIG),$(call configure,account $(PERSON)))
	$(if $(HAS_KEY),gcloud config unset auth/impersonate_service_account --configuration=$(GCP_CONFIG),$(call configure,auth/impersonate_service_account $(DEPLOYER)))
	@echo "Trying to act as $(DEPLOYER): Google can take minutes to heed a new role"
	@for try in $$(seq 2 $(PATIENCE)); do gcloud auth print-access-token $(AS_DEPLOYER) >/dev/null 2>&1 && exit; sleep 5; done; \
		gcloud auth print-access-token $(AS_DEPLOYER) >/dev/null || { echo "$(PERSON) cannot act as the deployer: make doctor says what is missing" >&2; exit 1; }
	$(call next,make release)
# How often to try, every 5 s.
PATIENCE ?= 24

confirm-create-key: MEANING = A key is a password that does not end, and whoever has the file is the deployer. Without one, make create-config lets you act as the deployer with your own login.
create-key: check-gcp-login require-apis require-accounts confirm-create-key ## Make a key in secrets/, for those who cannot do without
	$(if $(HAS_KEY),@echo "There is already $(KEY): make delete-key takes it away",umask 077 && gcloud iam service-accounts keys create $(KEY) --iam-account=$(DEPLOYER) $(AS_PERSON))
	$(call next,make create-config$(comma) which uses the key from now on)

setup: check-gcp-login enable-apis create-repository create-service-account add-roles create-config ## All of these in order, without a key
	$(call next,make release)

# A line of the doctor's: what, the word that stands for it, the words there are, the target that makes it.
MENDS :=
look = $(info $(if $(filter $(2),$(3)),ok       $(1),$(if $(filter UNKNOWN,$(3)),unknown  $(1): gcloud could not say$(eval MENDS += doctor),missing  $(1) → make $(4)$(eval MENDS += $(4)))))
look_policy = $(call look,$(call role,$(1)) of $(call member,$(1)) on $(call place,$(1)),$(call role,$(1))|$(call member,$(1)),$(POLICY_$(call place,$(1))),add-roles)
POLICY_project = $(call once,project_policy,$(call of-api,cloudresourcemanager,$(call policy_project,get-iam-policy) $(BOUND)))
POLICY_repository = $(call once,repository_policy,$(call of,$(REPOSITORY),$(HAVE_repository),$(call policy_repository,get-iam-policy) $(BOUND)))
POLICY_runtime = $(call once,runtime_policy,$(call of,$(RUNTIME),$(HAVE_accounts),$(call policy_runtime,get-iam-policy) $(BOUND)))
POLICY_deployer = $(call once,deployer_policy,$(call of,$(DEPLOYER),$(HAVE_accounts),$(call policy_deployer,get-iam-policy) $(BOUND)))
doctor: AS_DEPLOYER = $(AS_PERSON)
doctor: require-gcp ## Tell of all that deploying needs whether it is there, and what makes it
	$(call look,login to gcloud,$(PERSON),$(filter-out NONE,$(PERSON)),check-gcp-login)
	$(foreach api,$(GCP_APIS),$(call look,API $(api),$(api),$(HAVE_apis),enable-apis))
	$(call look,repository $(REPOSITORY) in $(LOCATION),$(REPOSITORY),$(HAVE_repository),create-repository)
	$(foreach account,$(DEPLOYER) $(RUNTIME),$(call look,account $(account),$(account),$(HAVE_accounts),create-service-account))
	$(foreach row,$(GCP_ROLES),$(call look_policy,$(row)))
	$(if $(GCP_CONFIG),$(call look,configuration $(GCP_CONFIG) of gcloud,$(ACTS),$(HAVE_configuration),create-config))
	$(call look,login of docker to $(GCP_REGISTRY),$(GCP_REGISTRY),$(call once,login,$(ASK_login)),conf-docker-for-gcp)
	$(call look,image $(IMAGE):$(IMAGE_TAG),sha256:%,$(call once,tagged,$(call of,$(REPOSITORY),$(HAVE_repository),$(call ask_tagged,$(IMAGE_TAG)))),release)
	@[ -z "$(MENDS)" ] || { echo "Next: make $(firstword $(MENDS))" >&2; exit 1; }
	$(call next,make deploy)

##@ Google Cloud: ship

conf-docker-for-gcp: require-docker require-config ## Log docker in to the registry for an hour, as the deployer
	@echo 'gcloud auth print-access-token $(AS_DEPLOYER) | docker login --username oauth2accesstoken --password-stdin $(GCP_REGISTRY)'
	@token=$$(gcloud auth print-access-token $(AS_DEPLOYER)) && \
		echo "$$token" | docker login --username oauth2accesstoken --password-stdin $(GCP_REGISTRY)
	$(call next,make release$(comma) or make image-to-gcp)

LABELS := {{index .Config.Labels "$(LABEL).revision"}} {{index .Config.Labels "$(LABEL).version"}}
image-to-gcp: conf-docker-for-gcp require-image ## Push the image, tagged with the source and the model it is made of
	@tag=$$(docker image inspect --format '$(LABELS)' $(IMAGE) | $(SHORTEN)) && \
		(set -x; docker tag $(IMAGE) $(PUSHED):$$tag && docker push $(PUSHED):$$tag && docker rmi $(PUSHED):$$tag) && \
		digest=$$($(call quiet,$(call ask_tagged,$$tag))) && echo "$(PUSHED)@$${digest:?is not in the registry}"
	$(call next,make deploy)

# What the service in Cloud Run is told: the project, for the traces in its log, and what is set.
SET = '^|^$(subst $(empty) ,|,$(strip GOOGLE_CLOUD_PROJECT=$(GCP_PROJECT_ID) $(call set,$(SETTINGS))))'
# Those variables that have a value, each as NAME=value; a setting must be a word here.
set = $(foreach name,$(1),$(if $($(name)),$(call check-word,$(name))$(name)=$($(name))))
check-word = $(if $(call only,$(filter $(SETTINGS),$(1)),$(WORD_CHARACTERS)),$(error $(1): expected letters$(comma) digits and - . _ / : @ + % ~ = * and commas only))
probe = httpGet.path=$(1),httpGet.port=8080,periodSeconds=$(2),timeoutSeconds=$(2),failureThreshold=$(3)
# Who may call is left as it is: a new service is private, and the deployer may not open it.
DEPLOY = gcloud run deploy $(CLOUD_RUN_SERVICE) $(AS_DEPLOYER) --region=$(GCP_REGION) --quiet \
	--service-account=$(RUNTIME) --port=8080 --set-env-vars=$(SET) \
	--memory=$(CLOUD_RUN_MEMORY) --cpu=$(CLOUD_RUN_CPU) --$(if $(filter true,$(CLOUD_RUN_CPU_BOOST)),,no-)cpu-boost \
	--concurrency=$(CLOUD_RUN_CONCURRENCY) --timeout=$(CLOUD_RUN_TIMEOUT) --ingress=$(CLOUD_RUN_INGRESS) \
	--min-instances=$(CLOUD_RUN_MIN_INSTANCES) --max-instances=$(CLOUD_RUN_MAX_INSTANCES) \
	--startup-probe=$(call probe,/ready,2,60) --liveness-probe=$(call probe,/health,10,3)
define deploy-image
@digest=$$($(call quiet,$(call ask_tagged,$(IMAGE_TAG)))) || exit 1; \
	[ -n "$$digest" ] || { echo "There is no image $(IMAGE):$(IMAGE_TAG) in the registry: make release" >&2; exit 1; }; \
	(set -x; $(DEPLOY) --image=$(PUSHED)@$$digest $(1)) || { $(MAKE) --no-print-directory --silent why; exit 1; }
endef
TRAFFIC = gcloud run services update-traffic $(CLOUD_RUN_SERVICE) $(AS_DEPLOYER) --region=$(GCP_REGION)
FOLLOW = $(TRAFFIC) --to-latest --remove-tags=canary

# A canary that never got ready keeps later revisions from traffic. gcloud fails here, though the tag
# goes, as long as the newest revision is such a one; whether all is well is up to the deploy.
no-canary:
	@tags=$$($(call quiet,$(call ask_service,spec.traffic[].tag))) || exit 1; \
		case "$$tags" in *canary*) (set -x; $(TRAFFIC) --remove-tags=canary) || : ;; esac

deploy: require-config no-canary ## Deploy the image of what stands here, give it all traffic, and send it the example row
	$(deploy-image)
	$(FOLLOW)
	$(call send,url=$$($(call ask_service,status.url)) && at=$$url)
	$(call next,make predict$(comma) make logs$(comma) make rollback if it is not well)

release: build-image image-to-gcp deploy ## Build, push and deploy
	$(call next,make predict$(comma) make logs$(comma) make rollback if it is not well)

# gcloud run services logs read breaks off at the first line that has fields.
LINE := timestamp.date("%H:%M:%S"),severity,textPayload,jsonPayload.message,httpRequest.requestMethod,httpRequest.status,httpRequest.requestUrl
read-log = gcloud logging read $(AS_DEPLOYER) --format='value[separator=" "]($(LINE))' \
	"resource.type=cloud_run_revision AND resource.labels.location=$(GCP_REGION) AND resource.labels.service_name=$(CLOUD_RUN_SERVICE) $(1)"
# The lines of the newest revision, if it does not get ready.
NEWEST_AND_READY := status.latestCreatedRevisionName,status.latestReadyRevisionName
why:
	@revisions=$$($(call ask_service,$(NEWEST_AND_READY))) || exit; set -- $$revisions; \
		[ -n "$$1" ] && [ "$$1" != "$$2" ] || exit 0; echo "What the container of $$1 says:" >&2; \
		$(call read-log,AND resource.labels.revision_name=$$1) --limit=50 --order=asc >&2; \
		echo "It got no traffic: $${2:-no revision} is what serves. Next: mend it, make release" >&2

##@ Google Cloud: look

list-cloud-run: require-config ## List the services in GCP_REGION
	gcloud run services list $(AS_DEPLOYER) --region=$(GCP_REGION)
	$(call next,make describe-service)

describe-service: require-config require-service ## Tell all of the service
	gcloud run services describe $(CLOUD_RUN_SERVICE) $(AS_DEPLOYER) --region=$(GCP_REGION)
	$(call next,make predict)

url: require-config require-service ## Print the address of the service
	@echo $(URL)
	$(call next,make predict$(comma) since only who has a token may call it)

predict: $(if $(API_KEYS),require-API_KEY) require-config require-service $(if $(SAMPLE),require-sample) ## Send the example row, or SAMPLE=file.json, to the service
	$(call send,url=$(URL) && at=$$url)
	$(call next,make predict SAMPLE=file.json$(comma) or make open)

require-API_KEY:
	@[ -n "$$API_KEY" ] || { echo "API_KEY is not set, and the service has API_KEYS: write one of its keys into .env, or behind the target: make predict API_KEY=..." >&2; exit 1; }

# The token is for the service's address and stays out of the list of processes, as an API key does. What the model
# can do and its example row are what the revision itself says.
CALL := printf '%s\n' "Authorization: Bearer $$token" "$${API_KEY:+X-Api-Key: $$API_KEY}" | curl --silent --show-error --fail-with-body --max-time 60 --header @-
ROW := import json, sys; about = json.load(sys.stdin); print(about["methods"][0], json.dumps(about["example"]))
UNSENT = $(if $(API_KEYS),$(if $(API_KEY),,echo "The example row is not sent: the service has API_KEYS$(comma) and API_KEY is not set" >&2; exit 0;))
define send
@$(UNSENT) $(1) && token=$$(gcloud auth print-identity-token $(IMPERSONATED) $(AS_DEPLOYER) --audiences="$$url") && \
	about=$$($(CALL) "$$at/metadata") && row=$$(printf '%s' "$$about" | "$$PYTHON" -c '$(ROW)') && method=$${row%% *} && \
	echo "$$at/$$method $(if $(SAMPLE),@$$SAMPLE,$${row#* })" >&2 && \
	$(CALL) --header 'content-type: $(if $(filter %.csv,$(SAMPLE)),text/csv,application/json)' \
		--data-binary "$(if $(SAMPLE),@$$SAMPLE,$${row#* })" "$$at/$$method" && echo
endef

logs: require-config require-service ## Show the newest 100 lines of the service's log, the newest first
	$(read-log) --limit=100
	$(call next,make describe-service)

list-gcp-images: require-config ## List the images in the registry
	gcloud artifacts docker images list $(LISTED) $(AS_DEPLOYER) --include-tags --sort-by=~updateTime
	$(call next,make deploy$(comma) or make delete-latest-gcp-image)

open: require-config require-service ## Let this machine call the private service at http://localhost:OS_PORT, for an hour
	@echo "Next: curl http://localhost:$(OS_PORT)/metadata from another terminal; Ctrl-C ends this" >&2
	@token=$$(gcloud auth print-identity-token $(IMPERSONATED) $(AS_DEPLOYER) --audiences=$(URL)) && \
		gcloud run services proxy $(CLOUD_RUN_SERVICE) $(AS_DEPLOYER) --region=$(GCP_REGION) --port=$(OS_PORT) --token="$$token"

##@ Google Cloud: change

TAGGED = gcloud run services describe $(CLOUD_RUN_SERVICE) $(AS_DEPLOYER) --region=$(GCP_REGION) \
	--flatten='status.traffic[]' --format='csv[no-heading](status.traffic.tag,status.traffic.url)'
deploy-canary: require-config require-service ## Deploy to an address of its own, without traffic, and send it the example row
	$(call deploy-image,--no-traffic --tag=canary)
	$(call send,url=$(URL) && at=$$($(TAGGED) | sed -n 's/^canary$(comma)//p'))
	$(call next,make promote PERCENT=10$(comma) make promote$(comma) or make rollback)

PERCENT ?= 100
promote: require-config require-service require-percent ## Give the newest revision all traffic, or PERCENT=10 of it
	$(if $(filter 100,$(PERCENT)),$(FOLLOW),$(TRAFFIC) --to-revisions=LATEST=$(PERCENT))
	$(call next,$(if $(filter 100,$(PERCENT)),make logs,make promote PERCENT=50$(comma) make promote) or make rollback)

REVISIONS = gcloud run revisions list --service=$(CLOUD_RUN_SERVICE) $(AS_DEPLOYER) --region=$(GCP_REGION) \
	--sort-by=~metadata.creationTimestamp --format='csv[no-heading](metadata.name,status.conditions.filter("type:Ready").extract("status"))'
# gcloud fails if the newest revision is not ready, though the traffic has moved.
rollback: require-config require-service ## Give all traffic to the revision before the newest, or to TO=revision
	@ready=$$($(REVISIONS)) || exit 1; to=$${TO:-$$(echo "$$ready" | sed -n "s/,.*True.*//p" | sed -n 2p)}; \
		[ -n "$$to" ] || { echo "There is no revision before the newest that was ready, so nothing was changed" >&2; exit 1; }; \
		echo "Back to $$to"; (set -x; $(TRAFFIC) --to-revisions=$$to=100 --remove-tags=canary) || \
		[ "$$($(call ask_service,status.traffic[].revisionName))" = "$$to" ]
	$(call next,make logs; this revision keeps all traffic until make deploy or make promote)

##@ Google Cloud: access

POLICY = gcloud run services $(1)-iam-policy-binding $(CLOUD_RUN_SERVICE) $(AS_PERSON) --region=$(GCP_REGION) --role=roles/run.invoker
allow-public allow-private allow-invoker delete-service-account: AS_DEPLOYER = $(AS_PERSON)
confirm-allow-public: MEANING = Anyone on the internet may then call $(CLOUD_RUN_SERVICE), and you pay for the calls: at most $(CLOUD_RUN_MAX_INSTANCES) instances at a time.
allow-public: check-gcp-login require-service confirm-allow-public ## Let anyone call the service; asks first
	$(call POLICY,add) --member=allUsers
	$(call next,make url$(comma) which anyone may call now$(comma) or make allow-private)

confirm-allow-private: MEANING = Only members that have roles/run.invoker may then call $(CLOUD_RUN_SERVICE); callers without a token are refused from now on.
PUBLIC = gcloud run services get-iam-policy $(CLOUD_RUN_SERVICE) $(AS_PERSON) --region=$(GCP_REGION) --flatten='bindings[].members' \
	--filter='bindings.role=roles/run.invoker AND bindings.members~^all' --format='value(bindings.members)'
allow-private: check-gcp-login require-service confirm-allow-private ## Let only members call that may invoke it; asks first
	@$(call if-there,$(PUBLIC),for member in $$there; do (set -x; $(call POLICY,remove) --member=$$member) || exit 1; done,right of everyone to call it)
	$(call next,make allow-invoker MEMBER=user:name@example.com)

allow-invoker: check-gcp-login require-MEMBER require-service ## Let MEMBER=user:name@example.com call the service
	$(call POLICY,add) --member=$(MEMBER)
	$(call next,make url$(comma) and send it to them: they call it with an identity token)

##@ Google Cloud: away

delete-deployment: require-config ## Delete the service; images, accounts and roles stay
	@$(call if-there,$(call ask_service,metadata.name),set -x; $(REMOVE_service),service $(CLOUD_RUN_SERVICE))
	$(call next,make deploy$(comma) or make destroy to leave nothing)

delete-latest-gcp-image: require-config ## Delete the newest image in the registry; what runs keeps its copy
	@$(call if-there,$(ASK_images),set -x; gcloud artifacts docker images delete $(LISTED)@$$(echo "$$there" | head -n 1) --delete-tags --quiet $(AS_DEPLOYER),image $(IMAGE) in the registry)
	$(call next,make list-gcp-images)

delete-key: check-gcp-login require-apis ## Delete the deployer's keys, there and in secrets/
	@$(call if-there,$(call ask_accounts,$(DEPLOYER)),$(call if-there,$(KEYS),for key in $$there; do (set -x; gcloud iam service-accounts keys delete $$key --iam-account=$(DEPLOYER) --quiet $(AS_PERSON)) || exit 1; done))
	@$(call if-there,$(FIND_key),$(REMOVE_key))
	$(call next,make create-config$(comma) to act as the deployer without a key)
KEYS = gcloud iam service-accounts keys list --iam-account=$(DEPLOYER) --managed-by=user $(AS_PERSON) --format='value(name.basename())'

delete-service-account: check-gcp-login require-apis require-no-service remove-project-roles remove-repository-roles remove-key remove-accounts ## Delete both accounts, and first their roles
	$(call next,make setup$(comma) or make destroy to leave nothing)

# What there can be, in the order in which it can go: FIND_x prints what there is of it, REMOVE_x
# takes it away, and finds those lines in $$there.
THINGS := schedule trigger github-identity vertex service images project-roles repository-roles repository key accounts configuration login
FIND_service = $(call of-api,run,$(call ask_service,metadata.name))
REMOVE_service = gcloud run services delete $(CLOUD_RUN_SERVICE) --region=$(GCP_REGION) --quiet $(AS_DEPLOYER)
FIND_images = $(call of,$(REPOSITORY),$(HAVE_repository),$(ASK_images))
REMOVE_images = gcloud artifacts docker images delete $(LISTED) --delete-tags --quiet $(AS_PERSON)
FIND_project-roles = $(call of-api,cloudresourcemanager,$(call policy_project,get-iam-policy) $(BOUND) $(OURS))
# Some of them went with the schedule and the trigger, so what is left is asked anew.
REMOVE_project-roles = { set +x; } 2>/dev/null; $(call if-there,$(FIND_project-roles),$(call unbind,project))
FIND_repository-roles = $(call of,$(REPOSITORY),$(HAVE_repository),$(call policy_repository,get-iam-policy) $(BOUND) $(OURS))
REMOVE_repository-roles = $(call unbind,repository)
unbind = { set +x; } 2>/dev/null; echo "$$there" | while IFS='|' read -r role member; do \
	(set -x; $(call policy_$(1),remove-iam-policy-binding) --role="$$role" --member="$$member" --all --format=none </dev/null) || exit 1; done
# A repository that holds other images is somebody else's too, and stays.
FIND_repository = $(call of-api,artifactregistry,$(call if-there,$(ASK_repository),others=$$($(ASK_others)) && { [ -n "$$others" ] || echo $(REPOSITORY); }))
REMOVE_repository = gcloud artifacts repositories delete $(REPOSITORY) --location=$(LOCATION) --quiet $(AS_PERSON)
FIND_key = find secrets -name $(GCP_DEPLOYER).json && gcloud auth list --filter=account=$(DEPLOYER) --format='value(account)'
REMOVE_key = rm -f $(KEY); logged=$$(gcloud auth list --filter=account=$(DEPLOYER) --format='value(account)') && { [ -z "$$logged" ] || gcloud auth revoke $(DEPLOYER); }
FIND_accounts = $(call of-api,iam,$(call ask_accounts,$(DEPLOYER) $(RUNTIME)))
REMOVE_accounts = for account in $$there; do gcloud iam service-accounts delete $$account --quiet $(AS_PERSON) || exit 1; done
FIND_configuration = $(if $(GCP_CONFIG),$(call ask_configuration,name))
REMOVE_configuration = gcloud config configurations delete $(GCP_CONFIG) --quiet
FIND_login = $(ASK_login)
REMOVE_login = docker logout $(GCP_REGISTRY)

found = $(call once,found_$(1),$(or $(FIND_$(1)),:))
remove-%:
	@$(if $(filter UNKNOWN,$(call found,$*)),exit 1,$(if $(filter-out NONE,$(call found,$*)),there=$$(printf '%s\n' $(patsubst %,'%',$(call found,$*))); set -x; $(REMOVE_$*)))

show-things:
	@$(foreach thing,$(THINGS),$(foreach one,$(filter-out NONE,$(call found,$(thing))),echo '$(thing): $(subst |, for ,$(one))' && [ '$(one)' != UNKNOWN ] || exit 1;))

# Under make -n a line that names MAKE itself would run.
SHOW_AGAIN = $(MAKE) --no-print-directory --silent show-things AS_DEPLOYER="$(AS_PERSON)"
confirm-destroy: MEANING = All that stands above goes for good from project $(GCP_PROJECT_ID) and from this machine.
confirm-destroy: WORD = $(GCP_PROJECT_ID)
destroy: AS_DEPLOYER = $(AS_PERSON)
destroy: check-gcp-login show-things confirm-destroy $(THINGS:%=remove-%) ## Delete everything that these targets made; lists it and asks first
	@left=$$($(SHOW_AGAIN)) || exit 1; \
		[ -z "$$left" ] || { echo "This is still there: make destroy again"; echo "$$left"; exit 1; } >&2
	@echo "Nothing is left. The APIs stay on, since something else may need them; to turn them off:"
	@echo "  gcloud services disable --force $(GCP_APIS) $(filter $(LATER_APIS),$(HAVE_apis)) $(AS_PERSON)"

##@ Vertex AI, for comparison

# An endpoint by the service's name, and a model of that name for each image; gcloud gives their ids.
VERTEX_MACHINE_TYPE ?= n1-standard-2
IN_VERTEX = --region=$(GCP_REGION) $(AS_PERSON)
DIGEST = $(call once,tagged,$(call of,$(REPOSITORY),$(HAVE_repository),$(call ask_tagged,$(IMAGE_TAG))))
ask_vertex = gcloud ai $(1) list $(IN_VERTEX) --filter="displayName=$(CLOUD_RUN_SERVICE)$(2)" --format='value(name.scope(projects))'
ASK_model = $(call ask_vertex,models, AND containerSpec.imageUri='$(PUSHED)@$(DIGEST)')
ask_deployed = gcloud ai endpoints list $(IN_VERTEX) --filter=displayName=$(CLOUD_RUN_SERVICE) --flatten='deployedModels[]' --format='value(deployedModels.$(1).scope(projects))'
undeploy = for id in $(2); do gcloud ai endpoints undeploy-model $(1) --deployed-model-id=$$id $(IN_VERTEX) || exit 1; done
confirm-deploy-vertex: MEANING = A $(VERTEX_MACHINE_TYPE) then runs on Vertex AI and costs money by the hour, whether anyone calls it or not, until make delete-vertex.
deploy-vertex: AS_DEPLOYER = $(AS_PERSON)
deploy-vertex: check-gcp-login require-apis require-accounts require-pushed confirm-deploy-vertex ## Serve the pushed image there too; costs money while it runs, so it asks first
	gcloud services enable aiplatform.googleapis.com $(AS_PERSON)
	@$(call unless-there,$(call ask_vertex,endpoints),gcloud ai endpoints create --display-name=$(CLOUD_RUN_SERVICE) $(IN_VERTEX))
	@$(call unless-there,$(ASK_model),gcloud ai models upload --display-name=$(CLOUD_RUN_SERVICE) $(IN_VERTEX) --container-image-uri=$(PUSHED)@$(DIGEST) \
		--container-ports=8080 --container-health-route=/health --container-predict-route=/predict)
	@endpoint=$$($(call ask_vertex,endpoints)) && model=$$($(ASK_model)) && now=$$($(call ask_deployed,model)) && old=$$($(call ask_deployed,id)) || exit 1; \
		[ "$$now" != "$$model" ] || { echo "It is deployed already"; exit; }; set -x; \
		gcloud ai endpoints deploy-model $$endpoint --model=$$model --display-name=$(CLOUD_RUN_SERVICE) --machine-type=$(VERTEX_MACHINE_TYPE) \
			--min-replica-count=1 --max-replica-count=1 --service-account=$(RUNTIME) --traffic-split=0=100 $(IN_VERTEX) && \
		$(call undeploy,$$endpoint,$$old)
	$(call next,make predict-vertex$(comma) then make delete-vertex so that it costs no more)

INSTANCES := import json, sys; print(json.dumps({"instances": [json.load(sys.stdin)["example"]]}))
predict-vertex: check-gcp-login $(if $(SAMPLE),require-sample,require-card) ## Send the example row there, or SAMPLE=file.json with {"instances": [...]}
	@endpoint=$$($(call of-api,aiplatform,$(call ask_vertex,endpoints))) || exit 1; \
		[ -n "$$endpoint" ] || { echo "There is no endpoint $(CLOUD_RUN_SERVICE) in $(GCP_REGION): make deploy-vertex" >&2; exit 1; }; \
		rows=$$($(if $(SAMPLE),cat <"$$SAMPLE","$$PYTHON" -c '$(INSTANCES)' <$(CARD))) && echo "$$rows" && \
		echo "$$rows" | (set -x; gcloud ai endpoints predict $$endpoint --json-request=- --format='json(predictions)' $(IN_VERTEX))
	$(call next,make delete-vertex so that it costs no more)

delete-vertex: check-gcp-login remove-vertex ## Take the endpoint and the models away from there
	$(call next,make deploy-vertex$(comma) or make destroy to leave nothing)
FIND_vertex = $(call of-api,aiplatform,$(call ask_vertex,endpoints) && $(call ask_vertex,models))
# gcloud does not wait until a model is gone.
REMOVE_vertex = for name in $$there; do case $$name in \
	*/endpoints/*) $(call undeploy,$$name,$$($(call ask_deployed,id))); gcloud ai endpoints delete $$name --quiet $(IN_VERTEX) || exit 1 ;; \
	*) gcloud ai models delete $$name --quiet $(IN_VERTEX) || exit 1 ;; esac; done; { set +x; } 2>/dev/null; \
	for try in 1 2 3 4 5 6; do left=$$($(call ask_vertex,models)) || exit 1; [ -n "$$left" ] || break; sleep 5; done

require-pushed: require-gcp
	@$(if $(filter sha256:%,$(DIGEST)),,echo "There is no image $(IMAGE):$(IMAGE_TAG) in the registry: make release" >&2; exit 1)

##@ Google Cloud: by itself, on a push or a schedule

# A build has no .env, so it is told what stands there.
CI_SETTINGS = $(call set,GCP_REGION GCP_REPOSITORY GCP_REGISTRY GCP_DEPLOYER GCP_RUNTIME IMAGE $(filter CLOUD_RUN_%,$(KNOWN)) \
	$(filter-out MODEL_SHA256,$(SETTINGS)) $(1))
bound = rows=$$($(call policy_$(call place,$(1)),get-iam-policy) $(BOUND)) && echo "$$rows" | sed -n '\|^$(call role,$(1))[|]$(call member,$(1))$$|p'
held = $(if $(filter deployer,$(call place,$(1))),$(call of,$(DEPLOYER),$(HAVE_accounts),$(call bound,$(1))),$(call bound,$(1)))
unbind-row = ($(call if-there,$(call held,$(1)),set -x; $(call policy_$(call place,$(1)),remove-iam-policy-binding) --role=$(call role,$(1)) --member=$(call member,$(1)) --all --format=none)) || exit 1
GITHUB = $(subst /, ,$(GITHUB_REPOSITORY))
require-github: require-GITHUB_REPOSITORY
	@$(if $(filter 2,$(words $(GITHUB))),,echo "GITHUB_REPOSITORY=$(GITHUB_REPOSITORY): expected owner/name" >&2; exit 1)

# Builds run as the deployer, which then writes their log, makes an identity token of its own for the
# example row, and reads the bucket that the model is in.
BUCKET = $(if $(filter gs://%,$(MODEL_URI)),$(word 2,$(subst /, ,$(MODEL_URI))))
policy_bucket = gcloud storage buckets $(1) gs://$(BUCKET) $(AS_PERSON)
BUILD_ROLES = \
	project|roles/logging.logWriter|serviceAccount:$(DEPLOYER) \
	deployer|roles/iam.serviceAccountTokenCreator|serviceAccount:$(DEPLOYER) \
	$(if $(BUCKET),bucket|roles/storage.objectViewer|serviceAccount:$(DEPLOYER))
IN_BUILDS = --region=global $(AS_PERSON)
ASK_trigger = gcloud builds triggers list $(IN_BUILDS) --filter=name=$(CLOUD_RUN_SERVICE) --format='value(id)'
TRIGGER = --repo-owner=$(word 1,$(GITHUB)) --repo-name=$(word 2,$(GITHUB)) --branch-pattern='^main$$' --build-config=cloudbuild.yaml \
	--service-account=projects/$(GCP_PROJECT_ID)/serviceAccounts/$(DEPLOYER) $(IN_BUILDS)
TOLD = '^|^_MODEL_URI=$(MODEL_URI)|_MODEL_VERSION=$(MODEL_SHA256)|_SETTINGS=$(strip $(call CI_SETTINGS))'
CONNECT = https://console.cloud.google.com/cloud-build/triggers;region=global/connect?project=$(GCP_PROJECT_ID)
create-trigger: check-gcp-login require-github require-model-uri require-apis require-accounts ## Let Cloud Build ship each push to the main branch of GITHUB_REPOSITORY=owner/name
	gcloud services enable cloudbuild.googleapis.com $(if $(BUCKET),storage.googleapis.com) $(AS_PERSON)
	@trigger=$$($(ASK_trigger)) || exit 1; set -x; \
		if [ -n "$$trigger" ]; then gcloud builds triggers update github $$trigger $(TRIGGER) --update-substitutions=$(TOLD); \
		else gcloud builds triggers create github --name=$(CLOUD_RUN_SERVICE) $(TRIGGER) --substitutions=$(TOLD); fi || \
		{ echo "If Google does not know the repository yet, connect it (1st gen): $(CONNECT)" >&2; exit 1; }
	$(foreach row,$(BUILD_ROLES),$(call bind,$(row)))
	$(call next,push to the main branch$(comma) or make create-schedule)

delete-trigger: check-gcp-login remove-trigger ## Take the trigger away, and the roles that only builds need
	$(call next,make create-trigger$(comma) or make destroy to leave nothing)
FIND_trigger = $(call of-api,cloudbuild,$(ASK_trigger))
remove-trigger: BUCKET = $$bucket
REMOVE_trigger = { set +x; } 2>/dev/null; \
	bucket=$$(gcloud builds triggers describe $$there $(IN_BUILDS) --format='value(substitutions._MODEL_URI)' | sed -n 's|^gs://\([^/]*\)/.*|\1|p'); \
	$(foreach row,$(filter-out bucket|%,$(BUILD_ROLES)),$(call unbind-row,$(row)); ) \
	[ -z "$$bucket" ] || case $$(gcloud storage buckets describe gs://$$bucket $(AS_PERSON) 2>&1) in (*'not found: 404'*) ;; \
		(*) $(call unbind-row,$(filter bucket|%,$(BUILD_ROLES))) ;; esac; set -x; \
	gcloud builds triggers delete $$there --quiet $(IN_BUILDS)

# Whoever starts a build acts as the deployer, so the schedule has an account that may do only that.
SCHEDULE ?= 0 3 * * *
GCP_SCHEDULER ?= ml-api-scheduler
SCHEDULER = $(GCP_SCHEDULER)@$(GCP_PROJECT_ID).iam.gserviceaccount.com
SCHEDULER_ROLES = \
	project|roles/cloudbuild.builds.editor|serviceAccount:$(SCHEDULER) \
	deployer|roles/iam.serviceAccountUser|serviceAccount:$(SCHEDULER)
IN_SCHEDULE = --location=$(GCP_REGION) $(AS_PERSON)
ASK_job = gcloud scheduler jobs list $(IN_SCHEDULE) --filter='name~/$(CLOUD_RUN_SERVICE)$$' --format='value(name)'
create-schedule: check-gcp-login require-apis require-accounts require-trigger ## Let that build run when SCHEDULE says, as in SCHEDULE="0 3 * * *", with the newest model
	gcloud services enable cloudscheduler.googleapis.com $(AS_PERSON)
	@$(call unless-there,$(call ask_accounts,$(SCHEDULER)),gcloud iam service-accounts create $(GCP_SCHEDULER) --display-name="Builds $(CLOUD_RUN_SERVICE) on schedule" $(AS_PERSON))
	$(foreach row,$(SCHEDULER_ROLES),$(call bind,$(row)))
	@trigger=$$($(ASK_trigger)) && job=$$($(ASK_job)) || exit 1; verb=$${job:+update}; set -x; \
		gcloud scheduler jobs $${verb:-create} http $(CLOUD_RUN_SERVICE) --schedule='$(SCHEDULE)' --time-zone=Etc/UTC --http-method=post \
			--uri=https://cloudbuild.googleapis.com/v1/projects/$(GCP_PROJECT_ID)/locations/global/triggers/$$trigger:run \
			--message-body='{"source":{"branchName":"main"}}' --oauth-service-account-email=$(SCHEDULER) $(IN_SCHEDULE)
	$(call next,gcloud scheduler jobs run $(CLOUD_RUN_SERVICE) $(IN_SCHEDULE) starts it now)

delete-schedule: check-gcp-login remove-schedule ## Take the schedule away, and its account
	$(call next,make create-schedule$(comma) or make destroy to leave nothing)
FIND_schedule = $(call of-api,cloudscheduler,$(ASK_job)) && $(call of-api,iam,$(call ask_accounts,$(SCHEDULER)))
REMOVE_schedule = { set +x; } 2>/dev/null; for name in $$there; do case $$name in \
	*@*) $(foreach row,$(SCHEDULER_ROLES),$(call unbind-row,$(row)); )(set -x; gcloud iam service-accounts delete $$name --quiet $(AS_PERSON)) || exit 1 ;; \
	*) (set -x; gcloud scheduler jobs delete $$name --quiet $(IN_SCHEDULE)) || exit 1 ;; esac; done

require-trigger: require-gcp
	@trigger=$$($(FIND_trigger)) || exit 1; [ -n "$$trigger" ] || { echo "There is no trigger $(CLOUD_RUN_SERVICE): make create-trigger" >&2; exit 1; }

# Google believes what GitHub says of a job of this repository on its main branch. A pool that was
# deleted keeps its name for 30 days, and what was in it, so it is brought back.
GCP_POOL ?= github
IN_POOLS = --location=global $(AS_PERSON)
IN_POOL = --workload-identity-pool=$(GCP_POOL) $(IN_POOLS)
ask_pool = gcloud iam workload-identity-pools $(1) --filter='name~/$(GCP_POOL)$$' --format='value($(2))'
PROVIDER = --issuer-uri=https://token.actions.githubusercontent.com \
	--attribute-mapping=google.subject=assertion.sub,attribute.repository=assertion.repository \
	--attribute-condition="assertion.repository == '$(GITHUB_REPOSITORY)' && assertion.ref == 'refs/heads/main'"
create-github-identity: check-gcp-login require-github require-apis require-accounts ## Let GitHub Actions of GITHUB_REPOSITORY=owner/name deploy from its main branch, without a key
	gcloud services enable sts.googleapis.com $(AS_PERSON)
	@state=$$($(call ask_pool,list $(IN_POOLS) --show-deleted,state)) || exit 1; set -x; case $$state in \
		'') gcloud iam workload-identity-pools create $(GCP_POOL) --display-name=GitHub $(IN_POOLS) ;; \
		DELETED) gcloud iam workload-identity-pools undelete $(GCP_POOL) $(IN_POOLS) ;; esac
	@there=$$($(call ask_pool,providers list $(IN_POOL),name)) || exit 1; verb=$${there:+update}; set -x; \
		gcloud iam workload-identity-pools providers $${verb:-create}-oidc $(GCP_POOL) $(IN_POOL) $(PROVIDER)
	@pool=$$($(call ask_pool,list $(IN_POOLS),name)) && set -x && \
		$(call policy_deployer,add-iam-policy-binding) --role=roles/iam.workloadIdentityUser --condition=None --format=none \
			--member=principalSet://iam.googleapis.com/$$pool/attribute.repository/$(GITHUB_REPOSITORY)
	@pool=$$($(call ask_pool,list $(IN_POOLS),name)) && printf '%s\n' "The variables of the repository that .github/workflows/deploy.yaml reads:" \
		"gh variable set GCP_WORKLOAD_IDENTITY_PROVIDER --repo $(GITHUB_REPOSITORY) --body '$$pool/providers/$(GCP_POOL)'" \
		"gh variable set GCP_SERVICE_ACCOUNT --repo $(GITHUB_REPOSITORY) --body '$(DEPLOYER)'" \
		"gh variable set GCP_SETTINGS --repo $(GITHUB_REPOSITORY) --body '$(strip $(call CI_SETTINGS,GCP_PROJECT_ID MODEL_URI MODEL_SHA256))'"
	$(call next,set these$(comma) and push to the main branch)

delete-github-identity: check-gcp-login remove-github-identity ## Take that trust away
	$(call next,make create-github-identity$(comma) or make destroy to leave nothing)
FIND_github-identity = $(call of-api,iam,$(call ask_pool,list $(IN_POOLS),name))
TRUSTED = $(call of,$(DEPLOYER),$(HAVE_accounts),$(call policy_deployer,get-iam-policy) $(BOUND) --filter='bindings.members~/workloadIdentityPools/$(GCP_POOL)/')
REMOVE_github-identity = { set +x; } 2>/dev/null; trusted=$$($(TRUSTED)) || exit 1; for row in $$trusted; do \
	(set -x; $(call policy_deployer,remove-iam-policy-binding) --role=$${row%%|*} --member=$${row\#*|} --all --format=none) || exit 1; done; set -x; \
	gcloud iam workload-identity-pools delete $(GCP_POOL) --quiet $(IN_POOLS)

# What several targets need.

require-gcp: require-GCP_PROJECT_ID require-GCP_REGION require-GCP_REPOSITORY require-GCP_REGISTRY require-GCP_DEPLOYER require-GCP_RUNTIME require-CLOUD_RUN_SERVICE require-IMAGE require-gcloud

require-gcloud:
	@command -v gcloud >/dev/null || { echo "There is no gcloud: install it, https://cloud.google.com/sdk/docs/install" >&2; exit 1; }

# What is needed, the words for it, the words there are, the target that makes it.
need = $(if $(filter UNKNOWN,$(3)),exit 1,$(if $(filter-out $(3),$(2)),echo "$(1) $(firstword $(filter-out $(3),$(2))) is missing in project $(GCP_PROJECT_ID): make $(4)" >&2; exit 1))

require-apis:
	@$(call need,API,$(GCP_APIS),$(HAVE_apis),enable-apis)

require-repository:
	@$(call need,Repository,$(REPOSITORY),$(HAVE_repository),create-repository)

require-accounts:
	@$(call need,Account,$(DEPLOYER) $(RUNTIME),$(HAVE_accounts),create-service-account)

require-config: require-gcp
	@$(if $(GCP_CONFIG),$(if $(filter $(ACTS),$(HAVE_configuration)),,echo "gcloud has no configuration $(GCP_CONFIG) that acts as $(DEPLOYER): make create-config$(comma) or make setup" >&2; exit 1))

require-service: require-gcp
	@$(call need,Service,$(CLOUD_RUN_SERVICE),$(HAVE_service),release)

require-no-service:
	@$(call if-there,$(call ask_service,metadata.name),echo "The service $$there runs as $(RUNTIME): make delete-deployment first" >&2; exit 1)

require-image:
	@docker image inspect $(IMAGE) >/dev/null 2>&1 || { echo "There is no image $(IMAGE) here: make build-image" >&2; exit 1; }

require-sample:
	@[ -f "$$SAMPLE" ] || { echo "There is no file $$SAMPLE: set SAMPLE to one with rows in it" >&2; exit 1; }

require-percent:
	@[ "$(PERCENT)" -ge 1 ] 2>/dev/null && [ "$(PERCENT)" -le 100 ] || { echo "PERCENT=$(PERCENT): expected a whole number from 1 to 100" >&2; exit 1; }

WORD = yes
confirm-%:
	@echo "$(MEANING)"; answer=$$CONFIRM; [ -n "$$answer" ] || { printf 'Type %s to go on: ' "$(WORD)"; read -r answer; }; \
		[ "$$answer" = "$(WORD)" ] || { echo "That was not $(WORD), so nothing was changed" >&2; exit 1; }
