"""The gcloud of the tests: hands the call to `warm_server`, with the variables of gcloud's launcher."""

import _signal  # type: ignore[import-not-found]  # signal itself takes longer to load
import _socket
import marshal  # json takes longer to load than all of this, and so does array
import os
import sys


def main(address: str, root: str, arguments: list[str]) -> int:
    """Have this call of the gcloud in the folder `root` answered, and return its status."""
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
    umask = os.umask(0)
    os.umask(umask)
    launched = {
        "CLOUDSDK_ROOT_DIR": root,
        "CLOUDSDK_PYTHON_SITEPACKAGES": "1",
        "CLOUDSDK_ENCODING": "UTF-8",
        "PYTHONIOENCODING": "UTF-8",
    }
    call = {
        "arguments": [f"{root}/lib/gcloud.py", *arguments],
        "variables": {**os.environ, **launched},
        "folder": os.getcwd(),  # noqa: PTH109 - pathlib takes longer to load than all of this
        "umask": umask,
    }
    connection = _socket.socket(_socket.AF_UNIX)
    connection.connect(address)
    call_bytes = marshal.dumps(call)
    message = len(call_bytes).to_bytes(4, "little") + call_bytes
    numbers = b"".join(number.to_bytes(4, sys.byteorder) for number in (0, 1, 2))
    streams = (_socket.SOL_SOCKET, _socket.SCM_RIGHTS, numbers)
    sent = connection.sendmsg([message], [streams])
    connection.sendall(message[sent:])
    status = connection.recv(1)
    return status[0] if status else 1
