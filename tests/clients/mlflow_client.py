"""What MLflow's own client gets from a server on this port, as JSON."""  # noqa: INP001

# mypy: ignore-errors

import json
import logging
import sys
from typing import Any

import numpy as np
import pandas as pd
from mlflow.pyfunc.scoring_server.client import ScoringServerClient

logging.disable()
port, rows = int(sys.argv[1]), json.loads(sys.argv[2])
client = ScoringServerClient("127.0.0.1", port)
client.wait_server_ready(timeout=30)
frame = pd.DataFrame(rows)


def invoke(data: Any, **more: Any) -> Any:
    try:
        answer = client.invoke(data, **more)
    except Exception as error:  # it raises nothing more special
        return {"error": str(error)}
    return {"predictions": answer["predictions"], "frame": answer.get_predictions().shape}


lacking = frame.copy()
lacking.loc[0, "body_mass_g"] = np.nan
lacking.loc[1, "sex"] = None
said = {
    "version": client.get_version(),
    "frame": invoke(frame),
    "frame, turned": invoke(frame[frame.columns[::-1]]),
    "frame, sorted": invoke(frame.sort_values("body_mass_g").sort_index()),
    "frame, with labels": invoke(frame.set_axis(["first", "second"])),
    "frame, lacking": invoke(lacking),
    "frame, a category": invoke(frame.astype({"island": "category", "body_mass_g": "float32"})),
    "array": invoke(frame.to_numpy(dtype=object)),
    "list": invoke(rows),
    "text": invoke(json.dumps({"dataframe_records": rows})),
    "text of columns": invoke(json.dumps({"inputs": frame.to_dict(orient="list")})),
    "no params": invoke(frame, params={}),
    "params": invoke(frame, params={"a": 1}),
    "a column too few": invoke(frame.drop(columns="sex")),
    "a column too many": invoke(frame.assign(colour="red")),
    "a wrong value": invoke(frame.assign(island=["Texel", "Dream"])),
    "a number as text": invoke(frame.to_numpy(dtype=str)),
}
print(json.dumps(said))
