/*
 * lazod.c -- the relay's program: options, limits of the process, exit codes. Everything else is relay.c.
 *
 * lazod -c FILE      run in the foreground
 * lazod -t -c FILE   check the configuration: 0, or 78 with file:line
 */
#include "config.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "proto/mem.h"
#include "relay/conf.h"
#include "relay/conf_calls.h"
#include "relay/net/tls.h"
#include "relay/relay.h"
#include "relay/version.h"

static const char usage[] = "usage: lazod [-t] -c FILE\n"
			    "  -c FILE  the configuration, see lazod.conf(5)\n"
			    "  -t       only check it: exit 0, or 78 and say file and line\n"
			    "  -h       show this\n"
			    "  -V       show the version\n";

/* No memory in a core file, for it would hold keys: a limit of 0 does not bind a program that core_pattern pipes into (core(5)). */
static void
empty_core(void)
{
	FILE *filter = fopen("/proc/self/coredump_filter", "we");

	if (filter == NULL) /* a kernel without core files */
		return;
	fputs("0\n", filter);
	fclose(filter);
}

/* As many descriptors as we may have, and no core. */
static void
set_limits(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	limit = (struct rlimit){ 0, 0 };
	setrlimit(RLIMIT_CORE, &limit);
	empty_core();
	umask(077);
}

static int
refuse(char *error, int code)
{
	fprintf(stderr, "lazod: %s\n", error);
	free(error);
	return code;
}

/* -t: all that can be known without opening the database or a port. */
static int
check(struct conf *conf)
{
	char *error = NULL;
	struct tls *tls = tls_load(conf->certificate, conf->key, &error);
	int code = EX_OK;

	if (tls == NULL || !conf_calls_load(conf, &error))
		code = refuse(error, EX_CONFIG);
	tls_unref(&tls);
	conf_free(&conf);
	return code;
}

static int
run(struct conf *conf)
{
	char *error = NULL;
	int code;
	struct relay *relay = relay_new(conf, &error, &code);

	if (relay == NULL)
		return refuse(error, code);
	relay_run(relay);
	relay_free(&relay);
	return EX_OK;
}

int
main(int argc, char **argv)
{
	const char *file = NULL;
	bool only_check = false;
	char *error = NULL;
	struct conf *conf;
	int option;

	while ((option = getopt(argc, argv, "c:thV")) != -1) {
		switch (option) {
		case 'c':
			file = optarg;
			break;
		case 't':
			only_check = true;
			break;
		case 'h':
			fputs(usage, stdout);
			return EX_OK;
		case 'V':
			puts("lazod " LAZO_VERSION);
			return EX_OK;
		default:
			fputs(usage, stderr);
			return EX_USAGE;
		}
	}
	if (file == NULL || optind < argc) {
		fputs(usage, stderr);
		return EX_USAGE;
	}
	set_limits();
	conf = conf_load(file, &error);
	if (conf == NULL)
		return refuse(error, EX_CONFIG);
	return only_check ? check(conf) : run(conf);
}
