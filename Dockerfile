# dlkit on the CPU. Not built in CI.
#
#     docker build -t dlkit .
#     docker run --rm -v "$PWD:/data" --user "$(id -u):$(id -g)" dlkit train-mlp table.csv -o runs/table
FROM python:3.11-slim

ENV PYTHONUTF8=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    NUMBA_CACHE_DIR=/var/cache/dlkit \
    MPLCONFIGDIR=/tmp/matplotlib

COPY pyproject.toml README.md LICENSE /src/
COPY dlkit /src/dlkit
RUN pip install '/src[report,data,mt,onnx,ja]' && rm -rf /src

# Kernels are compiled when they are first used and kept here; any user may add to them.
RUN useradd --create-home --uid 1000 dlkit \
 && install -d -o dlkit -g dlkit /data \
 && install -d -m 1777 /var/cache/dlkit
USER dlkit
WORKDIR /data

HEALTHCHECK --interval=5m --timeout=1m --start-period=30s CMD ["dlkit", "doctor"]
ENTRYPOINT ["dlkit"]
CMD ["--help"]
