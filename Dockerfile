FROM python:3.13-slim-trixie AS base
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1
WORKDIR /app

FROM base AS build
RUN python3 -m venv /venv
# Dependencies before code: they change seldom, and their layer is kept.
COPY requirements.lock requirements-pandas.lock ./
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install --disable-pip-version-check --require-hashes -r requirements.lock
COPY api api
COPY models models
# What the model itself asks for, if it asks for anything.
RUN --mount=type=cache,target=/root/.cache/pip \
    test ! -f models/requirements.txt || pip install --disable-pip-version-check -r models/requirements.txt
# A model that cannot be served stops here. pandas, 70 MB, comes only for one that needs it.
RUN --mount=type=cache,target=/root/.cache/pip \
    python -m models.check \
    || { pip install --disable-pip-version-check --require-hashes -r requirements-pandas.lock \
         && python -m models.check; }
# Nobody needs pip where nothing is installed any more; bytecode is compiled once, here.
RUN pip uninstall --yes --quiet pip && python -m compileall -q api models

FROM base
COPY --from=build /venv /venv
COPY --from=build /app/api api
COPY --from=build /app/models models
USER 65534:65534
# Inside a container every address is behind the container's own door.
ENV HOST=0.0.0.0 HOME=/tmp
EXPOSE 8080
ENTRYPOINT ["python", "-m", "api"]
