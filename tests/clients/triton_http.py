"""Ask a server as users of tritonclient do, and print what they get."""  # noqa: INP001

# mypy: ignore-errors
import asyncio
import json
import sys

import numpy as np
import tritonclient.http as triton
import tritonclient.http.aio as triton_async
from tritonclient.utils import InferenceServerException

url, rows = sys.argv[1], json.loads(sys.argv[2])


def inputs(*, binary, module=triton):
    """One tensor for each column."""
    found = []
    for name in rows[0]:
        column = [row[name] for row in rows]
        dtype = object if isinstance(column[0], str) else np.float64
        array = np.array([[value] for value in column], dtype=dtype)
        tensor = module.InferInput(name, array.shape, "BYTES" if dtype is object else "FP64")
        tensor.set_data_from_numpy(array, binary_data=binary)
        found.append(tensor)
    return found


def plain(result, name):
    return [v.decode() if isinstance(v, bytes) else v for v in result.as_numpy(name).tolist()]


def outputs(*, binary, module=triton):
    names = ("predict", "predict_proba")
    return [module.InferRequestedOutput(name, binary_data=binary) for name in names]


def both(result):
    return [plain(result, name) for name in ("predict", "predict_proba")]


def synchronous():
    client = triton.InferenceServerClient(url)
    version = client.get_model_metadata("model")["versions"][0]
    found = {
        "live": client.is_server_live(),
        "ready": client.is_server_ready(),
        "model ready": client.is_model_ready("model"),
        "other ready": client.is_model_ready("other"),
        "server": client.get_server_metadata(),
        "metadata": client.get_model_metadata("model"),
        "config": client.get_model_config("model"),
        "index": client.get_model_repository_index(),
        "default": plain(client.infer("model", inputs(binary=True), version), "predict"),
        "id": client.infer("model", inputs(binary=True), request_id="42").get_response()["id"],
    }
    for binary in (True, False):
        for way in (None, "gzip", "deflate"):
            result = client.infer(
                "model",
                inputs(binary=binary),
                outputs=outputs(binary=binary),
                request_compression_algorithm=way,
                response_compression_algorithm=way,
            )
            found[f"{'binary' if binary else 'json'} {way}"] = both(result)
    try:
        client.infer("model", inputs(binary=True)[1:])
    except InferenceServerException as error:
        found["mistake"] = [error.status(), error.message()]
    found["stats"] = client.get_inference_statistics("model")
    client.close()
    return found


async def asynchronous():
    async with triton_async.InferenceServerClient(url) as client:
        result = await client.infer(
            "model",
            inputs(binary=True, module=triton_async),
            outputs=outputs(binary=True, module=triton_async),
        )
        found = {"async": both(result), "async metadata": await client.get_model_metadata("model")}
        try:
            await client.infer("other", inputs(binary=True, module=triton_async))
        except InferenceServerException as error:
            found["async mistake"] = error.message()
    return found


print(json.dumps(synchronous() | asyncio.run(asynchronous())))
