"""The JSON answers whose fields are the same for every model.

The service encodes these structs, and the OpenAPI document has their schemas.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from models.errors import MAX_PLACES, Place
from models.signature.types import Form, Kind, Unknown
from models.training.comparison import Comparison
from models.training.facts import Learnt

Numbers = list[float]


class Document(msgspec.Struct, forbid_unknown_fields=True):
    """A JSON object that is an answer, or a part of one."""

    def plain(self) -> dict[str, Any]:
        """The document as a dict, for Flask."""
        found: dict[str, Any] = msgspec.to_builtins(self)
        return found


class Problem(Document):
    """Problem details, RFC 9457."""

    type: Literal["about:blank"]
    title: str
    status: int
    detail: Annotated[str, Meta(description="What is wrong, and what was expected.")]
    request_id: str
    errors: (
        Annotated[
            tuple[Place, ...],
            Meta(
                min_length=1,
                max_length=MAX_PLACES,
                description="The first places in the body that are wrong.",
            ),
        ]
        | UnsetType
    ) = UNSET


class Error(Document):
    """One sentence."""

    error: str


class ErrorCode(Document):
    """A code and a sentence."""

    error_code: str
    message: str


class Well(Document):
    """The model is loaded."""

    status: Literal["ok"]


class Alive(Document):
    """The service is alive."""

    status: Literal["alive"]
    model: str
    endpoints: list[str]


class Feature(Document):
    """One value of a row; what is not known of it is left out."""

    name: str
    type: Kind
    missing: Annotated[bool, Meta(description="Whether null is taken.")]
    dtype: str | UnsetType = UNSET
    categories: tuple[Any, ...] | UnsetType = UNSET
    unknown_categories: Unknown | UnsetType = UNSET


class Metadata(Document, kw_only=True):
    """What is known of the model."""

    name: Annotated[str, Meta(description="The name of the model in the paths of protocols.")]
    model: Annotated[str, Meta(description="The name of the estimator.")]
    version: Annotated[str, Meta(description="The SHA-256 of the model's file.")]
    methods: tuple[str, ...]
    classes: Annotated[list[Any] | None, Meta(description="The labels it predicts.")]
    input: Form
    example: Annotated[Any, Meta(description="A row to try the model with.")]
    advice: Annotated[
        list[str], Meta(description="What training rows would tell, which nothing else does.")
    ]
    features: list[Feature]
    card: Annotated[dict[str, Any], Meta(description="What training wrote down.")]
    versions: dict[str, str]


class Snippets(Document):
    """Requests to paste."""

    curl: str
    python: str
    javascript: str


def _one_of(*words: str) -> Meta:
    return Meta(extra_json_schema={"enum": list(words)})


class RowExplanation(Document):
    """What each feature of a row adds to the base, for each output, and their sum."""

    contributions: dict[str, Numbers]
    output: Numbers


class Explanation(Document, kw_only=True):
    """What each feature adds to the model's output."""

    method: Annotated[str, _one_of("linear", "tree", "permutation")]
    exact: bool
    output: Annotated[
        str, _one_of("predict_proba", "decision_function", "predict", "score_samples")
    ]
    base: Annotated[Numbers, Meta(description="What the model says of no row, for each output.")]
    explanations: Annotated[
        list[RowExplanation], Meta(min_length=1, description="One for each row.")
    ]
    largest_error: Annotated[float, Meta(description="How far any sum is from the output.")]
    classes: list[Any] | UnsetType = UNSET


class ModelVersion(Document):
    """A version of the model that the service keeps: when it was added, and where it came from."""

    version: Annotated[str, Meta(description="The SHA-256 of the model's file.")]
    state: Annotated[str, _one_of("active", "before", "kept")]
    added: str
    origin: str
    metrics: dict[str, Any]
    release: Annotated[str, Meta(description="As 1.2.0, if its card names one.")] = ""


class Versions(Document):
    """The version that serves, the one that served before it, and all that are kept."""

    active: str
    before: str | None
    versions: Annotated[list[ModelVersion], Meta(description="The newest first.")]


class Models(Document):
    """The names of the models."""

    models: list[str]


class ModelReady(Document):
    """Whether a model is loaded."""

    name: str
    ready: bool


class V1Status(Document):
    """Whether a version has failed, as TensorFlow Serving tells it."""

    error_code: str
    error_message: str


class V1Version(Document):
    """A version that can be asked, as TensorFlow Serving tells it."""

    version: str
    state: str
    status: V1Status


class V1Model(Document):
    """Whether a model is loaded, as KServe tells it, and its version."""

    name: str
    ready: bool
    model_version_status: list[V1Version]


class V2Well(Document):
    """The server is alive, and the model is loaded."""

    ready: Literal[True]
    live: Literal[True]


class Server(Document):
    """The server, and the extensions of the protocol that it has."""

    name: str
    version: str
    extensions: list[str]


class IndexEntry(Document):
    """A model of the repository."""

    name: str
    version: str
    state: str
    reason: str


class TensorFacts(Document):
    """A tensor, whose first length is -1: any number of rows."""

    name: str
    datatype: str
    shape: list[int]


class ModelTensors(Document):
    """A model, and its tensors as they come and go."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorFacts]
    outputs: list[TensorFacts]


class Upload(Document):
    """A model that was sent: what is done with it, or what came of it."""

    id: str
    state: Literal["staged", "checking", "active", "refused"]
    step: Annotated[str, Meta(description="The step of the check that is under way, or was last.")]
    reason: Annotated[str, Meta(description="Why it was refused; empty otherwise.")]
    kind: Annotated[str, Meta(description="A short word for the reason.")]
    sha256: Annotated[str, Meta(description="The SHA-256 of the file that was sent.")]
    bytes: int
    began: str
    version: Annotated[str, Meta(description="The version it is known by, once that is known.")]
    plan_only: Annotated[bool, Meta(description="Whether only its plan reached the service.")]
    changes: Annotated[list[str], Meta(description="What differs from the model before it.")]


class TaskState(Document, kw_only=True):
    """The state of a task, and the part of it that is done."""

    task_id: str
    status: Literal["PENDING", "STARTED", "SUCCESS", "FAILURE", "REVOKED"]
    type: Literal["inference", "training"]
    method: str
    model_version: Annotated[
        str,
        Meta(
            description="The SHA-256 of the model that answers; for a training, of the one that "
            "was active when it was accepted."
        ),
    ]
    created: str
    started: str | None
    ended: str | None
    step: Annotated[str, Meta(description="The step that a training is at.")] | UnsetType = UNSET
    rows: Annotated[int | None, Meta(description="All rows; null until that is known.")]
    rows_done: int
    progress: Annotated[float, Meta(ge=0, le=1, description="The part that is done.")]
    rows_per_second: float | None
    seconds_left: float | None
    unknown_categories: Annotated[
        dict[str, int],
        Meta(description="Categories not seen in training: how many in each feature."),
    ]
    ignored_columns: Annotated[list[str], Meta(description="Names that are no features.")]
    error: Annotated[Any, Meta(description="What went wrong, as problem details.")] = None


class TrainingReport(Document, kw_only=True):
    """The report of a training."""

    task_id: str
    version: Annotated[str, Meta(description="The SHA-256 of the version that was trained.")]
    is_new: Annotated[bool, Meta(description="Whether the service did not have it before.")]
    activated: Annotated[bool, Meta(description="Whether it is the active version now.")]
    not_activated: Annotated[str, Meta(description="Why not; empty if it is.")]
    active_version: Annotated[
        str, Meta(description="The version that was active during the training.")
    ]
    metrics: Annotated[
        dict[str, int | float], Meta(description="Those in the card of the new version.")
    ]
    comparison: Comparison | None
    not_compared: Annotated[str, Meta(description="Why there is no comparison; empty if not.")]
    feedback: Annotated[
        Learnt | None, Meta(description="What was learnt from selections; null without feedback.")
    ]
    changes: Annotated[list[str], Meta(description="What differs from the active version.")]
    seconds: float


class TaskBegun(Document):
    """A task that was accepted."""

    task_id: str
    status: Literal["PENDING", "STARTED", "SUCCESS", "FAILURE", "REVOKED"]
    type: Literal["inference", "training"]


class Tasks(Document):
    """The tasks that are kept, the newest first."""

    tasks: list[TaskState]


class Ranked(Document):
    """A class, and its probability."""

    label: Annotated[Any, Meta(description="The class.")]
    probability: float | None


class TaskResults(Document, kw_only=True):
    """Results of a task, from the row `offset` on."""

    task_id: str
    method: str
    model_version: str
    rows: Annotated[int, Meta(description="The rows of the whole task.")]
    offset: int
    predictions: list[Any]
    classes: list[Any] | UnsetType = UNSET
    ranked: (
        Annotated[
            list[list[Ranked]],
            Meta(description="For each row all classes, the likeliest first."),
        ]
        | UnsetType
    ) = UNSET


class Chosen(Document, kw_only=True):
    """A choice that was kept."""

    prediction_id: str
    row: int
    label: Any
    predicted: Annotated[Any, Meta(description="Null where another instance has predicted it.")]
    correct: Annotated[bool | None, Meta(description="Null for numbers.")]
    version: Annotated[str, Meta(description="The SHA-256 of the model that predicted.")]
    at: str


class Told(Document, kw_only=True):
    """How many choices were kept, and where those stand whose prediction is not kept."""

    kept: int
    unknown: Annotated[int, Meta(description="Choices about predictions that are not here.")]
    expired: Annotated[int, Meta(description="Choices about predictions of long ago.")]
    unknown_places: Annotated[list[str], Meta(description="JSON Pointers, at most 100.")]
    expired_places: Annotated[list[str], Meta(description="JSON Pointers, at most 100.")]
