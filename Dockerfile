# zik in a container: `docker compose up --build`, or `docker build -t zik .`
#
# The first stage installs requirements.lock by hash and from wheels only; the last has Python and zik.

FROM python:3.13.18-slim AS build
RUN python -m venv --without-pip /opt/zik
COPY requirements.lock /tmp/
RUN --mount=type=cache,target=/root/.cache/pip \
    pip --python /opt/zik/bin/python install --require-hashes --only-binary :all: --requirement /tmp/requirements.lock
# zik is pure Python: copied, not built, so that no build tool is fetched without a hash.
COPY worker /opt/zik/lib/python3.13/site-packages/worker
COPY zik /opt/zik/lib/python3.13/site-packages/zik
RUN printf '%s\n' '#!/opt/zik/bin/python' 'from worker.__main__ import main' 'main()' > /opt/zik/bin/zik \
    && chmod +x /opt/zik/bin/zik \
    && /opt/zik/bin/python -m compileall -q /opt/zik

FROM build AS build-flower
COPY ops/flower/requirements.lock /tmp/flower.lock
RUN --mount=type=cache,target=/root/.cache/pip \
    pip --python /opt/zik/bin/python install --require-hashes --no-deps --only-binary :all: --requirement /tmp/flower.lock

FROM python:3.13.18-slim AS base
RUN useradd --system --uid 10001 --no-create-home --home-dir /nonexistent zik
ENV PATH=/opt/zik/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    ZIK_PRODUCTION=true
WORKDIR /tmp
USER 10001

# `docker build --target flower -t zik-flower .`
FROM base AS flower
COPY --from=build-flower /opt/zik /opt/zik
COPY ops/flower/flowerconfig.py /opt/zik/flowerconfig.py
CMD ["celery", "-A", "worker", "flower", "--conf=/opt/zik/flowerconfig.py"]

FROM base
# A card as PNG (`zik report --card`) is drawn with a font of the system. Debian keeps only the latest version of it.
USER 0
# hadolint ignore=DL3008
RUN apt-get update && apt-get install --yes --no-install-recommends fonts-dejavu-core && rm -rf /var/lib/apt/lists/*
USER 10001
COPY --from=build /opt/zik /opt/zik
# compose.yaml overrides this for its other services, and gives each its own health check.
CMD ["celery", "--quiet", "-A", "worker", "worker", "--loglevel", "info"]
