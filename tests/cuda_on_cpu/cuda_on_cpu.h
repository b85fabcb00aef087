// What a CUDA C++ kernel sees when g++ compiles it: qualifiers, built-in variables, barriers, warp
// operations, atomics and the arithmetic that <math.h> lacks.  Only what the project's kernels may use
// is here; a name that is missing is a compile error, never an approximation.
//
// The threads of a block are fibers (scheduler.cpp) that switch only at barriers and warp operations.
#pragma once
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define __global__
#define __device__
#define __host__
#define __constant__ static
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __align__(n) alignas(n)
// Every __shared__ variable lies in one section, so that it can be poisoned before each block.
#define __shared__ static __attribute__((section("on_cpu_shared")))

struct uint3 { unsigned x, y, z; };
struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};
struct alignas(8) float2 { float x, y; };
struct alignas(16) float4 { float x, y, z, w; };
struct alignas(16) double2 { double x, y; };
struct alignas(8) int2 { int x, y; };
struct alignas(16) int4 { int x, y, z, w; };
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline double2 make_double2(double x, double y) { return {x, y}; }
inline int2 make_int2(int x, int y) { return {x, y}; }
inline int4 make_int4(int x, int y, int z, int w) { return {x, y, z, w}; }

extern uint3 threadIdx, blockIdx;
extern dim3 blockDim, gridDim;
static constexpr int warpSize = 32;

namespace on_cpu {
// Implemented in scheduler.cpp.
void barrier(int line);                                          // suspend until the whole block is here
int barrier_count(int value, int line);                          // ... and count the threads with value != 0
uint64_t exchange(unsigned mask, uint64_t bits, int lane, int line);  // a lane outside mask gives poison
unsigned ballot(unsigned mask, bool value, int line);
void warp_barrier(unsigned mask, int line);                      // the only warp operation that orders memory
int lane();
char *dynamic_shared();
void atomic_access(const void *address, size_t size, const void *caller);  // tells the checker, if there is one
int launch(void (*call)(void *), void *context, const unsigned *grid, const unsigned *block, size_t shared_bytes,
           char *shared_begin, char *shared_end, int order, int seed);

template <class T> T shuffle(unsigned mask, T value, int lane, int line) {
  static_assert(sizeof(T) == 4 || sizeof(T) == 8, "shuffles move 4 or 8 bytes");
  uint64_t bits = 0;
  memcpy(&bits, &value, sizeof value);
  bits = exchange(mask, bits, lane, line);
  memcpy(&value, &bits, sizeof value);
  return value;
}
template <class T> struct identity { typedef T type; };          // keeps a parameter out of deduction
template <class T> using same = typename identity<T>::type;
}  // namespace on_cpu

inline void __syncthreads(int line = __builtin_LINE()) { on_cpu::barrier(line); }
inline int __syncthreads_count(int v, int line = __builtin_LINE()) { return on_cpu::barrier_count(v, line); }
inline int __syncthreads_or(int v, int line = __builtin_LINE()) { return on_cpu::barrier_count(v, line) != 0; }
inline int __syncthreads_and(int v, int line = __builtin_LINE()) {
  return on_cpu::barrier_count(!v, line) == 0;
}
inline void __syncwarp(unsigned mask = 0xffffffffu, int line = __builtin_LINE()) {
  on_cpu::warp_barrier(mask, line);
}
inline void __threadfence() {}
inline void __threadfence_block() {}

template <class T> T __shfl_sync(unsigned mask, T v, int source, int width = 32, int line = __builtin_LINE()) {
  int lane = on_cpu::lane();
  return on_cpu::shuffle(mask, v, lane / width * width + (source & (width - 1)), line);
}
template <class T> T __shfl_down_sync(unsigned mask, T v, unsigned d, int width = 32, int line = __builtin_LINE()) {
  int lane = on_cpu::lane();
  return on_cpu::shuffle(mask, v, lane % width + (int)d < width ? lane + (int)d : lane, line);
}
template <class T> T __shfl_up_sync(unsigned mask, T v, unsigned d, int width = 32, int line = __builtin_LINE()) {
  int lane = on_cpu::lane();
  return on_cpu::shuffle(mask, v, lane % width >= (int)d ? lane - (int)d : lane, line);
}
template <class T> T __shfl_xor_sync(unsigned mask, T v, int bits, int width = 32, int line = __builtin_LINE()) {
  int lane = on_cpu::lane(), source = lane ^ bits;
  return on_cpu::shuffle(mask, v, source / width <= lane / width ? source : lane, line);
}
inline unsigned __ballot_sync(unsigned mask, int v, int line = __builtin_LINE()) {
  return on_cpu::ballot(mask, v != 0, line);
}
inline int __any_sync(unsigned mask, int v, int line = __builtin_LINE()) {
  return on_cpu::ballot(mask, v != 0, line) != 0;
}
inline int __all_sync(unsigned mask, int v, int line = __builtin_LINE()) {
  return on_cpu::ballot(mask, v != 0, line) == mask;
}

// Atomics: nothing runs at the same time, so the plain operation is the atomic one.
#define ON_CPU_ATOMIC_FUNCTION template <class T> __attribute__((noinline, no_sanitize("thread"))) T
#define ON_CPU_ATOMIC(name, expression)                                     \
  ON_CPU_ATOMIC_FUNCTION name(T *address, on_cpu::same<T> value) {          \
    on_cpu::atomic_access(address, sizeof(T), __builtin_return_address(0)); \
    T old = *address;                                                       \
    *address = (expression);                                                \
    return old;                                                             \
  }
ON_CPU_ATOMIC(atomicAdd, old + value)
ON_CPU_ATOMIC(atomicSub, old - value)
ON_CPU_ATOMIC(atomicMax, old > value ? old : value)
ON_CPU_ATOMIC(atomicMin, old < value ? old : value)
ON_CPU_ATOMIC(atomicExch, value)
ON_CPU_ATOMIC(atomicAnd, old &value)
ON_CPU_ATOMIC(atomicOr, old | value)
ON_CPU_ATOMIC(atomicXor, old ^ value)
ON_CPU_ATOMIC_FUNCTION atomicCAS(T *address, on_cpu::same<T> expected, on_cpu::same<T> value) {
  on_cpu::atomic_access(address, sizeof(T), __builtin_return_address(0));
  T old = *address;
  if (old == expected) *address = value;
  return old;
}
#undef ON_CPU_ATOMIC
#undef ON_CPU_ATOMIC_FUNCTION

// Arithmetic.  min and max take one type, as CUDA's overloads would otherwise choose silently.
template <class T> constexpr T max(T a, T b) { return a > b ? a : b; }
template <class T> constexpr T min(T a, T b) { return a < b ? a : b; }
inline float max(float a, float b) { return fmaxf(a, b); }
inline float min(float a, float b) { return fminf(a, b); }
inline double max(double a, double b) { return fmax(a, b); }
inline double min(double a, double b) { return fmin(a, b); }
inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }
inline float rsqrt(float x) { return 1.0f / sqrtf(x); }
inline double rsqrt(double x) { return 1.0 / sqrt(x); }
inline double __dadd_rn(double a, double b) { return a + b; }
inline double __dmul_rn(double a, double b) { return a * b; }
inline float __expf(float x) { return expf(x); }
inline float __logf(float x) { return logf(x); }
inline float __fdividef(float a, float b) { return a / b; }
inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
inline int __clz(int x) { return x ? __builtin_clz((unsigned)x) : 32; }
inline int __clzll(long long x) { return x ? __builtin_clzll((unsigned long long)x) : 64; }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __ffsll(long long x) { return __builtin_ffsll(x); }
inline unsigned __umulhi(unsigned a, unsigned b) { return (unsigned)((uint64_t)a * b >> 32); }
inline float __int_as_float(int x) { float r; memcpy(&r, &x, 4); return r; }
inline int __float_as_int(float x) { int r; memcpy(&r, &x, 4); return r; }
inline float __uint_as_float(unsigned x) { float r; memcpy(&r, &x, 4); return r; }
inline unsigned __float_as_uint(float x) { unsigned r; memcpy(&r, &x, 4); return r; }
inline double __longlong_as_double(long long x) { double r; memcpy(&r, &x, 8); return r; }
inline long long __double_as_longlong(double x) { long long r; memcpy(&r, &x, 8); return r; }
template <class T> inline T __ldg(const T *p) { return *p; }

// What the host must know about a kernel, and how it calls one: ON_CPU_EXPORT(name) stands after the source.
namespace on_cpu {
template <class T> struct Type;                                  // an argument type that has no name here is refused
#define ON_CPU_TYPE(T, code) \
  template <> struct Type<T> { static constexpr const char *name = code; };
ON_CPU_TYPE(float, "float32") ON_CPU_TYPE(double, "float64") ON_CPU_TYPE(bool, "bool")
ON_CPU_TYPE(char, "int8") ON_CPU_TYPE(signed char, "int8") ON_CPU_TYPE(unsigned char, "uint8")
ON_CPU_TYPE(short, "int16") ON_CPU_TYPE(unsigned short, "uint16")
ON_CPU_TYPE(int, "int32") ON_CPU_TYPE(unsigned, "uint32")
ON_CPU_TYPE(long, "int64") ON_CPU_TYPE(unsigned long, "uint64")
ON_CPU_TYPE(long long, "int64") ON_CPU_TYPE(unsigned long long, "uint64")
#undef ON_CPU_TYPE
template <class T> struct Parameter { static constexpr const char *kind = "value", *type = Type<T>::name; };
template <class T> struct Parameter<T *> { static constexpr const char *kind = "pointer", *type = Type<T>::name; };
template <class T> struct Parameter<const T *> { static constexpr const char *kind = "const", *type = Type<T>::name; };

template <int... I> struct Indices {};
template <int N, int... I> struct Range : Range<N - 1, N - 1, I...> {};
template <int... I> struct Range<0, I...> { typedef Indices<I...> type; };

#define ON_CPU_HOST __attribute__((no_sanitize("thread")))        // not the kernel's: the checker must not see it
template <class F> struct Kernel;
template <class... A> struct Kernel<void (*)(A...)> {
  void (*function)(A...);
  void **arguments;
  template <int... I> ON_CPU_HOST void call(Indices<I...>) { function(*(A *)arguments[I]...); }
  ON_CPU_HOST static void entry(void *self) { ((Kernel *)self)->call(typename Range<sizeof...(A)>::type()); }
  ON_CPU_HOST static const char *parameter(int i, bool kind) {
    const char *kinds[] = {Parameter<A>::kind..., nullptr}, *types[] = {Parameter<A>::type..., nullptr};
    return i < (int)sizeof...(A) ? (kind ? kinds : types)[i] : nullptr;
  }
};
}  // namespace on_cpu

#define ON_CPU_VISIBLE extern "C" __attribute__((visibility("default"), no_sanitize("thread")))
#define ON_CPU_EXPORT(name)                                                                                   \
  ON_CPU_VISIBLE const char *on_cpu_parameter_##name(int i, int kind) {                                       \
    return on_cpu::Kernel<decltype(&::name)>::parameter(i, kind != 0);                                        \
  }                                                                                                           \
  ON_CPU_VISIBLE int on_cpu_launch_##name(const unsigned *grid, const unsigned *block, size_t shared_bytes,   \
                                          void **arguments, int order, int seed) {                            \
    on_cpu::Kernel<decltype(&::name)> kernel{&::name, arguments};                                             \
    return on_cpu::launch(&kernel.entry, &kernel, grid, block, shared_bytes, __start_on_cpu_shared,           \
                          __stop_on_cpu_shared, order, seed);                                                 \
  }
extern char __start_on_cpu_shared[] __attribute__((weak, visibility("hidden")));
extern char __stop_on_cpu_shared[] __attribute__((weak, visibility("hidden")));
