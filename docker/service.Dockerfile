# The service: serve, ingest, gateway, and a simulated headset. What reads and writes files of others'
# formats is in the training image, where its size does not matter. Built from the root of the source tree:
#   docker build -f docker/service.Dockerfile -t eeg-emotion .
FROM debian:bookworm-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY . /src
WORKDIR /src
RUN sh docker/build.sh daemon

FROM debian:bookworm-slim
RUN --mount=type=bind,target=/src sh /src/docker/prepare.sh
COPY --from=build /opt/eeg-emotion /opt/eeg-emotion
ENV PATH=/opt/eeg-emotion/bin:/usr/bin:/bin \
    XDG_DATA_HOME=/var/lib \
    XDG_CONFIG_HOME=/etc \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 10001:10001
WORKDIR /var/lib/eeg-emotion
VOLUME /var/lib/eeg-emotion
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
    CMD ["python3", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/livez', timeout=4)"]
ENTRYPOINT ["eeg-emotion"]
# Refused until it knows whom it may let in: mount keys at /etc/eeg-emotion/keys.json.
CMD ["serve", "--host", "0.0.0.0"]
