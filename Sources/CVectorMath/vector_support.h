// What the files of row kernels share.
#pragma once
#include <math.h>
#include <stdint.h>
#include <string.h>

// ThreadSanitizer's calls would come before it has started: the loader chooses while it loads.
#if defined(__x86_64__) && !__has_feature(thread_sanitizer)
#define MULTIVERSION __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define MULTIVERSION
#endif
#define INLINE static inline __attribute__((always_inline))
// Of a loop whose output may be one of its inputs, but begins nowhere else in it: the compiler would not use vectors in place.
#define ELEMENTWISE _Pragma("clang loop vectorize(assume_safety)")
#pragma clang fp reassociate(on) contract(fast)

// exp(x - rest) by Cephes' polynomial, within 2 units in the last place, for x from -87 to 88 and a rest of a few of its units in
// the last place.
INLINE float exp_in_range(float x, float rest) {
  // Vector loops and what remains of them must not order this differently.
#pragma clang fp reassociate(off) contract(on)
  const float magic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
  float z = x * 1.44269504088896341f + magic;
  int32_t bits;
  memcpy(&bits, &z, 4);
  float n = z - magic;
  float r = x - n * 0.693359375f;
  r = r - n * -2.12194440e-4f;
  r = r - rest;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r;
  p = p + 1.0f;
  uint32_t result;
  memcpy(&result, &p, 4);
  result += (uint32_t)bits << 23;  // n, moved into the exponent
  memcpy(&p, &result, 4);
  return p;
}

// exp within 2 units in the last place, and 0 below -87.
INLINE float fast_exp(float x) {
  x = x < -87.0f ? -87.0f : (x > 88.0f ? 88.0f : x);
  return exp_in_range(x, 0.0f);
}
