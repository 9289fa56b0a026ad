# The worker pool on Cloud Run: containers of the same image that do the tasks of the service.
WORKERS ?= 1
CLOUD_RUN_WORKER_MEMORY ?= 1Gi
CLOUD_RUN_WORKER_CPU ?= 1
WORKER_POOL = $(CLOUD_RUN_SERVICE)-worker
BROKER = $(filter CELERY_BROKER_URL=%,$(subst $(comma), ,$(SECRETS)))
NAMED += WORKER_POOL BROKER
.PHONY: deploy-worker logs-worker delete-worker require-broker require-no-worker

##@ Google Cloud: workers for tasks

# No port and no probes: nobody calls a worker.
WORK = gcloud beta run worker-pools deploy $(WORKER_POOL) $(AS_DEPLOYER) --region=$(GCP_REGION) --quiet \
	--service-account=$(RUNTIME) --command=python --args=-m,api,worker --scaling=$(WORKERS) \
	--set-env-vars='$(VARIABLES)' --set-secrets=$(SECRETS) $(NETWORK) $(VOLUME) \
	--memory=$(CLOUD_RUN_WORKER_MEMORY) --cpu=$(CLOUD_RUN_WORKER_CPU)
deploy-worker: require-config require-broker
deploy-worker: ## Deploy WORKERS workers; each costs money by the hour until make delete-worker
	@$(SHIPPER) require beta
	@digest=$$($(SHIPPER) digest $(HERE)) || exit 1; \
		(set -x; $(WORK) --image=$(PUSHED)@$$digest) || \
		{ echo "Where gcloud says that it crashed, Cloud Run has refused: the same line says why." \
			"Next: make doctor, which says whether a role is missing, or make logs-worker" >&2; exit 1; }
	$(call next,make logs-worker$(comma) or make delete-worker so that it costs no more)

logs-worker: require-config ## Show the newest 100 lines of the workers' log, the newest first
	gcloud logging read $(AS_DEPLOYER) --format='value[separator=" "]($(LINE))' --limit=100 \
		"resource.type=cloud_run_worker_pool AND resource.labels.location=$(GCP_REGION) \
		AND resource.labels.worker_pool_name=$(WORKER_POOL)" $(SEE_DOCTOR)
	$(call next,make deploy-worker WORKERS=4$(comma) or make delete-worker so that it costs no more)

delete-worker: require-config ## Delete the worker pool; tasks wait in the queue until there is one again
	@$(SHIPPER) delete worker-pool
	$(call next,make deploy-worker$(comma) or make destroy to leave nothing)

define NO_BROKER
SECRETS has no CELERY_BROKER_URL, so workers have no queue to take tasks from. Store its address in Secret Manager:
  gcloud services enable secretmanager.googleapis.com $(AS_PERSON)
  printf %s "$$CELERY_BROKER_URL" | gcloud secrets create celery-broker --data-file=- $(AS_PERSON)
Then write SECRETS=CELERY_BROKER_URL=celery-broker:latest into .env; RabbitMQ needs a Redis for the results besides, as
CELERY_BACKEND_URL. Next: make add-roles deploy deploy-worker
endef
export NO_BROKER
require-broker:
	@$(if $(BROKER),:,echo "$$NO_BROKER" >&2; exit 1)

delete-service-account: require-no-worker
require-no-worker: check-gcp-login
	@$(PERSON) require-none worker-pool delete-worker
