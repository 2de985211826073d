# Qmini RL GYM. CPU:  docker build -t qmini .
#               CUDA: docker build -t qmini --build-arg EXTRAS='[warp]' --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu130 .
#               docker run --rm -p 8080:8080 -v "$PWD/logs:/work/logs" qmini
#               docker run --rm --gpus all -v "$PWD/logs:/work/logs" qmini qmini-train --headless
FROM python:3.12-slim

# Drawing without a screen.
RUN apt-get update && apt-get install -y --no-install-recommends libegl1 libopengl0 libgl1-mesa-dri && rm -rf /var/lib/apt/lists/*
ENV MUJOCO_GL=egl NVIDIA_DRIVER_CAPABILITIES=all

ARG EXTRAS=
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
WORKDIR /src
COPY constraints.txt ./
# PyTorch's index has older versions of what PyTorch needs: that comes with the rest.
RUN pip install --no-cache-dir --no-deps -c constraints.txt --index-url "$TORCH_INDEX" torch
COPY . .
RUN pip install --no-cache-dir -c constraints.txt ".${EXTRAS}"

WORKDIR /work
CMD ["qmini-play", "--viewer", "web", "--host", "0.0.0.0"]
