"""Kernels: one file a family, each with its reference, CPU and CUDA version side by side."""
