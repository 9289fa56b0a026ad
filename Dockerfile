FROM python:3.13-slim-trixie AS base
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1
WORKDIR /app

FROM base AS build
RUN python3 -m venv --without-scm-ignore-files /venv
# Dependencies before code: they change seldom, and their layer is kept.
COPY requirements.lock requirements-pandas.lock requirements-explain.lock requirements-slim.lock ./
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install --disable-pip-version-check --require-hashes -r requirements.lock
COPY api api
COPY models models
# What the model itself asks for, if it asks for anything.
RUN --mount=type=cache,target=/root/.cache/pip \
    test ! -f models/requirements.txt || pip install --disable-pip-version-check -r models/requirements.txt
# A model is only sure to mean the same in the scikit-learn that saved it.
RUN --mount=type=cache,target=/root/.cache/pip \
    saved=$(python -P api/saved.py models/latest.joblib) || exit 1; \
    test -z "$saved" || { \
        echo "models/latest.joblib was saved with scikit-learn $saved: the image gets that one, not the lock's"; \
        pip install --disable-pip-version-check --only-binary :all: "scikit-learn==$saved" \
        || { echo "error: scikit-learn $saved cannot be installed for Python 3.13: save the model again with a newer one" >&2; exit 1; }; }
# A model that cannot be served stops here. pandas, 40 MB, comes only for one that needs it, and changes
# nothing that is there already. The packages' own tests, a third of their room, go before the check.
RUN --mount=type=cache,target=/root/.cache/pip \
    strip() { find /venv/lib -type d \( -name tests -o -name test \) -prune -exec rm -r {} +; }; \
    strip; said=$(python -m models.bake 2>&1) && { echo "$said"; exit; }; \
    case $said in *pandas*) echo "The model needs pandas: the image gets it" ;; *) echo "$said" >&2; exit 1 ;; esac; \
    awk 'NR == FNR {have[$1]; next} /^[^ #]/ {keep = !($1 in have)} keep' \
        requirements.lock requirements-pandas.lock > pandas.lock \
    && pip install --disable-pip-version-check --require-hashes --no-deps -r pandas.lock \
    && strip && python -m models.bake
# EXPLAIN=true adds what explains trees exactly, and changes nothing that is there already.
ARG EXPLAIN=false
RUN --mount=type=cache,target=/root/.cache/pip \
    test "$EXPLAIN" != true || { pip list --format=freeze \
        | awk -F == 'NR == FNR {gsub("_", "-", $1); have[tolower($1)]; next} /^[^ #]/ {keep = !($1 in have)} keep' \
            - requirements-explain.lock > explain.lock \
        && pip install --disable-pip-version-check --require-hashes --no-deps -r explain.lock \
        && find /venv/lib -type d \( -name tests -o -name test \) -prune -exec rm -r {} +; }
# A plan runs without scikit-learn and scipy, half of the image: SLIM=true leaves them out.
ARG SLIM=false
RUN --mount=type=cache,target=/root/.cache/pip \
    test "$SLIM" != true || { rm -r /venv && python3 -m venv --without-scm-ignore-files /venv \
        && pip install --disable-pip-version-check --require-hashes -r requirements-slim.lock \
        && find /venv/lib -type d \( -name tests -o -name test \) -prune -exec rm -r {} +; }
RUN python -m models.check
# Nobody needs pip where nothing is installed any more; bytecode is compiled once, here. A model may
# come with rights for its owner only, but is read by another user.
RUN pip uninstall --yes --quiet pip && python -m compileall -q api models \
    && chmod -R a+rX,go-w api models

FROM base
COPY --from=build /venv /venv
COPY --from=build /app/api api
COPY --from=build /app/models models
USER 65534:65534
# Inside a container every address is behind the container's own door.
ENV HOST=0.0.0.0 HOME=/tmp
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-IS", "-c", "import http.client, os; c = http.client.HTTPConnection('127.0.0.1', int(next(filter(None, map(os.environ.get, ('PORT', 'AIP_HTTP_PORT', 'SAGEMAKER_BIND_TO_PORT'))), 8080)), timeout=4); c.request('GET', '/health'); raise SystemExit(c.getresponse().status != 200)"]
ENTRYPOINT ["python", "-m", "api"]
# Last, since they change with every commit and model, and all that stands below is made anew.
ARG REVISION=unknown
ARG MODEL_VERSION=unknown
LABEL org.opencontainers.image.title="machine-learning-api" \
      org.opencontainers.image.description="A scikit-learn model behind an HTTP endpoint" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.version="$MODEL_VERSION" \
      org.opencontainers.image.base.name="docker.io/library/python:3.13-slim-trixie"
