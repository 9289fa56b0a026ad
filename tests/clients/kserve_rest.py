"""Ask a server as users of KServe's client do, and print what they get."""  # noqa: INP001

# mypy: ignore-errors
import asyncio
import json
import sys

import httpx
import numpy as np
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig
from kserve.protocol.infer_type import RequestedOutput

url, rows = sys.argv[1], json.loads(sys.argv[2])


def request(*, binary, names=("predict", "predict_proba")):
    found = []
    for name in rows[0]:
        column = [row[name] for row in rows]
        dtype = object if isinstance(column[0], str) else np.float64
        array = np.array(column, dtype=dtype)
        tensor = InferInput(name, list(array.shape), "BYTES" if dtype is object else "FP64")
        tensor.set_data_from_numpy(array, binary_data=binary)
        found.append(tensor)
    wanted = [RequestedOutput(name, {"binary_data": binary}) for name in names]
    return InferRequest("model", found, request_id="42", request_outputs=wanted)


async def ask_v1():
    client = InferenceRESTClient(RESTConfig(protocol="v1"))
    found = {
        "v1 live": await client.is_server_live(url),
        "v1 ready": await client.is_model_ready(url, "model"),
        "v1": await client.infer(url, {"instances": rows}, model_name="model"),
    }
    try:
        await client.infer(url, {"instances": [{}]}, model_name="model")
    except httpx.HTTPStatusError as error:
        found["v1 mistake"] = str(error)
    return found


async def ask_v2():
    client = InferenceRESTClient(RESTConfig(protocol="v2"))
    found = {
        "v2 live": await client.is_server_live(url),
        "v2 ready": await client.is_server_ready(url),
        "v2 model ready": await client.is_model_ready(url, "model"),
        "v2 other ready": await client.is_model_ready(url, "other"),
    }
    for binary in (True, False):
        answer = await client.infer(url, request(binary=binary), model_name="model")
        found[f"v2 {'binary' if binary else 'json'}"] = [
            [v.decode() if isinstance(v, bytes) else v for v in output.as_numpy().tolist()]
            for output in answer.outputs
        ]
        found["v2 id"] = answer.id
    try:
        await client.infer(url, request(binary=True, names=["transform"]), model_name="model")
    except httpx.HTTPStatusError as error:
        found["v2 mistake"] = str(error)
    return found


print(json.dumps(asyncio.run(ask_v1()) | asyncio.run(ask_v2())))
