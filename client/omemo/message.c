/*
 * message.c -- a message as the library reads it, before anything of it is authentic.
 */
#include "config.h"
#include "client/omemo/ratchet.h"

#include <stdlib.h>
#include <protocol.h>
#include <signal_protocol.h>
#include "client/omemo/ratchet-private.h"
#include "client/omemo/vault.h"
#include "proto/mem.h"

static bool
header_fill(const struct ratchet_message *message, struct ratchet_header *header)
{
	header->prekey = message->prekey != NULL;
	header->counter = signal_message_get_counter(message->message);
	return header->counter != VAULT_CLOSED_AT &&
	       ratchet_public_bytes(signal_message_get_sender_ratchet_key(message->message),
				    header->ratchet_key) &&
	       (!message->prekey ||
		ratchet_public_bytes(pre_key_signal_message_get_identity_key(message->prekey), header->identity));
}

struct ratchet_message *
ratchet_read(struct ratchet *ratchet, const void *bytes, size_t len, bool prekey,
	     struct ratchet_header *header_r)
{
	struct ratchet_message *message = xcalloc(1, sizeof *message);
	signal_context *context = ratchet_context(ratchet);
	*header_r = (struct ratchet_header){ 0 };
	if (prekey) {
		if (pre_key_signal_message_deserialize(&message->prekey, bytes, len, context) == 0)
			message->message = pre_key_signal_message_get_signal_message(message->prekey);
	} else {
		signal_message_deserialize(&message->message, bytes, len, context);
	}
	if (!message->message || !header_fill(message, header_r) || !wire_read(bytes, len, prekey, &message->wire))
		ratchet_message_free(&message);
	return message;
}

void
ratchet_message_free(struct ratchet_message **message)
{
	if (!*message)
		return;
	if ((*message)->prekey)
		SIGNAL_UNREF((*message)->prekey);
	else
		SIGNAL_UNREF((*message)->message);
	free(*message);
	*message = NULL;
}
