# The image on Vertex AI, beside Cloud Run.
VERTEX_MACHINE_TYPE ?= n1-standard-2
NAMED += VERTEX_MACHINE_TYPE
IN_VERTEX = --region=$(GCP_REGION) $(AS_PERSON)
.PHONY: deploy-vertex predict-vertex delete-vertex

##@ Vertex AI, for comparison

deploy-vertex: check-gcp-login ## Serve the pushed image there too; costs money while it runs, so it asks first
	@$(PERSON) require apis deployer runtime
	@DIGEST=$$($(PERSON) digest $(HERE)) && export DIGEST && \
		$(PERSON) confirm "A $(VERTEX_MACHINE_TYPE) then runs on Vertex AI and costs money by the hour, \
	whether anyone calls it or not, until make delete-vertex." && $(PERSON) create vertex-endpoint
	$(call next,make predict-vertex$(comma) then make delete-vertex so that it costs no more)

INSTANCES := import json, sys; print(json.dumps({"instances": [json.load(sys.stdin)["example"]]}))
predict-vertex: check-gcp-login $(if $(SAMPLE),require-sample,require-card)
predict-vertex: ## Send the example row there, or SAMPLE=file.json with {"instances": [...]}
	@endpoint=$$($(PERSON) find vertex-endpoint) && \
		rows=$$($(if $(SAMPLE),cat <"$$SAMPLE","$$PYTHON" -c '$(INSTANCES)' <$(CARD))) && echo "$$rows" && \
		echo "$$rows" | \
		(set -x; gcloud ai endpoints predict $$endpoint --json-request=- --format='json(predictions)' $(IN_VERTEX))
	$(call next,make delete-vertex so that it costs no more)

delete-vertex: check-gcp-login ## Take the endpoint and the models away from there
	@$(PERSON) delete vertex-endpoint vertex-models
	$(call next,make deploy-vertex$(comma) or make destroy to leave nothing)
