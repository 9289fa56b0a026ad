"""Cloud Scheduler: jobs that send an HTTP request to an API, as an account of the project."""

from __future__ import annotations

import base64
import http.client
import re
from typing import Any
from urllib.parse import urlsplit

from tests.google_cloud import errors
from tests.google_cloud.cloud import Cloud, Json, Part
from tests.google_cloud.iam import Accounts, now
from tests.google_cloud.identity import caller

# Unix cron: https://cloud.google.com/scheduler/docs/configuring/cron-job-schedules
CRON = re.compile(r"([\d*,/-]+|[A-Za-z,-]+)( ([\d*,/-]+|[A-Za-z,-]+)){4}")


class Jobs(Part):
    """The jobs of the project."""

    name = "jobs"

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.jobs: dict[str, Json] = {}  # by full name

    def snapshot(self) -> Any:
        return {name: job["schedule"] for name, job in self.jobs.items()}

    def get(self, name: str) -> Json:
        """The job of this full name."""
        if name not in self.jobs:
            raise errors.not_found("Job not found.")
        return self.jobs[name]

    def write(self, job: Json) -> Json:
        """Keep a job; the caller must be allowed to act as its account."""
        if not CRON.fullmatch(job.get("schedule", "")):
            raise errors.invalid("Schedule or time zone is invalid.")
        token = job.get("httpTarget", {}).get("oauthToken")
        if token:
            account = self.cloud.part(Accounts).get(token["serviceAccountEmail"])
            self.cloud.require("iam.serviceAccounts.actAs", account.resource)
            # https://cloud.google.com/scheduler/docs/http-target-auth
            host = urlsplit(job["httpTarget"]["uri"]).hostname or ""
            if not host.endswith(".googleapis.com"):
                raise errors.invalid("OAuth tokens are for hosts of googleapis.com only.")
        self.jobs[job["name"]] = {"state": "ENABLED", "userUpdateTime": now()} | job
        return self.jobs[job["name"]]

    def fire(self, job: Json) -> None:
        """Send the job's request, as its account, and keep the status that came back."""
        target = job["httpTarget"]
        address = urlsplit(target["uri"])
        host = (address.hostname or "").replace(".googleapis.com", ".googleapis.test")
        account = self.cloud.part(Accounts).get(target["oauthToken"]["serviceAccountEmail"])
        token = self.cloud.identity.access_token(caller(account.email))
        headers = target.get("headers", {}) | {"Host": host, "Authorization": f"Bearer {token}"}
        connection = http.client.HTTPConnection(self.cloud.address, timeout=30)
        body = base64.b64decode(target.get("body", ""))
        connection.request(target["httpMethod"], address.path, body, headers)
        status = connection.getresponse().status
        connection.close()
        # What a job's last attempt came to, as google.rpc.Code.
        codes = {200: 0, 400: 3, 401: 16, 403: 7, 404: 5}
        job |= {"lastAttemptTime": now(), "status": {"code": codes.get(status, 2)}}


def register(cloud: Cloud) -> None:
    """Add the paths of jobs."""
    api = cloud.api("cloudscheduler")
    jobs = cloud.add(Jobs(cloud))
    rule = "/v1/projects/<project>/locations/<location>/jobs"

    def ask(verb: str, project: str, location: str, job: str = "") -> str:
        known = cloud.known_project(project)
        cloud.require(f"cloudscheduler.jobs.{verb}", f"projects/{known}")
        return f"projects/{known}/locations/{location}/jobs/{job}"

    @api.route(rule, "POST")
    def create(project: str, location: str) -> Json:
        ask("create", project, location)
        job = cloud.body()
        if job["name"] in jobs.jobs:
            raise errors.already_exists(f"Job {job['name']} already exists.")
        return jobs.write(job)

    @api.route(rule)
    def listing(project: str, location: str) -> Json:
        place = ask("list", project, location)
        return {"jobs": [job for name, job in jobs.jobs.items() if name.startswith(place)]}

    @api.route(f"{rule}/<job>")
    def get(project: str, location: str, job: str) -> Json:
        return jobs.get(ask("get", project, location, job))

    @api.route(f"{rule}/<job>", "PATCH")
    def patch(project: str, location: str, job: str) -> Json:
        return jobs.write(jobs.get(ask("update", project, location, job)) | cloud.body())

    @api.route(f"{rule}/<job>", "DELETE")
    def delete(project: str, location: str, job: str) -> Json:
        name = jobs.get(ask("delete", project, location, job))["name"]
        del jobs.jobs[name]
        return {}

    @api.route(f"{rule}/<job>:run", "POST", waits=True)
    def run(project: str, location: str, job: str) -> Json:
        with cloud.lock:
            found = jobs.get(ask("run", project, location, job))
        jobs.fire(found)
        return found
