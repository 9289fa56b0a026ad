"""Google's error shape, and the errors that every API knows.

https://cloud.google.com/apis/design/errors
"""

from __future__ import annotations

from typing import Any

STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    412: "FAILED_PRECONDITION",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


class ApiError(Exception):
    """What an API answers instead of a result."""

    def __init__(
        self, code: int, message: str, status: str | None = None, details: list[Any] | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status or STATUS[code]
        self.details = details or []

    def body(self) -> dict[str, Any]:
        """The error as JSON."""
        error = {"code": self.code, "message": self.message, "status": self.status}
        return {"error": error | ({"details": self.details} if self.details else {})}


def info(reason: str, domain: str, **metadata: str) -> dict[str, Any]:
    """The detail that says in machine's words what went wrong."""
    kind = "type.googleapis.com/google.rpc.ErrorInfo"
    return {"@type": kind, "reason": reason, "domain": domain, "metadata": metadata}


def invalid(message: str, status: str = "INVALID_ARGUMENT") -> ApiError:
    """A request that is wrong in itself, or (FAILED_PRECONDITION) comes at the wrong time."""
    return ApiError(400, message, status)


def unauthenticated(service: str) -> ApiError:
    """No credentials, or none that are known."""
    message = (
        "Request had invalid authentication credentials. Expected OAuth 2 access token, login "
        "cookie or other valid authentication credential. See "
        "https://developers.google.com/identity/sign-in/web/devconsole-project."
    )
    details = [info("ACCESS_TOKEN_TYPE_UNSUPPORTED", "googleapis.com", service=service)]
    return ApiError(401, message, details=details)


def permission_denied(permission: str, resource: str, service: str) -> ApiError:
    """A caller whose roles do not hold the permission; whether the resource exists is not told."""
    message = (
        f"Permission '{permission}' denied on resource '//{service}/{resource}' "
        "(or it may not exist)."
    )
    where = {"permission": permission, "resource": resource}
    return ApiError(403, message, details=[info("IAM_PERMISSION_DENIED", service, **where)])


def service_disabled(service: str, title: str, project: str) -> ApiError:
    """An API that nobody enabled on the project; gcloud reads the sentence to offer enabling it."""
    url = f"https://console.developers.google.com/apis/api/{service}/overview?project={project}"
    message = (
        f"{title} has not been used in project {project} before or it is disabled. Enable it by "
        f"visiting {url} then retry. If you enabled this API recently, wait a few minutes for the "
        "action to propagate to our systems and retry."
    )
    where = {"service": service, "serviceTitle": title, "consumer": f"projects/{project}"}
    where |= {"containerInfo": project, "activationUrl": url}
    return ApiError(403, message, details=[info("SERVICE_DISABLED", "googleapis.com", **where)])


def user_project_denied(project: str) -> ApiError:
    """A project that the caller names to be charged and may not use."""
    message = (
        f"Caller does not have required permission to use project {project}. Grant the caller the "
        "roles/serviceusage.serviceUsageConsumer role, or a custom role with the "
        "serviceusage.services.use permission, by visiting "
        f"https://console.developers.google.com/iam-admin/iam/project?project={project} and then "
        "retry. Propagation of the new permission may take a few minutes."
    )
    where = {"consumer": f"projects/{project}", "service": "googleapis.com"}
    details = [info("USER_PROJECT_DENIED", "googleapis.com", **where)]
    return ApiError(403, message, details=details)


def not_found(message: str) -> ApiError:
    """A resource that is not there, told to one who may know."""
    return ApiError(404, message)


def already_exists(message: str) -> ApiError:
    """A name that is taken."""
    return ApiError(409, message, "ALREADY_EXISTS")


def precondition_failed() -> ApiError:
    """A request whose condition does not hold, such as that there is no such object yet."""
    return ApiError(412, "At least one of the pre-conditions you specified did not hold.")


def stale_etag(theirs: str, ours: str) -> ApiError:
    """A policy that someone else changed between reading and writing."""
    return ApiError(
        409,
        "There were concurrent policy changes. Please retry the whole read-modify-write with "
        f"exponential backoff. The request's ETag '{theirs}' did not match the current policy's "
        f"ETag '{ours}'.",
    )


def injected(code: int, service: str) -> ApiError:
    """An error that a healthy caller meets now and then."""
    messages = {
        409: "The request was aborted: there was a conflicting change. Please retry.",
        429: f"Quota exceeded for quota metric 'Requests' of service '{service}'.",
        503: "The service is currently unavailable.",
    }
    quota = info("RATE_LIMIT_EXCEEDED", "googleapis.com", service=service)
    details = [quota] if code == 429 else None
    return ApiError(code, messages.get(code, "An error that the test asked for."), details=details)
