"""CUDA functions by which the threads of a block combine a number each, in an order that never changes."""

TREES = r"""
// part: shared, one place a thread; blockDim.x a power of two. Every thread gets the result.
__device__ __forceinline__ real tree_sum(real value, real* part) {
  int t = threadIdx.x;
  part[t] = value;
  __syncthreads();
  for (int half = blockDim.x / 2; half > 0; half >>= 1) {
    if (t < half) part[t] += part[t + half];
    __syncthreads();
  }
  value = part[0];
  __syncthreads();
  return value;
}

__device__ __forceinline__ real tree_maximum(real value, real* part) {
  int t = threadIdx.x;
  part[t] = value;
  __syncthreads();
  for (int half = blockDim.x / 2; half > 0; half >>= 1) {
    if (t < half) part[t] = part[t + half] > part[t] ? part[t + half] : part[t];
    __syncthreads();
  }
  value = part[0];
  __syncthreads();
  return value;
}
"""
"""Put before a source whose kernels use them."""
