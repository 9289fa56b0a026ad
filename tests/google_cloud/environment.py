"""The variables that point gcloud, docker and make at the small Google Cloud."""

from __future__ import annotations

import os
from pathlib import Path

from tests.google_cloud import warm
from tests.google_cloud.api import APIS, DIRECT


def environment(home: Path, port: int, trusted: Path) -> dict[str, str]:
    """The variables of one whose configurations are in this folder, for a server on this port.

    `trusted` has the certificate of the server's gRPC.
    """
    address = f"127.0.0.1:{port}"
    for name in ("gcloud", "docker"):
        (home / name).mkdir(parents=True, exist_ok=True)
    hosts = {name: f"{name}.googleapis.test" for name in APIS}
    hosts |= dict.fromkeys(DIRECT, address)
    overrides = {
        f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{name.upper()}": f"http://{host}/"
        for name, host in hosts.items()
    }
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("CLOUDSDK_", "GOOGLE_", "GCP_", "CLOUD_RUN_"))
        and name.lower() not in {"http_proxy", "https_proxy", "all_proxy"}
    }
    return kept | overrides | {
        "CLOUDSDK_CONFIG": str(home / "gcloud"),
        "CLOUDSDK_AUTH_TOKEN_HOST": f"http://{address}/token",
        "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE": str(trusted),
        "CLOUDSDK_CORE_DISABLE_FILE_LOGGING": "1",
        "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
        "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "1",
        "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "1",
        "CLOUDSDK_SURVEY_DISABLE_PROMPTS": "1",
        "CLOUDSDK_PROXY_TYPE": "http",
        "CLOUDSDK_PROXY_ADDRESS": "127.0.0.1",
        "CLOUDSDK_PROXY_PORT": str(port),
        "DOCKER_CONFIG": str(home / "docker"),
        "GCP_REGISTRY": f"localhost:{port}",
        "NO_PROXY": "127.0.0.1,localhost",
        "PATH": warm.path(),
        "no_proxy": "127.0.0.1,localhost",
    }  # fmt: skip
