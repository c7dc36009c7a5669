/*
 * run.h -- the one scene that is being played: its sessions, its counts, its line of figures.
 *
 * scene_sessions.c and scene_messages.c play; run.c has what they share; load.c chooses.
 */
#ifndef BENCH_RUN_H
#define BENCH_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "tests/bench/probe.h"
#include "tests/bench/session.h"

enum { SCENE_OPENING = 32 /* logins at a time */, SCENE_GRACE = 30 /* seconds for what is under way */ };

struct run {
	unsigned long users, total, width; /* width: the scene's N */
	double seconds;
	struct session **session; /* by number */
	size_t sessions;
	unsigned long begun, done, answered; /* sessions or messages */
	uint64_t begin_ns;                   /* what was sent before is of another scene */
	uint64_t stop_ns;                    /* nothing new from here */
	struct samples came, acked;
	struct probe before, after;
};
extern struct run run;

void run_user_name(char out[static 32], unsigned long number);
struct session *run_open_at(const struct site *site, unsigned long number, unsigned long user, bool presence);
struct session *run_open_one(unsigned long number, unsigned long user, bool presence);
void run_room_for(size_t sessions);
void run_close_all(void);
void run_begin(void);                       /* the clock and the probes start */
void run_must(bool done, const char *what); /* or the program ends with what is missing */
void run_settle(struct probe *out, double seconds);
void run_say(const char *scene, unsigned long count, const struct probe *cpu_until);
void run_say_end(void);

/* Hooks: each session that is ready makes room for the next; one that falls ends the program. */
void run_opened(struct session *s);
void run_fell(struct session *s, const char *why);
bool run_all_done(void);

void scene_idle(void);
void scene_logins(void);
void scene_chat(void);
void scene_border(void);
void scene_offline(void);

#endif
