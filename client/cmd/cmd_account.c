/* cmd_account.c -- lazo account: the accounts in this home; which one is meant when none is named. */
#include "config.h"

#include <string.h>

#include "client/cmd/cmd.h"
#include "client/text.h"
#include "proto/jid.h"

static int
list(struct app *app)
{
	static const int widths[] = { 36, 10, 0 };
	struct account *accounts;
	size_t count = account_list(app->db, app->arena, &accounts);

	for (size_t i = 0; i < count; i++) {
		const char *server = account_get(app->db, app->arena, accounts[i].id, "server", NULL);

		if (app->json) {
			json_t *object = json_pack("{s:s, s:b, s:b, s:s}", "account", accounts[i].jid, "standard",
			    accounts[i].standard, "logged_in", accounts[i].logged_in, "added",
			    text_rfc3339(app->arena, accounts[i].added));

			json_object_set_new(object, "server", server != NULL ? out_json_text(server) : json_null());
			out_json(object);
		} else {
			out_row(app->arena, widths,
			    (const char *[]){ accounts[i].jid, accounts[i].logged_in ? _("logged in") : _("logged out"),
			        accounts[i].standard ? _("standard") : "" },
			    3);
		}
	}
	if (count == 0)
		out_note("%s\n", _("There is no account here yet. Begin with: lazo login JID"));
	return db_error(app->db) != NULL ? app_disk(app, db_error(app->db)) : EX_OK;
}

static int
change(struct app *app, const struct args *args)
{
	bool removing = strcmp(args->at[0], "remove") == 0;
	int code;

	app->account_option = args->at[1];
	code = app_account(app);
	if (code != EX_OK)
		return code;
	if (removing && !args_flag(args, "yes")) {
		out_error("usage", _("If you mean it, add --yes. To keep the messages: lazo logout"),
		    _("This removes all messages and keys of %s here, for ever."), app->account.jid);
		return EX_USAGE;
	}
	db_begin(app->db);
	if (removing)
		account_delete(app->db, app->account.id);
	else
		account_set_standard(app->db, app->account.id);
	code = app_commit(app);
	if (code != EX_OK)
		return code;
	if (app->json)
		out_json(json_pack("{s:s, s:b, s:b}", "account", app->account.jid, "standard", !removing, "removed",
		    removing));
	else
		out(removing ? _("%s is gone from here.\n") : _("Commands mean %s now when none is named.\n"),
		    text_line(app->arena, app->account.jid));
	return EX_OK;
}

static int
run(struct app *app, const struct args *args)
{
	int code = app_open(app);

	if (code != EX_OK)
		return code;
	if (args->count == 0 || (args->count == 1 && strcmp(args->at[0], "list") == 0))
		return list(app);
	if (args->count == 2 && (strcmp(args->at[0], "default") == 0 || strcmp(args->at[0], "remove") == 0))
		return change(app, args);
	out_error("usage", arena_printf(app->arena, _("Usage: lazo %s %s"), args->verb->name, args->verb->usage), "%s",
	    _("That is not how it is written."));
	return EX_USAGE;
}

static const char *const words[] = { "list", "default", "remove", NULL };

static const struct option options[] = {
	{ "yes", NULL, N_("remove: yes, messages and keys too") },
	{ NULL, NULL, NULL },
};

const struct verb verb_account = {
	.name = "account",
	.usage = "[list | default JID | remove JID --yes]",
	.summary = N_("your accounts in this home"),
	.options = options,
	.words = words,
	.most = 2,
	.run = run,
};
