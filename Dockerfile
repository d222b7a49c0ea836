# One image for the worker and the dashboard; compose.yaml says which command each runs.
# No torch: the models run on ONNX Runtime.

FROM python:3.12-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1
WORKDIR /src
RUN python -m venv --without-pip /opt/actionstream
# The dependencies alone: this large layer stays as it is while only our own code changes.
COPY pyproject.toml ./
RUN python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies'], sep='\n')" > /requirements.txt \
 && pip --python /opt/actionstream install --no-compile -r /requirements.txt
COPY . ./
RUN pip wheel --no-deps --wheel-dir /wheels . \
 && pip --python /opt/actionstream install --no-compile --no-deps /wheels/*.whl

FROM python:3.12-slim-bookworm
LABEL org.opencontainers.image.title="actionstream" \
      org.opencontainers.image.description="Real-time human-action analytics on live video" \
      org.opencontainers.image.licenses="MIT"
# What the worker keeps lies in the home folder of the user it runs as.
RUN useradd --system --uid 10001 --create-home --home-dir /var/lib/actionstream actionstream
COPY --from=build /opt/actionstream /opt/actionstream
ENV PATH=/opt/actionstream/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
USER actionstream
WORKDIR /var/lib/actionstream
VOLUME /var/lib/actionstream
EXPOSE 8000 8050
# The worker's; compose.yaml asks the dashboard on its own port.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/healthz', timeout=2)"]
# Exec form: SIGTERM reaches the program itself.
ENTRYPOINT ["actionstream"]
CMD ["worker"]
