/* cmd_app.c -- what verbs share: home, account, person, sync with its words. */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "client/cmd/cmd.h"
#include "client/cmd/news.h"
#include "client/db/contact.h"
#include "client/link_cert.h"
#include "client/text.h"
#include "proto/jid.h"
#include "proto/mem.h"

/* -- options ----------------------------------------------------------------------------------------------- */

static long
option_place(const struct args *args, const char *name)
{
	const struct option *options = args->verb->options;

	for (long i = 0; options != NULL && options[i].name != NULL; i++)
		if (strcmp(options[i].name, name) == 0)
			return i;
	return -1;
}

const char *
args_value(const struct args *args, const char *name)
{
	long place = option_place(args, name);

	return place < 0 ? NULL : args->values[place];
}

bool
args_flag(const struct args *args, const char *name)
{
	return args_value(args, name) != NULL;
}

bool
args_number(const char *text, long long *number_r)
{
	char *end;

	errno = 0;
	*number_r = strtoll(text, &end, 10);
	if (errno == 0 && end != text && *end == '\0' && *number_r >= 0 && text[0] != '-' && text[0] != '+')
		return true;
	out_error("usage", _("Write it in digits, for example: 20"), _("\"%s\" is not a number."), text);
	return false;
}

/* -- home and account -------------------------------------------------------------------------------------- */

int
app_disk(struct app *app, const char *why)
{
	(void)app;
	out_error("disk", _("Make room or check the disk; lazo doctor tells more."), "%s",
	    why != NULL && why[0] != '\0' ? why : _("The messages on this disk cannot be read or written."));
	return EX_IOERR;
}

int
app_open(struct app *app)
{
	char *error = NULL;

	if (app->db != NULL)
		return EX_OK;
	if (!home_find(app->home_option, &app->home, &error)) {
		out_error("home", _("Name a folder of your own: --home DIR"), "%s", error);
		free(error);
		return EX_CONFIG;
	}
	app->db = db_open(app->home.data, &error);
	if (app->db != NULL)
		return EX_OK;
	app_disk(app, error);
	free(error);
	return EX_IOERR;
}

int
app_account(struct app *app)
{
	const char *wanted = NULL;
	struct jid jid;
	int code = app_open(app);

	if (code != EX_OK)
		return code;
	if (app->account_option != NULL) {
		if (!jid_parse_text(app->arena, app->account_option, &jid) || jid.node == NULL) {
			out_error("address", _("An address looks like name@host."), _("\"%s\" is not an address."), app->account_option);
			return EX_USAGE;
		}
		wanted = jid_bare_text(app->arena, &jid);
	}
	if (account_find(app->db, app->arena, wanted, &app->account))
		return EX_OK;
	if (wanted != NULL)
		out_error("no-account", _("To add it: lazo login JID"), _("There is no account %s here."), wanted);
	else
		out_error("no-account", _("Begin with: lazo login JID"), _("There is no account here yet."));
	return EX_CONFIG;
}

const char *
app_person(struct app *app, const char *word, int *code_r)
{
	struct contact contact;
	struct jid jid;
	size_t fits = contact_find(app->db, app->arena, app->account.id, word, &contact);

	if (fits == 1)
		return contact.jid;
	if (jid_parse_text(app->arena, word, &jid) && jid.node != NULL)
		return jid_bare_text(app->arena, &jid);
	if (fits > 1)
		out_error("ambiguous", _("Write more of the name, or the address: lazo contact list"),
		    _("\"%s\" fits %zu contacts."), word, fits);
	else
		out_error("no-person", _("Write an address (name@host), or a name from: lazo contact list"),
		    _("Nobody here is called \"%s\"."), word);
	*code_r = EX_NOUSER;
	return NULL;
}

void
app_close(struct app *app)
{
	if (app->db != NULL)
		db_close(&app->db);
	home_free(&app->home);
	arena_free(&app->arena);
}

int
app_commit(struct app *app)
{
	char *error = NULL;
	int code;

	if (db_commit(app->db, &error))
		return EX_OK;
	code = app_disk(app, error);
	free(error);
	return code;
}

/* -- sync -------------------------------------------------------------------------------------------------- */

static volatile sig_atomic_t stop_signal;

static void
on_signal(int number)
{
	stop_signal = number;
}

static bool
is_stopped(void *arg)
{
	(void)arg;
	return stop_signal != 0;
}

static void
on_progress(void *arg, enum sync_phase phase, size_t done, size_t total)
{
	(void)arg;
	switch (phase) {
	case SYNC_CONNECT:
		out_progress("%s", _("Connecting..."));
		break;
	case SYNC_KEYS:
		out_progress("%s", _("Fetching keys..."));
		break;
	case SYNC_SEND:
		out_progress(ngettext("Sending... %zu message", "Sending... %zu messages", (unsigned long)done), done);
		break;
	case SYNC_RECEIVE:
		out_progress(ngettext("Receiving... %zu message", "Receiving... %zu messages", (unsigned long)done), done);
		break;
	case SYNC_END:
		out_progress("%s", _("Finishing..."));
		break;
	}
	(void)total;
}

int
app_trouble(struct app *app, const struct sync_result *result)
{
	enum fault fault = result->trouble.fault;
	char pin[PIN_TEXT_LEN + 1];
	const char *next = fault_next(fault);

	if (result->pin_shown && (fault == FAULT_UNTRUSTED || fault == FAULT_PIN || fault == FAULT_NAME)) {
		cert_pin_text(pin, result->pin);
		next = arena_printf(app->arena, "%s\n  %s --pin %s", next, _("What it showed:"), pin);
	}
	out_error(fault_word(fault), next, "%s [%s]", fault_sentence(fault), result->trouble.detail);
	return fault_exit(fault);
}

int
app_sync(struct app *app, const struct sync_settings *settings, struct sync_result *result_r)
{
	struct sync_owner owner = { .progress = on_progress, .stopped = is_stopped };
	struct sigaction action = { .sa_handler = on_signal }, old_int, old_term;
	struct sync_settings kept;
	bool fine;

	if (settings == NULL) {
		sync_settings_load(app->db, app->arena, app->account.id, &kept);
		settings = &kept;
	}
	sigaction(SIGINT, &action, &old_int);
	sigaction(SIGTERM, &action, &old_term);
	fine = sync_run(app->db, &app->account, settings, &owner, result_r);
	sigaction(SIGINT, &old_int, NULL);
	sigaction(SIGTERM, &old_term, NULL);
	out_progress("%s", "");
	news_tell(app);
	return fine ? EX_OK : app_trouble(app, result_r);
}
