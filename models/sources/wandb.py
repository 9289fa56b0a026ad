"""A model that is an artifact of Weights & Biases: wandb://ENTITY/PROJECT/NAME:ALIAS.

Their wire is private, so their own client asks, in a process of its own, where it is installed.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.errors import ModelError
from models.sources import files
from models.sources.transfer import Transfer

if TYPE_CHECKING:
    from models.sources import Fetched

NAMED = re.compile(r"wandb://([^/:]+/[^/:]+/[^/:]+:[^/:]+)", re.IGNORECASE)
# The line of models/requirements.txt, with the version that the tests have.
PACKAGE = "wandb==0.31.0"
MISSING = "missing"
# The Python that has the client, and what it does there: no run is made, and nothing is printed
# but one line of JSON. An artifact's digest is a hash of all of its files.
PYTHON = sys.executable
CLIENT = """
import json, sys
path, known, limit, folder = sys.argv[1:]
def say(**said):
    print(json.dumps(said), flush=True)
    sys.exit()
try:
    import wandb
except ImportError:
    say(problem="missing")
try:
    artifact = wandb.Api(timeout=30).artifact(path)
    if artifact.digest != known:
        if artifact.size > int(limit):
            say(size=artifact.size)
        artifact.download(folder, skip_cache=True)
    say(digest=artifact.digest)
except Exception as error:
    say(problem=str(error) or type(error).__name__)
"""


def fetch(transfer: Transfer) -> Fetched | None:
    """Download the artifact, and take the model in it; the revision is the artifact's digest.

    Raises ModelError.
    """
    from models.sources import Fetched

    named = NAMED.fullmatch(transfer.uri)
    if not named:
        raise ModelError(
            f"{transfer.uri} names no artifact: expected wandb://entity/project/name:alias"
        )
    folder = transfer.unfinished / "artifact"
    found = _run(transfer, named[1], folder)
    if found["digest"] == transfer.known:
        return None
    try:
        model = files.find(folder)
    except ModelError as error:
        raise ModelError(str(error).replace(str(folder), transfer.uri)) from None
    if model is None:
        raise ModelError(f"{transfer.uri} has no files: log one *.joblib in it")
    with model.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    card = model.with_suffix(".json")
    return Fetched(model, card if card.exists() else None, found["digest"], sha256)


def _run(transfer: Transfer, path: str, folder: Path) -> Any:
    """The answer of the client, which has a digest; raises ModelError."""
    settings = transfer.settings
    limit = settings.max_model_bytes
    # Its caches would fill the disk, and it looks for a login in the person's home.
    own = dict.fromkeys(
        ("WANDB_DIR", "WANDB_CACHE_DIR", "WANDB_DATA_DIR", "WANDB_CONFIG_DIR"),
        str(transfer.unfinished / "client"),
    )
    own |= {"WANDB_SILENT": "true", "WANDB_MODE": "online", "WANDB_ERROR_REPORTING": "false"}
    given = {
        "WANDB_API_KEY": settings.wandb_api_key,
        "WANDB_BASE_URL": settings.wandb_base_url,
    }
    try:
        done = subprocess.run(  # noqa: S603
            # Without -P this folder would hide the package of this module's name.
            [PYTHON, "-P", "-c", CLIENT, path, transfer.known, str(limit), str(folder)],
            env=os.environ | own | {name: value for name, value in given.items() if value},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=transfer.seconds_left(),
        )
    except subprocess.TimeoutExpired:
        raise transfer.too_slow() from None
    try:
        said = json.loads(done.stdout.splitlines()[-1])
    except (ValueError, IndexError):
        said = {"problem": f"its client ended with {done.returncode}"}
    if "size" in said:
        raise transfer.too_large(said["size"])
    if (problem := said.get("problem")) == MISSING:
        raise ModelError(
            "wandb:// needs the package wandb, which is not installed: fetch the model in a build, "
            f"with make fetch-model, or write {PACKAGE} into models/requirements.txt"
        )
    if problem:
        line = " ".join(problem.split()).rstrip(".")
        raise ModelError(
            f"cannot fetch {transfer.uri} ({line}): it must be there, and WANDB_API_KEY must be "
            "allowed to read it"
        )
    return said
