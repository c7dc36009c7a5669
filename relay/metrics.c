/*
 * metrics.c -- numbers for Prometheus: see metrics.h.
 *
 * DIAGNOSTICS: another path 404, another method 405, more than 4 KiB or no whole request within 10 s: closed; 16 callers at a time.
 */
#include "config.h"

#include "relay/metrics.h"

#include <dirent.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "proto/buf.h"
#include "proto/mem.h"
#include "relay/net/address.h"
#include "relay/net/callers.h"
#include "relay/net/clock.h"
#include "relay/net/listener.h"
#include "relay/net/local.h"
#include "relay/tally.h"
#include "relay/version.h"

static const struct callers_limits limits = { .most = 16, .bytes = 4096, .silence = 10000 };

struct metrics {
	metrics_fn *fn;
	void *arg;
	struct listener *listener; /* one of the two */
	struct local *local;
	char *address;
	struct callers *callers;
};

/* The text. */

static void
add_family(struct buf *out, const char *name, const char *type, const char *help)
{
	int len = (int)strcspn(name, "{");

	buf_printf(out, "# HELP %.*s %s\n# TYPE %.*s %s\n", len, name, help, len, name, type);
}

static void
add_gauge(struct buf *out, const char *name, const char *help, double value)
{
	add_family(out, name, "gauge", help);
	buf_printf(out, "%s %.17g\n", name, value);
}

static void
add_tallies(struct buf *out)
{
	for (size_t i = 0; i < TALLIES; i++) {
		if (tally_rows[i].help != NULL)
			add_family(out, tally_rows[i].name, "counter", tally_rows[i].help);
		buf_printf(out, "%s %.17g\n", tally_rows[i].name, (double)tally_get((enum tally)i) * tally_rows[i].scale);
	}
}

static double
open_descriptors(void)
{
	DIR *folder = opendir("/proc/self/fd");
	unsigned count = 0;

	if (folder == NULL)
		return 0;
	while (readdir(folder) != NULL)
		count++;
	closedir(folder);
	return count - 3; /* ".", "..", and the one that reads them */
}

uint64_t
metrics_resident(void)
{
	unsigned long size = 0, resident = 0;
	FILE *file = fopen("/proc/self/statm", "re");

	if (file == NULL)
		return 0;
	if (fscanf(file, "%lu %lu", &size, &resident) != 2)
		resident = 0;
	fclose(file);
	return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* The names that Prometheus's own libraries give them. */
static void
add_process(struct buf *out, int64_t started)
{
	struct rusage used;
	struct rlimit files = { 0, 0 };
	double cpu = 0;

	if (getrusage(RUSAGE_SELF, &used) == 0)
		cpu = (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
		    (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1e-6;
	getrlimit(RLIMIT_NOFILE, &files);
	add_family(out, "process_cpu_seconds_total", "counter", "Processor time of the relay.");
	buf_printf(out, "process_cpu_seconds_total %.17g\n", cpu);
	add_gauge(out, "process_resident_memory_bytes", "Memory of the relay.", (double)metrics_resident());
	add_gauge(out, "process_open_fds", "Open descriptors.", open_descriptors());
	add_gauge(out, "process_max_fds", "Descriptors that it may have.", (double)files.rlim_cur);
	add_gauge(out, "process_start_time_seconds", "When it was started, in seconds since 1970.", (double)started / 1000);
}

void
metrics_write(struct buf *out, const struct metrics_now *now)
{
	struct statvfs disk;

	add_family(out, "lazo_build_info", "gauge", "The version.");
	buf_printf(out, "lazo_build_info{version=\"%s\"} 1\n", LAZO_VERSION);
	add_gauge(out, "lazo_streams", "Connections of clients that are open.", (double)now->streams);
	add_gauge(out, "lazo_sessions", "Sessions of people, of which a connection may be broken.", (double)now->sessions);
	add_gauge(out, "lazo_queued_bytes", "Bytes that wait for clients to read them.", (double)now->queued_bytes);
	add_gauge(out, "lazo_certificate_expires_seconds", "When the certificate expires, in seconds since 1970.",
	    (double)now->certificate_expires / 1000);
	if (statvfs(now->data, &disk) == 0)
		add_gauge(out, "lazo_disk_free_bytes", "Room for the database.",
		    (double)disk.f_bavail * (double)disk.f_frsize);
	add_tallies(out);
	add_process(out, now->started);
}

/* Callers. */

static void
respond(struct caller *caller, const char *status, const struct buf *body)
{
	struct buf head = { 0 };

	buf_printf(&head,
	    "HTTP/1.1 %s\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: %zu\r\n"
	    "Connection: close\r\n\r\n",
	    status, body->len);
	caller_write(caller, head.data, head.len);
	caller_write(caller, body->data, body->len);
	caller_shutdown(caller);
	buf_free(&head);
}

/* The whole request is there: only its first line matters. */
static void
answer(struct metrics *metrics, struct caller *caller, const char *line)
{
	static const char path[] = "/metrics";
	const char *space = strchr(line, ' ');
	size_t len = space == NULL ? 0 : strcspn(space + 1, " ?\r\n");
	struct metrics_now now = { .sessions = 0 };
	struct buf body = { 0 };

	if (strncmp(line, "GET ", 4) != 0) {
		buf_adds(&body, "only GET\n");
		respond(caller, "405 Method Not Allowed", &body);
	} else if (len != strlen(path) || memcmp(space + 1, path, len) != 0) {
		buf_adds(&body, "only /metrics\n");
		respond(caller, "404 Not Found", &body);
	} else {
		metrics->fn(metrics->arg, &now);
		metrics_write(&body, &now);
		respond(caller, "200 OK", &body);
	}
	buf_free(&body);
}

static bool
heard(void *arg, struct caller *caller, struct buf *in)
{
	if (memchr(in->data, '\0', in->len) != NULL)
		return false;
	if (strstr(in->data, "\r\n\r\n") != NULL || strstr(in->data, "\n\n") != NULL)
		answer(arg, caller, in->data);
	return true;
}

static void
called(void *arg, int fd)
{
	struct metrics *metrics = arg;

	callers_take(metrics->callers, fd);
}

static void
called_by_tcp(void *arg, int fd, const char *peer)
{
	(void)peer;
	called(arg, fd);
}

static bool
is_loopback(const char *where)
{
	struct sockaddr_storage address;
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)&address;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&address;
	socklen_t len;
	bool any;

	if (!address_parse(where, &address, &len, &any) || any)
		return false;
	if (address.ss_family == AF_INET)
		return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
	return address.ss_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

struct metrics *
metrics_new(struct loop *loop, const char *where, metrics_fn *fn, void *arg, char **error_r)
{
	struct metrics *metrics;

	if (where[0] != '/' && !is_loopback(where)) {
		*error_r = xasprintf("metrics = \"%s\": only a loopback address (127.0.0.1:9222, [::1]:9222) or the path of a socket",
		    where);
		return NULL;
	}
	metrics = xcalloc(1, sizeof *metrics);
	metrics->fn = fn;
	metrics->arg = arg;
	metrics->callers = callers_new(loop, &limits, heard, metrics);
	if (where[0] == '/')
		metrics->local = local_listen(loop, where, called, metrics, error_r);
	else
		metrics->listener = listener_new(loop, where, NULL, called_by_tcp, metrics, error_r);
	if (metrics->local == NULL && metrics->listener == NULL)
		metrics_free(&metrics);
	else
		metrics->address = xstrdup(metrics->local != NULL ? where : listener_address(metrics->listener));
	return metrics;
}

const char *
metrics_address(const struct metrics *metrics)
{
	return metrics->address;
}

void
metrics_free(struct metrics **handle)
{
	struct metrics *metrics = *handle;

	if (metrics == NULL)
		return;
	*handle = NULL;
	listener_free(&metrics->listener);
	local_free(&metrics->local);
	callers_free(&metrics->callers);
	free(metrics->address);
	free(metrics);
}
