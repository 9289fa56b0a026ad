"""Tasks on several machines: Celery brings chunks to workers, by RabbitMQ or by Redis.

The store in Redis is the truth, and a message is only a hint of two ids. A worker acknowledges a
message once its chunk is done, so that the broker gives the message of a dead worker to another.
"""

from __future__ import annotations

from typing import Any

from api.settings import Settings
from api.tasks.desk import NoTasks
from api.tasks.task import QUEUES, Queue
from api.tasks.work import PATIENCE

# The package, in the version that the tests have.
PACKAGE = "celery[redis]==5.7.0"
try:
    import celery
    import kombu
    import packaging.version  # noqa: F401  # which kombu imports with its Redis only
    import redis
    from celery import signals
    from redis.backoff import NoBackoff
    from redis.retry import Retry
except ImportError:
    raise NoTasks(
        "This service takes no tasks: CELERY_BROKER_URL needs packages that are not installed: "
        f"write {PACKAGE} into models/requirements.txt, and run make again."
    ) from None

NO_BACKEND = (
    "This service takes no tasks: set CELERY_BACKEND_URL to the address of a Redis, as "
    "redis://host:6379/0, which keeps what is known of tasks."
)
NAME = "api.work"
# A broker or a Redis that does not answer is given up after so long.
CONNECT_SECONDS = 1.0
ANSWER_SECONDS = 5.0
# Redis gives the message of a dead worker to another one after so long; RabbitMQ does it at once.
VISIBLE_SECONDS = 60
# A connection that ended while it was not used is opened again, once.
ONCE = {"max_retries": 1, "interval_start": 0, "interval_step": 0, "interval_max": 0}

app = celery.Celery("api", set_as_current=False)
_tasks = kombu.Exchange("tasks", "direct")
app.conf.update(
    task_queues=[
        # Quorum queues are on the disk before the broker confirms a message.
        kombu.Queue(name, _tasks, routing_key=name, queue_arguments={"x-queue-type": "quorum"})
        for name in QUEUES
    ],
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_ignore_result=True,
    task_serializer="json",
    accept_content=["json"],
    enable_utc=True,
    broker_connection_timeout=CONNECT_SECONDS,
    broker_connection_retry_on_startup=True,
    # For ever: a worker comes back by itself, however long its broker was away.
    broker_connection_max_retries=None,
    # One process, whose death the broker sees: a pool may stand still once its child has died.
    worker_pool="solo",
    worker_concurrency=1,
    worker_prefetch_multiplier=1,
    worker_cancel_long_running_tasks_on_connection_loss=True,
    worker_soft_shutdown_timeout=8,
    worker_enable_remote_control=False,
    worker_hijack_root_logger=False,
    worker_redirect_stdouts=False,
)


def configure(settings: Settings) -> None:
    """Use the broker of these settings."""
    broker = settings.celery_broker_url
    options: dict[str, Any] = {"max_retries": 0, "interval_start": 0}
    if broker.startswith("redis"):
        options |= {
            "visibility_timeout": VISIBLE_SECONDS,
            # Else it looks for such messages every 100 seconds.
            "unacked_restore_interval": 5,
            "unacked_restore_throttle": 1,
            "socket_connect_timeout": CONNECT_SECONDS,
            "socket_timeout": ANSWER_SECONDS,
        }
    else:
        # Else a broker that refuses a message, or ends, loses it in silence.
        options["confirm_publish"] = True
    app.conf.update(
        broker_url=broker,
        broker_transport_options=options,
        # A worker sends no heartbeats while it does a chunk.
        broker_heartbeat=max(120.0, PATIENCE * settings.timeout),
    )


def store(settings: Settings) -> Any:
    """The store in Redis; raises NoTasks where its address is missing, OSError."""
    from api.tasks.blobs import Blobs
    from api.tasks.redis_store import RedisStore

    broker = settings.celery_broker_url
    address = settings.celery_backend_url or (broker if broker.startswith("redis") else "")
    if not address:
        raise NoTasks(NO_BACKEND)
    configure(settings)
    client = redis.Redis.from_url(
        address,
        socket_connect_timeout=CONNECT_SECONDS,
        socket_timeout=ANSWER_SECONDS,
        # A connection that ended while it was not used is opened again, once.
        retry=Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
    )
    blobs = None
    if settings.data_dir and settings.data_folder is not None:
        files = settings.data_folder / "tasks" / "files"
        blobs = Blobs(files, durable=settings.durable == "true")
    return RedisStore(client, blobs, most=settings.max_tasks, ttl=settings.result_ttl)


def put(task_id: str, number: int, queue: Queue) -> None:
    """Put a chunk; raises OSError where the broker does not confirm it."""
    try:
        app.send_task(
            NAME,
            (task_id, number),
            queue=queue,
            retry=True,
            retry_policy=ONCE,
            confirm_timeout=ANSWER_SECONDS,
        )
    except Exception as error:
        raise OSError(f"the broker does not answer: {error}") from None


def waiting(queue: Queue) -> int:
    """How many messages wait for a worker; raises OSError where the broker does not tell."""
    try:
        with app.pool.acquire(block=True) as connection:
            found = connection.default_channel.queue_declare(queue, passive=True)
            return int(found.message_count)
    except app.connection_for_write().channel_errors:
        # Redis has no list that is empty.
        return 0
    except Exception as error:
        raise OSError(f"the broker does not answer: {error}") from None


def _work(self: Any, task_id: str, number: int) -> None:
    """Do a chunk in this process, which is a worker."""
    from api.tasks import worker

    worker.process().take(task_id, number, self.request.delivery_info["routing_key"])


def _begin(**_: Any) -> None:
    """Load the model, before a worker connects to the broker."""
    from api.tasks import worker

    worker.begin()


def _keep_logging(**_: Any) -> None:
    """Have Celery leave the log as it is."""


work = app.task(_work, name=NAME, bind=True)
signals.celeryd_init.connect(_begin)
signals.setup_logging.connect(_keep_logging)
