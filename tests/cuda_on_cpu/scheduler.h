// What scheduler.cpp tells checker.cpp about the thread that is running.
#pragma once
#include <stddef.h>
#include <stdint.h>

namespace on_cpu {
struct Running {
  uint64_t block;                        // linear index in the grid
  unsigned thread, warp;                 // linear index in the block
  unsigned block_epoch, warp_epoch;      // barriers passed since the block began
  const char *stack_begin, *stack_end;   // local variables: no other thread can see them
};
extern Running running;
struct Span { char *begin, *end; };
struct SharedMemory { Span fixed, dynamic; };   // fixed: the section of the __shared__ variables
extern SharedMemory shared_memory;
[[noreturn]] void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));  // ends the launch

// Called by the scheduler; checker.cpp overrides these empty ones.
void checker_begins_launch();
void checker_begins_block();
}  // namespace on_cpu
