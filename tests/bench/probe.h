/*
 * probe.h -- what a process took of the machine, and what a scene says at its end.
 *
 * A scene's result is one line of JSON on stdout. CPU is user and system time of all threads, in steps of 10
 * ms; memory is VmRSS. A process that cannot be read ends the program: a figure without its server is no
 * figure.
 */
#ifndef BENCH_PROBE_H
#define BENCH_PROBE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct probe {
	double wall, server_cpu, own_cpu; /* seconds */
	long server_kib;
};

/* Times in ns, to be told as percentiles. */
struct samples {
	uint64_t *ns;
	size_t count, room;
};

void probe_processes(pid_t server, pid_t other); /* other: 0, or counted with it */
void probe_read(struct probe *out);

void samples_add(struct samples *s, uint64_t ns);
void samples_print(struct samples *s,
		   const char *name); /* , "NAME": {"p50": ms ...}: sorts and empties them */

#endif
