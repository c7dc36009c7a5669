/*
 * scene_sessions.c -- scenes of sessions alone: what one costs at rest, and how fast they come.
 */
#include "config.h"

#include "tests/bench/run.h"

void
scene_idle(void)
{
	struct probe settled;

	run_room_for(run.total);
	bench.hooks = (struct scene_hooks){ .ready = run_opened, .gone = run_fell };
	run_begin();
	while (run.begun < run.total && run.begun < SCENE_OPENING) {
		run_open_one(run.begun, run.begun, true);
		run.begun++;
	}
	run_must(wire_run(run_all_done, SCENE_GRACE + run.seconds), "idle");
	probe_read(&run.after);
	run_settle(&settled, 3); /* their own presences still come, and the server may tidy up */
	run_say("idle", run.total, &settled);
	printf(", \"kib_each\": %.2f",
	       (double)(settled.server_kib - run.before.server_kib) / (double)run.total);
	run_say_end();
	run_close_all();
}

static void
logged_in(struct session *s)
{
	run.done++;
	session_close(s);
}

static bool
logins_done(void)
{
	/* A session is freed here, where no one is in the midst of it. */
	for (size_t i = 0; i < run.sessions; i++) {
		if (run.session[i] != NULL && run.session[i]->state != GONE)
			continue;
		session_free(&run.session[i]);
		if (run.begun < run.total && now_ns() < run.stop_ns)
			run_open_one(i, run.begun++, false);
	}
	return run.done == run.begun;
}

void
scene_logins(void)
{
	run_room_for(run.width);
	bench.hooks = (struct scene_hooks){ .ready = logged_in, .gone = run_fell };
	run_begin();
	run_must(wire_run(logins_done, SCENE_GRACE + run.seconds), "logins");
	probe_read(&run.after);
	run_say("logins", run.done, &run.after);
	run_say_end();
	run_close_all();
}
