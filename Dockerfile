# One image, one binary: `quhao producer`, `quhao worker`, `quhao migrate`, …

FROM rust:1.95-slim-trixie AS build
# The image has the toolchain that rust-toolchain.toml pins; without this rustup would
# fetch the development components that the file lists.
ENV RUSTUP_TOOLCHAIN=1.95.0
ARG PROFILE=dist
WORKDIR /src
COPY . .
RUN cargo build --locked --profile "$PROFILE" --package quhao \
 && install -D target/"$PROFILE"/quhao /out/quhao

FROM debian:trixie-slim
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates \
 && rm -rf /var/lib/apt/lists/* \
 && groupadd --gid 10001 quhao \
 && useradd --uid 10001 --gid quhao --no-create-home --shell /usr/sbin/nologin quhao
COPY --from=build /out/quhao /usr/local/bin/quhao
USER quhao
WORKDIR /etc/quhao
STOPSIGNAL SIGTERM
ENTRYPOINT ["quhao"]
CMD ["--help"]
