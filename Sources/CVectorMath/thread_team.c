#define _GNU_SOURCE
#include "CVectorMath.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

enum { stack_bytes = 4 << 20 };

// A waiting thread sleeps on a condition variable. It spins first, for at most `longest_spin_ns`, only while its last waits were
// that short (adaptive spinning): on a quiet machine the loops of a forward pass follow each other within tens of microseconds,
// and waking an idle processor takes longer than a small loop. On a busy machine waits are as long as a time slice, and a thread
// that spun would take the processor from the one that it waits for.
enum { longest_spin_ns = 100000, most_credit = 8, wasted_spin = 4 };

typedef struct {
  // The thread spins while this is above 0. A short wait adds 1, a long one takes 1, or `wasted_spin` if it was spun through.
  int credit;
} spin_credit;

static inline void pause_a_moment(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

static int64_t nanoseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000000LL + now.tv_nsec;
}

// Spins until `value` is 0 (or is not).
static bool spin(atomic_uint *value, bool awaits_zero, int64_t since) {
  while (true) {
    for (int i = 0; i < 32; i++) {
      if ((atomic_load_explicit(value, memory_order_relaxed) == 0) == awaits_zero) return true;
      pause_a_moment();
    }
    if (nanoseconds() - since > longest_spin_ns) return false;
  }
}

// `other`: the processor that the awaited thread last ran on. On this one's own it can't run while this one spins.
static bool should_spin(const spin_credit *spins, int other) { return spins->credit > 0 && sched_getcpu() != other; }

static void learn(spin_credit *spins, bool spun, int64_t waited) {
  if (waited <= longest_spin_ns) {
    if (spins->credit < most_credit) spins->credit++;
  } else {
    spins->credit -= spun ? wasted_spin : 1;
    if (spins->credit < 0) spins->credit = 0;
  }
}

typedef struct {
  headimpact_team *team;
  unsigned number;
  pthread_t thread;
  spin_credit spins;
} team_thread;

struct headimpact_team {
  // Held by the caller of the loop that runs.
  pthread_mutex_t busy;
  // Guards all that follows.
  pthread_mutex_t lock;
  pthread_cond_t work, done;
  void (*body)(void *, int);
  void *context;
  // Threads that may still join the loop, and those that are in it. Looked at without the lock too.
  atomic_uint seats, active;
  // When the last loop began and when its last thread left it; where its caller and its last thread ran. The caller's
  // waits for that thread.
  int64_t began, left;
  atomic_int caller_processor, thread_processor;
  spin_credit spins;
  bool ends;
  // Started threads, besides the caller's; `wanted` until the first loop has tried to start them.
  unsigned wanted, started;
  bool has_started;
  team_thread threads[];
};

static void *work(void *argument) {
  // For the line about a crash: its own stack may be what is broken. A sanitizer has its own.
  char crash_stack[1 << 15];
  stack_t other = {.ss_sp = crash_stack, .ss_size = sizeof crash_stack}, before;
  if (sigaltstack(NULL, &before) == 0 && (before.ss_flags & SS_DISABLE)) sigaltstack(&other, NULL);
  team_thread *self = argument;
  headimpact_team *team = self->team;
  pthread_mutex_lock(&team->lock);
  while (true) {
    if (!team->ends && team->seats == 0) {
      int64_t since = nanoseconds();
      bool spun = should_spin(&self->spins, team->caller_processor);
      if (spun) {
        pthread_mutex_unlock(&team->lock);
        spin(&team->seats, false, since);
        pthread_mutex_lock(&team->lock);
      }
      while (!team->ends && team->seats == 0) pthread_cond_wait(&team->work, &team->lock);
      learn(&self->spins, spun, team->began - since);
    }
    if (team->ends) break;
    team->seats--;
    team->active++;
    team->thread_processor = sched_getcpu();
    void (*body)(void *, int) = team->body;
    void *context = team->context;
    pthread_mutex_unlock(&team->lock);
    body(context, (int)self->number);
    pthread_mutex_lock(&team->lock);
    // A body that returns leaves no task behind: nobody need join any more.
    team->seats = 0;
    if (--team->active == 0) {
      team->left = nanoseconds();
      pthread_cond_signal(&team->done);
    }
  }
  pthread_mutex_unlock(&team->lock);
  return NULL;
}

// Starts as many threads as the system lets it. Signals stay with the threads that the program had before, but for those
// of a thread's own crashes.
static void start(headimpact_team *team) {
  team->has_started = true;
  pthread_attr_t attributes;
  if (pthread_attr_init(&attributes) != 0) return;
  // The kernels' needs, whatever `ulimit -s` says.
  pthread_attr_setstacksize(&attributes, stack_bytes);
  sigset_t all, before;
  sigfillset(&all);
  static const int crashes[] = {SIGBUS, SIGSEGV, SIGFPE, SIGILL, SIGTRAP, SIGABRT};
  for (size_t i = 0; i < sizeof crashes / sizeof *crashes; i++) sigdelset(&all, crashes[i]);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  for (unsigned i = 0; i < team->wanted; i++) {
    team_thread *thread = &team->threads[i];
    thread->team = team;
    thread->number = i + 1;
    if (pthread_create(&thread->thread, &attributes, work, thread) != 0) break;
    team->started++;
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&attributes);
}

headimpact_team *headimpact_team_create(unsigned threads) {
  unsigned wanted = threads > 1 ? threads - 1 : 0;
  headimpact_team *team = calloc(1, sizeof *team + wanted * sizeof(team_thread));
  if (!team) return NULL;
  pthread_mutex_init(&team->busy, NULL);
  pthread_mutex_init(&team->lock, NULL);
  pthread_cond_init(&team->work, NULL);
  pthread_cond_init(&team->done, NULL);
  team->wanted = wanted;
  team->spins.credit = most_credit;
  for (unsigned i = 0; i < wanted; i++) team->threads[i].spins.credit = most_credit;
  return team;
}

void headimpact_team_destroy(headimpact_team *team) {
  if (!team) return;
  pthread_mutex_lock(&team->lock);
  team->ends = true;
  pthread_cond_broadcast(&team->work);
  pthread_mutex_unlock(&team->lock);
  for (unsigned i = 0; i < team->started; i++) pthread_join(team->threads[i].thread, NULL);
  pthread_cond_destroy(&team->done);
  pthread_cond_destroy(&team->work);
  pthread_mutex_destroy(&team->lock);
  pthread_mutex_destroy(&team->busy);
  free(team);
}

unsigned headimpact_team_threads(headimpact_team *team) {
  if (!team) return 1;
  pthread_mutex_lock(&team->busy);
  if (!team->has_started) start(team);
  unsigned threads = team->started + 1;
  pthread_mutex_unlock(&team->busy);
  return threads;
}

void headimpact_team_run(
    headimpact_team *team, unsigned threads, void (*body)(void *context, int thread), void *context) {
  // A loop within a loop, or beside one, is this thread's own affair.
  if (threads <= 1 || !team || pthread_mutex_trylock(&team->busy) != 0) {
    body(context, 0);
    return;
  }
  if (!team->has_started) start(team);
  unsigned seats = threads - 1 < team->started ? threads - 1 : team->started;
  if (seats > 0) {
    pthread_mutex_lock(&team->lock);
    team->body = body;
    team->context = context;
    team->seats = seats;
    team->began = nanoseconds();
    team->caller_processor = sched_getcpu();
    pthread_mutex_unlock(&team->lock);
    for (unsigned i = 0; i < seats; i++) pthread_cond_signal(&team->work);
  }
  body(context, 0);
  if (seats > 0) {
    pthread_mutex_lock(&team->lock);
    // Whoever has not woken up by now is not waited for.
    team->seats = 0;
    if (team->active > 0) {
      int64_t since = nanoseconds();
      bool spun = should_spin(&team->spins, team->thread_processor);
      if (spun) {
        pthread_mutex_unlock(&team->lock);
        spin(&team->active, true, since);
        pthread_mutex_lock(&team->lock);
      }
      while (team->active > 0) pthread_cond_wait(&team->done, &team->lock);
      learn(&team->spins, spun, team->left - since);
    }
    pthread_mutex_unlock(&team->lock);
  }
  pthread_mutex_unlock(&team->busy);
}
