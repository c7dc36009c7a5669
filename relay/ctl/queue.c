/*
 * ctl/queue.c -- what is held for other relays: show, retry, cancel, expire.
 *
 * Rows come from the database, whoever has it open; what only a running relay knows (is there a stream, when is the next try) comes
 * from it. Orders go to the running relay, which may have a message on its way; without one they are carried out here by the same
 * queue, which then has no streams.
 */
#include "config.h"

#include "relay/ctl/ctl.h"

#include <stdlib.h>
#include <string.h>
#include "proto/arena.h"
#include "proto/buf.h"
#include "proto/jid.h"
#include "relay/conf.h"
#include "relay/ctl/peers.h"
#include "relay/feature/hold_notice.h"
#include "relay/log.h"
#include "relay/net/clock.h"
#include "relay/net/loop.h"
#include "relay/queue/operator.h"
#include "relay/store/spool_list.h"
#include "relay/store/store.h"

enum { PAGE = 500 };

/* ---- show ---- */

struct listing {
	struct ctl *ctl;
	json_t *peers; /* by domain: ctl_peers_read() */
	int64_t last, now;
	size_t rows, all;
	bool failed;
};

static const char *
state_of(const struct spool_line *row, const char *peer, int64_t now)
{
	if (row->state == SPOOL_UNCONFIRMED)
		return "unconfirmed";
	if (row->next > now)
		return "deferred";
	if (strcmp(peer, "up") == 0)
		return "sending";
	return strcmp(peer, "trying") == 0 ? "trying" : "held";
}

static void
print_line(struct listing *listing, const struct spool_line *row)
{
	static const char *const columns[] = { "id", "from", "to", "state", "reason", "tries", "size", "since", "next", "expires", NULL };
	const json_t *peer = json_object_get(listing->peers, row->domain);
	const char *word = json_string_value(json_object_get(peer, "state"));
	const char *state = state_of(row, word == NULL ? "" : word, listing->now);
	json_t *record = json_pack("{s:I, s:s, s:s, s:s, s:s?, s:I, s:I, s:o, s:o, s:o}", "id", (json_int_t)row->id, "from", row->from, "to",
	    row->to, "state", state, "reason", row->reason, "tries", (json_int_t)row->tries, "size", (json_int_t)row->size, "since",
	    ctl_time(row->since), "next", ctl_time(strcmp(state, "deferred") == 0 ? row->next : 0), "expires", ctl_time(row->expires));

	if (strcmp(state, "held") == 0 || strcmp(state, "trying") == 0) { /* not it, but its domain is waited for */
		static const char *const of_peer[] = { "reason", "tries", "next" };
		for (size_t i = 0; i < sizeof of_peer / sizeof of_peer[0]; i++)
			json_object_set(record, of_peer[i], json_object_get(peer, of_peer[i]));
	}
	ctl_print(listing->ctl, record, columns, false);
}

static void
print_lines(void *arg, bool failed, const struct spool_line *rows, size_t count)
{
	struct listing *listing = arg;

	listing->failed = failed;
	listing->rows = failed ? 0 : count;
	listing->all += listing->rows;
	for (size_t i = 0; i < listing->rows; i++) {
		print_line(listing, &rows[i]);
		listing->last = rows[i].id;
	}
}

int
ctl_queue_show(struct ctl *ctl, char **args, int count)
{
	struct listing listing = { .ctl = ctl, .now = now_wall() };
	const char *domain = NULL, *address = NULL;
	struct jid jid;
	int code;

	if (count > 0 && !jid_parse_text(ctl->arena, args[0], &jid))
		return ctl_complain(EX_USAGE, "%s: neither a domain nor an address", args[0]);
	if (count > 0 && jid.node == NULL)
		domain = jid.domain;
	else if (count > 0)
		address = arena_printf(ctl->arena, "%s@%s", jid.node, jid.domain);
	if (ctl_store(ctl, &code) == NULL)
		return code;
	listing.peers = ctl_peers_read(ctl, domain);
	do {
		struct arena *run = ctl->arena;
		ctl->arena = arena_new(); /* a page's */
		read_spool_lines(ctl->store, domain, address, listing.last, PAGE, print_lines, &listing);
		arena_free(&ctl->arena);
		ctl->arena = run;
	} while (listing.rows == PAGE);
	json_decref(listing.peers);
	return listing.failed ? ctl_complain(EX_TEMPFAIL, "the database could not be read") : EX_OK;
}

/* ---- orders ---- */

/* Without a running relay. */
struct desk {
	struct ctl *ctl;
	struct loop *loop;
	struct queue *queue;
	enum queue_done done;
	size_t count;
};

static void
tell_sender(void *arg, struct txn *txn, const struct queue_message *message, enum queue_end end, enum stanza_error error, const char *text)
{
	struct ctl *ctl = arg;
	struct buf body = { .data = NULL };
	struct jid jid;

	if (!jid_parse_text(ctl->arena, message->from, &jid) || jid.node == NULL || strcmp(jid.domain, ctl->conf->host) != 0)
		return;
	hold_notice_write(&body, message, end, error, text);
	hold_notice_add(txn, store_next_id(ctl->store), jid.node, message, body.data, body.len);
	buf_free(&body);
}

static void
heard(void *arg, enum queue_done done, size_t count)
{
	struct desk *desk = arg;

	desk->done = done;
	desk->count = count;
}

static void
open_desk(struct desk *desk, struct ctl *ctl)
{
	log_level_set(LOG_LEVEL_WARN);
	*desk = (struct desk){ .ctl = ctl, .loop = loop_new(), .done = QUEUE_DONE };
	desk->queue = queue_new(desk->loop, ctl->store, ctl->conf, ctl->conf->host);
	queue_set_owner(desk->queue, &(struct queue_owner){ .ended = tell_sender, .arg = ctl });
}

static void
close_desk(struct desk *desk)
{
	queue_free(&desk->queue);
	loop_free(&desk->loop);
}

/* An order to the running relay. NULL: there is none to give it to, or *exit_r says why not. */
static json_t *
order(struct ctl *ctl, json_t *request, int *exit_r)
{
	json_t *reply = ctl_call(ctl, request);

	*exit_r = EX_OK;
	if (reply != NULL && !json_is_true(json_object_get(reply, "ok"))) {
		const char *error = json_string_value(json_object_get(reply, "error"));
		*exit_r = ctl_complain(EX_TEMPFAIL, "%s", error == NULL ? "the running relay does not know this" : error);
		json_decref(reply);
		return NULL;
	}
	if (reply == NULL && ctl->deaf)
		*exit_r = EX_TEMPFAIL;
	return reply;
}

static enum queue_done
done_of(const json_t *reply)
{
	static const char *const words[] = { [QUEUE_DONE] = "done", [QUEUE_NONE] = "none", [QUEUE_BUSY] = "busy" };
	const char *word = json_string_value(json_object_get(reply, "done"));

	for (size_t i = 0; word != NULL && i < sizeof words / sizeof words[0]; i++)
		if (strcmp(words[i], word) == 0)
			return (enum queue_done)i;
	return QUEUE_FAILED;
}

static int
exit_of(enum queue_done done, const char *what)
{
	switch (done) {
	case QUEUE_DONE:
		return EX_OK;
	case QUEUE_NONE:
		return ctl_complain(EX_NONE, "%s: no such message", what);
	case QUEUE_BUSY:
		return ctl_complain(EX_TEMPFAIL, "%s: on its way at this moment", what);
	case QUEUE_FAILED:
		break;
	}
	return ctl_complain(EX_TEMPFAIL, "the database could not be written");
}

static bool
is_id(const char *text, int64_t *id_r)
{
	char *end;

	if (text[0] == '\0' || text[strspn(text, "0123456789")] != '\0' || strlen(text) > 18)
		return false;
	*id_r = strtoll(text, &end, 10);
	return *id_r > 0;
}

/* One message, by the running relay or here. */
static int
order_one(struct ctl *ctl, const char *verb, const char *text, int64_t id,
    void (*here)(struct queue *queue, int64_t id, queue_done_fn *fn, void *arg))
{
	struct desk desk;
	int code;
	json_t *reply = order(ctl, json_pack("{s:s, s:I}", "verb", verb, "id", (json_int_t)id), &code);

	if (reply != NULL) {
		desk.done = done_of(reply);
		json_decref(reply);
		return exit_of(desk.done, text);
	}
	if (code != EX_OK || ctl_store(ctl, &code) == NULL)
		return code;
	open_desk(&desk, ctl);
	here(desk.queue, id, heard, &desk);
	close_desk(&desk);
	return exit_of(desk.done, text);
}

static int
retry_domain(struct ctl *ctl, const char *domain)
{
	json_t *peers, *reply;
	struct desk desk;
	int code;

	if (ctl_store(ctl, &code) == NULL)
		return code;
	if (domain != NULL) {
		peers = ctl_peers_read(ctl, domain);
		code = json_integer_value(json_object_get(json_object_get(peers, domain), "waiting")) > 0 ? EX_OK : EX_NONE;
		json_decref(peers);
		if (code != EX_OK)
			return ctl_complain(code, "%s: nothing is held for it", domain);
	}
	reply = order(ctl, json_pack("{s:s, s:s*}", "verb", "queue-retry", "domain", domain), &code);
	if (reply == NULL && code == EX_OK) {
		open_desk(&desk, ctl);
		queue_retry(desk.queue, domain);
		close_desk(&desk);
	}
	json_decref(reply);
	return code;
}

int
ctl_queue_retry(struct ctl *ctl, char **args, int count)
{
	struct jid jid;
	int64_t id;

	if (count > 0 && is_id(args[0], &id))
		return order_one(ctl, "queue-retry", args[0], id, queue_retry_one);
	if (count > 0 && (!jid_parse_text(ctl->arena, args[0], &jid) || jid.node != NULL || jid.resource != NULL))
		return ctl_complain(EX_USAGE, "%s: neither a domain nor a message's id", args[0]);
	return retry_domain(ctl, count > 0 ? jid.domain : NULL);
}

int
ctl_queue_cancel(struct ctl *ctl, char **args, int count)
{
	int64_t id;

	(void)count;
	if (!is_id(args[0], &id))
		return ctl_complain(EX_USAGE, "%s: not a message's id", args[0]);
	return order_one(ctl, "queue-cancel", args[0], id, queue_cancel);
}

int
ctl_queue_expire(struct ctl *ctl, char **args, int count)
{
	static const char *const columns[] = { "expired", NULL };
	json_t *reply = NULL;
	struct desk desk = { .done = QUEUE_FAILED };
	int code;

	(void)args;
	(void)count;
	reply = order(ctl, json_pack("{s:s}", "verb", "queue-expire"), &code);
	if (reply != NULL) {
		desk.done = done_of(reply);
		desk.count = (size_t)json_integer_value(json_object_get(reply, "count"));
	} else {
		if (code != EX_OK || ctl_store(ctl, &code) == NULL)
			return code;
		open_desk(&desk, ctl);
		queue_expire(desk.queue, heard, &desk);
		close_desk(&desk);
	}
	json_decref(reply);
	if (desk.done != QUEUE_DONE)
		return exit_of(desk.done, "what is over its time");
	ctl_print(ctl, json_pack("{s:I}", "expired", (json_int_t)desk.count), columns, true);
	return EX_OK;
}
