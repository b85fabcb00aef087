// The scheduler behind cuda_on_cpu.h.  One operating-system thread; the blocks of a grid run one after
// another; the threads of a block are fibers that switch only at barriers and warp operations, so a kernel
// without them costs a function call a thread.  Threads and blocks run in forward, reverse or shuffled
// order: a result that depends on the order shows a missing barrier or a race.
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <vector>

#include "cuda_on_cpu.h"
#include "scheduler.h"
#if defined(__SSE__)
#include <xmmintrin.h>
#endif
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;

namespace on_cpu {
namespace {
enum Order { FORWARD, REVERSE, SHUFFLED };
enum State { READY, AT_BARRIER, AT_WARP_OPERATION, FINISHED };
constexpr size_t STACK = 256 << 10, SHARED_LIMIT = 48 << 10, GUARD = 256;
constexpr unsigned MAX_THREADS = 1024;
constexpr unsigned char POISON = 0xFF;                        // NaN as a float or a double, -1 as an integer

struct Fiber {
  jmp_buf context;
  char *stack = nullptr;
  bool started = false;
  void *fake_stack = nullptr;                                 // AddressSanitizer's
  State state = FINISHED;
  uint3 index{};
  unsigned linear = 0, mask = 0, phase = 0;
  int line = 0, value = 0;
  bool orders_memory = false;
};
struct Warp { uint64_t bits[2][32]; unsigned epoch; };         // two slots: a fast lane may be one operation ahead

std::vector<Fiber> fibers;
std::vector<Warp> warps;
std::vector<char> dynamic_store;
Fiber *current;
jmp_buf scheduler_context;
void *scheduler_fake_stack;
const void *scheduler_stack;
size_t scheduler_stack_size;
void (*job)(void *);
void *job_context;
char error[512];
int barriers, barrier_total;
bool failed;
std::mt19937 shuffle_generator;

void start_switch([[maybe_unused]] void **save, [[maybe_unused]] const void *stack, [[maybe_unused]] size_t size) {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(save, stack, size);
#endif
}
void finish_switch([[maybe_unused]] void *save, [[maybe_unused]] bool from_scheduler) {
#if defined(__SANITIZE_ADDRESS__)
  const void *stack;
  size_t size;
  __sanitizer_finish_switch_fiber(save, &stack, &size);
  if (from_scheduler) scheduler_stack = stack, scheduler_stack_size = size;
#endif
}

void suspend(State state, int line, unsigned mask = 0) {
  current->state = state, current->line = line, current->mask = mask;
  if (_setjmp(current->context)) return finish_switch(current->fake_stack, true);
  start_switch(&current->fake_stack, scheduler_stack, scheduler_stack_size);
  _longjmp(scheduler_context, 1);
}

void fiber_entry() {
  finish_switch(nullptr, true);
  for (;;) {
    job(job_context);
    suspend(FINISHED, 0);
  }
}

void resume(Fiber &fiber) {
  current = &fiber;
  threadIdx = fiber.index;
  fiber.state = READY;
  running.thread = fiber.linear, running.warp = fiber.linear / 32, running.warp_epoch = warps[running.warp].epoch;
  running.stack_begin = fiber.stack, running.stack_end = fiber.stack + STACK;
  if (_setjmp(scheduler_context)) return finish_switch(scheduler_fake_stack, false);
  start_switch(&scheduler_fake_stack, fiber.stack, STACK);
  if (fiber.started) _longjmp(fiber.context, 1);
  fiber.started = true;
  ucontext_t first;
  getcontext(&first);
  first.uc_stack.ss_sp = fiber.stack, first.uc_stack.ss_size = STACK, first.uc_link = nullptr;
  makecontext(&first, fiber_entry, 0);
  setcontext(&first);
}

void prepare_fibers(unsigned n) {
  static char *stacks = (char *)mmap(nullptr, MAX_THREADS * STACK, PROT_READ | PROT_WRITE,
                                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (stacks == MAP_FAILED) abort();
  if (failed) {                                               // fibers abandoned in the middle of a kernel
    fibers.clear();
#if defined(__SANITIZE_ADDRESS__)
    __asan_unpoison_memory_region(stacks, MAX_THREADS * STACK);
#endif
  }
  while (fibers.size() < n) {
    fibers.emplace_back();
    fibers.back().stack = stacks + (fibers.size() - 1) * STACK;
  }
  warps.resize((n + 31) / 32);
}

template <class T> void arrange(std::vector<T> &indices, int order) {
  std::iota(indices.begin(), indices.end(), T(0));
  if (order == REVERSE) std::reverse(indices.begin(), indices.end());
  if (order == SHUFFLED) std::shuffle(indices.begin(), indices.end(), shuffle_generator);
}

// The lanes of `fiber`'s mask if all of them wait at the same warp operation, else 0.
unsigned complete_group(unsigned first, const Fiber &fiber, unsigned n) {
  unsigned lanes = std::min(32u, n - first);
  for (unsigned lane = 0; lane < 32; lane++) {
    if (!(fiber.mask >> lane & 1)) continue;
    if (lane >= lanes) return 0;
    const Fiber &other = fibers[first + lane];
    if (other.state != AT_WARP_OPERATION || other.mask != fiber.mask || other.line != fiber.line) return 0;
  }
  return fiber.mask >> (fiber.linear - first) & 1 ? fiber.mask : 0;
}

bool release_warps(unsigned n) {
  bool released = false;
  for (unsigned i = 0; i < n; i++) {
    if (fibers[i].state != AT_WARP_OPERATION) continue;
    unsigned first = i / 32 * 32, group = complete_group(first, fibers[i], n);
    if (!group) continue;
    if (fibers[i].orders_memory) warps[i / 32].epoch++;
    for (unsigned lane = 0; lane < 32; lane++)
      if (group >> lane & 1) fibers[first + lane].state = READY;
    released = true;
  }
  return released;
}

void describe(char *text, size_t size, const Fiber &fiber) {
  if (fiber.state == FINISHED) snprintf(text, size, "thread %u has finished", fiber.linear);
  else snprintf(text, size, "thread %u waits at %s in line %d", fiber.linear,
                fiber.state == AT_BARRIER ? "a barrier" : "a warp operation", fiber.line);
}

// Every thread is stuck: fine if all stand at one barrier, or all are done.
bool stands_together(unsigned n) {
  unsigned odd = 0;
  for (unsigned i = 0; i < n && !odd; i++)
    if (fibers[i].state == AT_WARP_OPERATION || fibers[i].state != fibers[0].state || fibers[i].line != fibers[0].line)
      odd = i + 1;
  if (!odd) return true;
  unsigned i = odd - 1, j = i ? 0 : n - 1;
  for (unsigned k = 0; k < n; k++)                            // prefer one that tells the difference
    if (fibers[k].state != fibers[i].state || fibers[k].line != fibers[i].line) j = k;
  char one[96], other[96];
  describe(one, sizeof one, fibers[i]), describe(other, sizeof other, fibers[j]);
  snprintf(error, sizeof error, "block (%u,%u,%u): divergent threads: %s, %s", blockIdx.x, blockIdx.y, blockIdx.z,
           one, other);
  return false;
}

bool run_block(unsigned n, int order) {
  for (unsigned i = 0; i < n; i++) {
    Fiber &fiber = fibers[i];
    fiber.linear = i, fiber.phase = 0, fiber.state = READY;
    fiber.index = {i % blockDim.x, i / blockDim.x % blockDim.y, i / blockDim.x / blockDim.y};
  }
  for (Warp &warp : warps) warp.epoch = 0;
  running.block_epoch = 0;
  std::vector<unsigned> turn(n);
  for (;;) {
    arrange(turn, order);
    for (unsigned i : turn) {
      if (fibers[i].state == READY) resume(fibers[i]);
      if (failed) return false;
    }
    if (release_warps(n)) continue;
    if (!stands_together(n)) return false;
    if (fibers[0].state == FINISHED) return true;
    barriers++, running.block_epoch++, barrier_total = 0;
    for (unsigned i = 0; i < n; i++) barrier_total += fibers[i].value != 0, fibers[i].state = READY;
  }
}

bool overran_dynamic_shared() {
  const char *end = dynamic_store.data() + dynamic_store.size();
  return std::any_of((const char *)shared_memory.dynamic.end, end, [](char c) { return (unsigned char)c != POISON; });
}
}  // namespace

Running running;
SharedMemory shared_memory;
__attribute__((weak)) void checker_begins_launch() {}
__attribute__((weak)) void checker_begins_block() {}
__attribute__((weak)) void atomic_access(const void *, size_t, const void *) {}

void fail(const char *format, ...) {
  int used = snprintf(error, sizeof error, "block (%u,%u,%u), thread (%u,%u,%u): ", blockIdx.x, blockIdx.y,
                      blockIdx.z, threadIdx.x, threadIdx.y, threadIdx.z);
  va_list list;
  va_start(list, format);
  vsnprintf(error + used, sizeof error - used, format, list);
  va_end(list);
  failed = true;
  suspend(FINISHED, 0);                                       // never resumed
  abort();
}

int lane() { return current->linear & 31; }
char *dynamic_shared() { return shared_memory.dynamic.begin; }
void barrier(int line) {
  current->value = 0;
  suspend(AT_BARRIER, line);
}
int barrier_count(int value, int line) {
  current->value = value;
  suspend(AT_BARRIER, line);
  return barrier_total;
}
uint64_t exchange(unsigned mask, uint64_t bits, int source, int line) {
  Warp &warp = warps[current->linear / 32];
  unsigned slot = current->phase++ & 1;
  warp.bits[slot][lane()] = bits;
  current->orders_memory = false;
  suspend(AT_WARP_OPERATION, line, mask);
  return mask >> source & 1 ? warp.bits[slot][source] : ~0ull;
}
unsigned ballot(unsigned mask, bool value, int line) {
  Warp &warp = warps[current->linear / 32];
  unsigned slot = current->phase++ & 1, result = 0;
  warp.bits[slot][lane()] = value;
  current->orders_memory = false;
  suspend(AT_WARP_OPERATION, line, mask);
  for (int i = 0; i < 32; i++)
    if (mask >> i & 1) result |= (unsigned)warp.bits[slot][i] << i;
  return result;
}
void warp_barrier(unsigned mask, int line) {
  current->orders_memory = true;
  suspend(AT_WARP_OPERATION, line, mask);
}

int launch(void (*call)(void *), void *context, const unsigned *grid, const unsigned *block, size_t shared_bytes,
           char *shared_begin, char *shared_end, int order, int seed) {
  job = call, job_context = context, error[0] = 0, barriers = 0;
  gridDim = {grid[0], grid[1], grid[2]}, blockDim = {block[0], block[1], block[2]};
  uint64_t threads = (uint64_t)block[0] * block[1] * block[2], blocks = (uint64_t)grid[0] * grid[1] * grid[2];
  if (!threads || threads > MAX_THREADS || block[2] > 64 || !blocks || grid[0] > 0x7fffffffu || grid[1] > 65535 ||
      grid[2] > 65535)
    return snprintf(error, sizeof error, "invalid launch configuration: grid (%u,%u,%u), block (%u,%u,%u)", grid[0],
                    grid[1], grid[2], block[0], block[1], block[2]);
  if (shared_bytes > SHARED_LIMIT)
    return snprintf(error, sizeof error, "%zu bytes of shared memory; the limit is 48 KiB", shared_bytes);
  prepare_fibers((unsigned)threads);
  failed = false;
  shuffle_generator.seed((unsigned)seed);
  dynamic_store.resize(shared_bytes + GUARD + 15);
  char *dynamic = (char *)(((uintptr_t)dynamic_store.data() + 15) & ~(uintptr_t)15);
  shared_memory = {{shared_begin, shared_end}, {dynamic, dynamic + shared_bytes}};
  checker_begins_launch();
#if defined(__SSE__)
  struct Control {                                            // subnormals are zero, as under -ftz=true
    unsigned saved = _mm_getcsr();
    Control() { _mm_setcsr(saved | 0x8040); }
    ~Control() { _mm_setcsr(saved); }
  } control;
#endif
  std::vector<uint64_t> turn(blocks);
  arrange(turn, order);
  bool fine = true;
  for (uint64_t i : turn) {
    blockIdx = {unsigned(i % grid[0]), unsigned(i / grid[0] % grid[1]), unsigned(i / grid[0] / grid[1])};
    running.block = i;
    if (shared_begin) memset(shared_begin, POISON, shared_end - shared_begin);
    memset(dynamic_store.data(), POISON, dynamic_store.size());
    checker_begins_block();
    if (!(fine = run_block((unsigned)threads, order))) break;
    if (overran_dynamic_shared()) {
      snprintf(error, sizeof error, "block (%u,%u,%u) wrote behind its %zu bytes of dynamic shared memory",
               blockIdx.x, blockIdx.y, blockIdx.z, shared_bytes);
      fine = false;
      break;
    }
  }
  failed = !fine;
  return !fine;
}

ON_CPU_VISIBLE const char *on_cpu_error() { return error; }
ON_CPU_VISIBLE int on_cpu_barriers() { return barriers; }
}  // namespace on_cpu
