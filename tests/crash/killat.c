/*
 * killat.c -- kill a process at its n-th system call: what tests/crash/syscalls stands on.
 *
 * usage: killat PID N      N 0: only count
 *
 * Attaches to every thread of PID and says "armed". On SIGUSR1 it begins to count and says "counting". At the
 * entry of the n-th system call from there, by whichever thread, before the system has done anything of it,
 * the process gets SIGKILL: "killed at N NAME-OF-CALL". On SIGTERM it lets the process go on unhurt: "count
 * N". Between the end of one system call and the entry of the next nothing changes that survives a process:
 * so these are all the moments at which a kill can make a difference. DIAGNOSTICS: 0 one of the above was
 * said, 1 the process ended by itself, 64 usage, 77 may not trace here.
 */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

enum { MAY_NOT = 77, THREADS_MOST = 256 };

static pid_t target;
static long kill_at, count;
static bool counting;
static struct { /* which threads have one seize behind them, and were let run to their next call */
	pid_t tid;
	bool fresh;
} threads[THREADS_MOST];
static size_t thread_count;

static void
say(const char *what, long number, const char *name)
{
	printf("%s %ld %s\n", what, number, name);
	fflush(stdout);
}

/* The calls on a message's way; of others the number says enough. */
static const char *
name_of(unsigned long long number)
{
	static const struct {
		long number;
		const char *name;
	} names[] = {
		{ SYS_pwrite64, "pwrite64" },
		{ SYS_pread64, "pread64" },
		{ SYS_fdatasync, "fdatasync" },
		{ SYS_fsync, "fsync" },
		{ SYS_write, "write" },
		{ SYS_read, "read" },
		{ SYS_futex, "futex" },
		{ SYS_fcntl, "fcntl" },
		{ SYS_epoll_pwait, "epoll_pwait" },
#ifdef SYS_epoll_wait /* not where it is a wrapper of the other */
		{ SYS_epoll_wait, "epoll_wait" },
#endif
		{ SYS_sendto, "sendto" },
		{ SYS_recvfrom, "recvfrom" },
		{ SYS_epoll_ctl, "epoll_ctl" },
		{ SYS_getrandom, "getrandom" },
		{ SYS_setsockopt, "setsockopt" },
	};
	static char other[32];

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if ((unsigned long long)names[i].number == number)
			return names[i].name;
	snprintf(other, sizeof other, "call-%llu", number);
	return other;
}

/* Seize every thread; one that is made meanwhile is caught by PTRACE_O_TRACECLONE of its maker. */
static bool
seize_all(void)
{
	const long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE;
	char path[64];
	DIR *tasks;
	struct dirent *entry;

	snprintf(path, sizeof path, "/proc/%d/task", (int)target);
	tasks = opendir(path);
	while (tasks != NULL && (entry = readdir(tasks)) != NULL) {
		pid_t tid = (pid_t)atol(entry->d_name);
		if (tid <= 0)
			continue;
		if (thread_count == THREADS_MOST || ptrace(PTRACE_SEIZE, tid, 0, options) != 0 ||
		    ptrace(PTRACE_INTERRUPT, tid, 0, 0) != 0) {
			closedir(tasks);
			return false;
		}
		threads[thread_count].tid = tid;
		threads[thread_count++].fresh = true;
	}
	if (tasks != NULL)
		closedir(tasks);
	return thread_count > 0;
}

/* At the entry of a system call: is it the one? */
static void
at_entry(pid_t tid)
{
	struct __ptrace_syscall_info info;

	if (!counting || ptrace(PTRACE_GET_SYSCALL_INFO, tid, sizeof info, &info) <= 0 ||
	    info.op != PTRACE_SYSCALL_INFO_ENTRY)
		return;
	if (++count != kill_at)
		return;
	kill(target, SIGKILL);
	say("killed at", count, name_of(info.entry.nr));
	exit(EX_OK);
}

/* One stop of one thread; returns how many threads had their first. */
static size_t
on_stop(pid_t tid, int status)
{
	int number = WSTOPSIG(status), deliver = 0;
	size_t first = 0;

	if (number == (SIGTRAP | 0x80))
		at_entry(tid);
	else if (status >> 16 == 0)
		deliver = number; /* a signal of its own */
	for (size_t i = 0; i < thread_count; i++)
		if (threads[i].tid == tid && threads[i].fresh) {
			threads[i].fresh = false;
			first = 1;
		}
	ptrace(PTRACE_SYSCALL, tid, 0, deliver);
	return first;
}

static void
let_go(void)
{
	int status;

	for (size_t i = 0; i < thread_count; i++) {
		ptrace(PTRACE_INTERRUPT, threads[i].tid, 0, 0);
		if (waitpid(threads[i].tid, &status, __WALL) > 0 && WIFSTOPPED(status))
			ptrace(PTRACE_DETACH, threads[i].tid, 0, 0);
	}
	say("count", count, "calls");
}

static int
trace(sigset_t *wanted)
{
	size_t stopped = 0;
	int status;

	for (;;) {
		pid_t tid = waitpid(-1, &status, __WALL | WNOHANG);
		if (tid > 0 && WIFSTOPPED(status)) {
			stopped += on_stop(tid, status);
			if (stopped == thread_count) {
				say("armed", (long)thread_count, "threads");
				stopped++;
			}
			continue;
		}
		if (tid > 0 && tid == target)
			return EXIT_FAILURE;
		if (tid > 0)
			continue;
		int signal_number = sigwaitinfo(wanted, NULL);
		if (signal_number == SIGTERM) {
			let_go();
			return EX_OK;
		}
		if (signal_number == SIGUSR1) {
			count = 0;
			counting = true;
			say("counting", kill_at, "is the last");
		}
	}
}

int
main(int argc, char **argv)
{
	sigset_t wanted;

	if (argc != 3)
		return EX_USAGE;
	target = (pid_t)atol(argv[1]);
	kill_at = atol(argv[2]);
	sigemptyset(&wanted);
	sigaddset(&wanted, SIGCHLD);
	sigaddset(&wanted, SIGTERM);
	sigaddset(&wanted, SIGUSR1);
	sigprocmask(SIG_BLOCK, &wanted, NULL);
	if (!seize_all()) {
		fprintf(stderr, "killat: %s\n", strerror(errno));
		return MAY_NOT;
	}
	return trace(&wanted);
}
