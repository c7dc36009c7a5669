/* cmd_logout.c -- lazo logout: forget the secrets of an account; messages and keys stay. */
#include "config.h"

#include "client/cmd/cmd.h"
#include "client/sync.h"
#include "client/text.h"

/* The token ends at the relay too, when it can be reached; else it dies by itself within a month (XEP-0484). */
static void
give_back(struct app *app)
{
	struct sync_owner owner = { .arg = NULL };
	struct sync_settings settings;
	struct sync_result result;

	if (account_get(app->db, app->arena, app->account.id, "secret.token", NULL) == NULL)
		return;
	sync_settings_load(app->db, app->arena, app->account.id, &settings);
	settings.give_back = true;
	sync_run(app->db, &app->account, &settings, &owner, &result);
}

static int
run(struct app *app, const struct args *args)
{
	int code = app_account(app);

	(void)args;
	if (code != EX_OK)
		return code;
	give_back(app);
	db_begin(app->db);
	account_set_logged_in(app->db, app->account.id, false);
	code = app_commit(app);
	if (code != EX_OK)
		return code;
	if (app->json)
		out_json(json_pack("{s:s, s:b}", "account", app->account.jid, "logged_in", 0));
	else
		out(_("%s is logged out here. Its messages stay; to remove them: lazo account remove %s\n"),
		    text_line(app->arena, app->account.jid), text_line(app->arena, app->account.jid));
	return EX_OK;
}

const struct verb verb_logout = {
	.name = "logout",
	.usage = "",
	.summary = N_("forget the password of an account here; messages stay"),
	.run = run,
};
