/*
 * feature/mailbox_write.c -- a stored message as it goes out: with its stanza-id (XEP-0359), later also
 * with its delay (XEP-0203).
 *
 * Bodies are stored as xmlout() wrote them and never changed; what is added goes before the closing tag. What
 * comes from the disk is parsed once more before it goes out, since nothing guards a body there: one flipped
 * bit would end its reader's stream at every login. (About 4 us a row; what is delivered live never was there.)
 * DIAGNOSTICS: an error for each message that the disk has damaged; an empty one goes out in its place.
 */
#include "config.h"

#include "relay/feature/mailbox.h"

#include <inttypes.h>
#include <string.h>
#include "proto/arena.h"
#include "proto/buf.h"
#include "proto/ns.h"
#include "proto/stamp.h"
#include "proto/stanza.h"
#include "proto/xmlin.h"
#include "proto/xmlout.h"
#include "relay/log.h"
#include "relay/route/account.h"
#include "relay/route/router.h"
#include "relay/route/session.h"
#include "relay/store/store.h"

static const char closing[] = "</message>";

static void
add_id(struct buf *out, const struct session *session, int64_t id)
{
	char text[33];

	store_stanza_id(router_store(session->router), id, text);
	buf_adds(out, "<stanza-id xmlns='" NS_SID "' by='");
	xmlout_escape(out, session->account->jid, strlen(session->account->jid));
	buf_printf(out, "' id='%s'/>", text);
}

static void
add_delay(struct buf *out, const struct session *session, int64_t received)
{
	char stamp[STAMP_LEN + 1];

	stamp_format(stamp, received);
	buf_adds(out, "<delay xmlns='" NS_DELAY "' from='");
	xmlout_escape(out, router_domain(session->router), strlen(router_domain(session->router)));
	buf_printf(out, "' stamp='%s'/>", stamp);
}

void
mailbox_write(struct buf *out, const struct session *session, int64_t id, int64_t received, const char *body,
	      size_t len)
{
	size_t tail = sizeof closing - 1;

	/* As xmlout() wrote it: ends in the closing tag, or in "/>" when it is empty. */
	if (len > tail && memcmp(body + len - tail, closing, tail) == 0) {
		buf_add(out, body, len - tail);
	} else if (len > 2 && memcmp(body + len - 2, "/>", 2) == 0) {
		buf_add(out, body, len - 2);
		buf_adds(out, ">");
	} else { /* damaged: an empty one takes its place, and is confirmed like any */
		log_error(&session->log, "the message %" PRId64 " in the database is damaged", id);
		buf_adds(out, "<message>");
	}
	add_id(out, session, id);
	if (received != 0)
		add_delay(out, session, received);
	buf_adds(out, closing);
}

static bool
is_sound(const char *body, size_t len)
{
	struct arena *arena = arena_new();
	enum stream_error refused;
	const struct xml *message = xmlin_parse(arena, body, len, &xmlin_limits_stored, &refused);
	bool sound = message != NULL && stanza_kind(message) == STANZA_MESSAGE;

	arena_free(&arena);
	return sound;
}

void
mailbox_write_stored(struct buf *out, const struct session *session, int64_t id, int64_t received,
		     const char *body, size_t len)
{
	mailbox_write(out, session, id, received, body, is_sound(body, len) ? len : 0);
}
