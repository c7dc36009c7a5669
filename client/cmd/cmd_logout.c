/* cmd_logout.c -- lazo logout: forget the secrets of an account; messages and keys stay. */
#include "config.h"

#include "client/cmd/cmd.h"
#include "client/text.h"

static int
run(struct app *app, const struct args *args)
{
	int code = app_account(app);

	(void)args;
	if (code != EX_OK)
		return code;
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
