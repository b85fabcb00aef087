// Watches every memory access of a kernel, linked in for the checked run only.  The kernel is compiled with
// -fsanitize=thread, whose calls land here and not in ThreadSanitizer's run time, which knows nothing of
// blocks and warps.  Found, each with the address of the access for addr2line:
//   - an access outside the arrays given to the kernel, its shared memory and its own local variables;
//   - a read of shared memory that no thread of the block has written;
//   - a race: two threads, one of them writing (not both by atomics), with nothing between that orders them
//     (__syncthreads in a block, __syncwarp in a warp, nothing at all between blocks).
#include <link.h>

#include <algorithm>
#include <unordered_map>
#include <vector>

#include "cuda_on_cpu.h"
#include "scheduler.h"

namespace on_cpu {
namespace {
constexpr unsigned ANY = ~0u;
constexpr uint64_t ANY_BLOCK = ~0ull;
constexpr size_t CHUNK = 256;

struct Access {                          // the last one of its kind to a byte; ANY: several of one epoch
  uint64_t block = 0;
  unsigned thread = 0, warp = 0, block_epoch = 0, warp_epoch = 0;
  bool happened = false, atomic = false;
};
struct Byte { Access write, read; };
struct Chunk { Byte bytes[CHUNK]; };

std::unordered_map<uintptr_t, Chunk> shadow;
std::vector<Span> arrays;
Span image;                              // constants and globals of the compiled module
uintptr_t last_number;
Chunk *last_chunk;

Byte &shadow_of(uintptr_t address) {
  uintptr_t number = address / CHUNK;
  if (!last_chunk || number != last_number) last_chunk = &shadow[number], last_number = number;
  return last_chunk->bytes[address % CHUNK];
}

bool inside(const Span &span, const char *first, size_t size) {
  return first >= span.begin && first + size <= span.end;
}

// Does everything recorded in `earlier` come before what the running thread does now?
bool ordered(const Access &earlier) {
  if (earlier.block != running.block) return false;
  if (earlier.thread == running.thread || earlier.block_epoch != running.block_epoch) return true;
  return earlier.warp == running.warp && earlier.warp_epoch != running.warp_epoch;
}

Access now(bool atomic) {
  return {running.block, running.thread, running.warp, running.block_epoch, running.warp_epoch, true, atomic};
}

void record_read(Access &read) {
  if (!read.happened || ordered(read)) {
    read = now(false);
  } else if (read.block != running.block) {
    read.block = ANY_BLOCK;
  } else {
    read.thread = ANY;
    if (read.warp != running.warp) read.warp = ANY;
  }
}

void find_image() {
  dl_iterate_phdr(
      [](dl_phdr_info *object, size_t, void *) {
        char *low = (char *)~0ull, *high = nullptr;
        for (int i = 0; i < object->dlpi_phnum; i++) {
          const auto &header = object->dlpi_phdr[i];
          if (header.p_type != PT_LOAD) continue;
          low = std::min(low, (char *)(object->dlpi_addr + header.p_vaddr));
          high = std::max(high, (char *)(object->dlpi_addr + header.p_vaddr + header.p_memsz));
        }
        if ((char *)&image < low || (char *)&image >= high) return 0;
        image = {low, high};
        return 1;
      },
      nullptr);
}

size_t offset(const void *caller) { return (const char *)caller - image.begin; }

void watch(const void *address, size_t size, bool write, bool atomic, const void *caller) {
  const char *first = (const char *)address;
  if (first >= running.stack_begin && first < running.stack_end) return;
  const char *action = atomic ? "atomic update" : write ? "write" : "read";
  bool shared = inside(shared_memory.fixed, first, size) || inside(shared_memory.dynamic, first, size);
  if (!shared) {
    auto holds = [&](const Span &span) { return inside(span, first, size); };
    if (std::none_of(arrays.begin(), arrays.end(), holds)) {
      if (inside(image, first, size) && !write) return;
      fail("%s of %zu bytes outside every array @%zx", action, size, offset(caller));
    }
  }
  for (size_t i = 0; i < size; i++) {
    Byte &byte = shadow_of((uintptr_t)first + i);
    if (shared && !byte.write.happened && (!write || atomic))
      fail("%s of shared memory that was never written @%zx", action, offset(caller));
    bool both_atomic = atomic && byte.write.atomic;
    if (byte.write.happened && !both_atomic && !ordered(byte.write))
      fail("race: %s of %s memory written by thread %u of block %llu @%zx", action, shared ? "shared" : "global",
           byte.write.thread, (unsigned long long)byte.write.block, offset(caller));
    if (write && byte.read.happened && !ordered(byte.read))
      fail("race: %s of %s memory that another thread reads @%zx", action, shared ? "shared" : "global",
           offset(caller));
    if (write) byte.write = now(atomic);
    else record_read(byte.read);
  }
}

void forget(const Span &span) {
  for (char *p = span.begin; p < span.end; p++) shadow_of((uintptr_t)p) = Byte();
}
}  // namespace

void checker_begins_launch() {
  if (!image.begin) find_image();
  shadow.clear();
  last_chunk = nullptr;
}
void checker_begins_block() {
  forget(shared_memory.fixed);
  forget(shared_memory.dynamic);
}
void atomic_access(const void *address, size_t size, const void *caller) {
  watch(address, size, true, true, caller);
}

ON_CPU_VISIBLE void on_cpu_arrays(const uint64_t *begins, const uint64_t *sizes, int n) {
  arrays.clear();
  for (int i = 0; i < n; i++) arrays.push_back({(char *)begins[i], (char *)begins[i] + sizes[i]});
}
}  // namespace on_cpu

#define ON_CPU_HOOK(n)                                                                                     \
  extern "C" void __tsan_read##n(void *p) { on_cpu::watch(p, n, false, false, __builtin_return_address(0)); } \
  extern "C" void __tsan_write##n(void *p) { on_cpu::watch(p, n, true, false, __builtin_return_address(0)); } \
  extern "C" void __tsan_unaligned_read##n(void *p) { __tsan_read##n(p); }                                 \
  extern "C" void __tsan_unaligned_write##n(void *p) { __tsan_write##n(p); }
ON_CPU_HOOK(1) ON_CPU_HOOK(2) ON_CPU_HOOK(4) ON_CPU_HOOK(8) ON_CPU_HOOK(16)
extern "C" void __tsan_read_range(void *p, size_t n) {
  on_cpu::watch(p, n, false, false, __builtin_return_address(0));
}
extern "C" void __tsan_write_range(void *p, size_t n) {
  on_cpu::watch(p, n, true, false, __builtin_return_address(0));
}
extern "C" void __tsan_func_entry(void *) {}
extern "C" void __tsan_func_exit() {}
extern "C" void __tsan_init() {}
