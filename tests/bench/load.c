/*
 * load.c -- a load generator for XMPP servers: what a server on this machine does in a second, and at what
 * cost.
 *
 * usage: load --port PORT --host HOST --users N --pid PID [--address IP] [--seconds S] [--no-sm] SCENE COUNT
 * [N]
 *
 *   idle COUNT           COUNT sessions that are available and silent: memory of each
 *   logins COUNT [N]     N at a time: TLS in full, SCRAM, bind, then good-bye
 *   chat COUNT [N]       messages to somebody online, N under way (sent and not yet come)
 *   border COUNT [N]     the same, from users of the server to users of another one: --far-port, --far-host, --far-pid
 *   offline COUNT [N]    messages to somebody away, N unanswered; then the receivers come and get them
 *
 * Accounts are u1 to uN at HOST with the password of $LAZO_BENCH_PASSWORD; PORT speaks TLS from the first
 * byte (XEP-0368). PID is the server's process, whose CPU and memory are read. S seconds (30) after its begin
 * a scene sends nothing new and rates are those of what was sent. Prints one line of JSON a scene.
 * DIAGNOSTICS: 0 measured, 1 a session fell, or messages were refused or lost, 64 usage.
 */
#include "config.h"

#include "tests/bench/run.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sysexits.h>

static const struct scene {
	const char *name;
	void (*play)(void);
	unsigned long width;
} scenes[] = {
	{ "idle", scene_idle, 0 },
	{ "logins", scene_logins, 16 },
	{ "chat", scene_chat, 100 },
	{ "border", scene_border, 1000 },
	{ "offline", scene_offline, 100 },
};

static int
usage(void)
{
	fprintf(
	    stderr,
	    "usage: load --port PORT --host HOST --users N --pid PID [--address IP] [--seconds S] [--no-sm]\n"
	    "            idle|logins|chat|border|offline COUNT [N]\n");
	return EX_USAGE;
}

static bool
options(int argc, char **argv)
{
	static const struct option known[] = {
		{ "port", required_argument, NULL, 'p' },    { "host", required_argument, NULL, 'h' },
		{ "users", required_argument, NULL, 'u' },   { "pid", required_argument, NULL, 'i' },
		{ "address", required_argument, NULL, 'a' }, { "seconds", required_argument, NULL, 's' },
		{ "no-sm", no_argument, NULL, 'n' },         { "far-port", required_argument, NULL, 'P' },
		{ "far-host", required_argument, NULL, 'H' }, { "far-pid", required_argument, NULL, 'I' },
		{ NULL, 0, NULL, 0 }
	};
	pid_t pid = 0, far = 0;

	for (int c; (c = getopt_long(argc, argv, "", known, NULL)) != -1;) {
		switch (c) {
		case 'p':
			bench.site.port = atoi(optarg);
			break;
		case 'h':
			bench.site.host = optarg;
			break;
		case 'u':
			run.users = strtoul(optarg, NULL, 10);
			break;
		case 'i':
			pid = atoi(optarg);
			break;
		case 'a':
			bench.address = optarg;
			break;
		case 's':
			run.seconds = strtod(optarg, NULL);
			break;
		case 'n':
			bench.manage = false;
			break;
		case 'P':
			bench.far.port = atoi(optarg);
			break;
		case 'H':
			bench.far.host = optarg;
			break;
		case 'I':
			far = atoi(optarg);
			break;
		default:
			return false;
		}
	}
	probe_processes(pid, far);
	return bench.site.port > 0 && bench.site.host != NULL && run.users > 0 && pid > 0 && run.seconds > 0 &&
	    (bench.far.port > 0) == (bench.far.host != NULL && far > 0);
}

int
main(int argc, char **argv)
{
	const struct scene *scene = NULL;
	struct rlimit files;

	bench.address = "127.0.0.1";
	bench.manage = true;
	bench.password = getenv("LAZO_BENCH_PASSWORD");
	run.seconds = 30;
	if (!options(argc, argv) || bench.password == NULL || argc - optind < 2)
		return usage();
	for (size_t i = 0; i < sizeof scenes / sizeof *scenes; i++)
		if (strcmp(argv[optind], scenes[i].name) == 0)
			scene = &scenes[i];
	run.total = strtoul(argv[optind + 1], NULL, 10);
	if (scene == NULL || run.total == 0)
		return usage();
	run.width = argc - optind > 2 ? strtoul(argv[optind + 2], NULL, 10) : scene->width;
	if (run.width == 0 && scene->width != 0)
		return usage();
	signal(SIGPIPE, SIG_IGN);
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	bench.tls = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_mode(bench.tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
					SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(bench.tls, SSL_SESS_CACHE_OFF);
	bench.epoll = epoll_create1(EPOLL_CLOEXEC);
	scene->play();
	return bench.errors > 0;
}
