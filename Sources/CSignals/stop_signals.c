#define _GNU_SOURCE
#include "CSignals.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

static _Atomic int first_signal;
static _Atomic int sender;
static _Atomic int terminations;
static _Atomic int owner;
static int exit_after_second;
// The handler writes a byte, and the watching thread wakes up.
static int wake[2] = {-1, -1};

static void on_stop(int number, siginfo_t *info, void *context) {
  (void)context;
  int saved = errno;
  int none = 0;
  if (number == SIGTERM) atomic_fetch_add(&terminations, 1);
  if (atomic_compare_exchange_strong(&first_signal, &none, number)) {
    // Positive codes are the kernel's own, of a terminal among them.
    atomic_store(&sender, info->si_code <= 0 ? info->si_pid : 0);
    char byte = 0;
    // The pipe is empty: this is its only byte.
    ssize_t written = write(wake[1], &byte, 1);
    (void)written;
  } else if (number == SIGINT && none == SIGINT) {
    _exit(exit_after_second);
  }
  errno = saved;
}

// Those that the handler is installed for.
static sigset_t caught;

int headimpact_catch_stop_signals(int second_exit) {
  if (wake[0] >= 0) return 0;
  if (pipe2(wake, O_CLOEXEC) != 0) return errno;
  exit_after_second = second_exit;
  sigemptyset(&caught);
  static const int numbers[] = {SIGHUP, SIGINT, SIGTERM, SIGUSR1};
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
    struct sigaction before;
    if (sigaction(numbers[i], NULL, &before) != 0) return errno;
    if (!(before.sa_flags & SA_SIGINFO) && before.sa_handler == SIG_IGN) continue;
    struct sigaction action = {.sa_sigaction = on_stop, .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK};
    sigemptyset(&action.sa_mask);
    if (sigaction(numbers[i], &action, NULL) != 0) return errno;
    sigaddset(&caught, numbers[i]);
  }
  // Threads that are started from now on inherit this.
  return pthread_sigmask(SIG_BLOCK, &caught, NULL);
}

void headimpact_take_stop_signals(int takes) { pthread_sigmask(takes ? SIG_UNBLOCK : SIG_BLOCK, &caught, NULL); }

int headimpact_stop_signal(void) { return atomic_load(&first_signal); }

int headimpact_terminations(void) { return atomic_load(&terminations); }

int headimpact_stop_sender(void) { return atomic_load(&sender); }

void headimpact_wait_for_stop_signal(void) {
  headimpact_take_stop_signals(1);
  char byte;
  while (atomic_load(&first_signal) == 0 || read(wake[0], &byte, 1) < 0) {
    struct pollfd readable = {.fd = wake[0], .events = POLLIN};
    poll(&readable, 1, -1);
  }
}

int headimpact_claim_stop(int asking) {
  int none = 0;
  return atomic_compare_exchange_strong(&owner, &none, asking) || none == asking;
}
