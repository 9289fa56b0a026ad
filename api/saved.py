"""Say which scikit-learn a model wants: `python -P api/saved.py models/latest.joblib`.

It prints the version that saved the model, or nothing if that one is installed. The file is only
read, never run: to unpickle it, the version must be known first. Nothing else of the service is
needed, so that it runs where scikit-learn is yet to be installed.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
import sys
import zlib
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

# The first bytes of what joblib compresses; a file with others is a bare pickle.
COMPRESSIONS: dict[bytes, Callable[[bytes], bytes]] = {
    b"\x78": zlib.decompress,
    b"\x1f\x8b": gzip.decompress,
    b"BZ": bz2.decompress,
    b"\x5d\x00": lzma.decompress,
    b"\xfd7zXZ": lzma.decompress,
}
# The key, perhaps its place in the memo, and the length of the string that follows: of one byte in
# the pickles of today, of four in those before Python 3.8. Source: pickletools. A parser would
# trip over the arrays, which joblib writes as they are in the middle of the pickle.
KEY = re.compile(rb"_sklearn_version(?:\x94|q.|r.{4})?(?:\x8c(.)|X(.{4}))", re.DOTALL)
# It goes to a shell.
VERSION = re.compile(r"\d{1,4}(\.\d{1,4}){1,3}((a|b|rc)\d{1,3})?(\.post\d{1,3})?", re.ASCII)


def saved_with(content: bytes) -> str | None:
    """The version of scikit-learn that saved a joblib file, None if its content does not say."""
    for start, decompress in COMPRESSIONS.items():
        if content.startswith(start):
            try:
                content = decompress(content)
            except (OSError, EOFError, zlib.error, lzma.LZMAError):
                return None  # who loads it says what is wrong with it
            break
    for key in KEY.finditer(content):
        length = int.from_bytes(key[1] or key[2], "little")
        text = content[key.end() : key.end() + length].decode("ascii", "replace")
        if VERSION.fullmatch(text):
            return text
    return None


def main() -> None:
    """Print the version, if it is another than the installed one."""
    path = Path(sys.argv[1])
    version = saved_with(path.read_bytes()) if path.exists() else None
    if version and version != metadata.version("scikit-learn"):
        print(version)


if __name__ == "__main__":
    main()
