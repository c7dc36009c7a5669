/* cmd_contact.c -- lazo contact: people, their names here, who is blocked. Cards are in card_io.c. */
#include "config.h"

#include <string.h>
#include <unistd.h>

#include "client/cmd/card_io.h"
#include "client/cmd/cmd.h"
#include "client/cmd/show.h"
#include "client/db/contact.h"
#include "client/db/device.h"
#include "client/omemo/payload.h"
#include "client/text.h"
#include "proto/jid.h"

static const char *
key_state(struct app *app, const char *jid)
{
	struct device *list;
	size_t count = device_list(app->db, app->arena, app->account.id, jid, &list), verified = 0, undecided = 0;

	for (size_t i = 0; i < count; i++) {
		if (list[i].trust == TRUST_CHANGED)
			return _("key changed: lazo verify");
		verified += list[i].trust == TRUST_VERIFIED;
		undecided += list[i].trust == TRUST_UNDECIDED && list[i].listed;
	}
	if (undecided > 0)
		return _("new device: lazo verify");
	if (verified > 0)
		return _("verified");
	return count > 0 ? _("encrypted") : _("no keys yet");
}

static json_t *
contact_json(struct app *app, const struct contact *contact)
{
	struct device *list;
	size_t count = device_list(app->db, app->arena, app->account.id, contact->jid, &list);

	return json_pack("{s:s, s:s, s:s, s:s, s:b, s:b, s:i}", "account", app->account.jid, "jid", contact->jid, "name",
	    contact->name, "subscription", contact->subscription, "blocked", contact->blocked, "verified",
	    contact->verified_once, "devices", (int)count);
}

/* Those who asked to be contacts: one address a line. */
static void
list_askers(struct app *app)
{
	const char *at = account_get(app->db, app->arena, app->account.id, "asked", NULL);

	while (at != NULL && *at != '\0') {
		size_t len = strcspn(at, "\n");
		const char *jid = arena_strndup(app->arena, at, len);

		if (app->json)
			out_json(json_pack("{s:s, s:s, s:b}", "account", app->account.jid, "jid", jid, "asks", 1));
		else
			out(_("%s wants to be your contact: lazo contact add %s\n"), text_line(app->arena, jid),
			    text_line(app->arena, jid));
		at += len + (at[len] == '\n');
	}
}

static int
list(struct app *app)
{
	static const int widths[] = { 20, 32, 0 };
	struct contact *people;
	size_t count = contact_list(app->db, app->arena, app->account.id, &people);

	if (db_error(app->db) != NULL)
		return app_disk(app, db_error(app->db));
	for (size_t i = 0; i < count; i++) {
		if (app->json)
			out_json(contact_json(app, &people[i]));
		else
			out_row(app->arena, widths,
			    (const char *[]){ text_cut(app->arena, text_line(app->arena, people[i].name), 20),
			        text_cut(app->arena, text_line(app->arena, people[i].jid), 32),
			        people[i].blocked ? _("blocked") : key_state(app, people[i].jid) },
			    3);
	}
	list_askers(app);
	if (count == 0)
		out_note("%s\n", _("No contacts yet. To add one: lazo contact add JID"));
	return EX_OK;
}

/* Who asked is answered now, whatever the answer. */
static void
forget_asker(struct app *app, const char *jid)
{
	const char *old = account_get(app->db, app->arena, app->account.id, "asked", NULL), *at;
	char *line = arena_printf(app->arena, "%s\n", jid);

	if (old == NULL || (at = strstr(old, line)) == NULL)
		return;
	account_set_text(app->db, app->account.id, "asked",
	    arena_printf(app->arena, "%.*s%s", (int)(at - old), old, at + strlen(line)));
}

static int
told(struct app *app, const char *jid, const char *state, const char *sentence)
{
	int code = app_commit(app);

	if (code != EX_OK)
		return code;
	if (app->json)
		out_json(json_pack("{s:s, s:s, s:s}", "account", app->account.jid, "jid", jid, "contact", state));
	else
		out("%s: %s\n", text_line(app->arena, jid), sentence);
	return EX_OK;
}

/* False: said. A name goes into XML. */
static bool
is_name(const char *name)
{
	if (name == NULL || payload_is_text(name))
		return true;
	out_error("not-text", _("Save it as UTF-8, then try again."), _("That is not text (UTF-8)."));
	return false;
}

static bool
is_card(const char *word)
{
	return strcmp(word, "-") == 0 || (strchr(word, '/') != NULL && access(word, R_OK) == 0) ||
	    (strchr(word, '@') == NULL && access(word, R_OK) == 0);
}

static int
add(struct app *app, const struct args *args)
{
	const char *name = args->count > 2 ? args->at[2] : NULL;
	const char *bare;
	struct jid jid;

	if (!is_name(name))
		return EX_DATAERR;
	if (is_card(args->at[1]))
		return card_add(app, args->at[1], name, args_flag(args, "verified"));
	if (!jid_parse_text(app->arena, args->at[1], &jid) || jid.node == NULL) {
		out_error("address", _("An address looks like name@host. A card is a file, or - for stdin."),
		    _("\"%s\" is neither an address nor a file."), args->at[1]);
		return EX_USAGE;
	}
	bare = jid_bare_text(app->arena, &jid);
	db_begin(app->db);
	contact_add(app->db, app->account.id, bare, name, now_wall());
	forget_asker(app, bare);
	return told(app, bare, "added", _("is a contact now; the relay hears of it with the next sync."));
}

static int
remove_person(struct app *app, const char *jid)
{
	db_begin(app->db);
	contact_remove(app->db, app->account.id, jid);
	return told(app, jid, "removed", _("is no contact any more; the messages stay."));
}

static int
block(struct app *app, const char *jid, bool blocked)
{
	db_begin(app->db);
	contact_know(app->db, app->account.id, jid, now_wall());
	contact_set_blocked(app->db, app->account.id, jid, blocked, true);
	forget_asker(app, jid);
	return told(app, jid, blocked ? "blocked" : "unblocked",
	    blocked ? _("is blocked: nothing of theirs is taken.") : _("is not blocked any more."));
}

static int
change(struct app *app, const struct args *args)
{
	const char *word = args->at[0], *jid;
	int code = EX_OK;

	jid = app_person(app, args->at[1], &code);
	if (jid == NULL)
		return code;
	if (strcmp(word, "remove") == 0)
		return remove_person(app, jid);
	if (strcmp(word, "block") == 0 || strcmp(word, "unblock") == 0)
		return block(app, jid, word[0] == 'b');
	if (!is_name(args->at[2]))
		return EX_DATAERR;
	db_begin(app->db);
	contact_add(app->db, app->account.id, jid, args->at[2], now_wall());
	return told(app, jid, "renamed", text_line(app->arena, args->at[2]));
}

static bool
fits(const struct args *args, const char *word, size_t count)
{
	return strcmp(args->at[0], word) == 0 && args->count == count;
}

static int
run(struct app *app, const struct args *args)
{
	int code = app_account(app);

	if (code != EX_OK)
		return code;
	if (args->count == 0 || fits(args, "list", 1))
		return list(app);
	if (fits(args, "add", 2) || fits(args, "add", 3))
		return add(app, args);
	if (fits(args, "card", 1))
		return card_show(app, args_value(args, "file"), args_value(args, "svg"), args_flag(args, "qr"),
		    args_flag(args, "all"));
	if (fits(args, "remove", 2) || fits(args, "block", 2) || fits(args, "unblock", 2) || fits(args, "rename", 3))
		return change(app, args);
	out_error("usage", arena_printf(app->arena, _("Usage: lazo %s %s"), args->verb->name, args->verb->usage), "%s",
	    _("That is not how it is written."));
	return EX_USAGE;
}

static const char *const words[] = { "list", "add", "remove", "rename", "block", "unblock", "card", NULL };

static const struct option options[] = {
	{ "file", "FILE", N_("card: write it to a file") },
	{ "armor", NULL, N_("card: as text that survives chats, mail and SMS (this is what card does)") },
	{ "qr", NULL, N_("card: as QR codes on the terminal") },
	{ "svg", "FILE", N_("card: as QR codes in a picture") },
	{ "all", NULL, N_("card: with the addresses of all your accounts here") },
	{ "verified", NULL, N_("add: they handed me this card in person; mark their keys as verified") },
	{ NULL, NULL, NULL },
};

const struct verb verb_contact = {
	.name = "contact",
	.usage = "[list | add JID|FILE|- [NAME] | remove PERSON | rename PERSON NAME | block PERSON | unblock PERSON | card]",
	.summary = N_("people: add, name, remove, block; hand over your card"),
	.about = N_("A card holds your keys: whoever adds it can write to you before any network was there.\n"
		    "FILE may be a card, text with one in it, or a picture of its QR codes."),
	.options = options,
	.words = words,
	.most = 3,
	.run = run,
};
