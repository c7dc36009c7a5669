/* cmd_outbox.c -- lazo outbox: what is not delivered yet, and what to do about it. */
#include "config.h"

#include <string.h>

#include "client/cmd/cmd.h"
#include "client/cmd/show.h"
#include "client/outbox.h"
#include "client/text.h"

static json_t *
item_json(struct app *app, const struct outbox_item *item)
{
	json_t *object = json_pack("{s:I, s:I, s:s, s:s, s:s, s:s, s:I}", "id", (json_int_t)item->id, "message",
	    (json_int_t)item->message, "account", app->account.jid, "to", item->to, "state", sent_word(item->state),
	    "created", text_rfc3339(app->arena, item->created), "tries", (json_int_t)item->tries);

	json_t *elsewhere;

	if (item->reason[0] != '\0')
		json_object_set_new(object, "reason", json_string(item->reason));
	json_object_set_new(object, "last", item->last > 0 ? json_string(text_rfc3339(app->arena, item->last)) :
	    json_null());
	json_object_set_new(object, "body", json_string(item->body));
	if (item->state == SENT_ACCEPTED && (elsewhere = show_elsewhere_json(app, item->message)) != NULL)
		json_object_set_new(object, "elsewhere", elsewhere);
	return object;
}

static void
tell_elsewhere(struct app *app, const struct outbox_item *item, const char *indent)
{
	const char *text = item->state == SENT_ACCEPTED ? show_elsewhere(app, item->message) : NULL;

	if (text != NULL)
		out("%s%s\n", indent, text);
}

static int
list(struct app *app)
{
	static const int widths[] = { 6, 20, 16, 36, 0 };
	struct outbox_item *items;
	size_t count = outbox_list(app->db, app->arena, app->account.id, &items);

	if (db_error(app->db) != NULL)
		return app_disk(app, db_error(app->db));
	for (size_t i = 0; i < count; i++) {
		if (app->json) {
			out_json(item_json(app, &items[i]));
			continue;
		}
		out_row(app->arena, widths,
		    (const char *[]){ arena_printf(app->arena, "%lld", (long long)items[i].id),
		        text_cut(app->arena, show_person(app, app->account.id, items[i].to), 20),
		        text_when(app->arena, items[i].created, now_wall()), show_sent(items[i].state),
		        text_cut(app->arena, text_line(app->arena, items[i].body), 40) },
		    5);
		if (items[i].reason[0] != '\0')
			out("        %s\n", text_line(app->arena, show_reason(items[i].reason)));
		tell_elsewhere(app, &items[i], "        ");
	}
	if (count == 0)
		out_note("%s\n", _("The outbox is empty: everything was delivered."));
	return EX_OK;
}

static int
show(struct app *app, int64_t id)
{
	struct outbox_item item;

	if (!outbox_get(app->db, app->arena, app->account.id, id, &item)) {
		out_error("no-item", _("To see them all: lazo outbox"), _("There is no message %lld in the outbox."),
		    (long long)id);
		return EX_NOUSER;
	}
	if (app->json) {
		out_json(item_json(app, &item));
		return EX_OK;
	}
	out(_("To:       %s\n"), text_line(app->arena, item.to));
	out(_("Written:  %s\n"), text_when_full(app->arena, item.created));
	out(_("State:    %s\n"), show_sent(item.state));
	tell_elsewhere(app, &item, "          ");
	if (item.reason[0] != '\0')
		out(_("Reason:   %s\n"), text_line(app->arena, show_reason(item.reason)));
	out(_("Tries:    %lld\n"), (long long)item.tries);
	if (item.last > 0)
		out(_("Last try: %s\n"), text_when_full(app->arena, item.last));
	out("\n%s\n", text_block(app->arena, item.body, 0));
	return EX_OK;
}

static int
cancel(struct app *app, int64_t id)
{
	if (!outbox_cancel(app->db, app->account.id, id, now_wall())) {
		if (db_error(app->db) != NULL)
			return app_disk(app, db_error(app->db));
		out_error("too-late", _("To see them all: lazo outbox"), _("Message %lld is not waiting here any more."),
		    (long long)id);
		return EX_NOUSER;
	}
	if (app->json)
		out_json(json_pack("{s:I, s:s}", "id", (json_int_t)id, "state", "cancelled"));
	else
		out(_("Message %lld will not be sent.\n"), (long long)id);
	return EX_OK;
}

static int
retry(struct app *app, int64_t id)
{
	if (!outbox_retry(app->db, app->account.id, id, now_wall())) {
		if (db_error(app->db) != NULL)
			return app_disk(app, db_error(app->db));
		out_error("no-item", _("To see them all: lazo outbox"), "%s", _("There is nothing to try again."));
		return EX_NOUSER;
	}
	if (app->json)
		out_json(json_pack("{s:o, s:s}", "id", id > 0 ? json_integer(id) : json_null(), "state", "ready"));
	else
		out("%s\n", _("It goes out with the next sync: lazo sync"));
	return EX_OK;
}

static int
run(struct app *app, const struct args *args)
{
	const char *word = args->count > 0 ? args->at[0] : "list";
	long long id = 0;
	int code = app_account(app);

	if (code != EX_OK)
		return code;
	if (strcmp(word, "list") == 0 && args->count <= 1)
		return list(app);
	if (args->count > 1 && !args_number(args->at[1], &id))
		return EX_USAGE;
	if (strcmp(word, "show") == 0 && args->count == 2)
		return show(app, id);
	if (strcmp(word, "cancel") == 0 && args->count == 2)
		return cancel(app, id);
	if (strcmp(word, "retry") == 0)
		return retry(app, id);
	out_error("usage", arena_printf(app->arena, _("Usage: lazo %s %s"), args->verb->name, args->verb->usage), "%s",
	    _("That is not how it is written."));
	return EX_USAGE;
}

static const char *const words[] = { "list", "show", "cancel", "retry", NULL };

const struct verb verb_outbox = {
	.name = "outbox",
	.usage = "[list | show ID | cancel ID | retry [ID]]",
	.summary = N_("what you wrote that is not delivered yet"),
	.words = words,
	.most = 2,
	.run = run,
};
