"""Differentiable operations: forward and exact adjoint, coarse and fused. Each takes the tape first."""
