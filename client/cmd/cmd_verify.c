/*
 * cmd_verify.c -- lazo verify: compare keys with a person, by fingerprint, by the QR code that Conversations and Dino scan,
 * or by such a URI (xmpp:name@host?omemo-sid-…); and decide about devices that are new or whose key changed.
 */
#include "config.h"

#include <string.h>

#include "client/cmd/cmd.h"
#include "client/cmd/show.h"
#include "client/db/device.h"
#include "client/inbox.h"
#include "client/omemo/omemo.h"
#include "client/omemo/uri.h"
#include "client/outbox.h"
#include "client/qr.h"
#include "client/text.h"
#include "proto/jid.h"

static const char *
trust_text(const struct device *device)
{
	switch (device->trust) {
	case TRUST_VERIFIED:
		return _("verified");
	case TRUST_BLIND:
		return _("not compared yet");
	case TRUST_UNDECIDED:
		return _("NEW: nothing goes to it until you decide");
	case TRUST_REJECTED:
		return _("not trusted");
	case TRUST_CHANGED:
		return _("KEY CHANGED: nothing is sent to this person until you decide");
	case TRUST_NONE:
	case TRUSTS:
		break;
	}
	return "";
}

static const char *
own_uri(struct app *app, struct omemo *omemo)
{
	struct omemo_uri *uri = arena_alloc(app->arena, sizeof(*uri));

	uri->jid = app->account.jid;
	uri->count = 1;
	uri->devices[0].device = omemo_device(omemo);
	omemo_identity(omemo, uri->devices[0].identity);
	return omemo_uri_make(app->arena, uri);
}

static void
show_own(struct app *app, struct omemo *omemo)
{
	const char *uri = own_uri(app, omemo);
	char groups[FINGERPRINT_LEN + 8], digits[FINGERPRINT_LEN + 1];
	uint8_t identity[IDENTITY_LEN];
	struct buf picture = { 0 };

	omemo_identity(omemo, identity);
	device_fingerprint(digits, identity);
	device_fingerprint_groups(groups, identity);
	if (app->json) {
		out_json(json_pack("{s:s, s:s, s:I, s:b, s:s, s:s}", "account", app->account.jid, "jid", app->account.jid,
		    "device", (json_int_t)omemo_device(omemo), "own", 1, "fingerprint", digits, "uri", uri));
		return;
	}
	out(_("Your key on this device (%u):\n"), (unsigned)omemo_device(omemo));
	out("  %s\n\n", groups);
	if (qr_terminal(&picture, uri, out_columns(), 0))
		out("%s\n", picture.data);
	out("%s\n", uri);
	buf_free(&picture);
}

static void
show_theirs(struct app *app, const struct device *device)
{
	char groups[FINGERPRINT_LEN + 8] = "", digits[FINGERPRINT_LEN + 1] = "";

	if (device->known_identity) {
		device_fingerprint(digits, device->identity);
		device_fingerprint_groups(groups, device->identity);
	}
	if (app->json) {
		json_t *object = json_pack("{s:s, s:s, s:I, s:b, s:s}", "account", app->account.jid, "jid", device->jid, "device",
		    (json_int_t)device->id, "own", 0, "trust", trust_word(device->trust));

		json_object_set_new(object, "fingerprint", device->known_identity ? json_string(digits) : json_null());
		if (device->offers) {
			device_fingerprint(digits, device->offered);
			json_object_set_new(object, "offered", json_string(digits));
		}
		out_json(object);
		return;
	}
	out(_("Device %u, %s:\n"), (unsigned)device->id, trust_text(device));
	out("  %s\n", groups[0] != '\0' ? groups : _("its key is not known yet"));
	if (device->offers) {
		device_fingerprint_groups(groups, device->offered);
		out(_("  the key offered now:\n"));
		out("  %s\n", groups);
	}
}

/* A decision about an offered key counts only once the person has seen that key. */
static int
note_shown(struct app *app, const char *jid)
{
	db_begin(app->db);
	device_set_shown(app->db, app->account.id, jid);
	return app_commit(app);
}

static int
show(struct app *app, struct omemo *omemo, const char *jid)
{
	struct device *list;
	size_t count;
	int code = EX_OK;

	if (jid == NULL) {
		show_own(app, omemo);
		return EX_OK;
	}
	count = device_list(app->db, app->arena, app->account.id, jid, &list);
	if (!app->json)
		out(_("Keys of %s:\n"), show_person(app, app->account.id, jid));
	for (size_t i = 0; i < count; i++) {
		show_theirs(app, &list[i]);
		if (list[i].offers && !list[i].shown)
			code = note_shown(app, jid);
	}
	if (count == 0)
		out_note("%s\n", _("None is known yet: lazo sync"));
	else if (!app->json)
		out(_("\nCompare them by voice or in person, then: lazo verify %s --device ID --yes\n"),
		    text_line(app->arena, jid));
	return code;
}

/* What waited for the decision goes on. */
static void
go_on(struct app *app, struct omemo *omemo, const char *jid)
{
	outbox_keys_came(app->db, omemo, app->account.id, jid, now_wall());
	inbox_retry(app->db, omemo, app->account.id, jid, now_wall());
}

static int
no_device(const char *jid, uint32_t id)
{
	out_error("no-device", _("To see them all: lazo verify PERSON"), _("%s has no device %u."), jid, (unsigned)id);
	return EX_NOUSER;
}

/* What became of it, and on with what waited. */
static int
decided(struct app *app, struct omemo *omemo, const char *jid, uint32_t id)
{
	struct device device;
	int code = app_commit(app);

	if (code != EX_OK)
		return code;
	go_on(app, omemo, jid);
	device_get(app->db, app->arena, app->account.id, jid, id, &device);
	show_theirs(app, &device);
	return EX_OK;
}

static int
verify(struct app *app, struct omemo *omemo, const struct device *device, const uint8_t key[static IDENTITY_LEN])
{
	db_begin(app->db);
	device_verify(app->db, app->account.id, device->jid, device->id, key);
	return decided(app, omemo, device->jid, device->id);
}

/* The person says so of a device; of which key is what was shown: one that came since then is not meant. */
static int
accept(struct app *app, struct omemo *omemo, const struct device *device, bool keep)
{
	if (!device->known_identity) {
		out_error("no-key", _("Fetch it first: lazo sync"), _("The key of device %u is not known here yet."),
		    (unsigned)device->id);
		return EX_TEMPFAIL;
	}
	if (keep || !device->offers)
		return verify(app, omemo, device, device->identity);
	if (device->shown)
		return verify(app, omemo, device, device->offered);
	show_theirs(app, device);
	note_shown(app, device->jid);
	out_error("changed-key", _("Compare the key offered now, then say it again. If the one known before is right: --keep"),
	    _("The key of device %u changed, and you have not been shown the new one before."), (unsigned)device->id);
	return EX_NOPERM;
}

/* The key that is known of the device, or the one offered against it. */
static bool
has_key(const struct device *device, const uint8_t key[static IDENTITY_LEN])
{
	return (device->known_identity && memcmp(device->identity, key, IDENTITY_LEN) == 0) ||
	    (device->offers && memcmp(device->offered, key, IDENTITY_LEN) == 0);
}

/* A device of the URI as it is known here. False: it is not, or its key is not. */
static bool
uri_device(struct app *app, const struct omemo_uri *uri, size_t i, struct device *device_r)
{
	return device_get(app->db, app->arena, app->account.id, uri->jid, uri->devices[i].device, device_r) &&
	    device_r->known_identity;
}

/* Every key of the URI that we know too is verified; one that differs stops everything. */
static int
compare_uri(struct app *app, struct omemo *omemo, const char *text)
{
	struct omemo_uri *uri = arena_alloc(app->arena, sizeof(*uri));
	size_t same = 0;
	struct device device;
	int code;

	if (!omemo_uri_parse(app->arena, text, uri)) {
		out_error("uri", _("It begins with xmpp: and has omemo-sid- in it; copy it whole, in quotes."), "%s",
		    _("That is not a key as Conversations, Dino or lazo show it."));
		return EX_DATAERR;
	}
	for (size_t i = 0; i < uri->count; i++) {
		if (uri_device(app, uri, i, &device) && !has_key(&device, uri->devices[i].identity)) {
			out_error("other-key", _("Do not write to them until you know why."),
			    _("The key of device %u of %s is NOT the one shown to you."), (unsigned)device.id, uri->jid);
			return EX_NOPERM;
		}
	}
	for (size_t i = 0; i < uri->count; i++) {
		if (!uri_device(app, uri, i, &device))
			continue;
		code = verify(app, omemo, &device, uri->devices[i].identity);
		if (code != EX_OK)
			return code;
		same++;
	}
	if (same == 0) {
		out_error("no-device", _("Fetch their keys first: lazo contact add JID, lazo sync"), "%s",
		    _("None of these devices is known here yet."));
		return EX_TEMPFAIL;
	}
	return EX_OK;
}

static int
with_person(struct app *app, struct omemo *omemo, const struct args *args)
{
	const char *id_text = args_value(args, "device"), *jid;
	bool yes = args_flag(args, "yes"), keep = args_flag(args, "keep"), reject = args_flag(args, "reject");
	struct device device;
	long long id;
	int code = EX_OK;

	jid = app_person(app, args->at[0], &code);
	if (jid == NULL)
		return code;
	if (!yes && !keep && !reject)
		return show(app, omemo, jid);
	if (id_text == NULL || yes + keep + reject != 1) {
		out_error("usage", _("To see them all: lazo verify PERSON"), "%s",
		    _("Say which device and what: --device ID with --yes, --keep or --reject."));
		return EX_USAGE;
	}
	if (!args_number(id_text, &id))
		return EX_USAGE;
	if (id > UINT32_MAX ||
	    !device_get(app->db, app->arena, app->account.id, jid, (uint32_t)id, &device))
		return no_device(jid, id > UINT32_MAX ? 0 : (uint32_t)id);
	if (!reject)
		return accept(app, omemo, &device, keep);
	db_begin(app->db);
	device_reject(app->db, app->account.id, jid, (uint32_t)id);
	return decided(app, omemo, jid, (uint32_t)id);
}

static int
run(struct app *app, const struct args *args)
{
	char *why = NULL;
	struct omemo *omemo;
	int code = app_account(app);

	if (code != EX_OK)
		return code;
	omemo = omemo_open(app->db, app->account.id, now_wall(), &why);
	if (omemo == NULL)
		return app_disk(app, why);
	if (args->count == 0)
		code = show(app, omemo, NULL);
	else if (strncmp(args->at[0], "xmpp:", 5) == 0)
		code = compare_uri(app, omemo, args->at[0]);
	else
		code = with_person(app, omemo, args);
	omemo_close(&omemo);
	return code;
}

static const struct option options[] = {
	{ "device", "ID", N_("decide about this device") },
	{ "yes", NULL, N_("its key was compared and is the same") },
	{ "keep", NULL, N_("its key changed, but the one known before is the right one") },
	{ "reject", NULL, N_("do not trust it") },
	{ NULL, NULL, NULL },
};

const struct verb verb_verify = {
	.name = "verify",
	.usage = "[PERSON [--device ID --yes|--keep|--reject] | xmpp:URI]",
	.summary = N_("compare keys, so that nobody stands in between"),
	.about = N_("Without PERSON it shows your own key, as text and as the QR code that Conversations and Dino scan.\n"
		    "After the first device of a contact was verified, new ones get nothing until you decide."),
	.options = options,
	.most = 1,
	.run = run,
};
