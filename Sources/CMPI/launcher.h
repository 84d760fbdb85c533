// What a rank can do about a launcher that waits for a host that is gone.
#ifndef HEADIMPACT_CMPI_LAUNCHER_H
#define HEADIMPACT_CMPI_LAUNCHER_H

#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

// Starts a process that kills those of `processes` that haven't ended, if the first of them hasn't after `seconds`. It
// outlives this process, which they may kill, and holds none of its files open. Descriptors name the processes: a number may
// be another's by then.
// The first is this process's parent: where that has changed, it was adopted, and nothing is killed.
//
// Between fork and _exit only what a signal handler may call.
static inline void cmpi_kill_after(const int *processes, int count, int seconds) {
  enum { most = 1024 };
  int files[most];
  int known = 0;
  for (int i = 0; i < count && known < most; i++) {
    int file = (int)syscall(SYS_pidfd_open, processes[i], 0);
    if (file < 0 && i == 0) return;
    if (file >= 0) files[known++] = file;
  }
  if (known == 0) return;
  if (getppid() != processes[0]) {
    for (int i = 0; i < known; i++) close(files[i]);
    return;
  }
  if (fork() == 0) {
    setsid();
    for (int file = 0, i = 0; i <= known; i++) {
      // Descriptors are opened in ascending order.
      unsigned last = i < known ? (unsigned)files[i] : ~0u;
      if (i == known || files[i] > file) syscall(SYS_close_range, (unsigned)file, i < known ? last - 1 : last, 0u);
      if (i < known) file = files[i] + 1;
    }
    struct pollfd ended = {files[0], POLLIN, 0};
    if (poll(&ended, 1, seconds * 1000) == 0)
      for (int i = 0; i < known; i++) syscall(SYS_pidfd_send_signal, files[i], SIGKILL, 0, 0);
    _exit(0);
  }
  for (int i = 0; i < known; i++) close(files[i]);
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
