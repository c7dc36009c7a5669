/*
 * cmd_send.c -- lazo send: write a message, safe here at once; then try to hand it to the relay.
 *
 * TEXT as an argument is for people (others on the machine can see it while it runs); scripts use - and stdin.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/cmd/cmd.h"
#include "client/cmd/show.h"
#include "client/omemo/omemo.h"
#include "client/outbox.h"
#include "client/text.h"
#include "proto/buf.h"

/* All of stdin, at most one byte more than may be sent. */
static bool
read_text(struct buf *text)
{
	char piece[4096];
	ssize_t got;

	if (isatty(STDIN_FILENO))
		out_note("%s\n", _("Write the message; end it with Ctrl-D on a line of its own."));
	while (text->len <= OUTBOX_TEXT_MAX && (got = read(STDIN_FILENO, piece, sizeof(piece))) != 0) {
		if (got < 0 && errno != EINTR)
			return false;
		if (got > 0)
			buf_add(text, piece, (size_t)got);
	}
	while (text->len > 0 && (text->data[text->len - 1] == '\n' || text->data[text->len - 1] == '\r'))
		text->data[--text->len] = '\0';
	return true;
}

static int
refuse(const struct outbox_sent *sent)
{
	switch (sent->result) {
	case OUTBOX_READY:
	case OUTBOX_WAITING:
		return EX_OK;
	case OUTBOX_EMPTY_TEXT:
		out_error("empty", _("Write it behind the address, or give it to: lazo send PERSON -"), _("There is nothing to send."));
		return EX_USAGE;
	case OUTBOX_TOO_LONG:
		out_error("too-long", _("Send it in parts."), _("The text is too long: at most %d bytes."), OUTBOX_TEXT_MAX);
		return EX_USAGE;
	case OUTBOX_NOT_TEXT:
		out_error("not-text", _("Save it as UTF-8, then try again."), _("That is not text (UTF-8)."));
		return EX_DATAERR;
	case OUTBOX_NOT_TRUSTED:
		out_error("not-trusted", _("Look at their keys: lazo verify PERSON"), _("Not sent: %s."),
		    show_reason(sent->reason));
		return EX_NOPERM;
	case OUTBOX_BLOCKED:
		out_error("blocked", _("To lift it: lazo contact unblock PERSON"), _("You have blocked this contact."));
		return EX_NOPERM;
	case OUTBOX_FAILED:
		out_error("disk", _("Make room or check the disk; lazo doctor tells more."), "%s",
		    sent->error != NULL ? sent->error : _("The messages on this disk cannot be read or written."));
		return EX_IOERR;
	}
	return EX_SOFTWARE;
}

/* What became of it in the end. `code`: of the sync. */
static int
report(struct app *app, int64_t id, int code)
{
	struct message message;

	if (!history_get(app->db, app->arena, id, &message))
		return app_disk(app, db_error(app->db));
	if (app->json)
		out_json(show_message_json(app, &message));
	switch (message.sent) {
	case SENT_ACCEPTED:
	case SENT_DELIVERED:
	case SENT_DISPLAYED:
		code = EX_OK;
		break;
	case SENT_REFUSED:
		code = strcmp(message.reason, "item-not-found") == 0 || strcmp(message.reason, "service-unavailable") == 0 ||
		    strcmp(message.reason, "remote-server-not-found") == 0 ? EX_NOUSER : EX_DATAERR;
		break;
	case SENT_NOT:
	case SENT_WAITING:
	case SENT_READY:
	case SENT_SENT:
	case SENT_CANCELLED:
	case SENTS:
		if (code == EX_OK)
			code = EX_TEMPFAIL;
		break;
	}
	if (!app->json)
		out(message.reason[0] != '\0' ? _("Message %lld: %s (%s).\n") : _("Message %lld: %s.\n"), (long long)id,
		    show_sent(message.sent), text_line(app->arena, show_reason(message.reason)));
	return code;
}

static int
write_message(struct app *app, const struct args *args, const char *to, const char *text, struct outbox_sent *sent_r)
{
	char *error = NULL;
	struct omemo *omemo = omemo_open(app->db, app->account.id, now_wall(), &error);
	unsigned flags = (args_flag(args, "plain") ? OUTBOX_PLAIN : 0u) | (args_flag(args, "wait") ? OUTBOX_WAIT : 0u);
	int code;

	if (omemo == NULL) {
		code = app_disk(app, error);
		free(error);
		return code;
	}
	outbox_send(app->db, omemo, app->arena, app->account.id, to, text, flags, now_wall(), sent_r);
	omemo_close(&omemo);
	return refuse(sent_r);
}

static int
run(struct app *app, const struct args *args)
{
	struct buf text = { 0 };
	struct outbox_sent sent;
	struct sync_result result;
	const char *to;
	int code = app_account(app);

	if (code != EX_OK)
		return code;
	to = app_person(app, args->at[0], &code);
	if (to == NULL)
		return code;
	if (args->count > 1 && strcmp(args->at[1], "-") != 0) {
		buf_adds(&text, args->at[1]);
	} else if (!read_text(&text)) {
		out_error("stdin", _("Try again, or write the text behind the address."), _("The text could not be read: %s"), strerror(errno));
		return EX_NOINPUT;
	}
	if (text.data != NULL && memchr(text.data, '\0', text.len) != NULL) {
		buf_free(&text);
		out_error("not-text", _("Save it as UTF-8, then try again."), _("That is not text (UTF-8)."));
		return EX_DATAERR;
	}
	code = write_message(app, args, to, text.data != NULL ? text.data : "", &sent);
	buf_free(&text);
	if (code != EX_OK)
		return code;
	if (!args_flag(args, "offline"))
		code = app_sync(app, NULL, &result);
	return report(app, sent.message, code);
}

static const struct option options[] = {
	{ "offline", NULL, N_("only write it; lazo sync sends it") },
	{ "plain", NULL, N_("if they have no device that can read encrypted messages: send it unencrypted") },
	{ "wait", NULL, N_("if their key changed: let it wait for your decision") },
	{ NULL, NULL, NULL },
};

const struct verb verb_send = {
	.name = "send",
	.usage = "PERSON [TEXT|-] [OPTION]...",
	.summary = N_("write a message; it is safe here at once, and sent when the line is up"),
	.about = N_("Without TEXT, or with -, the message is read from stdin: other users of this machine cannot see it there.\n"
		    "Exit status 0: the relay has it; 75: safe here, not yet with the relay."),
	.options = options,
	.least = 1,
	.most = 2,
	.run = run,
};
