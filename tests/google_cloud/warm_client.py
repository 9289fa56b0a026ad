"""What the launcher of gcloud starts instead of Python: hands the call to `warm_server`."""

import _signal  # type: ignore[import-not-found]  # signal itself takes longer to load
import _socket
import array
import json
import os


def main(address: str, arguments: list[str]) -> int:
    """Have this call of gcloud answered, and return its status."""
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
    umask = os.umask(0)
    os.umask(umask)
    variables = {name: value for name, value in os.environ.items() if name != "CLOUDSDK_PYTHON"}
    call = {
        "arguments": arguments,
        "variables": variables,
        "folder": os.getcwd(),  # noqa: PTH109 - pathlib takes longer to load than all of this
        "umask": umask,
    }
    connection = _socket.socket(_socket.AF_UNIX)
    connection.connect(address)
    message = json.dumps(call).encode() + b"\n"
    streams = (_socket.SOL_SOCKET, _socket.SCM_RIGHTS, array.array("i", [0, 1, 2]))
    sent = connection.sendmsg([message], [streams])
    connection.sendall(message[sent:])
    status = connection.recv(1)
    return status[0] if status else 1
