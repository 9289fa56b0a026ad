# Cloud Build: on a push, and on a schedule.
SCHEDULE ?= 0 3 * * *
GCP_SCHEDULER ?= ml-api-scheduler
NAMED += GCP_SCHEDULER
TRIGGER = $(foreach name,GITHUB_REPOSITORY MODEL_URI MODEL_SHA256 CI_SETTINGS,$(name)='$($(name))')
.PHONY: create-trigger delete-trigger create-schedule delete-schedule

##@ Google Cloud: by itself, on a push or a schedule

create-trigger: check-gcp-login require-github require-model-uri
create-trigger: ## Let Cloud Build ship each push to the main branch of GITHUB_REPOSITORY=owner/name
	@$(PERSON) require apis deployer runtime
	@$(TRIGGER) $(PERSON) create trigger
	$(call next,push to the main branch$(comma) or make create-schedule)

delete-trigger: check-gcp-login ## Take the trigger away, and the roles that only builds need
	@$(PERSON) delete trigger
	$(call next,make create-trigger$(comma) or make destroy to leave nothing)

create-schedule: check-gcp-login ## Let that build run when SCHEDULE="0 3 * * *" says, with the newest model
	@$(PERSON) require apis deployer runtime
	@$(PERSON) find trigger >/dev/null
	@SCHEDULE='$(SCHEDULE)' $(PERSON) create scheduler schedule
	$(call next,gcloud scheduler jobs run $(CLOUD_RUN_SERVICE) --location=$(GCP_REGION) $(AS_PERSON) starts it now)

delete-schedule: check-gcp-login ## Take the schedule away, and its account
	@$(PERSON) delete schedule scheduler
	$(call next,make create-schedule$(comma) or make destroy to leave nothing)
