/* news.c -- see news.h. Told and marked as told, in this order: what a kill hides is told the next time. */
#include "config.h"

#include "client/cmd/news.h"

#include <string.h>

#include "client/cmd/cmd.h"
#include "client/cmd/show.h"
#include "client/db/device.h"
#include "client/text.h"

static void
tell_device(struct app *app, const struct device *device)
{
	const char *who = show_person(app, app->account.id, device->jid), *jid = text_line(app->arena, device->jid);
	unsigned id = (unsigned)device->id;

	if (app->json)
		out_json_note(json_pack("{s:s, s:s, s:s, s:I, s:s}", "notice", device->offers ? "changed-key" : "new-device",
		    "account", app->account.jid, "jid", device->jid, "device", (json_int_t)device->id, "trust",
		    trust_word(device->trust)));
	else if (device->offers)
		out_note(_("The key of device %u of %s CHANGED. Nothing is sent to them until you decide: lazo verify %s\n"), id, who,
		    jid);
	else if (strcmp(device->jid, app->account.jid) == 0)
		out_note(_("There is another device on your own account: %u. If it is not yours: lazo device remove %u\n"), id,
		    id);
	else if (device->trust == TRUST_UNDECIDED)
		out_note(_("%s has a new device: %u. Nothing goes to it until you decide: lazo verify %s\n"), who, id, jid);
	else
		out_note(_("%s has a new device: %u. Messages go to it too; to compare its key: lazo verify %s\n"), who, id, jid);
}

/* inbox.c notes when a later state of this home was met. */
static void
tell_set_back(struct app *app)
{
	int64_t when = account_get_int(app->db, app->account.id, "set_back", 0);

	if (when == account_get_int(app->db, app->account.id, "set_back.told", 0))
		return;
	if (app->json)
		out_json_note(json_pack("{s:s, s:s}", "notice", "set-back", "account", app->account.jid));
	else
		out_note("%s\n", _("This home was put back from an older copy, or another machine uses a copy of it. New encrypted "
				   "sessions were begun with everyone.\n  If there is another machine: lazo logout on one of the "
				   "two, and lazo login with a home of its own."));
	account_set_int(app->db, app->account.id, "set_back.told", when);
}

/* sync_pep.c notes what of our keys the relay would not have. Told again when the reason is another. */
static void
tell_refused_keys(struct app *app)
{
	const char *reason = account_get(app->db, app->arena, app->account.id, "keys.refused", NULL);
	const char *told = account_get(app->db, app->arena, app->account.id, "keys.refused.told", NULL);

	if (strcmp(reason == NULL ? "" : reason, told == NULL ? "" : told) == 0)
		return;
	if (reason[0] != '\0' && app->json)
		out_json_note(json_pack("{s:s, s:s, s:s}", "notice", "keys-refused", "account", app->account.jid, "reason", reason));
	else if (reason[0] != '\0')
		out_note(_("The relay did not take your encryption keys [%s]: nobody can begin to write to you encrypted.\n  It is tried "
			   "again at each lazo sync; if it stays so, ask those who run the relay.\n"), reason);
	account_set_text(app->db, app->account.id, "keys.refused.told", reason);
}

void
news_tell(struct app *app)
{
	struct device *list;
	size_t count = device_news(app->db, app->arena, app->account.id, &list);

	for (size_t i = 0; i < count; i++)
		tell_device(app, &list[i]);
	db_begin(app->db);
	tell_set_back(app);
	tell_refused_keys(app);
	device_set_told(app->db, app->account.id);
	db_commit(app->db, NULL);
}
