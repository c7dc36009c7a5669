/* card_io.c -- contact cards in and out of lazo: see card_io.h. */
#include "config.h"

#include "client/cmd/card_io.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "client/card.h"
#include "client/cmd/cmd.h"
#include "client/db/contact.h"
#include "client/qr.h"
#include "client/text.h"
#include "proto/buf.h"

enum {
	INPUT_MAX = 4 << 20, /* text around a card, or a picture */
	CARD_ADDRESSES = 7,  /* beside the first (card.h) */
};

/* -- in ---------------------------------------------------------------------------------------------------- */

static bool
read_all(const char *source, struct buf *bytes)
{
	int fd = strcmp(source, "-") == 0 ? STDIN_FILENO : open(source, O_RDONLY | O_CLOEXEC);
	char piece[8192];
	ssize_t got = -1;

	while (fd >= 0 && bytes->len <= INPUT_MAX && (got = read(fd, piece, sizeof(piece))) > 0)
		buf_add(bytes, piece, (size_t)got);
	if (fd < 0 || got < 0) {
		out_error("input", _("Name a file that is there and that you may read."), "%s: %s", source, strerror(errno));
		got = -1;
	}
	if (fd > STDIN_FILENO)
		close(fd);
	return got >= 0;
}

/* A picture's codes become text first. */
static bool
read_card(const char *source, struct buf *bytes)
{
	const char *error = NULL;

	if (!read_all(source, bytes))
		return false;
	if (bytes->len < 8 || memcmp(bytes->data, "\x89PNG", 4) != 0)
		return true;
	buf_clear(bytes);
	if (strcmp(source, "-") != 0 && qr_read_png(source, bytes, &error) >= 0)
		return true;
	out_error("picture", _("Take it again, nearer and with more light."), "%s: %s", source, error != NULL ? error : _("give the picture as a file"));
	return false;
}

static const char *
card_sentence(enum card_error error)
{
	switch (error) {
	case CARD_OK:
	case CARD_ERRORS:
		break;
	case CARD_NOT_A_CARD:
		return _("There is no contact card in it.");
	case CARD_DAMAGED:
		return _("The card is damaged or cut short.");
	case CARD_FORGED:
		return _("The card's signature is wrong: it was changed, or forged.");
	case CARD_NEWER:
		return _("The card was made by a newer lazo.");
	case CARD_MISSING_PART:
		return _("Some of the card's QR codes are missing.");
	case CARD_OWN:
		return _("That is your own card.");
	case CARD_CHANGED_KEY:
		return _("The card has another key than the one known for this device. Nothing is sent to it until you decide: "
			 "lazo verify");
	case CARD_FAILED:
		return _("The messages on this disk cannot be read or written.");
	}
	return "";
}

/* What to do about it; "": the sentence says it, or there is nothing to do. */
static const char *
card_next(enum card_error error)
{
	switch (error) {
	case CARD_NOT_A_CARD:
	case CARD_DAMAGED:
	case CARD_MISSING_PART:
		return _("Ask for it again: all of its text or all of its pictures, or as a file.");
	case CARD_FORGED:
		return _("Do not use it; ask the person for another, by another way.");
	case CARD_FAILED:
		return _("Make room or check the disk; lazo doctor tells more.");
	case CARD_NEWER:
		return _("Install a newer lazo here.");
	case CARD_OWN:
		return _("It is for the others: give it to them.");
	case CARD_OK:
	case CARD_CHANGED_KEY:
	case CARD_ERRORS:
		break;
	}
	return "";
}

static int
card_code(enum card_error error)
{
	switch (error) {
	case CARD_OK:
		return EX_OK;
	case CARD_CHANGED_KEY:
		return EX_NOPERM;
	case CARD_FAILED:
		return EX_IOERR;
	case CARD_NOT_A_CARD:
	case CARD_DAMAGED:
	case CARD_FORGED:
	case CARD_NEWER:
	case CARD_MISSING_PART:
	case CARD_OWN:
	case CARD_ERRORS:
		break;
	}
	return EX_DATAERR;
}

static int
told(struct app *app, const struct card_info *info, bool verified)
{
	char groups[FINGERPRINT_LEN + 8], digits[FINGERPRINT_LEN + 1];

	device_fingerprint(digits, info->identity);
	device_fingerprint_groups(groups, info->identity);
	if (app->json) {
		json_t *also = json_array();

		for (size_t i = 1; i < info->jids; i++)
			json_array_append_new(also, json_string(info->jid_list[i]));
		out_json(json_pack("{s:s, s:s, s:I, s:s, s:i, s:b, s:o, s:b}", "account", app->account.jid, "jid", info->jid,
		    "device", (json_int_t)info->device, "fingerprint", digits, "prekeys", (int)info->prekeys, "verified",
		    verified, "also", also, "joined", info->joined));
		return EX_OK;
	}
	out(_("%s can be written to now.\n"), text_line(app->arena, info->jid));
	out(verified ? _("Their key, marked as verified:\n") : _("Their key (compare it with theirs: lazo verify):\n"));
	out("  %s\n", groups);
	for (size_t i = 1; i < info->jids; i++) {
		const char *jid = text_line(app->arena, info->jid_list[i]);

		if (info->joined)
			out(_("Also theirs, and a contact now: %s\n"), jid);
		else
			out(_("The card also names %s; if that is theirs too: lazo contact add %s\n"), jid, jid);
	}
	return EX_OK;
}

static enum card_error
import(struct app *app, struct omemo *omemo, const struct buf *bytes, bool verified, struct card_info *info)
{
	struct buf card = { 0 };
	enum card_error error = card_find(bytes->data != NULL ? bytes->data : "", bytes->len, &card);

	if (error == CARD_OK)
		error = card_import(app->db, omemo, app->arena, app->account.id, card.data, card.len, verified, now_wall(),
		    info);
	buf_free(&card);
	return error;
}

int
card_add(struct app *app, const char *source, const char *name, bool verified)
{
	struct buf bytes = { 0 };
	struct card_info info = { .jid = NULL };
	enum card_error error;
	char *why = NULL;
	struct omemo *omemo;

	if (!read_card(source, &bytes)) {
		buf_free(&bytes);
		return EX_NOINPUT;
	}
	omemo = omemo_open(app->db, app->account.id, now_wall(), &why);
	if (omemo == NULL) {
		buf_free(&bytes);
		return app_disk(app, why);
	}
	error = import(app, omemo, &bytes, verified, &info);
	omemo_close(&omemo);
	buf_free(&bytes);
	if (error != CARD_OK) {
		out_error(card_error_word(error), card_next(error), "%s", card_sentence(error));
		return card_code(error);
	}
	db_begin(app->db);
	contact_add(app->db, app->account.id, info.jid, name, now_wall());
	for (size_t i = 1; info.joined && name != NULL && i < info.jids; i++)
		if (contact_same_person(app->db, app->account.id, info.jid, info.jid_list[i]))
			contact_add(app->db, app->account.id, info.jid_list[i], name, now_wall());
	if (app_commit(app) != EX_OK)
		return EX_IOERR;
	return told(app, &info, verified);
}

/* -- out --------------------------------------------------------------------------------------------------- */

/* A file of its own, 0600: it is public, but whose it is concerns nobody. */
static int
write_file(const char *path, const char *bytes, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	bool fine = fd >= 0 && write(fd, bytes, len) == (ssize_t)len && fsync(fd) == 0;

	if (!fine)
		out_error("output", _("Write it to another place, or make room on the disk."), "%s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return fine ? EX_OK : EX_CANTCREAT;
}

static int
told_file(struct app *app, const char *path, const char *bytes, size_t len)
{
	int code = write_file(path, bytes, len);

	if (code == EX_OK && app->json)
		out_json(json_pack("{s:s, s:o}", "account", app->account.jid, "file", out_json_text(path)));
	else if (code == EX_OK)
		out(_("Your card is in %s. Each card is for one person: its keys are used once.\n"),
		    text_line(app->arena, path));
	return code;
}

static void
tell_codes(struct app *app, const char *const *texts, size_t count)
{
	json_t *codes = json_array();

	for (size_t i = 0; i < count; i++)
		json_array_append_new(codes, json_string(texts[i]));
	out_json(json_pack("{s:s, s:o}", "account", app->account.jid, "codes", codes));
}

static int
show_qr(struct app *app, const struct buf *card, const char *svg)
{
	const char **texts;
	size_t parts = card_qr_parts(app->arena, card->data, card->len, &texts);
	struct buf picture = { 0 };
	int code = EX_OK;

	if (svg != NULL) {
		if (qr_svg(&picture, texts, (int)parts))
			code = told_file(app, svg, picture.data, picture.len);
		buf_free(&picture);
		return code;
	}
	if (app->json) {
		tell_codes(app, texts, parts);
		return EX_OK;
	}
	for (size_t i = 0; i < parts && code == EX_OK; i++) {
		buf_clear(&picture);
		if (!qr_terminal(&picture, texts[i], out_columns(), 0)) {
			out_error("too-small", _("Make it wider, or use: lazo contact card --svg FILE"), "%s",
			    _("The terminal is too small for the QR code."));
			code = EX_UNAVAILABLE;
			break;
		}
		out(_("Part %zu of %zu\n"), i + 1, parts);
		out("%s\n", picture.data);
	}
	buf_free(&picture);
	return code;
}

static int
show(struct app *app, const struct buf *card, const char *file, const char *svg, bool qr)
{
	struct buf text = { 0 };

	if (file != NULL)
		return told_file(app, file, card->data, card->len);
	if (qr || svg != NULL)
		return show_qr(app, card, svg);
	card_armor(&text, card->data, card->len);
	if (app->json)
		out_json(json_pack("{s:s, s:s}", "account", app->account.jid, "card", text.data));
	else
		out("%s", text.data);
	buf_free(&text);
	return EX_OK;
}

/* Of the other accounts here. */
static size_t
other_addresses(struct app *app, const char *also[static CARD_ADDRESSES])
{
	struct account *list;
	size_t count = account_list(app->db, app->arena, &list), kept = 0;

	for (size_t i = 0; i < count && kept < CARD_ADDRESSES; i++)
		if (list[i].id != app->account.id)
			also[kept++] = list[i].jid;
	return kept;
}

int
card_show(struct app *app, const char *file, const char *svg, bool qr, bool all)
{
	const char *also[CARD_ADDRESSES];
	size_t count = all ? other_addresses(app, also) : 0;
	const char *relay = strchr(app->account.jid, '@');
	struct buf card = { 0 };
	char *why = NULL;
	struct omemo *omemo = omemo_open(app->db, app->account.id, now_wall(), &why);
	enum card_error error;
	int code;

	if (omemo == NULL)
		return app_disk(app, why);
	error = card_make_naming(app->db, omemo, also, count, relay != NULL ? relay + 1 : "",
	    qr || svg != NULL ? CARD_QR_PREKEYS : CARD_FILE_PREKEYS, now_wall(), &card);
	omemo_close(&omemo);
	if (error == CARD_OK) {
		code = show(app, &card, file, svg, qr);
	} else {
		out_error(card_error_word(error), card_next(error), "%s", card_sentence(error));
		code = card_code(error);
	}
	buf_free(&card);
	return code;
}
