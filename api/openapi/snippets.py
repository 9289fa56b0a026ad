"""Requests to this model to paste: for a shell, for Python and for JavaScript."""

from __future__ import annotations

import json
import textwrap
from typing import Any

from api.answers import Snippets
from api.metadata import CURL_KEY

# The address of the service stands here as a placeholder: only a request tells it.
ORIGIN = "https://origin.invalid"
# What OpenAPI's x-codeSamples call the languages.
LANGUAGES = {"curl": "Shell", "python": "Python", "javascript": "JavaScript"}


def write(method: str, row: dict[str, Any], *, locked: bool) -> Snippets:
    """A request for one method with the example row, for a shell, for Python and for JavaScript.

    `locked` says whether the service asks for an API key, which is read from API_KEY then.
    """
    url = f"{ORIGIN}/{method}"
    return Snippets(
        curl=_curl(url, row, locked=locked),
        python=_python(url, row, locked=locked),
        javascript=_javascript(url, row, locked=locked),
    )


def samples(texts: Snippets) -> list[dict[str, str]]:
    """The texts as OpenAPI's x-codeSamples."""
    return [
        {"lang": language, "label": name, "source": getattr(texts, name)}
        for name, language in LANGUAGES.items()
    ]


def _curl(url: str, row: dict[str, Any], *, locked: bool) -> str:
    quoted = json.dumps(row, ensure_ascii=False).replace("'", "'\\''")
    key = f"  {CURL_KEY} \\\n" if locked else ""
    return f"curl {url} \\\n{key}  -H 'content-type: application/json' \\\n  -d '{quoted}'\n"


def _python(url: str, row: dict[str, Any], *, locked: bool) -> str:
    values = "".join(f"        {_literal(name)}: {_literal(v)},\n" for name, v in row.items())
    start = "import os\n\n" if locked else ""
    key = '    headers={"Authorization": f"Bearer {os.environ[\'API_KEY\']}"},\n' if locked else ""
    return f"""{start}import requests

answer = requests.post(
    "{url}",
{key}    json={{
{values}    }},
    timeout=60,
)
answer.raise_for_status()
print(answer.json())
"""


def _literal(value: Any) -> str:
    """A value as a literal of Python, which writes texts and numbers as JSON does."""
    if value is None or isinstance(value, bool):
        return repr(value)
    return json.dumps(value, ensure_ascii=False)


def _javascript(url: str, row: dict[str, Any], *, locked: bool) -> str:
    literal = textwrap.indent(json.dumps(row, ensure_ascii=False, indent=2), "  ").strip()
    start = 'const key = globalThis.process?.env.API_KEY ?? prompt("API key");\n' if locked else ""
    key = ", authorization: `Bearer ${key}`" if locked else ""
    return f"""{start}const answer = await fetch("{url}", {{
  method: "POST",
  headers: {{ "content-type": "application/json"{key} }},
  body: JSON.stringify({literal}),
}});
if (!answer.ok) throw new Error(await answer.text());
console.log(await answer.json());
"""
