#define _GNU_SOURCE
#include "CSignals.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

// MARK: - Mapped files

enum { most_mappings = 4096 };

static struct {
  _Atomic uintptr_t start;
  _Atomic uintptr_t end;
  char *_Atomic path;
} mappings[most_mappings];
static pthread_mutex_t adding = PTHREAD_MUTEX_INITIALIZER;

int headimpact_add_mapping(const void *start, size_t count, const char *path) {
  uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
  char *copy = strdup(path);
  int number = -1;
  pthread_mutex_lock(&adding);
  for (int i = 0; copy && i < most_mappings; i++) {
    if (atomic_load(&mappings[i].start) != 0) continue;
    atomic_store(&mappings[i].path, copy);
    atomic_store(&mappings[i].end, ((uintptr_t)start + count + page - 1) / page * page);
    atomic_store(&mappings[i].start, (uintptr_t)start);
    number = i;
    break;
  }
  pthread_mutex_unlock(&adding);
  if (number < 0) free(copy);
  return number;
}

void headimpact_remove_mapping(int number) {
  if (number < 0 || number >= most_mappings) return;
  pthread_mutex_lock(&adding);
  char *path = atomic_exchange(&mappings[number].path, NULL);
  atomic_store(&mappings[number].start, 0);
  pthread_mutex_unlock(&adding);
  free(path);
}

static const char *file_at(uintptr_t address) {
  for (int i = 0; i < most_mappings; i++) {
    uintptr_t start = atomic_load(&mappings[i].start);
    if (start != 0 && address >= start && address < atomic_load(&mappings[i].end)) {
      return atomic_load(&mappings[i].path);
    }
  }
  return NULL;
}

// MARK: - The line

static char *_Atomic prefix;
static int erases_line;
static int shows_backtrace;

void headimpact_set_crash_prefix(const char *text) {
  char *copy = strdup(text);
  // What was there before stays: a handler may be reading it.
  if (copy) atomic_store(&prefix, copy);
}

struct line {
  char text[8192];
  size_t count;
};

static void add(struct line *line, const char *text) {
  size_t count = strlen(text);
  size_t room = sizeof line->text - 1 - line->count;
  if (count > room) count = room;
  memcpy(line->text + line->count, text, count);
  line->count += count;
}

static void add_number(struct line *line, uintptr_t value, unsigned base) {
  char digits[24];
  char *first = digits + sizeof digits;
  *--first = 0;
  do {
    *--first = "0123456789abcdef"[value % base];
    value /= base;
  } while (value != 0);
  add(line, first);
}

// Whether the address is just below the stack: a function's frame didn't fit.
static int is_stack_overflow(uintptr_t address, void *context) {
  ucontext_t *state = context;
#if defined(__x86_64__)
  uintptr_t top = (uintptr_t)state->uc_mcontext.gregs[REG_RSP];
#elif defined(__aarch64__)
  uintptr_t top = (uintptr_t)state->uc_mcontext.sp;
#else
  (void)state;
  uintptr_t top = 0;
#endif
  uintptr_t distance = address > top ? address - top : top - address;
  return top != 0 && distance < 65536;
}

static void describe(struct line *line, int number, siginfo_t *info, void *context, const char *file) {
  if (erases_line) add(line, "\r\033[K");
  const char *begin = atomic_load(&prefix);
  add(line, begin ? begin : "headimpact: ");
  if (file) {
    add(line, file);
    add(line,
        ": was shortened, or can't be read any more, while the program uses it. Replace a model's files by renaming, "
        "never in place\n");
    return;
  }
  const char *name = number == SIGBUS ? "SIGBUS" : "SIGSEGV";
  if (info->si_code <= 0) {
    add(line, "ended by ");
    add(line, name);
    add(line, ", which process ");
    add_number(line, (uintptr_t)info->si_pid, 10);
    add(line, " sent\n");
    return;
  }
  uintptr_t address = (uintptr_t)info->si_addr;
  if (number == SIGSEGV && is_stack_overflow(address, context)) {
    add(line, "crashed: the stack is too small (ulimit -s)");
  } else {
    add(line, "crashed: ");
    add(line, name);
    add(line, " at address 0x");
    add_number(line, address, 16);
  }
  add(line, shows_backtrace ? "\n" : "; HEADIMPACT_BACKTRACE=1 shows where\n");
}

// MARK: - The handler

static struct sigaction before_bus;
static struct sigaction before_segv;
static _Atomic pid_t reporting;

// Ends the process as the signal does by default.
static _Noreturn void die(int number) {
  signal(number, SIG_DFL);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, number);
  pthread_sigmask(SIG_UNBLOCK, &set, NULL);
  raise(number);
  _exit(128 + number);
}

// Never returns: the page may be back, with other bytes, and the computation would go on with them.
static void on_crash(int number, siginfo_t *info, void *context) {
  pid_t self = (pid_t)syscall(SYS_gettid);
  pid_t none = 0;
  if (!atomic_compare_exchange_strong(&reporting, &none, self)) {
    if (none == self) _exit(1);
    // Another thread reports already, and ends the process.
    for (;;) pause();
  }
  const char *file = number == SIGBUS && info->si_code > 0 ? file_at((uintptr_t)info->si_addr) : NULL;
  struct line line = {.count = 0};
  describe(&line, number, info, context, file);
  ssize_t written = write(STDERR_FILENO, line.text, line.count);
  (void)written;
  if (shows_backtrace) {
    struct sigaction *before = number == SIGBUS ? &before_bus : &before_segv;
    if (before->sa_flags & SA_SIGINFO) {
      before->sa_sigaction(number, info, context);
    } else if (before->sa_handler != SIG_DFL && before->sa_handler != SIG_IGN) {
      before->sa_handler(number);
    }
  }
  if (file) _exit(1);
  die(number);
}

void headimpact_report_crashes(int backtrace) {
  static char stack[1 << 16];
  static _Atomic int done;
  if (atomic_exchange(&done, 1)) return;
  shows_backtrace = backtrace;
  erases_line = isatty(STDERR_FILENO);
  // For the line about a stack without room for another frame.
  stack_t other = {.ss_sp = stack, .ss_size = sizeof stack};
  sigaltstack(&other, NULL);
  struct sigaction action = {.sa_sigaction = on_crash, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  sigemptyset(&action.sa_mask);
  sigaction(SIGBUS, &action, &before_bus);
  sigaction(SIGSEGV, &action, &before_segv);
}
