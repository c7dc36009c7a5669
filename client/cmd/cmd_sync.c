/* cmd_sync.c -- lazo sync: connect once, send what waits, fetch what is there. */
#include "config.h"

#include "client/cmd/cmd.h"
#include "client/outbox.h"
#include "client/text.h"

static size_t
still_waiting(struct app *app)
{
	struct outbox_item *list;
	size_t count = outbox_list(app->db, app->arena, app->account.id, &list), waiting = 0;

	for (size_t i = 0; i < count; i++)
		waiting += list[i].state == SENT_WAITING || list[i].state == SENT_READY || list[i].state == SENT_SENT;
	return waiting;
}

static void
tell(struct app *app, const struct sync_result *result, size_t waiting)
{
	if (app->json) {
		out_json(json_pack("{s:s, s:b, s:i, s:i, s:i, s:i, s:i, s:I, s:I, s:I}", "account", app->account.jid,
		    "complete", result->trouble.fault == FAULT_NONE, "received", (int)result->received, "unreadable",
		    (int)result->unreadable, "accepted", (int)result->accepted, "refused", (int)result->refused, "waiting",
		    (int)waiting, "bytes_sent", (json_int_t)result->bytes_out, "bytes_received", (json_int_t)result->bytes_in,
		    "milliseconds", (json_int_t)result->took_ms));
		return;
	}
	if (!result->logged_in)
		return;
	out("%s: ", text_line(app->arena, app->account.jid));
	out(ngettext("%zu new message", "%zu new messages", (unsigned long)result->received), result->received);
	if (result->unreadable > 0)
		out(ngettext(", %zu cannot be read", ", %zu cannot be read", (unsigned long)result->unreadable),
		    result->unreadable);
	if (result->accepted > 0)
		out(ngettext(", %zu sent", ", %zu sent", (unsigned long)result->accepted), result->accepted);
	if (result->refused > 0)
		out(ngettext(", %zu came back", ", %zu came back", (unsigned long)result->refused), result->refused);
	if (waiting > 0)
		out(ngettext(", %zu waits here", ", %zu wait here", (unsigned long)waiting), waiting);
	out(".\n");
}

/* One account. */
static int
sync_one(struct app *app)
{
	struct sync_result result;
	int code = app_sync(app, NULL, &result);
	size_t waiting = still_waiting(app);

	tell(app, &result, waiting);
	if (code == EX_OK && result.refused + result.unreadable > 0)
		code = EX_DATAERR;
	if (code == EX_OK && waiting > 0)
		code = EX_TEMPFAIL;
	return code;
}

static int
run(struct app *app, const struct args *args)
{
	struct account *list;
	size_t count;
	int code = app_account(app), one;

	(void)args;
	if (code != EX_OK)
		return code;
	if (app->account_option != NULL)
		return sync_one(app);
	count = account_list(app->db, app->arena, &list);
	for (size_t i = 0; i < count; i++) {
		if (!list[i].logged_in && count > 1)
			continue;
		app->account = list[i];
		one = sync_one(app);
		if (one != EX_OK && (code == EX_OK || code == EX_TEMPFAIL))
			code = one;
	}
	return code;
}

const struct verb verb_sync = {
	.name = "sync",
	.usage = "",
	.summary = N_("connect once: send what waits, fetch what came"),
	.about = N_("All accounts that are logged in, or the one of --account. lazo read shows what came."),
	.run = run,
};
