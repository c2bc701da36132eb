# Four images: --target worker-cpu | worker-gpu | trainer | review.
#
# Only Python packages are fetched, as wheels, and only those whose hashes requirements/*.txt name (`make locks`). pip
# and the wheel's build tools stay in the stages before; python:3.11-slim has all that is needed of the system. Packages
# and project are two layers: a change of the project moves 30 MB. A pod has no display: requirements/*.override put
# opencv-python-headless where opencv-python was asked for.
ARG PYTHON_IMAGE=python:3.11-slim

#checkov:skip=CKV_DOCKER_7: the base image is an argument, and its default names a tag
FROM ${PYTHON_IMAGE} AS base
ENV HOME=/tmp \
    PATH=/opt/venv/bin:${PATH} \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    YOLO_AUTOINSTALL=false
# No target runs pip: an image that cannot install is harder to misuse. The user has a name because torch asks for it.
RUN rm -rf /usr/local/bin/pip* /usr/local/lib/python3*/site-packages/* \
    && groupadd --gid 10001 vehicle-damage \
    && useradd --uid 10001 --gid 10001 --home-dir /tmp --no-create-home --shell /usr/sbin/nologin vehicle-damage \
    && install --directory --owner 10001 --group 10001 /data

FROM base AS tools
# pip's own variables; empty is as unset. No password of a mirror: the builder's cache would keep it.
ARG PIP_INDEX_URL=
ARG PIP_CERT=
ENV PIP_INDEX_URL=${PIP_INDEX_URL} \
    PIP_CERT=${PIP_CERT} \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_COMPILE=0 \
    PIP_NO_DEPS=1 \
    PIP_REQUIRE_VIRTUALENV=1
WORKDIR /build
COPY requirements/build.txt requirements/
RUN python3 -m venv /opt/tools \
    && /opt/tools/bin/pip install --only-binary=:all: --require-hashes -r requirements/build.txt \
    && python3 -m venv --without-pip /opt/venv

# The project alone, at the place where each target has its packages.
FROM tools AS project
COPY pyproject.toml README.md LICENSE ./
COPY k8s/jobs k8s/jobs
COPY models models
COPY service service
RUN /opt/tools/bin/pip wheel --no-build-isolation --wheel-dir wheels . \
    && /opt/tools/bin/pip --python /opt/venv/bin/python install --no-index --find-links wheels vehicle-damage \
    && python3 -m compileall -q --invalidation-mode unchecked-hash /opt/venv/lib

FROM base AS runtime
LABEL org.opencontainers.image.title="vehicle-damage" \
    org.opencontainers.image.description="Finds damage on photographed vehicles" \
    org.opencontainers.image.licenses="AGPL-3.0-only"
WORKDIR /data
USER 10001:10001
STOPSIGNAL SIGTERM
ENTRYPOINT ["vehicle-damage"]

FROM runtime AS worker
ENV VEHICLE_DAMAGE_HTTP_HOST=0.0.0.0 \
    VEHICLE_DAMAGE_HTTP_PORT=9090
EXPOSE 9090
# Kubernetes has probes of its own and ignores this; Docker and podman do not.
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python3", "-c", "import os, urllib.request; \
urllib.request.urlopen('http://127.0.0.1:' + os.environ['VEHICLE_DAMAGE_HTTP_PORT'] + '/healthz', timeout=4)"]
CMD ["worker"]

FROM tools AS worker-cpu-packages
COPY requirements/worker-cpu.txt requirements/
RUN /opt/tools/bin/pip --python /opt/venv/bin/python install --only-binary=:all: --require-hashes \
    -r requirements/worker-cpu.txt
# What no worker opens, in MB: descriptions of all AWS services but three (18), OpenVINO's drivers of Intel GPUs and
# NPUs (61), its readers of formats other than its own (24), its C API and headers (4), the Kubernetes client's second
# copy for asyncio (20), tests and typing stubs (18). Nothing can be written later, so bytecode is made now, except what
# only the refresh imports: 35 more, and 1.4 s of a core for a start instead of 4.1.
WORKDIR /opt/venv/lib/python3.11/site-packages
RUN find botocore/data -mindepth 1 -maxdepth 1 -type d ! -name s3 ! -name sqs ! -name sts -exec rm -r {} + \
    && rm openvino/libs/*_intel_gpu_plugin.so openvino/libs/cache.json openvino/libs/*_intel_npu_plugin.so \
    && find openvino/libs -name '*_frontend.so*' ! -name '*_ir_frontend.so*' -delete \
    && find openvino/frontend -name 'py_*_frontend*.so' -delete \
    && rm -r openvino/libs/libopenvino_c.so* openvino/include openvino/cmake openvino/tools/benchmark kubernetes/aio \
    && find . -type d -name tests -prune -exec rm -r {} + \
    && find . -name '*.pyi' -delete \
    && python3 -m compileall -q -x '/kubernetes/' --invalidation-mode unchecked-hash .

FROM worker AS worker-cpu
COPY --from=worker-cpu-packages /opt/venv /opt/venv
COPY --from=project /opt/venv /opt/venv

FROM project AS project-without-models
RUN rm -rf /opt/venv/lib/python3*/site-packages/models/pretrained/*

FROM tools AS review-packages
COPY requirements/review.txt requirements/
RUN /opt/tools/bin/pip --python /opt/venv/bin/python install --only-binary=:all: --require-hashes \
    -r requirements/review.txt
WORKDIR /opt/venv/lib/python3.11/site-packages
RUN find botocore/data -mindepth 1 -maxdepth 1 -type d ! -name s3 ! -name sqs ! -name sts -exec rm -r {} + \
    && find . -type d -name tests -prune -exec rm -r {} + \
    && find . -name '*.pyi' -delete \
    && python3 -m compileall -q --invalidation-mode unchecked-hash .

FROM runtime AS review
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python3", "-c", "import urllib.request; \
urllib.request.urlopen('http://127.0.0.1:8080/healthz', timeout=4)"]
COPY --from=review-packages /opt/venv /opt/venv
COPY --from=project-without-models /opt/venv /opt/venv
CMD ["review", "--host", "0.0.0.0", "--port", "8080"]

# torch carries a file that only Python 3.12 can compile.
FROM tools AS worker-gpu-packages
COPY requirements/worker-gpu.txt requirements/
RUN /opt/tools/bin/pip --python /opt/venv/bin/python install --only-binary=:all: --require-hashes \
    -r requirements/worker-gpu.txt \
    && python3 -m compileall -q -j 0 -x 'py312_' --invalidation-mode unchecked-hash /opt/venv/lib

# The networks' weights as safetensors come from the model store: the set inside the package is OpenVINO's.
FROM worker AS worker-gpu
ENV VEHICLE_DAMAGE_RUNTIME=torch \
    VEHICLE_DAMAGE_DEVICE=cuda
COPY --from=worker-gpu-packages /opt/venv /opt/venv
COPY --from=project /opt/venv /opt/venv

FROM tools AS trainer-packages
COPY requirements/trainer.txt requirements/
RUN /opt/tools/bin/pip --python /opt/venv/bin/python install --only-binary=:all: --require-hashes \
    -r requirements/trainer.txt \
    && python3 -m compileall -q -j 0 -x 'py312_' --invalidation-mode unchecked-hash /opt/venv/lib

FROM runtime AS trainer
HEALTHCHECK NONE
COPY --from=trainer-packages /opt/venv /opt/venv
COPY --from=project /opt/venv /opt/venv
CMD ["models", "--help"]
