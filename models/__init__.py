"""Everything about models: `load` one, train one, write its card, compile and prove its plan.

model = models.load("models/latest.joblib")
model.predict(rows)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from models.engines.choose import load as load
    from models.errors import InvalidRows as InvalidRows
    from models.errors import ModelError as ModelError

__all__ = ["InvalidRows", "ModelError", "load"]


def __getattr__(name: str) -> Any:
    """Import at its first use: a bare Python runs `models.environment` before there is msgspec."""
    if name == "load":
        from models.engines import choose as home
    elif name in __all__:
        from models import errors as home  # type: ignore[no-redef]
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(home, name)
