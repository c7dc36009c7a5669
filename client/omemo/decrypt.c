/*
 * decrypt.c -- reading what others encrypted for this device.
 *
 * The order matters: the header is looked at first, so that what was read before is told from what cannot be
 * read any more; the identity key is compared before the ratchet is asked; ratchet, payload and the new
 * device's row succeed together in one SAVEPOINT or leave nothing.
 */
#include "config.h"
#include "client/omemo/omemo.h"

#include <assert.h>
#include <string.h>
#include "client/db/db.h"
#include "client/db/session.h"
#include "client/omemo/element.h"
#include "client/omemo/omemo-private.h"
#include "client/omemo/payload.h"
#include "client/omemo/ratchet.h"
#include "client/omemo/wire.h"
#include "proto/arena.h"
#include "proto/mem.h"

enum { HEARTBEAT_AFTER = 53 /* XEP-0384 0.8, business rules: a chain this long wants an answer */ };

static bool
unreadable(struct omemo_message *message, enum unreadable reason)
{
	message->outcome = OMEMO_UNREADABLE;
	message->unreadable = reason;
	return false;
}

static enum unreadable
reason_of(enum ratchet_result result)
{
	switch (result) {
	case RATCHET_MALFORMED:
		return UNREADABLE_MALFORMED;
	case RATCHET_NO_SESSION:
		return UNREADABLE_NO_SESSION;
	case RATCHET_KEY_GONE:
		return UNREADABLE_KEY_GONE;
	case RATCHET_GAP:
		return UNREADABLE_GAP;
	case RATCHET_BAD:
	case RATCHET_FAILED:
	case RATCHET_OK:
		break;
	}
	return UNREADABLE_BAD;
}

/* The identity key of a prekey message against the one known for the device. A device that was never heard and has a
 * key by which someone else is known only passes on what that one wrote (attack O3): the ratchet cannot tell, since
 * whom a session is with is no part of what is authenticated (XEP-0384 0.3.0). */
static bool
identity_fits(struct omemo *omemo, const char *jid, uint32_t device, const struct ratchet_header *header)
{
	struct arena *arena = arena_new();
	struct device known;
	bool found = device_get(omemo->db, arena, omemo->account, jid, device, &known);
	bool fits = !found || !known.known_identity ||
		    memcmp(known.identity, header->identity, IDENTITY_LEN) == 0;
	bool proven = found && known.known_identity && (known.heard > 0 || known.trust == TRUST_VERIFIED);
	arena_free(&arena);
	return fits && (proven || !device_key_of_another(omemo->db, omemo->account, jid, header->identity));
}

static bool
open_payload(struct arena *arena, const struct element_message *element, const void *secret,
	     size_t secret_len, struct omemo_message *message_r)
{
	if (!element->has_payload) {
		message_r->outcome = OMEMO_EMPTY;
		return true;
	}
	uint8_t *text = arena_alloc(arena, element->payload_len + 1);
	long len = payload_open(element->payload, element->payload_len, element->iv, element->iv_len, secret,
				secret_len, text);
	if (len < 0)
		return unreadable(message_r, UNREADABLE_BAD);
	message_r->outcome = OMEMO_OK;
	message_r->text = payload_text(arena, text, (size_t)len);
	return true;
}

/* After a good message: what is known of its device now, and what the session wants. */
static void
note_device(struct omemo *omemo, struct arena *arena, const char *jid, const struct ratchet_header *header,
	    int64_t now, struct omemo_message *message_r)
{
	struct device device;
	bool long_chain =
	    header->counter >= HEARTBEAT_AFTER && read_highest(omemo->db, message_r->chain) < HEARTBEAT_AFTER;
	if (!device_get(omemo->db, arena, omemo->account, jid, message_r->device, &device))
		device_know(omemo->db, omemo->account, jid, message_r->device, now);
	if (!device.listed && !device_list_known(omemo->db, omemo->account, jid)) {
		device_assume_listed(omemo->db, omemo->account, jid, message_r->device);
		message_r->list_wanted = true;
	} else if (!device.listed) {
		device_list_want(omemo->db, omemo->account, jid);
		message_r->list_wanted = true;
	}
	device_heard(omemo->db, omemo->account, jid, message_r->device, now);
	device_get(omemo->db, arena, omemo->account, jid, message_r->device, &device);
	message_r->trust = device.trust;
	/* who has left that chain has our answer, or a session that does without */
	message_r->answer = (header->prekey || long_chain) && !ratchet_late(omemo->ratchet);
	message_r->bundle_due = ratchet_prekey_used(omemo->ratchet);
	if (message_r->answer)
		device_set_answer(omemo->db, omemo->account, jid, message_r->device, true);
}

/* False: message_r says why, and everything written here has to be undone. */
static bool
open_message(struct omemo *omemo, struct arena *arena, const char *jid, const struct element_message *element,
	     struct ratchet_message *ratchet_message, const struct ratchet_header *header, int64_t now,
	     struct omemo_message *message_r)
{
	const void *secret;
	size_t secret_len;
	if (header->prekey)
		device_identify(omemo->db, omemo->account, jid, element->sid, header->identity, now);
	enum ratchet_result result = ratchet_decrypt(omemo->ratchet, arena, jid, element->sid, ratchet_message,
						     &message_r->chain, &secret, &secret_len);
	if (result != RATCHET_OK)
		return unreadable(message_r, reason_of(result));
	bool opened = open_payload(arena, element, secret, secret_len, message_r);
	cleanse((void *)(uintptr_t)secret, secret_len);
	if (opened)
		note_device(omemo, arena, jid, header, now, message_r);
	return opened;
}

static void
decrypt_read(struct omemo *omemo, struct arena *arena, const char *jid, const struct element_message *element,
	     struct ratchet_message *ratchet_message, const struct ratchet_header *header, int64_t now,
	     struct omemo_message *message_r)
{
	message_r->counter = header->counter;
	message_r->chain = chain_find(omemo->db, omemo->account, jid, element->sid, header->ratchet_key);
	if (message_r->chain && read_get(omemo->db, message_r->chain, header->counter, &message_r->message)) {
		message_r->outcome = OMEMO_DUPLICATE;
		return;
	}
	if (header->prekey && !identity_fits(omemo, jid, element->sid, header)) {
		device_identify(omemo->db, omemo->account, jid, element->sid, header->identity, now);
		unreadable(message_r, UNREADABLE_CHANGED_KEY);
		return;
	}
	db_begin(omemo->db);
	bool opened = open_message(omemo, arena, jid, element, ratchet_message, header, now, message_r);
	if (opened && !db_error(omemo->db)) {
		db_commit(omemo->db, NULL);
		return;
	}
	if (opened)
		unreadable(message_r, UNREADABLE_BAD);
	db_rollback(omemo->db);
	/* an answer in the old session starts a new chain at the other end: what comes after can be read */
	if (message_r->unreadable != UNREADABLE_MALFORMED)
		device_heal(omemo->db, omemo->account, jid, element->sid, now);
}

bool
omemo_place(const struct omemo *omemo, struct arena *arena, const struct xml *encrypted,
	    struct omemo_place *place_r)
{
	struct element_key key;
	struct wire_header wire;
	if (!element_read_key(arena, encrypted, omemo->device, &key) ||
	    !wire_read(key.bytes, key.len, key.prekey, &wire))
		return false;
	memcpy(place_r->chain, wire.ratchet_key, sizeof place_r->chain);
	place_r->counter = wire.counter;
	return true;
}

void
omemo_decrypt(struct omemo *omemo, struct arena *arena, const char *jid, const struct xml *encrypted,
	      int64_t now, struct omemo_message *message_r)
{
	struct element_message element;
	struct ratchet_header header;
	assert(db_active(omemo->db));
	*message_r = (struct omemo_message){ 0 };
	ratchet_set_now(omemo->ratchet, now);
	enum element_result read = element_read_message(arena, encrypted, omemo->device, &element);
	message_r->device = element.sid;
	if (element.sid == omemo->device && strcmp(jid, omemo->jid) == 0) {
		message_r->outcome = OMEMO_DUPLICATE; /* our own, come back from the archive */
		return;
	}
	switch (read) {
	case ELEMENT_MALFORMED:
		unreadable(message_r, UNREADABLE_MALFORMED);
		return;
	case ELEMENT_NOT_FOR_US:
		unreadable(message_r, UNREADABLE_NOT_FOR_US);
		return;
	case ELEMENT_OK:
		break;
	}
	struct ratchet_message *ratchet_message =
	    ratchet_read(omemo->ratchet, element.key.bytes, element.key.len, element.key.prekey, &header);
	if (!ratchet_message) {
		unreadable(message_r, UNREADABLE_MALFORMED);
		return;
	}
	decrypt_read(omemo, arena, jid, &element, ratchet_message, &header, now, message_r);
	ratchet_message_free(&ratchet_message);
}

void
omemo_mark_read(struct omemo *omemo, const struct omemo_message *message, int64_t history)
{
	assert(db_active(omemo->db));
	read_set(omemo->db, message->chain, message->counter, history);
}
