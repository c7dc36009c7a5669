/*
 * feature/words.c -- the relay's own address answers words, so that people with any app can ask where their
 * messages are.
 *
 * Only a chat or normal message with a body, of a local session, is answered, and only to that session: what
 * is said here is neither archived nor copied nor kept, and the answer is a message that nothing answers.
 * Said is what waits for the account, what of the account waits for contacts who show it their presence - of
 * others it would tell whether they are there (attack R8) - and what of it is held for other relays, and why. DIAGNOSTICS: more than WORDS_BURST questions at
 * once, or more than one in WORDS_EACH ms in the long run: resource-constraint.
 */
#include "config.h"

#include "relay/feature/feature_table.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include "proto/arena.h"
#include "proto/buf.h"
#include "proto/digest.h"
#include "proto/ns.h"
#include "proto/stanza.h"
#include "proto/xml.h"
#include "relay/feature/words_text.h"
#include "relay/net/clock.h"
#include "relay/route/account.h"
#include "relay/route/event.h"
#include "relay/route/router.h"
#include "relay/store/waiting.h"

enum {
	WORDS_BURST = 10,
	WORDS_EACH = 6 * 1000,
	CONTACTS_MOST = 200, /* looked at */
	LINES_MOST = 20,     /* named */
	WHEN_LEN = sizeof "2026-11-22 14:37 UTC",
};

struct question {
	struct event *event;
	const char *body; /* what is said of this relay */
	const struct words_text *text;
};

static void
say(const struct question *question, const char *body)
{
	struct event *event = question->event;
	struct xml_attr *lang;
	char id[ID_LEN + 1];
	struct xml *message;

	random_id(id);
	message = stanza_new(event->arena, "message", router_domain(event->router),
			     xml_attr(event->stanza, "from"), xml_attr(event->stanza, "type"), id);
	xml_add_leaf(event->arena, message, "body", NULL, body);
	lang = arena_alloc(event->arena, sizeof *lang);
	*lang = (struct xml_attr){
		.next = message->attrs, .ns = NS_XML, .name = "lang", .value = question->text->tag
	};
	message->attrs = lang;
	xml_add(event->arena, message, "no-store", NS_HINTS);
	event_reply(event, message);
}

/* ---- status ---- */

static const char *
when(char out[static WHEN_LEN], int64_t ms)
{
	time_t seconds = (time_t)(ms / 1000);
	struct tm utc;

	if (gmtime_r(&seconds, &utc) == NULL || strftime(out, WHEN_LEN, "%Y-%m-%d %H:%M UTC", &utc) == 0)
		snprintf(out, WHEN_LEN, "?");
	return out;
}

/* Formats of the table: the same arguments in every language (words_text.h). */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static void
add_held(struct buf *out, const struct words_text *text, const struct waiting_row *own)
{
	char time[WHEN_LEN];

	if (own->count > 0)
		buf_printf(out, text->held, (long long)own->count, when(time, own->oldest));
	else
		buf_adds(out, text->none_held);
	buf_adds(out, "\n");
}

static void
add_sent(struct buf *out, const struct words_text *text, const char *host, const struct waiting_row *rows,
	 size_t count)
{
	char time[WHEN_LEN], address[256];
	size_t lines = 0;

	for (size_t i = 0; i < count; i++) {
		if (rows[i].count == 0)
			continue;
		if (lines++ == 0)
			buf_printf(out, "%s\n", text->sent);
		if (lines > LINES_MOST) {
			buf_printf(out, "%s\n", text->sent_more);
			return;
		}
		snprintf(address, sizeof address, "%.100s@%.150s", rows[i].node, host);
		buf_printf(out, text->sent_to, address, (long long)rows[i].count, when(time, rows[i].oldest));
		buf_adds(out, "\n");
	}
	if (lines == 0)
		buf_printf(out, "%s\n", text->none_sent);
}

static void
add_away(struct buf *out, const struct words_text *text, const struct waiting_row *rows, size_t count)
{
	char oldest[WHEN_LEN], next[WHEN_LEN];

	buf_printf(out, "%s\n", count > 0 ? text->away : text->none_away);
	for (size_t i = 0; i < count && i < LINES_MOST; i++) {
		buf_printf(out, text->away_to, rows[i].node, (long long)rows[i].count, when(oldest, rows[i].oldest));
		if (rows[i].reason != NULL && rows[i].next != 0)
			buf_printf(out, text->away_next, rows[i].reason, when(next, rows[i].next));
		buf_adds(out, "\n");
	}
	if (count > LINES_MOST)
		buf_printf(out, "%s\n", text->sent_more);
}
#pragma GCC diagnostic pop

static void
counted_away(void *arg, bool failed, const struct waiting_row *rows, size_t count)
{
	struct question *question = arg;
	struct buf body = { 0 };

	if (failed) {
		say(question, question->text->failed);
	} else {
		buf_adds(&body, question->body);
		add_away(&body, question->text, rows, count);
		buf_adds(&body, question->text->untold);
		say(question, body.data);
	}
	buf_free(&body);
	event_finish(question->event, HANDLED);
}

static void
counted(void *arg, bool failed, const struct waiting_row *rows, size_t count)
{
	struct question *question = arg;
	struct event *event = question->event;
	struct buf body = { 0 };

	if (failed || count == 0) {
		say(question, question->text->failed);
		event_finish(event, HANDLED);
		return;
	}
	add_held(&body, question->text, &rows[0]);
	add_sent(&body, question->text, router_domain(event->router), rows + 1, count - 1);
	question->body = arena_strdup(event->arena, body.data);
	buf_free(&body);
	read_waiting_elsewhere(router_store(event->router), event->sender->jid, LINES_MOST + 1, counted_away, question);
}

/* Local contacts who show the account their presence. */
static size_t
contacts_of(struct event *event, const char **row)
{
	const struct account *account = event->sender;
	size_t count = 0;

	for (size_t i = 0; i < account_roster_count(account) && count < CONTACTS_MOST; i++) {
		const struct roster_item *item = account_roster_at(account, i);
		const char *node = router_local_node(event->router, event->arena, item->contact);
		if (node != NULL && (item->flags & ROSTER_TO) != 0)
			row[count++] = node;
	}
	return count;
}

static void
look(struct event *event, void *arg)
{
	const char *contacts[CONTACTS_MOST];
	size_t count = contacts_of(event, contacts);

	read_waiting(router_store(event->router), event->sender->node, event->sender->jid, contacts, count,
		     counted, arg);
}

/* ---- the question ---- */

static bool
may_ask(struct account *account)
{
	int64_t now = now_mono();

	if (account->words < now)
		account->words = now;
	if (account->words + WORDS_EACH > now + WORDS_BURST * WORDS_EACH)
		return false;
	account->words += WORDS_EACH;
	return true;
}

static enum verdict
on_message(struct event *event, void *state)
{
	const char *body = xml_child_text(event->arena, event->stanza, "body", NS_CLIENT);
	enum message_type type = message_type(event->stanza);
	struct question *question;

	(void)state;
	if (type != MESSAGE_CHAT && type != MESSAGE_NORMAL)
		return PASS;
	if (body == NULL) /* chat states, receipts, markers */
		return HANDLED;
	if (!may_ask(event->sender))
		return event_reject(event, STANZA_RESOURCE_CONSTRAINT, NULL);
	question = arena_alloc(event->arena, sizeof *question);
	question->event = event;
	if (words_read(event->arena, body, xml_attr_ns(event->stanza, "lang", NS_XML), &question->text) ==
	    WORD_STATUS) {
		event_when_first(event, look, question);
		return LATER;
	}
	say(question, question->text->help);
	return HANDLED;
}

static const struct hook hooks[] = {
	{ POINT_HOST, ORDER_DELIVER, on_message },
	{ 0 },
};

const struct feature feature_words = {
	.name = "words",
	.spec = "lazod(8)",
	.hooks = hooks,
};
