/*
 * peer/peers.c -- all streams with other relays together, and the router's way to them: see peers.h.
 */
#include "config.h"

#include "relay/peer/peer-private.h"

#include <stdlib.h>
#include <string.h>
#include "proto/arena.h"
#include "proto/jid.h"
#include "proto/mem.h"
#include "proto/ns.h"
#include "proto/stanza.h"
#include "proto/xml.h"
#include "relay/conf.h"
#include "relay/net/loop.h"
#include "relay/net/resolver.h"
#include "relay/net/tls.h"
#include "relay/peer/pace.h"
#include "relay/route/event.h"
#include "relay/route/router.h"
#include "relay/store/store.h"

enum { STOP_MS = 3000 };

/* ---- out: the router's transport ---- */

/* Committed, and in its turn. */
static void
send_now(struct event *event, void *arg)
{
	struct peers *peers = arg;
	struct link *link = peers->stopping ? NULL : link_to(peers, event->to.domain);

	if (link != NULL)
		link_send(link, event->stanza);
	else
		event_reply_error(event, STANZA_RESOURCE_CONSTRAINT, NULL);
}

static void
deliver(void *arg, struct event *event)
{
	xml_set(event->arena, event->stanza, "to", jid_text(event->arena, &event->to));
	event_after(event, send_now, arg);
	event_finish(event, HANDLED);
}

/* ---- out: the queue's line ---- */

static void
on_wanted(void *arg, const char *domain)
{
	struct peers *peers = arg;
	struct link *link = peers->stopping ? NULL : link_to(peers, domain);

	if (link != NULL)
		link_want(link);
	else if (!peers->stopping)
		queue_down(router_queue(peers->router), domain, QUEUE_UNREACHED, "there are too many streams here");
}

static enum queue_taken
on_send(void *arg, const char *domain, const char *stanza, size_t len)
{
	struct link *link = link_find(arg, domain);

	return link == NULL ? QUEUE_NOT_NOW : link_carry(link, stanza, len);
}

static void
room(void *arg)
{
	struct peers *peers = arg;

	for (struct inbound *in = peers->inbounds; in != NULL; in = inbound_next(in))
		inbound_go_on(in);
}

/* ---- life ---- */

struct peers *
peers_new(struct loop *loop, struct router *router, const struct conf *conf, struct tls *tls)
{
	struct peers *peers = xcalloc(1, sizeof *peers);

	peers->loop = loop;
	peers->router = router;
	peers->domain = router_domain(router);
	peers->resolver = resolver_new(loop);
	peers_set(peers, conf, tls);
	router_set_transport(router, &(struct transport){ .deliver = deliver, .room = room, .arg = peers });
	queue_set_line(router_queue(router), &(struct queue_line){ .wanted = on_wanted, .send = on_send, .arg = peers });
	return peers;
}

void
peers_set(struct peers *peers, const struct conf *conf, struct tls *tls)
{
	peers->conf = conf;
	tls_unref(&peers->tls);
	peers->tls = tls_ref(tls);
	resolver_set_servers(peers->resolver, conf->resolver.items, conf->resolver.count);
	for (size_t i = 0; i < conf->peer_count; i++) {
		struct link *link = conf->peers[i].keep && strcmp(conf->peers[i].domain, peers->domain) != 0
		    ? link_to(peers, conf->peers[i].domain) : NULL;

		if (link != NULL)
			link_keep(link);
	}
}

const struct conf_peer *
peers_conf_of(const struct peers *peers, const char *domain)
{
	for (size_t i = 0; i < peers->conf->peer_count; i++)
		if (strcmp(peers->conf->peers[i].domain, domain) == 0)
			return &peers->conf->peers[i];
	return NULL;
}

const char *
peers_pin_of(const struct peers *peers, const char *domain)
{
	const struct conf_peer *conf = peers_conf_of(peers, domain);

	return conf == NULL || conf->pin == NULL || conf->pin[0] == '\0' ? NULL : conf->pin;
}

bool
peers_allow_dialback(const struct peers *peers, const char *domain)
{
	return peers->conf->dialback && peers_pin_of(peers, domain) == NULL;
}

void
peers_dialback_secret(const struct peers *peers, uint8_t secret_r[static 32])
{
	store_secret(router_store(peers->router), "dialback", secret_r);
}

/* ---- what all streams share ---- */

void
peers_name_log(struct log *log, const char *who)
{
	char id[ID_LEN + 1];

	random_id(id);
	memcpy(log->id, id, 4);
	log->who = who;
}

enum stream_error
peers_check_header(struct arena *arena, const struct xml *header, const char *domain)
{
	const char *from = xml_attr(header, "from"), *content = xml_attr(header, "xmlns");
	struct jid jid;

	if (strcmp(header->ns, NS_STREAM) != 0 || strcmp(header->name, "stream") != 0 ||
	    (content != NULL && strcmp(content, NS_SERVER) != 0))
		return STREAM_INVALID_NAMESPACE;
	if (from != NULL && (!jid_parse_text(arena, from, &jid) || strcmp(jid.domain, domain) != 0))
		return STREAM_INVALID_FROM;
	return STREAM_OK;
}

void
peers_hear_error(struct line *line, const struct log *log, struct arena *arena, const struct xml *element)
{
	const char *text = xml_child_text(arena, element, "text", NS_STREAM_ERRORS);

	log_info(log, "says: %s%s%s", xml_first(element) == NULL ? "an error" : xml_first(element)->name, text == NULL ? "" : ": ",
	    text == NULL ? "" : text);
	line_note_error(line, xml_first(element));
	line_close(line, STREAM_OK, NULL);
}

/* ---- all of them ---- */

void
peers_accept(struct peers *peers, int fd, bool direct, void (*on_gone)(void *arg, const char *peer), void *arg)
{
	inbound_accept(peers, fd, direct, on_gone, arg);
}

void
peers_seen(struct peers *peers, const char *domain)
{
	struct link *link = link_find(peers, domain);

	if (link != NULL)
		link_seen(link);
	else
		router_peer_up(peers->router, domain, false);
	queue_seen(router_queue(peers->router), domain);
}

void
peers_there(struct peers *peers, const char *domain)
{
	struct link *link = link_find(peers, domain);

	if (link != NULL)
		link_there(link);
	peers_seen(peers, domain);
}

void
peers_left(struct peers *peers, const struct inbound *in, const char *domain, const char *why)
{
	struct link *link = link_find(peers, domain);

	if (link != NULL)
		link_gone(link, in, why);
}

void
peers_drained(struct peers *peers, const struct inbound *in, const char *domain)
{
	struct link *link = link_find(peers, domain);

	if (link != NULL)
		link_drained(link, in);
}

bool
peers_pong(struct peers *peers, const char *domain, const struct xml *stanza)
{
	enum iq_type type = stanza_kind(stanza) == STANZA_IQ ? iq_type(stanza) : IQ_BAD;
	struct link *link = type == IQ_RESULT || type == IQ_ERROR ? link_find(peers, domain) : NULL;

	return link != NULL && strcmp(xml_attr(stanza, "from"), domain) == 0 && link_pong(link, xml_attr(stanza, "id"));
}

size_t
peers_count(const struct peers *peers)
{
	size_t count = peers->inbound_count;

	for (struct link *link = peers->links; link != NULL; link = link_next(link))
		count += link_is_open(link);
	return count;
}

static void
stopped(void *arg)
{
	struct peers *peers = arg;
	void (*done)(void *) = peers->done;

	timer_clear(peers->stop);
	peers->done = NULL;
	if (done != NULL)
		done(peers->done_arg);
}

void
peers_gone(struct peers *peers)
{
	if (peers->stopping && peers->done != NULL && peers_count(peers) == 0)
		timer_set(peers->stop, 0);
}

void
peers_shutdown(struct peers *peers, void (*done)(void *arg), void *arg)
{
	peers->stopping = true;
	peers->done = done;
	peers->done_arg = arg;
	peers->stop = timer_new(peers->loop, stopped, peers);
	for (struct link *link = peers->links; link != NULL; link = link_next(link))
		link_close(link);
	for (struct inbound *in = peers->inbounds; in != NULL; in = inbound_next(in))
		inbound_close(in, STREAM_SYSTEM_SHUTDOWN);
	timer_set(peers->stop, peers_count(peers) == 0 ? 0 : STOP_MS);
}

void
peers_free(struct peers **peers_p)
{
	struct peers *peers = *peers_p;

	*peers_p = NULL;
	if (peers == NULL)
		return;
	while (peers->links != NULL)
		link_free(peers->links);
	while (peers->inbounds != NULL)
		inbound_free(peers->inbounds);
	resolver_free(&peers->resolver);
	pace_free_all(&peers->paces);
	timer_free(&peers->stop);
	tls_unref(&peers->tls);
	free(peers);
}
