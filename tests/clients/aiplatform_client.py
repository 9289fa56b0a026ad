"""What Vertex AI's SDK gets from an image that it runs on this machine, as JSON."""  # noqa: INP001

# mypy: ignore-errors

import json
import sys

from google.cloud.aiplatform.prediction import LocalModel

image, routes, rows = sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3])
model = LocalModel(serving_container_image_uri=image, **routes)
headers = {"Content-Type": "application/json"}
with model.deploy_to_local_endpoint(container_ready_timeout=60) as endpoint:
    health = endpoint.run_health_check()
    answers = [
        endpoint.predict(request=json.dumps(body), headers=headers)
        for body in (
            {"instances": rows},
            {"instances": rows, "parameters": {}},
            {"instances": rows, "parameters": {"a": 1}},
        )
    ]
said = {"health": health.status_code, "answers": [[a.status_code, a.json()] for a in answers]}
print(json.dumps(said))
