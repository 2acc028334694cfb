# The trainer. Built from the root of the source tree:
#   docker build -f docker/training.Dockerfile -t eeg-emotion-training .
FROM debian:bookworm-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY . /src
WORKDIR /src
RUN sh docker/build.sh training

FROM debian:bookworm-slim
RUN --mount=type=bind,target=/src sh /src/docker/prepare.sh
COPY --from=build /opt/eeg-emotion /opt/eeg-emotion
ENV PATH=/opt/eeg-emotion/bin:/usr/bin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 10001:10001
WORKDIR /var/lib/eeg-emotion
VOLUME /var/lib/eeg-emotion
ENTRYPOINT ["eeg-emotion-train"]
CMD ["--help"]
