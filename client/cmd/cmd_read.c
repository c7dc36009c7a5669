/*
 * cmd_read.c -- lazo read: what came, each once; the cursor moves only after the output was written and flushed.
 *
 * Each account has its cursor; without --account all of them count and move. Whoever moves cursors holds the lock "read", so
 * that two at once do not show the same message.
 */
#include "config.h"

#include <string.h>

#include "client/cmd/cmd.h"
#include "client/cmd/show.h"
#include "client/db/history.h"
#include "client/outbox.h"
#include "client/text.h"

enum { PAGE = 500, LOCK_WAIT_MS = 30000 };

/* The cursors of the accounts that are meant, as they were when we began. */
struct reading {
	struct account *accounts;
	int64_t *cursors;
	size_t count;
	bool moving; /* the cursors follow what was shown */
	bool fresh;  /* only what is behind its account's cursor */
};

static void
load_cursors(struct app *app, struct reading *reading)
{
	reading->count = account_list(app->db, app->arena, &reading->accounts);
	if (app->account_option != NULL) {
		reading->accounts = &app->account;
		reading->count = 1;
	}
	reading->cursors = arena_alloc(app->arena, (reading->count + 1) * sizeof(*reading->cursors));
	for (size_t i = 0; i < reading->count; i++)
		reading->cursors[i] = history_cursor(app->db, reading->accounts[i].id);
}

static int64_t
least_cursor(const struct reading *reading)
{
	int64_t least = reading->count > 0 ? reading->cursors[0] : 0;

	for (size_t i = 1; i < reading->count; i++)
		if (reading->cursors[i] < least)
			least = reading->cursors[i];
	return least;
}

static bool
is_wanted(const struct reading *reading, const struct message *message)
{
	for (size_t i = 0; reading->fresh && i < reading->count; i++)
		if (reading->accounts[i].id == message->account)
			return message->id > reading->cursors[i];
	return true;
}

/* After the person has it: the cursors, and "displayed" to those who want to know (XEP-0333). */
static int
mark_read(struct app *app, const struct reading *reading, const struct message *list, size_t count)
{
	int64_t now = now_wall();

	if (!out_flush())
		return app_disk(app, _("The output could not be written."));
	db_begin(app->db);
	for (size_t i = 0; i < count; i++)
		if (list[i].markable && list[i].unreadable == READABLE && is_wanted(reading, &list[i]))
			outbox_add_displayed(app->db, list[i].account, list[i].id, now);
	for (size_t i = 0; i < reading->count; i++)
		history_set_cursor(app->db, reading->accounts[i].id, list[count - 1].id);
	return app_commit(app);
}

static void
show(struct app *app, const struct message *message)
{
	if (app->json)
		out_json(show_message_json(app, message));
	else
		show_message(app, message, true);
}

/* One page of those behind query->since. Returns how many; *shown_r counts, *code_r is what to exit with. */
static size_t
page(struct app *app, struct history_query *query, const struct reading *reading, size_t *shown_r, int *code_r)
{
	struct arena *outer = app->arena;
	struct message *list;
	size_t count;

	app->arena = arena_new(); /* a year of messages does not stay in memory */
	count = history_list(app->db, app->arena, query, &list);
	for (size_t i = 0; i < count; i++) {
		if (!is_wanted(reading, &list[i]))
			continue;
		show(app, &list[i]);
		++*shown_r;
	}
	if (count > 0) {
		query->since = list[count - 1].id;
		if (reading->moving)
			*code_r = mark_read(app, reading, list, count);
	}
	arena_free(&app->arena);
	app->arena = outer;
	return count;
}

static int
run(struct app *app, const struct args *args)
{
	const char *since = args_value(args, "since");
	struct reading reading = { .fresh = since == NULL, .moving = since == NULL && !args_flag(args, "peek") };
	struct history_query query = { .received_only = true, .limit = PAGE };
	struct db_lock *lock = NULL;
	int code = app_account(app);
	size_t shown = 0, count;
	long long number = 0;

	if (code != EX_OK)
		return code;
	if (since != NULL && !args_number(since, &number))
		return EX_USAGE;
	if (args->count > 0 && (query.peer = app_person(app, args->at[0], &code)) == NULL)
		return code;
	query.account = app->account_option != NULL ? app->account.id : 0;
	if (query.peer != NULL)
		reading.moving = false; /* one person's messages: the others' stay new */
	if (reading.moving && (lock = db_lock(app->db, "read", LOCK_WAIT_MS)) == NULL) {
		out_error("busy", _("Try again when it has ended."), _("Another lazo read is showing the new messages just now."));
		return EX_TEMPFAIL;
	}
	load_cursors(app, &reading);
	query.since = since != NULL ? number : least_cursor(&reading);
	do
		count = page(app, &query, &reading, &shown, &code);
	while (code == EX_OK && count == PAGE);
	db_unlock(&lock);
	if (code == EX_OK && db_error(app->db) != NULL)
		code = app_disk(app, db_error(app->db));
	if (code == EX_OK && shown == 0)
		out_note("%s\n", _("Nothing new."));
	return code;
}

static const struct option options[] = {
	{ "new", NULL, N_("what was not shown yet; it is not new afterwards (this is what read does)") },
	{ "peek", NULL, N_("the same, but it stays new") },
	{ "since", "ID", N_("all that came after the message with this number; changes nothing") },
	{ NULL, NULL, NULL },
};

const struct verb verb_read = {
	.name = "read",
	.usage = "[PERSON] [--new|--peek|--since ID]",
	.summary = N_("show new messages"),
	.about = N_("Needs no network: lazo sync fetches. With PERSON only theirs, and they stay new."),
	.options = options,
	.most = 1,
	.run = run,
};
