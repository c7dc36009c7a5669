/* cmd_login.c -- lazo login: make an account known here, check it with its relay, publish this device's keys. */
#include "config.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "client/cmd/cmd.h"
#include "client/cmd/prompt.h"
#include "client/link_cert.h"
#include "client/resolve.h"
#include "client/text.h"
#include "proto/jid.h"
#include "proto/mem.h"

/* What the person gave, checked before anything is done. EX_OK or said. */
static int
check(struct app *app, const struct args *args, struct sync_settings *settings)
{
	const char *server = args_value(args, "server"), *ca = args_value(args, "ca"), *pin = args_value(args, "pin");
	struct srv target;
	uint8_t raw[SHA256_LEN];
	char *real;

	if (server != NULL && !resolve_server(server, &target)) {
		out_error("usage", _("For example: --server 192.0.2.7:5222"), _("--server takes [xmpp://|xmpps://]HOST:PORT."));
		return EX_USAGE;
	}
	if (pin != NULL && !cert_pin_parse(pin, raw)) {
		out_error("usage", _("lazo shows it when it refuses a relay; compare it with what those who run it say."),
		    _("--pin takes sha256: and 64 hexadecimal digits: the SHA-256 of the relay's public key."));
		return EX_USAGE;
	}
	if (ca != NULL) {
		real = realpath(ca, NULL);
		if (real == NULL) {
			out_error("ca-file", fault_next(FAULT_CA_FILE), "%s: %s", ca, fault_sentence(FAULT_CA_FILE));
			return EX_CONFIG;
		}
		settings->ca_file = arena_strdup(app->arena, real);
		free(real);
	}
	if (server != NULL)
		settings->server = server;
	if (pin != NULL)
		settings->pin = arena_strdup(app->arena, pin);
	return EX_OK;
}

/* The token, or the whole invitation link xmpp:name@host?register;preauth=TOKEN (XEP-0401). */
static const char *
invitation_token(struct app *app, const char *text)
{
	const char *at = strstr(text, "preauth=");

	if (at == NULL)
		return text;
	at += strlen("preauth=");
	return arena_strndup(app->arena, at, strcspn(at, ";&"));
}

static bool
has_secret(struct app *app)
{
	struct arena *arena = arena_new_secret();
	bool has = app->account.id != 0 && account_get(app->db, arena, app->account.id, "secret.scram", NULL) != NULL;

	arena_free(&arena);
	return has;
}

/* NULL and *code_r EX_OK: the kept secret will do. */
static char *
get_password(struct app *app, const struct args *args, bool enroll, int *code_r)
{
	const char *file = args_value(args, "password-file");
	char *first, *second;

	*code_r = EX_NOINPUT;
	if (file != NULL)
		return prompt_file(file);
	*code_r = EX_NOPERM;
	first = prompt_secret(_("Password: "));
	if ((first == NULL || first[0] == '\0') && has_secret(app) && !enroll) {
		prompt_forget(&first);
		*code_r = EX_OK;
		return NULL;
	}
	if (first == NULL) {
		out_error("password-needed", _("Give it in a file: --password-file FILE"), "%s",
		    _("There is no terminal to ask for the password."));
		return NULL;
	}
	if (first[0] == '\0') {
		out_error("password-needed", _("Try again: lazo login JID"), "%s", _("No password was typed."));
		*code_r = EX_USAGE;
		prompt_forget(&first);
		return NULL;
	}
	if (!enroll)
		return first;
	second = prompt_secret(_("Once more: "));
	if (second == NULL || strcmp(first, second) != 0) {
		out_error("password", _("Try again: lazo login JID"), "%s", _("That was not the same twice."));
		*code_r = EX_USAGE;
		prompt_forget(&first);
	}
	prompt_forget(&second);
	return first;
}

/* The account's row: the sync needs one. *fresh_r: it was made just now. */
static int
ensure_account(struct app *app, const char *jid, bool *fresh_r)
{
	int code = app_open(app);

	if (code != EX_OK)
		return code;
	*fresh_r = !account_find(app->db, app->arena, jid, &app->account);
	if (!*fresh_r)
		return EX_OK;
	db_begin(app->db);
	account_add(app->db, jid, now_wall());
	code = app_commit(app);
	if (code == EX_OK && !account_find(app->db, app->arena, jid, &app->account))
		code = app_disk(app, NULL);
	return code;
}

static int
settle(struct app *app, const struct sync_settings *settings, const struct sync_result *result, int code, bool fresh)
{
	db_begin(app->db);
	if (result->logged_in)
		sync_settings_save(app->db, app->account.id, settings);
	else if (fresh)
		account_delete(app->db, app->account.id);
	if (app_commit(app) != EX_OK)
		return EX_IOERR;
	if (!result->logged_in)
		return code;
	if (app->json)
		out_json(json_pack("{s:s, s:b, s:i, s:i, s:I, s:I, s:I}", "account", app->account.jid, "logged_in", 1, "received",
		    (int)result->received, "unreadable", (int)result->unreadable, "bytes_sent",
		    (json_int_t)result->bytes_out, "bytes_received", (json_int_t)result->bytes_in, "milliseconds",
		    (json_int_t)result->took_ms));
	else
		out(_("Logged in as %s.\n"), text_line(app->arena, app->account.jid));
	return code;
}

static int
run(struct app *app, const struct args *args)
{
	bool enroll = args_flag(args, "invite") || args_flag(args, "new"), fresh = false;
	struct sync_settings settings = { .server = NULL };
	struct sync_result result;
	const char *address;
	struct jid jid;
	char *password;
	int code;

	if (!jid_parse_text(app->arena, args->at[0], &jid) || jid.node == NULL) {
		out_error("address", _("An address looks like name@host."), _("\"%s\" is not an address."), args->at[0]);
		return EX_USAGE;
	}
	address = jid_bare_text(app->arena, &jid);
	code = ensure_account(app, address, &fresh);
	if (code != EX_OK)
		return code;
	sync_settings_load(app->db, app->arena, app->account.id, &settings);
	settings.plain = args_flag(args, "plain");
	settings.password = NULL;
	code = check(app, args, &settings);
	password = code == EX_OK ? get_password(app, args, enroll, &code) : NULL;
	if (code != EX_OK && password == NULL) {
		result = (struct sync_result){ .logged_in = false };
		return settle(app, &settings, &result, code, fresh);
	}
	settings.password = password;
	settings.enroll = enroll;
	settings.token = args_flag(args, "invite") ? invitation_token(app, args_value(args, "invite")) : NULL;
	code = app_sync(app, &settings, &result);
	prompt_forget(&password);
	settings.password = NULL;
	return settle(app, &settings, &result, code, fresh);
}

static const struct option options[] = {
	{ "password-file", "FILE", N_("the password is the first line of this file (-: of stdin)") },
	{ "server", "HOST:PORT", N_("connect here; xmpps://HOST:PORT for TLS from the start") },
	{ "ca", "FILE", N_("trust relays certified by this authority too") },
	{ "pin", "sha256:…", N_("accept only the relay with this public key") },
	{ "invite", "TOKEN", N_("make the account first, with this invitation") },
	{ "new", NULL, N_("make the account first, where the relay lets anyone") },
	{ "plain", NULL, N_("if there is no safer way, show the relay the password itself, and keep it here") },
	{ NULL, NULL, NULL },
};

const struct verb verb_login = {
	.name = "login",
	.usage = "JID [OPTION]...",
	.summary = N_("make an account of yours known here and connect it"),
	.about = N_("The password is asked for on the terminal and not kept: what is kept fits this account only."),
	.options = options,
	.least = 1,
	.most = 1,
	.run = run,
};
