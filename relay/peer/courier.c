/*
 * peer/courier.c -- see courier.h.
 *
 * What takes the database's time is a `struct errand`, which knows the domain, not the stream: that may be gone by then. An answer goes
 * the way of all stanzas to that domain; a key is public.
 */
#include "config.h"

#include "relay/peer/courier.h"

#include <stdlib.h>
#include <string.h>
#include "proto/arena.h"
#include "proto/buf.h"
#include "proto/mem.h"
#include "proto/ns.h"
#include "proto/stanza.h"
#include "proto/xml.h"
#include "proto/xmlout.h"
#include "relay/net/clock.h"
#include "relay/peer/outflow.h"
#include "relay/peer/peer-private.h"
#include "relay/peer/seal.h"
#include "relay/route/router.h"
#include "relay/store/courier.h"
#include "relay/store/store.h"
#include "relay/store/txn.h"

enum {
	ANSWERS_MOST = 3,      /* on one stream; one is what is meant */
	CERTIFICATE_MAX = 2048, /* bytes of DER; ours has about 400 */
};

struct errand {
	struct peers *peers;
	char *domain;
	char *id;             /* of their question */
	struct seal_pin *pin; /* what they answered ours with */
	bool made;            /* we have tried to make a key */
	struct log log;
};

static struct errand *
errand_new(struct peers *peers, const char *domain)
{
	struct errand *errand = xcalloc(1, sizeof *errand);

	errand->peers = peers;
	errand->domain = xstrdup(domain);
	peers_name_log(&errand->log, errand->domain);
	return errand;
}

static void
errand_free(struct errand *errand)
{
	seal_pin_free(&errand->pin);
	free(errand->id);
	free(errand->domain);
	free(errand);
}

static struct store *
store_of(const struct errand *errand)
{
	return router_store(errand->peers->router);
}

/* ---- ask ---- */

void
courier_ask(struct peers *peers, const char *domain, struct outflow *out, struct courier_talk *talk)
{
	struct buf bytes = { .data = NULL };

	random_id(talk->asked);
	buf_printf(&bytes, "<iq type='get' id='%s'", talk->asked);
	xmlout_attribute(&bytes, "from", peers->domain);
	xmlout_attribute(&bytes, "to", domain);
	buf_adds(&bytes, "><key xmlns='" NS_COURIER "'/></iq>");
	if (outflow_send(out, bytes.data, bytes.len) != OUTFLOW_SENT)
		talk->asked[0] = '\0';
	buf_free(&bytes);
}

/* ---- what they answer ---- */

static char *
pem_of(const struct seal_pin *pin)
{
	struct buf pem = { .data = NULL };

	seal_pin_write(pin, &pem);
	return buf_take(&pem);
}

static void
write_op(struct errand *errand, enum op_kind kind, const char *pem)
{
	struct txn *txn = txn_new(store_of(errand));

	txn_add(txn, &(struct op){ .kind = kind, .peer = errand->domain, .token = pem, .config = COURIER_HOW_STREAM, .time = now_wall() });
	txn_submit(&txn, NULL, NULL);
}

static bool
is_the_same(const char *pem, const struct seal_pin *shown, char fingerprint_r[static SEAL_FINGERPRINT_LEN + 1])
{
	const char *why;
	struct seal_pin *pin = pem == NULL ? NULL : seal_pin_read(pem, strlen(pem), &why);
	bool same = pin != NULL && seal_pin_same(pin, shown);

	fingerprint_r[0] = '\0';
	if (pin != NULL)
		seal_pin_fingerprint(pin, fingerprint_r);
	seal_pin_free(&pin);
	return same;
}

/* Something is believed of this domain. */
static void
compare(struct errand *errand, const struct courier_pin_row *row, const char *pem, const char *shown)
{
	char believed[SEAL_FINGERPRINT_LEN + 1], offered[SEAL_FINGERPRINT_LEN + 1];

	if (is_the_same(row->pem, errand->pin, believed)) {
		if (row->offered != NULL)
			write_op(errand, OP_COURIER_OFFERED, NULL);
	} else if (!is_the_same(row->offered, errand->pin, offered)) {
		log_warn(&errand->log, "shows another courier key: %s; %s is still the one that is believed: see lazoctl peer trust", shown, believed);
		write_op(errand, OP_COURIER_OFFERED, pem);
	}
}

static void
on_pins(void *arg, bool failed, const struct courier_pin_row *rows, size_t count)
{
	struct errand *errand = arg;
	char shown[SEAL_FINGERPRINT_LEN + 1], *pem = pem_of(errand->pin);

	seal_pin_fingerprint(errand->pin, shown);
	if (!failed && count > 0) {
		compare(errand, &rows[0], pem, shown);
	} else if (!failed) {
		log_info(&errand->log, "its courier key: %s, the first that it shows", shown);
		write_op(errand, OP_COURIER_PIN, pem); /* conflict: there is one, since this moment */
	}
	free(pem);
	errand_free(errand);
}

static struct seal_pin *
read_key(const char *domain, struct arena *arena, const struct xml *answer, const char **why_r)
{
	const struct xml *key = xml_find(answer, "key", NS_COURIER);
	const char *text = key == NULL ? "" : xml_text(arena, key);
	size_t len = strlen(text);
	struct seal_pin *pin = NULL;
	uint8_t *der;
	long got;

	*why_r = "there is none in the answer";
	if (len == 0 || len > base64_encoded_len(CERTIFICATE_MAX))
		return NULL;
	der = arena_alloc(arena, len / 4 * 3 + 3);
	got = base64_decode(der, text, len);
	if (got > 0)
		pin = seal_pin_read_der(der, (size_t)got, why_r);
	if (pin != NULL && !seal_pin_names(pin, domain)) {
		*why_r = "it is for another domain";
		seal_pin_free(&pin);
	}
	return pin;
}

static void
take_answer(struct peers *peers, const char *domain, struct arena *arena, const struct xml *answer)
{
	struct errand *errand = errand_new(peers, domain);
	const char *why;

	errand->pin = read_key(domain, arena, answer, &why);
	if (errand->pin != NULL) {
		read_courier_pins(store_of(errand), domain, on_pins, errand);
		return;
	}
	log_info(&errand->log, "its courier key is of no use: %s", why);
	errand_free(errand);
}

/* ---- what they ask ---- */

/* One that is there; NULL: they are gone, and will ask again when they are back. */
static struct link *
way_to(struct peers *peers, const char *domain)
{
	struct link *link = link_find(peers, domain);

	if (peers->stopping || (link == NULL && inbound_both_ways(peers, domain) == NULL))
		return NULL;
	return link_to(peers, domain);
}

static void
send_answer(const struct errand *errand, const struct seal_pin *pin)
{
	struct link *link = way_to(errand->peers, errand->domain);
	struct arena *arena = arena_new();
	struct xml *iq = xml_new(arena, "iq", NS_CLIENT);
	struct buf der = { .data = NULL };
	char *text;

	seal_pin_write_der(pin, &der);
	text = arena_alloc(arena, base64_encoded_len(der.len) + 1);
	base64_encode(text, der.data, der.len);
	xml_set(arena, iq, "type", "result");
	xml_set(arena, iq, "id", errand->id);
	xml_set(arena, iq, "from", errand->peers->domain);
	xml_set(arena, iq, "to", errand->domain);
	xml_add_text(arena, xml_add(arena, iq, "key", NS_COURIER), text, strlen(text));
	if (link != NULL)
		link_send(link, iq);
	buf_free(&der);
	arena_free(&arena);
}

static void on_keys(void *arg, bool failed, const struct courier_key_row *rows, size_t count);

/* Conflict: somebody else has made one, this moment. */
static void
on_made(void *arg, enum txn_result result)
{
	struct errand *errand = arg;

	(void)result;
	read_courier_keys(store_of(errand), on_keys, errand);
}

static void
make_key(struct errand *errand)
{
	struct seal_key *key = seal_key_make(errand->peers->domain, now_wall());
	struct txn *txn = txn_new(store_of(errand));
	struct buf pem = { .data = NULL };

	errand->made = true;
	seal_key_write(key, &pem);
	txn_add(txn, &(struct op){ .kind = OP_COURIER_KEY_NEW, .token = pem.data, .time = now_wall() });
	cleanse(pem.data, pem.len);
	buf_free(&pem);
	seal_key_free(&key);
	txn_submit(&txn, on_made, errand);
}

static void
on_keys(void *arg, bool failed, const struct courier_key_row *rows, size_t count)
{
	struct errand *errand = arg;
	bool there = !failed && count > 0 && rows[0].retired == 0;
	const char *why = "the database gives none";
	struct seal_key *key = there ? seal_key_read(rows[0].pem, strlen(rows[0].pem), &why) : NULL;

	if (!failed && !there && !errand->made) {
		make_key(errand);
		return;
	}
	if (key != NULL)
		send_answer(errand, seal_key_pin(key));
	else
		log_warn(&errand->log, "cannot be told our courier key: %s", why);
	seal_key_free(&key);
	errand_free(errand);
}

/* ---- both ---- */

bool
courier_take(struct peers *peers, const char *domain, struct courier_talk *talk, struct arena *arena, const struct xml *stanza)
{
	enum iq_type type = stanza_kind(stanza) == STANZA_IQ ? iq_type(stanza) : IQ_BAD;
	const char *id = xml_attr(stanza, "id");
	struct errand *errand;

	if (type == IQ_BAD || id == NULL || strcmp(xml_attr(stanza, "from"), domain) != 0 ||
	    strcmp(xml_attr(stanza, "to"), peers->domain) != 0)
		return false;
	if (type == IQ_RESULT || type == IQ_ERROR) {
		if (talk->asked[0] == '\0' || strcmp(talk->asked, id) != 0)
			return false;
		talk->asked[0] = '\0';
		if (type == IQ_RESULT)
			take_answer(peers, domain, arena, stanza);
		return true;
	}
	if (type != IQ_GET || xml_find(stanza, "key", NS_COURIER) == NULL || talk->answered >= ANSWERS_MOST)
		return false; /* too often: nobody here answers it, and so it is told */
	talk->answered++;
	errand = errand_new(peers, domain);
	errand->id = xstrdup(id);
	read_courier_keys(store_of(errand), on_keys, errand);
	return true;
}
