"""Write a model as a wheel: `python -m models.packaging MODEL`.

`make package` runs this.
"""

from __future__ import annotations

from models import printing

if __name__ == "__main__":
    # While the libraries are imported, too.
    printing.end_quietly()

import argparse
import subprocess
import sys
from pathlib import Path

from models import environment, releases
from models.errors import ModelError
from models.packaging import publish
from models.packaging.package import package


def path_of(model: Path, version: str, name: str) -> Path:
    """The joblib file to package: of a release version, or else `model`. Raises ModelError."""
    if version and model == releases.LATEST:
        return releases.path_of(version, name)
    return releases.path_of(str(model), name)


def main() -> None:
    """Package the model of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, help="its joblib file")
    parser.add_argument(
        "--version", default="", help="the release version; of the wheel, if the file is no release"
    )
    parser.add_argument("--name", default="", help="of the wheel; the card's, else model")
    parser.add_argument("--out", type=Path, default=Path("dist"), help="the folder of the wheel")
    parser.add_argument("--path", action="store_true", help="say which joblib file it is")
    parser.add_argument("--publish", action="store_true", help="upload the wheel with twine")
    options = parser.parse_args()
    name = releases.name_of(options.name)
    try:
        path = path_of(options.model, options.version, name)
        if options.path:
            print(path)
            return
        if options.publish:
            publish.check()
        bake = [sys.executable, "-m", "models.bake", str(path)]
        if not environment.is_baked(path) and subprocess.run(bake, check=False).returncode:  # noqa: S603
            sys.exit(1)
        wheel = package(path, options.version, options.name, options.out)
        if options.publish:
            publish.upload(wheel)
        print(wheel)
    except (ModelError, OSError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
