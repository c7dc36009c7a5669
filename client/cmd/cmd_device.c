/* cmd_device.c -- lazo device: the devices of an account of ours, taking a lost one off the list, and how long this one
 * keeps keys. */
#include "config.h"

#include <string.h>

#include "client/cmd/cmd.h"
#include "client/cmd/show.h"
#include "client/db/device.h"
#include "client/omemo/omemo.h"
#include "client/text.h"

static const char *
trust_text(enum trust trust)
{
	static const char *const words[TRUSTS] = {
		[TRUST_NONE] = "",
		[TRUST_BLIND] = N_("not compared yet"),
		[TRUST_VERIFIED] = N_("verified"),
		[TRUST_UNDECIDED] = N_("new: nothing goes to it until you decide"),
		[TRUST_REJECTED] = N_("not trusted"),
		[TRUST_CHANGED] = N_("key changed: stopped until you decide"),
	};

	return words[trust][0] == '\0' ? "" : _(words[trust]);
}

static json_t *
device_json(struct app *app, const struct device *device)
{
	char digits[FINGERPRINT_LEN + 1];
	json_t *object = json_pack("{s:s, s:s, s:I, s:b, s:s, s:b}", "account", app->account.jid, "jid", device->jid, "device",
	    (json_int_t)device->id, "own", 0, "trust", trust_word(device->trust), "listed", device->listed);

	if (device->known_identity)
		device_fingerprint(digits, device->identity);
	json_object_set_new(object, "fingerprint", device->known_identity ? json_string(digits) : json_null());
	json_object_set_new(object, "heard", device->heard > 0 ? json_string(text_rfc3339(app->arena, device->heard)) :
	    json_null());
	return object;
}

static void
show_device(struct app *app, const struct device *device)
{
	char groups[FINGERPRINT_LEN + 8] = "";

	if (device->known_identity)
		device_fingerprint_groups(groups, device->identity);
	out("%10u  %s%s\n", (unsigned)device->id, trust_text(device->trust), device->listed ? "" : _(" (off the list)"));
	if (groups[0] != '\0')
		out("            %s\n", groups);
	if (device->heard > 0)
		out(_("            last heard %s\n"), text_when_full(app->arena, device->heard));
}

static void
show_own(struct app *app, struct omemo *omemo)
{
	uint8_t identity[IDENTITY_LEN];
	char digits[FINGERPRINT_LEN + 1], groups[FINGERPRINT_LEN + 8];

	omemo_identity(omemo, identity);
	device_fingerprint(digits, identity);
	device_fingerprint_groups(groups, identity);
	if (app->json) {
		out_json(json_pack("{s:s, s:s, s:I, s:b, s:s}", "account", app->account.jid, "jid", app->account.jid, "device",
		    (json_int_t)omemo_device(omemo), "own", 1, "fingerprint", digits));
		return;
	}
	out("%10u  %s\n            %s\n", (unsigned)omemo_device(omemo), _("this device"), groups);
}

static int
list(struct app *app, struct omemo *omemo, const char *jid)
{
	struct device *devices;
	size_t count = device_list(app->db, app->arena, app->account.id, jid, &devices);

	if (strcmp(jid, app->account.jid) == 0)
		show_own(app, omemo);
	for (size_t i = 0; i < count; i++) {
		if (strcmp(jid, app->account.jid) == 0 && devices[i].id == omemo_device(omemo))
			continue;
		if (app->json)
			out_json(device_json(app, &devices[i]));
		else
			show_device(app, &devices[i]);
	}
	return db_error(app->db) != NULL ? app_disk(app, db_error(app->db)) : EX_OK;
}

static int
remove_own(struct app *app, struct omemo *omemo, const char *word)
{
	struct device device;
	long long id;
	int code;

	if (!args_number(word, &id))
		return EX_USAGE;
	if (id == omemo_device(omemo)) {
		out_error("this-device", _("To end it here: lazo logout"), "%s", _("That is this device."));
		return EX_USAGE;
	}
	if (id > UINT32_MAX ||
	    !device_get(app->db, app->arena, app->account.id, app->account.jid, (uint32_t)id, &device)) {
		out_error("no-device", _("To see them all: lazo device"), _("You have no device %lld."), id);
		return EX_NOUSER;
	}
	db_begin(app->db);
	omemo_remove_own_device(omemo, (uint32_t)id);
	device_reject(app->db, app->account.id, app->account.jid, (uint32_t)id);
	code = app_commit(app);
	if (code != EX_OK)
		return code;
	if (app->json)
		out_json(json_pack("{s:s, s:s, s:I, s:b, s:b}", "account", app->account.jid, "jid", app->account.jid, "device",
		    (json_int_t)id, "own", 0, "listed", 0));
	else
		out(_("Device %lld is off your list; others hear of it with the next sync.\n"), id);
	return EX_OK;
}

/* How long keys of what has not come are kept: shown, or set with one number or two. */
static int
keep(struct app *app, const struct args *args)
{
	struct omemo_keep days = omemo_keep(app->db, app->account.id);
	long long late = days.late, first = days.first;
	int code = EX_OK;

	if ((args->count > 1 && !args_number(args->at[1], &late)) || (args->count > 2 && !args_number(args->at[2], &first)))
		return EX_USAGE;
	if (late < 1 || late > OMEMO_KEEP_MOST || first < 1 || (args->count > 2 && first > late)) {
		out_error("usage", arena_printf(app->arena, _("Usage: lazo %s %s"), args->verb->name, args->verb->usage),
		    _("Days are 1 to %d, and for first messages no more than for the others."), OMEMO_KEEP_MOST);
		return EX_USAGE;
	}
	if (args->count > 1) {
		days = (struct omemo_keep){ .late = (int)late, .first = (int)(first < late ? first : late) };
		db_begin(app->db);
		omemo_set_keep(app->db, app->account.id, &days);
		code = app_commit(app);
	}
	if (code == EX_OK && app->json)
		out_json(json_pack("{s:s, s:i, s:i}", "account", app->account.jid, "keep", days.late, "keep_first", days.first));
	else if (code == EX_OK)
		out(_("Keys for messages that have not come are kept %d days, those for first messages %d days.\n"), days.late,
		    days.first);
	return code;
}

static int
run(struct app *app, const struct args *args)
{
	char *why = NULL;
	const char *jid;
	struct omemo *omemo;
	int code = app_account(app);

	if (code != EX_OK)
		return code;
	omemo = omemo_open(app->db, app->account.id, now_wall(), &why);
	if (omemo == NULL)
		return app_disk(app, why);
	if (args->count == 2 && strcmp(args->at[0], "remove") == 0) {
		code = remove_own(app, omemo, args->at[1]);
	} else if (args->count > 0 && strcmp(args->at[0], "keep") == 0) {
		code = keep(app, args);
	} else if (args->count == 0 || (args->count < 3 && strcmp(args->at[0], "list") == 0)) {
		jid = args->count == 2 ? app_person(app, args->at[1], &code) : app->account.jid;
		code = jid != NULL ? list(app, omemo, jid) : code;
	} else {
		out_error("usage", arena_printf(app->arena, _("Usage: lazo %s %s"), args->verb->name, args->verb->usage), "%s",
		    _("That is not how it is written."));
		code = EX_USAGE;
	}
	omemo_close(&omemo);
	return code;
}

static const char *const words[] = { "list", "remove", "keep", NULL };

const struct verb verb_device = {
	.name = "device",
	.usage = "[list [PERSON] | remove ID | keep [DAYS [DAYS]]]",
	.summary = N_("your devices, or those of a contact; take a lost one off the list"),
	.words = words,
	.most = 3,
	.run = run,
};
