/*
 * peer/dial.c -- see dial.h.
 */
#include "config.h"

#include "relay/peer/dial.h"

#include <stdlib.h>
#include <string.h>
#include "proto/arena.h"
#include "proto/jid.h"
#include "proto/mem.h"
#include "proto/ns.h"
#include "proto/xml.h"
#include "relay/conf.h"
#include "relay/net/address.h"
#include "relay/net/connect.h"
#include "relay/net/resolver.h"
#include "relay/peer/line.h"
#include "relay/peer/peer-private.h"

enum state { IDLE, FINDING, CONNECTING, CLEAR, SECURING };

struct dial {
	struct peers *peers;
	const char *domain; /* canonical */
	char ascii[JID_PART_MAX + 1];
	const struct log *log;
	const struct dial_owner *owner;
	void *arg;
	struct search *search;         /* in FINDING by DNS */
	struct connecting *connecting; /* in CONNECTING */
	struct endpoint endpoints[ENDPOINTS_MOST]; /* not tried yet */
	size_t count;
	struct line *line; /* from CLEAR on, or in SECURING */
	enum state state;
};

static void
drop(struct dial *dial)
{
	resolver_cancel(&dial->search);
	connect_cancel(&dial->connecting);
	line_free(&dial->line);
	dial->state = IDLE;
}

static void
fail(struct dial *dial, enum queue_reason reason, const char *why)
{
	drop(dial);
	dial->owner->failed(dial->arg, reason, why);
}

/* ---- addresses ---- */

static void on_connected(void *arg, int fd, size_t index, const char *why);

static void
connect_to_rest(struct dial *dial, const char *why)
{
	if (dial->count == 0) {
		fail(dial, QUEUE_UNREACHED, why);
		return;
	}
	drop(dial);
	dial->state = CONNECTING;
	dial->connecting = connect_begin(dial->peers->loop, dial->endpoints, dial->count, on_connected, dial);
}

static void
on_found(void *arg, enum resolver_result result, const struct endpoint *list, size_t count)
{
	struct dial *dial = arg;

	dial->search = NULL;
	switch (result) {
	case RESOLVER_NO_DOMAIN:
		fail(dial, QUEUE_NO_DOMAIN, "there is no such domain");
		return;
	case RESOLVER_NO_SERVICE:
		fail(dial, QUEUE_NO_SERVICE, "no relay under that name");
		return;
	case RESOLVER_FAILED:
		fail(dial, QUEUE_UNREACHED, "DNS does not answer");
		return;
	case RESOLVER_FOUND:
		memcpy(dial->endpoints, list, count * sizeof *list);
		dial->count = count;
		connect_to_rest(dial, "");
		return;
	}
}

/* What the configuration says, if it says where. */
static bool
use_conf(struct dial *dial)
{
	const struct conf_peer *conf = peers_conf_of(dial->peers, dial->domain);
	struct endpoint *end = &dial->endpoints[0];
	bool any;

	if (conf == NULL || conf->address == NULL || conf->address[0] == '\0')
		return false;
	*end = (struct endpoint){ .direct = conf->tls != NULL && strcmp(conf->tls, "direct") == 0 };
	if (!address_parse(conf->address, &end->address, &end->len, &any) || any) {
		log_error(dial->log, "the address \"%s\" configured for it is none; asking DNS", conf->address);
		return false;
	}
	dial->count = 1;
	return true;
}

void
dial_begin(struct dial *dial)
{
	drop(dial);
	dial->state = FINDING;
	if (use_conf(dial))
		connect_to_rest(dial, "");
	else
		dial->search = resolver_find(dial->peers->resolver, dial->ascii, on_found, dial);
}

void
dial_next(struct dial *dial, const char *why)
{
	connect_to_rest(dial, why);
}

/* ---- one connection, until TLS is there ---- */

/* This address is of no use. */
static void
give_up(struct dial *dial, const char *why)
{
	log_info(dial->log, "%s: %s", line_peer(dial->line), why);
	connect_to_rest(dial, why);
}

static void
on_header(void *arg, struct arena *arena, struct xml *header)
{
	struct dial *dial = arg;
	enum stream_error error = peers_check_header(arena, header, dial->domain);

	if (error != STREAM_OK)
		line_close(dial->line, error, NULL);
}

static void
take_features(struct dial *dial, const struct xml *element)
{
	if (!xml_is(element, "features", NS_STREAM)) {
		line_close(dial->line, STREAM_UNSUPPORTED_STANZA_TYPE, NULL);
	} else if (xml_find(element, "starttls", NS_TLS) == NULL) {
		line_close(dial->line, STREAM_POLICY_VIOLATION, "TLS is wanted here");
	} else {
		line_writes(dial->line, "<starttls xmlns='" NS_TLS "'/>");
		dial->state = SECURING;
	}
}

static void
take_proceed(struct dial *dial, const struct xml *element)
{
	if (!xml_is(element, "proceed", NS_TLS) || line_is_tls(dial->line)) {
		line_close(dial->line, STREAM_POLICY_VIOLATION, "TLS is wanted here");
		return;
	}
	line_restart(dial->line, LINE_BYTES_BEFORE);
	(void)line_start_tls(dial->line, dial->ascii, false);
}

static void
on_element(void *arg, struct arena *arena, struct xml *element)
{
	struct dial *dial = arg;

	if (xml_is(element, "error", NS_STREAM))
		peers_hear_error(dial->line, dial->log, arena, element);
	else if (dial->state == CLEAR)
		take_features(dial, element);
	else
		take_proceed(dial, element);
	arena_free(&arena);
}

static void
on_secure(void *arg)
{
	struct dial *dial = arg;
	struct line *line = dial->line;

	dial->line = NULL;
	dial->state = IDLE;
	dial->owner->secured(dial->arg, line);
}

static void
on_goodbye(void *arg)
{
	struct dial *dial = arg;

	line_close(dial->line, STREAM_OK, NULL);
}

static void
on_closed(void *arg, const char *why)
{
	struct dial *dial = arg;

	give_up(dial, why);
}

static const struct line_owner line_owner = {
	.header = on_header, .element = on_element, .secure = on_secure, .goodbye = on_goodbye, .closed = on_closed,
};

static void
on_connected(void *arg, int fd, size_t index, const char *why)
{
	struct dial *dial = arg;
	bool direct;

	dial->connecting = NULL;
	if (fd < 0) {
		fail(dial, QUEUE_UNREACHED, why);
		return;
	}
	direct = dial->endpoints[index].direct;
	dial->count--;
	memmove(&dial->endpoints[index], &dial->endpoints[index + 1], (dial->count - index) * sizeof dial->endpoints[0]);
	dial->line = line_new(dial->peers, fd, &line_owner, dial, dial->log);
	if (dial->line == NULL) {
		fail(dial, QUEUE_UNREACHED, "the system cannot watch the connection");
		return;
	}
	line_deadline(dial->line, WAIT_READY);
	log_debug(dial->log, "connected to %s", line_peer(dial->line));
	dial->state = direct ? SECURING : CLEAR;
	if (direct)
		(void)line_start_tls(dial->line, dial->ascii, true);
	else
		line_header(dial->line, dial->domain, NULL);
}

/* ---- life ---- */

struct dial *
dial_new(struct peers *peers, const char *domain, const struct log *log, const struct dial_owner *owner, void *arg)
{
	struct dial *dial = xcalloc(1, sizeof *dial);

	if (!jid_domain_ascii(domain, dial->ascii)) {
		free(dial);
		return NULL;
	}
	dial->peers = peers;
	dial->domain = domain;
	dial->log = log;
	dial->owner = owner;
	dial->arg = arg;
	return dial;
}

void
dial_stop(struct dial *dial)
{
	drop(dial);
}

bool
dial_is_busy(const struct dial *dial)
{
	return dial->state != IDLE;
}

bool
dial_is_heard(const struct dial *dial)
{
	return dial->line != NULL;
}

void
dial_free(struct dial **dial)
{
	struct dial *gone = *dial;

	*dial = NULL;
	if (gone == NULL)
		return;
	drop(gone);
	free(gone);
}
