/* cmd_history.c -- lazo history: both sides of a conversation, oldest first. */
#include "config.h"

#include "client/cmd/cmd.h"
#include "client/cmd/show.h"
#include "client/db/history.h"

static int
run(struct app *app, const struct args *args)
{
	const char *limit = args_value(args, "limit"), *since = args_value(args, "since");
	struct history_query query = { .newest = true, .words = args_value(args, "search"), .limit = 50 };
	struct message *list;
	long long number;
	size_t count;
	int code = app_account(app);

	if (code != EX_OK)
		return code;
	query.account = app->account.id;
	query.peer = app_person(app, args->at[0], &code);
	if (query.peer == NULL)
		return code;
	if (limit != NULL) {
		if (!args_number(limit, &number))
			return EX_USAGE;
		query.limit = (size_t)number;
	}
	if (since != NULL) {
		if (!args_number(since, &number))
			return EX_USAGE;
		query.since = number;
		query.newest = false;
	}
	count = history_list(app->db, app->arena, &query, &list);
	if (db_error(app->db) != NULL)
		return app_disk(app, db_error(app->db));
	for (size_t i = 0; i < count; i++) {
		if (app->json)
			out_json(show_message_json(app, &list[i]));
		else
			show_message(app, &list[i], false);
	}
	if (count == 0)
		out_note("%s\n", _("No messages."));
	return EX_OK;
}

static const struct option options[] = {
	{ "limit", "N", N_("the newest N messages (50)") },
	{ "since", "ID", N_("from the message after this number on") },
	{ "search", "WORDS", N_("only messages with these words") },
	{ NULL, NULL, NULL },
};

const struct verb verb_history = {
	.name = "history",
	.usage = "PERSON [OPTION]...",
	.summary = N_("show a conversation, both sides"),
	.options = options,
	.least = 1,
	.most = 1,
	.run = run,
};
