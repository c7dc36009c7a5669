/*
 * probe.c -- see probe.h.
 */
#include "config.h"

#include "tests/bench/probe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include "proto/mem.h"

static pid_t server, second;

void
probe_processes(pid_t pid, pid_t other)
{
	server = pid;
	second = other;
}

static size_t
read_proc(pid_t pid, const char *name, char *out, size_t room)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/%ld/%s", (long)pid, name);
	FILE *file = fopen(path, "r");
	size_t len = file == NULL ? 0 : fread(out, 1, room - 1, file);
	if (file != NULL)
		fclose(file);
	if (len == 0) {
		fprintf(stderr, "load: %s cannot be read: has the server ended?\n", path);
		exit(1);
	}
	out[len] = '\0';
	return len;
}

static void
add_process(struct probe *out, pid_t pid)
{
	char text[4096];
	unsigned long user = 0, system = 0;

	read_proc(pid, "stat", text, sizeof text);
	const char *after = strrchr(text, ')'); /* proc(5): the name may hold anything; utime is field 14 */
	if (after == NULL ||
	    sscanf(after + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2)
		abort();
	out->server_cpu += (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
	read_proc(pid, "status", text, sizeof text);
	const char *resident = strstr(text, "VmRSS:");
	out->server_kib += resident == NULL ? 0 : strtol(resident + 6, NULL, 10);
}

void
probe_read(struct probe *out)
{
	struct timespec now;
	struct rusage own;

	*out = (struct probe){ .wall = 0 };
	add_process(out, server);
	if (second != 0)
		add_process(out, second);
	clock_gettime(CLOCK_MONOTONIC, &now);
	out->wall = (double)now.tv_sec + (double)now.tv_nsec / 1e9;
	getrusage(RUSAGE_SELF, &own);
	out->own_cpu = (double)(own.ru_utime.tv_sec + own.ru_stime.tv_sec) +
		       (double)(own.ru_utime.tv_usec + own.ru_stime.tv_usec) / 1e6;
}

void
samples_add(struct samples *s, uint64_t ns)
{
	if (s->count == s->room) {
		s->room = s->room == 0 ? 1024 : 2 * s->room;
		s->ns = xrealloc(s->ns, s->room * sizeof *s->ns);
	}
	s->ns[s->count++] = ns;
}

static int
by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

void
samples_print(struct samples *s, const char *name)
{
	static const double parts[] = { 10, 50, 90, 99, 99.9, 100 };

	if (s->count == 0)
		return;
	qsort(s->ns, s->count, sizeof *s->ns, by_size);
	printf(", \"%s\": {\"count\": %zu", name, s->count);
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
		size_t at = (size_t)((double)s->count * parts[i] / 100);
		printf(", \"p%g\": %.3f", parts[i], (double)s->ns[at < s->count ? at : s->count - 1] / 1e6);
	}
	printf("}");
	free(s->ns);
	*s = (struct samples){ 0 };
}
