/*
 * ctl/peer.c -- other relays: list, show. See peers.h. Their courier keys: peer_key.c.
 */
#include "config.h"

#include "relay/ctl/peers.h"

#include <string.h>
#include "proto/arena.h"
#include "proto/jid.h"
#include "relay/conf.h"
#include "relay/store/courier.h"
#include "relay/store/spool_list.h"

struct reading {
	json_t *peers;
	bool failed;
};

static void
add_sums(void *arg, bool failed, const struct spool_sum *rows, size_t count)
{
	struct reading *reading = arg;

	reading->failed = failed;
	for (size_t i = 0; i < count && !failed; i++) {
		const struct spool_domain *about = &rows[i].about;
		json_object_set_new(reading->peers, about->domain,
		    json_pack("{s:s, s:s, s:b, s:o, s:I, s:I, s:I, s:s?, s:o, s:n, s:n, s:n}", "domain", about->domain, "state",
			rows[i].waiting > 0 ? "waiting" : "idle", "known", about->known, "seen", ctl_time(about->seen), "waiting",
			(json_int_t)rows[i].waiting, "bytes", (json_int_t)rows[i].bytes, "tries", (json_int_t)about->tries, "reason",
			about->reason, "next", ctl_time(rows[i].waiting > 0 ? about->next : 0), "key", "offered", "pin"));
	}
}

static json_t *
find(json_t *peers, const char *domain)
{
	json_t *peer = json_object_get(peers, domain);

	if (peer != NULL)
		return peer;
	peer = json_pack("{s:s, s:s, s:b, s:n, s:i, s:i, s:i, s:n, s:n, s:n, s:n, s:n}", "domain", domain, "state", "idle", "known", 0, "seen",
	    "waiting", 0, "bytes", 0, "tries", 0, "reason", "next", "key", "offered", "pin");
	json_object_set_new(peers, domain, peer);
	return peer;
}

static void
add_keys(void *arg, bool failed, const struct courier_pin_row *rows, size_t count)
{
	struct reading *reading = arg;

	reading->failed = reading->failed || failed;
	for (size_t i = 0; i < count && !failed; i++) {
		json_t *peer = find(reading->peers, rows[i].domain);

		json_object_set_new(peer, "known", json_true());
		json_object_set_new(peer, "key", ctl_courier_fingerprint(rows[i].pem));
		json_object_set_new(peer, "offered", ctl_courier_fingerprint(rows[i].offered));
		json_object_set_new(peer, "key_from", json_string(rows[i].how));
		json_object_set_new(peer, "key_since", ctl_time(rows[i].time));
		json_object_set_new(peer, "offered_since", ctl_time(rows[i].offered_time));
	}
}

/* What the running relay knows better. */
static void
add_live(json_t *peers, const json_t *live)
{
	const char *phase = json_string_value(json_object_get(live, "phase"));
	json_t *peer = find(peers, json_string_value(json_object_get(live, "domain")));
	bool resting = strcmp(phase, "resting") == 0;

	if (!resting)
		json_object_set_new(peer, "state", json_string(phase));
	json_object_set(peer, "tries", json_object_get(live, "tries"));
	json_object_set_new(peer, "next", ctl_time(resting ? json_integer_value(json_object_get(live, "next")) : 0));
}

static void
add_conf(json_t *peers, const struct conf_peer *conf)
{
	json_t *peer = find(peers, conf->domain);

	json_object_set_new(peer, "known", json_true());
	if (conf->pin != NULL && conf->pin[0] != '\0')
		json_object_set_new(peer, "pin", json_string(conf->pin));
	if (conf->address != NULL && conf->address[0] != '\0')
		json_object_set_new(peer, "address", json_string(conf->address));
}

json_t *
ctl_peers_read(struct ctl *ctl, const char *domain)
{
	struct reading reading = { .peers = json_object() };
	json_t *reply = ctl_call(ctl, json_pack("{s:s}", "verb", "queue")), *live;
	size_t i;

	read_spool_sums(ctl->store, domain, add_sums, &reading);
	read_courier_pins(ctl->store, domain, add_keys, &reading);
	if (reading.failed)
		ctl_complain(0, "the database could not be read");
	json_array_foreach(json_object_get(reply, "domains"), i, live)
	{
		const char *name = json_string_value(json_object_get(live, "domain"));
		if (name != NULL && json_string_value(json_object_get(live, "phase")) != NULL &&
		    (domain == NULL || strcmp(domain, name) == 0))
			add_live(reading.peers, live);
	}
	json_decref(reply);
	for (i = 0; i < ctl->conf->peer_count; i++)
		if (domain == NULL || strcmp(domain, ctl->conf->peers[i].domain) == 0)
			add_conf(reading.peers, &ctl->conf->peers[i]);
	return reading.peers;
}

int
ctl_peer_list(struct ctl *ctl, char **args, int count)
{
	static const char *const columns[] = { "domain", "state", "seen", "waiting", "bytes", "next", "key", "offered", "pin", NULL };
	json_t *peers, *peer;
	const char *name;
	int code;

	(void)args;
	(void)count;
	if (ctl_store(ctl, &code) == NULL)
		return code;
	peers = ctl_peers_read(ctl, NULL);
	json_object_foreach(peers, name, peer)
	{
		static const char *const more[] = { "known", "tries", "reason", "address", "key_from", "key_since", "offered_since" };
		for (size_t i = 0; i < sizeof more / sizeof more[0]; i++)
			json_object_del(peer, more[i]);
		ctl_print(ctl, json_incref(peer), columns, false);
	}
	json_decref(peers);
	return EX_OK;
}

int
ctl_peer_show(struct ctl *ctl, char **args, int count)
{
	static const char *const columns[] = { "domain", "state", "known", "seen", "waiting", "bytes", "tries", "reason", "next", "address", "pin",
		"key", "key_from", "key_since", "offered", "offered_since", NULL };
	static const char *const maybe[] = { "address", "key_from", "key_since", "offered_since" };
	json_t *peers, *peer;
	struct jid jid;
	int code;

	(void)count;
	if (!jid_parse_text(ctl->arena, args[0], &jid) || jid.node != NULL || jid.resource != NULL)
		return ctl_complain(EX_USAGE, "%s: not a domain", args[0]);
	if (ctl_store(ctl, &code) == NULL)
		return code;
	peers = ctl_peers_read(ctl, jid.domain);
	peer = json_incref(json_object_get(peers, jid.domain));
	json_decref(peers);
	if (peer == NULL)
		return ctl_complain(EX_NONE, "%s: nothing is known of it", jid.domain);
	for (size_t i = 0; i < sizeof maybe / sizeof maybe[0]; i++)
		if (json_object_get(peer, maybe[i]) == NULL)
			json_object_set_new(peer, maybe[i], json_null());
	ctl_print(ctl, peer, columns, true);
	return EX_OK;
}
