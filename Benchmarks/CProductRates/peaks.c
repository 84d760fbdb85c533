// The limits of the processor: multiply-adds with all operands in registers, and reading memory once.
#include "CProductRates.h"
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

// Independent chains: more than latency times instructions a cycle on any processor, and few enough for 16 registers.
#define CHAINS 12
// Multiply-adds of a chain between two looks at the clock: some milliseconds.
#define STEPS 400000L

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

// One round of a thread: its work, and what came out, so that no compiler leaves the work away.
typedef float round_function(const void *memory, size_t bytes);

typedef float quad __attribute__((vector_size(16)));

static float portable_round(const void *memory, size_t bytes) {
  (void)memory, (void)bytes;
  volatile float start = 1e-7f;
  quad sums[CHAINS], x = {start, start, start, start};
  for (int c = 0; c < CHAINS; c++) sums[c] = x;
  for (long step = 0; step < STEPS; step++) {
#pragma clang loop unroll(full)
    for (int c = 0; c < CHAINS; c++) sums[c] = x * x + sums[c];
  }
  quad sum = sums[0];
  for (int c = 1; c < CHAINS; c++) sum += sums[c];
  return sum[0];
}

#if defined(__x86_64__)
__attribute__((target("avx2,fma"))) static float avx2_round(const void *memory, size_t bytes) {
  (void)memory, (void)bytes;
  volatile float start = 1e-7f;
  __m256 sums[CHAINS], x = _mm256_set1_ps(start);
  for (int c = 0; c < CHAINS; c++) sums[c] = x;
  for (long step = 0; step < STEPS; step++) {
#pragma clang loop unroll(full)
    for (int c = 0; c < CHAINS; c++) sums[c] = _mm256_fmadd_ps(x, x, sums[c]);
  }
  for (int c = 1; c < CHAINS; c++) sums[0] = _mm256_add_ps(sums[0], sums[c]);
  return _mm256_cvtss_f32(sums[0]);
}

__attribute__((target("avx512f"))) static float avx512_round(const void *memory, size_t bytes) {
  (void)memory, (void)bytes;
  volatile float start = 1e-7f;
  __m512 sums[CHAINS], x = _mm512_set1_ps(start);
  for (int c = 0; c < CHAINS; c++) sums[c] = x;
  for (long step = 0; step < STEPS; step++) {
#pragma clang loop unroll(full)
    for (int c = 0; c < CHAINS; c++) sums[c] = _mm512_fmadd_ps(x, x, sums[c]);
  }
  for (int c = 1; c < CHAINS; c++) sums[0] = _mm512_add_ps(sums[0], sums[c]);
  return _mm512_cvtss_f32(sums[0]);
}

__attribute__((target("avx512f,avx512bw,avx512bf16"))) static float bf16_round(const void *memory, size_t bytes) {
  (void)memory, (void)bytes;
  volatile int start = 0x3f803f80;  // two ones
  __m512 sums[CHAINS];
  __m512i bits = _mm512_set1_epi32(start);
  __m512bh x;
  memcpy(&x, &bits, sizeof x);
  for (int c = 0; c < CHAINS; c++) sums[c] = _mm512_setzero_ps();
  for (long step = 0; step < STEPS; step++) {
#pragma clang loop unroll(full)
    for (int c = 0; c < CHAINS; c++) sums[c] = _mm512_dpbf16_ps(sums[c], x, x);
  }
  for (int c = 1; c < CHAINS; c++) sums[0] = _mm512_add_ps(sums[0], sums[c]);
  return _mm512_cvtss_f32(sums[0]);
}

__attribute__((target("avx2"))) static float avx2_read(const void *memory, size_t bytes) {
  const __m256i *from = memory;
  __m256i sums[8];
  for (int c = 0; c < 8; c++) sums[c] = _mm256_setzero_si256();
  for (size_t i = 0; i + 8 <= bytes / 32; i += 8) {
#pragma clang loop unroll(full)
    for (int c = 0; c < 8; c++) sums[c] = _mm256_xor_si256(sums[c], _mm256_loadu_si256(from + i + c));
  }
  for (int c = 1; c < 8; c++) sums[0] = _mm256_xor_si256(sums[0], sums[c]);
  return (float)_mm256_extract_epi32(sums[0], 0);
}
#endif

static float portable_read(const void *memory, size_t bytes) {
  uint64_t sum = 0;
  for (size_t at = 0; at + 8 <= bytes; at += 8) {
    uint64_t word;
    memcpy(&word, (const char *)memory + at, 8);
    sum ^= word;
  }
  return (float)sum;
}

typedef struct {
  round_function *function;
  const char *memory;
  size_t bytes;
  pthread_barrier_t *barrier;
  int rounds;
  double *starts, *ends;
} task;

static _Atomic float kept;

static void *run_task(void *argument) {
  task *t = argument;
  for (int round = 0; round < t->rounds; round++) {
    pthread_barrier_wait(t->barrier);
    t->starts[round] = now();
    atomic_store(&kept, t->function(t->memory, t->bytes));
    t->ends[round] = now();
  }
  return NULL;
}

#define MOST_THREADS 256
#define MOST_ROUNDS 512

// Seconds of the fastest of `rounds` rounds that all threads do together; 0 if they don't start.
static double fastest(round_function *function, const void *memory, size_t bytes, int threads, int rounds) {
  static double starts[MOST_THREADS][MOST_ROUNDS], ends[MOST_THREADS][MOST_ROUNDS];
  if (threads < 1 || threads > MOST_THREADS || rounds < 1 || rounds > MOST_ROUNDS) return 0;
  pthread_barrier_t barrier;
  if (pthread_barrier_init(&barrier, NULL, (unsigned)threads)) return 0;
  pthread_t handles[MOST_THREADS];
  task tasks[MOST_THREADS];
  size_t share = bytes / (size_t)threads / 256 * 256;
  for (int i = 0; i < threads; i++)
    tasks[i] = (task){function, (const char *)memory + share * (size_t)i, share, &barrier, rounds, starts[i], ends[i]};
  for (int i = 1; i < threads; i++)
    // Those that wait at the barrier can't be stopped: they and what they use stay.
    if (pthread_create(&handles[i], NULL, run_task, &tasks[i])) return 0;
  run_task(&tasks[0]);
  for (int i = 1; i < threads; i++) pthread_join(handles[i], NULL);
  pthread_barrier_destroy(&barrier);
  double least = 0;
  for (int round = 0; round < rounds; round++) {
    double first = starts[0][round], last = ends[0][round];
    for (int i = 1; i < threads; i++) {
      if (starts[i][round] < first) first = starts[i][round];
      if (ends[i][round] > last) last = ends[i][round];
    }
    if (least == 0 || last - first < least) least = last - first;
  }
  return least;
}

static int rounds_within(double seconds, double one) {
  double rounds = one > 0 ? seconds / one : 1;
  return rounds < 2 ? 2 : rounds > MOST_ROUNDS ? MOST_ROUNDS : (int)rounds;
}

static double best(round_function *function, const void *memory, size_t bytes, int threads, double seconds) {
  double one = fastest(function, memory, bytes, threads, 1);
  if (one == 0) return 0;
  double more = fastest(function, memory, bytes, threads, rounds_within(seconds, one));
  return more > 0 && more < one ? more : one;
}

double headimpact_peak_rate(headimpact_peak peak, int threads, double seconds) {
  round_function *function = NULL;
  double lanes = 0;
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (peak == headimpact_peak_avx2 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    function = avx2_round, lanes = 8;
  if (peak == headimpact_peak_avx512 && __builtin_cpu_supports("avx512f")) function = avx512_round, lanes = 16;
  if (peak == headimpact_peak_bf16 && __builtin_cpu_supports("avx512bf16")) function = bf16_round, lanes = 32;
#endif
  if (peak == headimpact_peak_portable) function = portable_round, lanes = 4;
  if (!function) return 0;
  double least = best(function, NULL, 0, threads, seconds);
  return least > 0 ? 2 * lanes * CHAINS * STEPS * threads / least : 0;
}

double headimpact_read_rate(const void *memory, size_t bytes, int threads, double seconds) {
  round_function *function = portable_read;
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2")) function = avx2_read;
#endif
  double least = best(function, memory, bytes, threads, seconds);
  return least > 0 ? (double)(bytes / (size_t)threads / 256 * 256) * threads / least : 0;
}

void headimpact_bench_fill(uint16_t *narrow, float *wide, size_t count, uint64_t seed) {
  for (size_t i = 0; i < count; i++) {
    // SplitMix64 of the counter; 1 to 2 with a random sign, so that sums stay small.
    uint64_t z = seed + (i + 1) * 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    uint32_t bits = 0x3f800000 | ((uint32_t)(z >> 40) & 0x7f0000) | ((uint32_t)(z >> 32) & 0x80000000);
    narrow[i] = (uint16_t)(bits >> 16);
    memcpy(wide + i, &bits, 4);
  }
}
