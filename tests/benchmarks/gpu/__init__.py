"""What a board of NVIDIA really does: training programs, serving, and peaks of memory, measured.

    twenty-watts calibrate bench --device gpu:0
    python -m tests.benchmarks.gpu train
    python -m tests.benchmarks.gpu serve
    twenty-watts calibrate export -o runs.toml
    python -m tests.benchmarks.gpu memory -o peaks.json
    python -m tests.benchmarks.gpu table runs.toml

It needs PyTorch with CUDA, torchvision and transformers, which the product does not.
"""
