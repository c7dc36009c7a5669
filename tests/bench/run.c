/*
 * run.c -- see run.h.
 */
#include "config.h"

#include "tests/bench/run.h"

#include <stdio.h>
#include <stdlib.h>
#include "proto/mem.h"

struct run run;

void
run_user_name(char out[static 32], unsigned long number)
{
	snprintf(out, 32, "u%lu", 1 + number % run.users);
}

struct session *
run_open_at(const struct site *site, unsigned long number, unsigned long user, bool presence)
{
	char name[32];

	run_user_name(name, user);
	struct session *s = session_open(site, name, presence);
	s->number = (int)number;
	run.session[number] = s;
	return s;
}

struct session *
run_open_one(unsigned long number, unsigned long user, bool presence)
{
	return run_open_at(&bench.site, number, user, presence);
}

void
run_fell(struct session *s, const char *why)
{
	if (why == NULL)
		return;
	fprintf(stderr, "load: session of %s: %s\n", s->user, why);
	exit(1);
}

void
run_room_for(size_t sessions)
{
	run.session = xcalloc(sessions, sizeof *run.session);
	run.sessions = sessions;
}

void
run_close_all(void)
{
	bench.hooks = (struct scene_hooks){ .gone = NULL };
	for (size_t i = 0; i < run.sessions; i++)
		session_free(&run.session[i]);
	free(run.session);
	run.session = NULL;
	run.sessions = 0;
}

void
run_begin(void)
{
	run.begun = run.done = run.answered = 0;
	probe_read(&run.before);
	run.begin_ns = now_ns();
	run.stop_ns = run.begin_ns + (uint64_t)(run.seconds * 1e9);
}

void
run_must(bool done, const char *what)
{
	if (done)
		return;
	fprintf(stderr, "load: %s: %lu begun, %lu done, %lu answered, %lu refused\n", what, run.begun,
		run.done, run.answered, bench.errors);
	exit(1);
}

static bool
never(void)
{
	return false;
}

/* Servers work on after the last answer, and ask: let them, and read what it took. */
void
run_settle(struct probe *out, double seconds)
{
	struct scene_hooks hooks = bench.hooks;

	bench.hooks = (struct scene_hooks){ .gone = run_fell };
	wire_run(never, seconds);
	bench.hooks = hooks;
	probe_read(out);
}

/* The line's common part, left open; `cpu_until` has the CPU, run.after the time. */
void
run_say(const char *scene, unsigned long count, const struct probe *cpu_until)
{
	double seconds = run.after.wall - run.before.wall,
	       cpu = cpu_until->server_cpu - run.before.server_cpu;

	printf("{\"scene\": \"%s\", \"count\": %lu, \"width\": %lu, \"seconds\": %.4f, \"per_second\": %.1f, "
	       "\"cpu_seconds\": %.2f, \"cpu_10000\": %.3f, \"per_cpu_second\": %.1f, \"load_cpu_seconds\": "
	       "%.2f, \"load_ms_each\": %.3f, "
	       "\"managed\": %s, \"refused\": %lu, \"resident_kib\": %ld",
	       scene, count, run.width, seconds, (double)count / seconds, cpu, cpu * 10000 / (double)count,
	       (double)count / (cpu < 0.01 ? 0.01 : cpu), run.after.own_cpu - run.before.own_cpu,
	       (run.after.own_cpu - run.before.own_cpu) * 1000 / (double)count,
	       run.sessions > 0 && run.session[0] != NULL && run.session[0]->managed ? "true" : "false",
	       bench.errors, cpu_until->server_kib);
}

void
run_say_end(void)
{
	printf("}\n");
	fflush(stdout);
}

void
run_opened(struct session *s)
{
	(void)s;
	run.done++;
	if (run.begun < run.total) {
		run_open_one(run.begun, run.begun, true);
		run.begun++;
	}
}

bool
run_all_done(void)
{
	return run.done == run.total;
}
