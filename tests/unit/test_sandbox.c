/* test_sandbox.c -- what the sandbox refuses and what must go on inside it, each tried in a child process of its own. */
#include "config.h"

#include "relay/sandbox.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include <openssl/rand.h>
#include "relay/net/loop.h"
#include "relay/store/read.h"
#include "relay/store/store.h"
#include "relay/store/txn.h"

static char folder[64];
static pid_t parent;

/* Each returns 0 when the call succeeded, else its errno. */

static int
try_exec(void)
{
	char *argv[] = { "/bin/true", NULL };

	execv(argv[0], argv);
	return errno;
}

static int
try_ptrace(void)
{
	return ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0 ? 0 : errno;
}

static int
try_fork(void)
{
	pid_t child = fork();

	if (child == 0)
		_exit(0);
	if (child < 0)
		return errno;
	waitpid(child, NULL, 0);
	return 0;
}

static int
try_packet(void)
{
	return socket(AF_PACKET, SOCK_RAW, 0) >= 0 ? 0 : errno;
}

static int
try_vsock(void)
{
	return socket(AF_VSOCK, SOCK_STREAM, 0) >= 0 ? 0 : errno;
}

static int
try_audit(void)
{
	return socket(AF_NETLINK, SOCK_RAW, 9) >= 0 ? 0 : errno;
}

static int
try_kill_other(void)
{
	return kill(parent, 0) == 0 ? 0 : errno;
}

static int
try_write_exec(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED ? 0 :
															errno;
}

static int
try_make_exec(void)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return mprotect(page, 4096, PROT_READ | PROT_EXEC) == 0 ? 0 : errno;
}

static int
try_unshare(void)
{
	return unshare(CLONE_NEWNS) == 0 ? 0 : errno;
}

static int
try_settime(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return syscall(SYS_clock_settime, CLOCK_MONOTONIC, &now) == 0 ? 0 : errno; /* EINVAL for who may */
}

static void *
thread(void *arg)
{
	*(int *)arg = try_packet(); /* the filter holds in threads too */
	return NULL;
}

static int
try_thread(void)
{
	pthread_t id;
	int got = 0, result = pthread_create(&id, NULL, thread, &got);

	if (result == 0)
		pthread_join(id, NULL);
	return result != 0 ? result : got == EPERM ? 0 : EINVAL;
}

static int
try_resolver(void)
{
	struct addrinfo hints = { .ai_flags = AI_ADDRCONFIG, .ai_socktype = SOCK_STREAM }, *found = NULL;
	int result = getaddrinfo("localhost", "5222", &hints, &found);

	if (result == 0)
		freeaddrinfo(found);
	return result == 0 ? 0 : ENOENT;
}

static int
try_sockets(void)
{
	static const int families[] = { AF_INET, AF_INET6, AF_UNIX };
	int result = 0;

	for (size_t i = 0; result == 0 && i < sizeof families / sizeof *families; i++) {
		int fd = socket(families[i], SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fd < 0)
			result = errno;
		else
			close(fd);
	}
	return result;
}

static int
try_random(void)
{
	unsigned char bytes[32];

	return RAND_bytes(bytes, sizeof bytes) == 1 ? 0 : EIO;
}

static void
stop(void *arg)
{
	loop_stop(arg);
}

static void
count_accounts(void *arg, bool failed, const struct account_row *rows, size_t count)
{
	(void)rows;
	(void)count;
	if (!failed)
		loop_stop(arg);
}

static void
work(void *arg)
{
	(void)arg;
}

/* A whole database opened, read and closed by its threads, a timer and the thread pool: all that the relay is made of. */
static int
try_store(void)
{
	struct loop *loop = loop_new();
	char *error = NULL;
	struct store *store = store_open(folder, loop, &error);

	if (store == NULL) {
		fprintf(stderr, "%s\n", error);
		return EIO;
	}
	read_accounts(store, count_accounts, loop);
	loop_run(loop);
	loop_work(loop, work, stop, loop);
	loop_run(loop);
	store_close(&store);
	loop_free(&loop);
	return 0;
}

static int
try_abort(void)
{
	abort();
}

static const struct attempt {
	const char *name;
	int (*fn)(void);
	int wanted; /* errno; < 0: killed by this signal */
} attempts[] = {
	{ "exec", try_exec, -SIGSYS },
	{ "ptrace", try_ptrace, -SIGSYS },
	{ "unshare", try_unshare, -SIGSYS },
	{ "fork", try_fork, EPERM },
	{ "packet socket", try_packet, EPERM },
	{ "vsock", try_vsock, EPERM },
	{ "audit netlink", try_audit, EPERM },
	{ "a signal to another", try_kill_other, EPERM },
	{ "writable and executable memory", try_write_exec, EPERM },
	{ "memory made executable", try_make_exec, EPERM },
	{ "setting a clock", try_settime, EPERM },
	{ "threads", try_thread, 0 },
	{ "sockets", try_sockets, 0 },
	{ "resolver", try_resolver, 0 },
	{ "random bytes", try_random, 0 },
	{ "database, loop and thread pool", try_store, 0 },
	{ "abort", try_abort, -SIGABRT },
};

/* What comes of it in a child: errno, or -signal. */
static int
in_child(int (*fn)(void), bool shut_in)
{
	struct rlimit none = { 0, 0 };
	const char *error;
	int status;
	pid_t child;

	fflush(NULL);
	child = fork();
	if (child == 0) {
		setrlimit(RLIMIT_CORE, &none);
		signal(SIGABRT, SIG_DFL);
		if (shut_in && !sandbox_enter(&error))
			_exit(255);
		_exit(fn());
	}
	waitpid(child, &status, 0);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static void
test_attempts(void **state)
{
	(void)state;
	if (!sandbox_is_built())
		skip();
	for (size_t i = 0; i < sizeof attempts / sizeof *attempts; i++) {
		int got = in_child(attempts[i].fn, true);
		/* What is to work and does not outside either (no /etc/hosts, say) tells nothing of the sandbox. */
		if (attempts[i].wanted == 0 && got != 0 && in_child(attempts[i].fn, false) == got)
			continue;
		if (got != attempts[i].wanted)
			fail_msg("%s: %d, wanted %d", attempts[i].name, got, attempts[i].wanted);
	}
}

/* Negative control: outside the sandbox an exec, a fork and executable memory work. */
static void
test_control(void **state)
{
	(void)state;
	assert_int_equal(in_child(try_exec, false), 0);
	assert_int_equal(in_child(try_fork, false), 0);
	assert_int_equal(in_child(try_kill_other, false), 0);
	assert_int_equal(in_child(try_write_exec, false), 0);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_attempts),
		cmocka_unit_test(test_control),
	};
	char command[80];
	int failed;

#ifdef SANITIZED
	return 77; /* the sanitizers need calls of their own */
#endif
	parent = getpid();
	snprintf(folder, sizeof folder, "/tmp/lazo-sandbox-XXXXXX");
	if (mkdtemp(folder) == NULL)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	snprintf(command, sizeof command, "rm -rf %s", folder);
	return system(command) != 0 ? 1 : failed;
}
