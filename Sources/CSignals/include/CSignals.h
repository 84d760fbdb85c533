// What happens inside signal handlers. They may call only what is async-signal-safe, so they are in C.
#pragma once
#include <stddef.h>

// Stop signals: SIGHUP, SIGINT, SIGTERM, SIGUSR1. The first one is remembered; a second SIGINT ends the process at once.

// Who ends the process after a stop signal.
enum headimpact_stop_owner { HEADIMPACT_MAIN = 1, HEADIMPACT_WATCHER = 2 };

// Installs the handlers, except for signals that are ignored, as under nohup, and blocks the signals on this thread and
// those that it starts. Returns 0 or the value of errno. To be called before any thread computes: a library's kernels may
// use memory below the stack pointer, which a handler on their threads would overwrite.
// `second_exit` is the exit code after a second SIGINT.
int headimpact_catch_stop_signals(int second_exit);

// The first stop signal; 0 if there was none.
int headimpact_stop_signal(void);

// How many SIGTERM came.
int headimpact_terminations(void);

// The process that sent the first stop signal; 0 if unknown.
int headimpact_stop_sender(void);

// Lets this thread handle stop signals, or no longer.
void headimpact_take_stop_signals(int takes);

// Handles stop signals on this thread from now on, and sleeps until there is one. For one thread, which must not end.
void headimpact_wait_for_stop_signal(void);

// Returns 1 if `owner` is the first that asked to end the process, again as often as it asks; 0 if another was.
int headimpact_claim_stop(int owner);

// Crash reports: SIGBUS and SIGSEGV end the process with one line on standard error.

// Installs the handlers. With `backtrace`, the handlers that were there before run after the line.
void headimpact_report_crashes(int backtrace);

// The line begins with this text, which is copied.
void headimpact_set_crash_prefix(const char *prefix);

// Remembers that a file is mapped here, for the line. Returns its number; -1 if there is no room for more.
int headimpact_add_mapping(const void *start, size_t count, const char *path);

void headimpact_remove_mapping(int number);
