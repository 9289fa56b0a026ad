# make build-image passes the Python that has wheels of the scikit-learn that saved the model.
ARG PYTHON=3.13
FROM python:${PYTHON}-slim-trixie AS base
# LightGBM loads libgomp.so.1, which this base lacks: --strip links scikit-learn's copy into /venv/lib.
ENV PATH=/venv/bin:$PATH LD_LIBRARY_PATH=/venv/lib PYTHONUNBUFFERED=1
WORKDIR /app

FROM base AS build
# Dependencies before code: they change rarely, so docker keeps their layer.
COPY requirements-pandas.lock requirements-uv.lock ./
COPY models/__init__.py models/environment.py models/file_types.py models/packages.py \
    models/pickles.py models/pins.py models/saved.py models/wheels.py models/
RUN --mount=type=cache,target=/root/.cache \
    UV_LINK_MODE=copy python3 -m models.environment --folder /venv --lock requirements-pandas.lock
COPY requirements.lock requirements-explain.lock requirements-slim.lock ./
COPY api api
COPY models models
# Install the scikit-learn that saved the model, the numpy, scipy and pandas that fit it, and the
# packages in models/requirements.txt.
RUN --mount=type=cache,target=/root/.cache \
    UV_LINK_MODE=copy python3 -m models.environment --folder /venv --lock requirements-pandas.lock models/latest.joblib
# The build stops before it loads a model file with another SHA-256.
ARG MODEL_SHA256=
# A model that cannot be served stops the build here. The packages' own tests, a third of their size,
# are removed, and so is pandas, 40 MB, unless the model needs it.
RUN python3 -m models.environment --folder /venv --strip \
    && python -m models.bake && python -m models.environment --folder /venv --drop-pandas models/latest.joblib
# EXPLAIN=true adds shap, which explains trees exactly, and keeps all installed versions.
ARG EXPLAIN=false
RUN --mount=type=cache,target=/root/.cache/pip \
    test "$EXPLAIN" != true || { pip list --format=freeze \
        | awk -F == 'NR == FNR {gsub("_", "-", $1); have[tolower($1)]; next} /^[^ #]/ {keep = !($1 in have)} keep' \
            - requirements-explain.lock > explain.lock \
        && pip install --disable-pip-version-check --require-hashes --no-deps -r explain.lock \
        && python3 -m models.environment --folder /venv --strip; }
# SLIM=true leaves scikit-learn and scipy out, half of the image: a plan runs without them.
ARG SLIM=false
RUN --mount=type=cache,target=/root/.cache/pip \
    test "$SLIM" != true || { touch /venv/.baked && mv /venv/.baked / \
        && rm -r /venv && python3 -m venv /venv && mv /.baked /venv \
        && pip install --disable-pip-version-check --require-hashes -r requirements-slim.lock \
        && python3 -m models.environment --folder /venv --strip; }
RUN python -m api.check
# The folder of tasks, which a volume takes the place of.
RUN mkdir data
# Nothing is installed from here on, so uv and pip go. Bytecode is compiled here, since the container's
# file system is read-only. The model file may be readable by its owner only; user 65534 must read it.
RUN rm -f /venv/.gitignore /venv/.lock /venv/.installed && pip uninstall --yes --quiet uv pip && python -m compileall -q api models \
    && chmod -R a+rX,go-w api models

FROM base
COPY --from=build /venv /venv
COPY --from=build /app/api api
COPY --from=build /app/models models
COPY --from=build --chown=65534:65534 /app/data data
USER 65534:65534
# Listen on all addresses: the container's network decides who reaches them.
ENV HOST=0.0.0.0 HOME=/tmp
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-IS", "-c", "import http.client, os; c = http.client.HTTPConnection('127.0.0.1', int(next(filter(None, map(os.environ.get, ('PORT', 'AIP_HTTP_PORT', 'SAGEMAKER_BIND_TO_PORT'))), 8080)), timeout=4); c.request('GET', '/health'); raise SystemExit(c.getresponse().status != 200)"]
ENTRYPOINT ["python", "-m", "api"]
# Labels come last: they change with each commit and model, and docker rebuilds all that follows.
ARG PYTHON=3.13
ARG REVISION=unknown
ARG MODEL_VERSION=unknown
LABEL org.opencontainers.image.title="machine-learning-api" \
      org.opencontainers.image.description="A scikit-learn model behind an HTTP endpoint" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.version="$MODEL_VERSION" \
      org.opencontainers.image.base.name="docker.io/library/python:${PYTHON}-slim-trixie"
