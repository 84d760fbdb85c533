// What a rank can do about a launcher that waits for a host that is gone.
#ifndef HEADIMPACT_CMPI_LAUNCHER_H
#define HEADIMPACT_CMPI_LAUNCHER_H

#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

// Starts a process that kills this one's parent, `number`, if it hasn't ended after `seconds`. It outlives this process,
// which the parent may kill, and holds none of its files open. A descriptor names the parent: its number may be another's by
// then. Where the parent isn't `number` any more, nothing is killed: it is whoever adopted this process.
//
// Between fork and _exit only what a signal handler may call.
static inline void cmpi_kill_parent_after(int number, int seconds) {
  int parent = (int)syscall(SYS_pidfd_open, number, 0);
  if (parent < 0) return;
  if (getppid() != number) {
    close(parent);
    return;
  }
  if (fork() == 0) {
    setsid();
    dup2(parent, 0);
    syscall(SYS_close_range, 1u, ~0u, 0u);
    struct pollfd ended = {0, POLLIN, 0};
    if (poll(&ended, 1, seconds * 1000) == 0) syscall(SYS_pidfd_send_signal, 0, SIGKILL, 0, 0);
    _exit(0);
  }
  close(parent);
}

static inline void cmpi_exit_1(int signal) {
  (void)signal;
  _exit(1);
}

static inline void cmpi_exit_75(int signal) {
  (void)signal;
  _exit(75);
}

// From here on a crash ends the process with `code`, 75 or else 1, and without a word. MPI_Abort crashes now and then where
// the launcher ends at the same time: its threads tear down what the caller uses.
static inline void cmpi_crash_quietly(int code) {
  struct sigaction action = {0};
  action.sa_handler = code == 75 ? cmpi_exit_75 : cmpi_exit_1;
  action.sa_flags = SA_ONSTACK;
  int crashes[] = {SIGABRT, SIGSEGV, SIGBUS, SIGILL, SIGFPE};
  for (int i = 0; i < 5; i++) sigaction(crashes[i], &action, 0);
}

#endif
