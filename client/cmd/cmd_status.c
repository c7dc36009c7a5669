/* cmd_status.c -- lazo status: where everything stands, or where one message is. Needs no network. */
#include "config.h"

#include "client/cmd/cmd.h"
#include "client/cmd/show.h"
#include "client/db/history.h"
#include "client/outbox.h"
#include "client/text.h"

/* The way so far: each state with the time at which it came about. */
static json_t *
way_json(struct app *app, const struct message *message)
{
	struct stage *stages;
	size_t count = history_stages(app->db, app->arena, message->id, &stages);
	json_t *way = json_array();

	json_array_append_new(way, json_pack("{s:s, s:s}", "state", "written", "time",
	    text_rfc3339(app->arena, message->time)));
	for (size_t i = 0; i < count; i++)
		json_array_append_new(way, json_pack("{s:s, s:s}", "state", sent_word(stages[i].state), "time",
		    text_rfc3339(app->arena, stages[i].time)));
	return way;
}

static void
show_way(struct app *app, const struct message *message)
{
	const char *elsewhere;
	struct stage *stages;
	size_t count = history_stages(app->db, app->arena, message->id, &stages);

	out("  %s  %s\n", text_when_full(app->arena, message->time), _("written"));
	for (size_t i = 0; i < count; i++)
		out("  %s  %s\n", text_when_full(app->arena, stages[i].time), show_sent(stages[i].state));
	if (message->sent == SENT_ACCEPTED && (elsewhere = show_elsewhere(app, message->id)) != NULL)
		out("  %s\n", elsewhere);
}

static int
one_message(struct app *app, int64_t id)
{
	struct message message;
	json_t *object, *elsewhere;

	if (!history_get(app->db, app->arena, id, &message)) {
		out_error("no-message", _("The numbers are shown by: lazo send, lazo read --json"),
		    _("There is no message %lld."), (long long)id);
		return EX_NOUSER;
	}
	if (app->json) {
		object = show_message_json(app, &message);
		if (message.sent != SENT_NOT)
			json_object_set_new(object, "stages", way_json(app, &message));
		if ((elsewhere = show_elsewhere_json(app, id)) != NULL)
			json_object_set_new(object, "elsewhere", elsewhere);
		out_json(object);
		return EX_OK;
	}
	show_message(app, &message, true);
	if (message.sent != SENT_NOT)
		show_way(app, &message);
	return EX_OK;
}

struct counts {
	size_t waiting, ready, accepted, refused;
};

static void
count_outbox(struct app *app, const struct account *account, struct counts *counts_r)
{
	struct outbox_item *list;
	size_t count = outbox_list(app->db, app->arena, account->id, &list);

	*counts_r = (struct counts){ .waiting = 0 };
	for (size_t i = 0; i < count; i++) {
		counts_r->waiting += list[i].state == SENT_WAITING;
		counts_r->ready += list[i].state == SENT_READY || list[i].state == SENT_SENT;
		counts_r->accepted += list[i].state == SENT_ACCEPTED;
		counts_r->refused += list[i].state == SENT_REFUSED;
	}
}

static void
tell_json(struct app *app, const struct account *account, const struct counts *counts)
{
	int64_t last = account_get_int(app->db, account->id, "last_login", 0);
	json_t *object = json_pack("{s:s, s:b, s:b, s:I, s:i, s:i, s:i, s:i}", "account", account->jid, "standard",
	    account->standard, "logged_in", account->logged_in, "new", (json_int_t)history_unread(app->db, account->id),
	    "waiting", (int)counts->waiting, "ready", (int)counts->ready, "accepted", (int)counts->accepted, "refused",
	    (int)counts->refused);

	json_object_set_new(object, "connected", last > 0 ? json_string(text_rfc3339(app->arena, last)) : json_null());
	out_json(object);
}

static void
tell(struct app *app, const struct account *account, const struct counts *counts)
{
	int64_t last = account_get_int(app->db, account->id, "last_login", 0);
	long unread = (long)history_unread(app->db, account->id);

	out("%s%s%s%s\n", out_bold(), text_line(app->arena, account->jid), out_plain(),
	    account->logged_in ? "" : _(" (logged out: lazo login JID)"));
	if (last > 0)
		out(_("  last connected %s\n"), text_when_full(app->arena, last));
	out("  ");
	out(ngettext("%ld new message\n", "%ld new messages\n", (unsigned long)unread), unread);
	if (counts->waiting > 0)
		out(ngettext("  %zu message waits for keys, safe here\n", "  %zu messages wait for keys, safe here\n",
		    (unsigned long)counts->waiting), counts->waiting);
	if (counts->ready > 0)
		out(ngettext("  %zu message safe here, not yet with the relay\n",
		    "  %zu messages safe here, not yet with the relay\n", (unsigned long)counts->ready), counts->ready);
	if (counts->accepted > 0)
		out(ngettext("  %zu message with the relay, not yet delivered\n",
		    "  %zu messages with the relay, not yet delivered\n", (unsigned long)counts->accepted), counts->accepted);
	if (counts->refused > 0)
		out(ngettext("  %zu message came back: lazo outbox\n", "  %zu messages came back: lazo outbox\n",
		    (unsigned long)counts->refused), counts->refused);
}

static int
run(struct app *app, const struct args *args)
{
	struct account *list;
	struct counts counts;
	long long id;
	size_t count;
	int code = app_account(app);

	if (code != EX_OK)
		return code;
	if (args->count > 0)
		return args_number(args->at[0], &id) ? one_message(app, id) : EX_USAGE;
	count = account_list(app->db, app->arena, &list);
	for (size_t i = 0; i < count; i++) {
		if (app->account_option != NULL && list[i].id != app->account.id)
			continue;
		count_outbox(app, &list[i], &counts);
		if (app->json)
			tell_json(app, &list[i], &counts);
		else
			tell(app, &list[i], &counts);
	}
	return db_error(app->db) != NULL ? app_disk(app, db_error(app->db)) : EX_OK;
}

const struct verb verb_status = {
	.name = "status",
	.usage = "[ID]",
	.summary = N_("where everything stands, or where one message is"),
	.about = N_("Safe here, with the relay, delivered, read, and when: as far as this home knows since the last sync."),
	.most = 1,
	.run = run,
};
