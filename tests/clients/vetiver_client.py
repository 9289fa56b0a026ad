"""What `vetiver.predict` gets from a server on this port, as JSON."""  # noqa: INP001

# mypy: ignore-errors

import json
import sys
import warnings

warnings.simplefilter("ignore")

import pandas as pd  # noqa: E402
import vetiver  # noqa: E402

port, rows = int(sys.argv[1]), json.loads(sys.argv[2])
endpoint = vetiver.vetiver_endpoint(f"http://127.0.0.1:{port}/predict")
frame = pd.DataFrame(rows)
said = {
    "frame": vetiver.predict(endpoint, frame).to_dict(orient="list"),
    "series": vetiver.predict(endpoint, frame.iloc[0]).to_dict(orient="list"),
    "dict": vetiver.predict(endpoint, rows[0]).to_dict(orient="list"),
    "list": vetiver.predict(endpoint, rows).to_dict(orient="list"),
}
try:
    vetiver.predict(endpoint, frame.drop(columns="sex"))
except TypeError as error:
    said["mistake"] = str(error)
print(json.dumps(said))
