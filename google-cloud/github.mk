# GitHub Actions, without a key: workload identity federation.
GCP_POOL ?= github
NAMED += GCP_POOL GITHUB_REPOSITORY
GITHUB_SETTINGS = $(strip $(call set,GCP_PROJECT_ID $(filter-out $(SETTINGS),MODEL_URI) MODEL_SHA256) $(CI_SETTINGS))
.PHONY: create-github-identity delete-github-identity

##@ Google Cloud: by GitHub Actions

create-github-identity: check-gcp-login require-github
create-github-identity: ## Let GitHub Actions of GITHUB_REPOSITORY=owner/name deploy from its main branch, without a key
	@$(PERSON) require apis deployer runtime
	@CI_SETTINGS='$(GITHUB_SETTINGS)' $(PERSON) create github-identity
	$(call next,set these$(comma) and push to the main branch)

delete-github-identity: check-gcp-login ## Take that trust away
	@$(PERSON) delete github-identity
	$(call next,make create-github-identity$(comma) or make destroy to leave nothing)
