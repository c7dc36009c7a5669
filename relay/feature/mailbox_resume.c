/*
 * feature/mailbox_resume.c -- the mailbox of a session whose connection is lost and that may be taken up again (XEP-0198 section
 * 5). See mailbox.h.
 *
 * While it is away nothing is sent to it: its rows wait in the database, where they are. When it comes back, its count confirms
 * what it had, and the flush goes on from the first row that it has not.
 * Rows that it had been sent, or would have been, are *owed*: each remembers its place among all that was for this session, and
 * what is no row goes out before it or behind it as it was (stream_replay). Rows leave in the order of their ids, which between
 * two people is the order in which they were sent. At most MAILBOX_LIVE_MOST; what is beyond waits its turn like any other.
 */
#include "config.h"

#include "relay/feature/mailbox-private.h"

#include <stdlib.h>
#include <string.h>
#include "proto/mem.h"
#include "relay/net/loop.h"
#include "relay/route/session.h"
#include "relay/stream/stream.h"

struct owed_row {
	int64_t id;
	uint64_t place;
};
struct mailbox_owed {
	size_t count, room;
	struct owed_row rows[]; /* by id */
};

bool
mailbox_is_away(const struct session *session)
{
	return session->stream != NULL && stream_is_away(session->stream);
}

bool
mailbox_is_reader(const struct session *session)
{
	return session_is_eligible(session) || session->mailbox->owed != NULL;
}

/* Where it is, or would be. */
static size_t
find(const struct mailbox_owed *owed, int64_t id)
{
	size_t low = 0, high = owed->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (owed->rows[middle].id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool
is_at(const struct mailbox_owed *owed, size_t at, int64_t id)
{
	return at < owed->count && owed->rows[at].id == id;
}

static void
take_out(struct mailbox_owed *owed, size_t at)
{
	owed->count--;
	memmove(&owed->rows[at], &owed->rows[at + 1], (owed->count - at) * sizeof owed->rows[at]);
}

/* With room for one more. */
static struct mailbox_owed *
grown(struct mailbox_owed *owed)
{
	size_t count = owed == NULL ? 0 : owed->count, room = owed == NULL ? 0 : owed->room;

	if (count < room)
		return owed;
	room = room == 0 ? 8 : 2 * room;
	owed = xrealloc(owed, sizeof *owed + room * sizeof owed->rows[0]);
	owed->count = count;
	owed->room = room;
	return owed;
}

/* False: there are too many. */
static bool
owe(struct mailbox *mailbox, int64_t id, uint64_t place)
{
	struct mailbox_owed *owed = mailbox->owed;
	size_t at;

	if (owed != NULL && owed->count == MAILBOX_LIVE_MOST)
		return false;
	owed = mailbox->owed = grown(owed);
	at = find(owed, id);
	if (is_at(owed, at, id))
		return true;
	memmove(&owed->rows[at + 1], &owed->rows[at], (owed->count - at) * sizeof owed->rows[at]);
	owed->rows[at] = (struct owed_row){ id, place };
	owed->count++;
	return true;
}

static void
from_here(struct mailbox *mailbox, int64_t id)
{
	if (mailbox->state == MAILBOX_LIVE || mailbox->last >= id) {
		mailbox->last = id - 1;
		mailbox->anew = mailbox->reading;
	}
	if (mailbox->state == MAILBOX_LIVE)
		mailbox->state = MAILBOX_PAUSED;
}

void
mailbox_missed(struct session *session, int64_t id)
{
	struct mailbox *mailbox = mailbox_of(session);

	if (mailbox->owed != NULL || mailbox->state == MAILBOX_LIVE)
		(void)owe(mailbox, id, stream_take_place(session->stream));
	from_here(mailbox, id);
	mailbox->again = true;
}

bool
mailbox_is_owed(const struct mailbox *mailbox, int64_t id)
{
	return mailbox->owed != NULL && is_at(mailbox->owed, find(mailbox->owed, id), id);
}

int64_t
mailbox_owed_first(const struct mailbox *mailbox)
{
	return mailbox->owed == NULL || mailbox->owed->count == 0 ? INT64_MAX : mailbox->owed->rows[0].id;
}

uint64_t
mailbox_owed_now(struct session *session, int64_t id)
{
	struct mailbox *mailbox = session->mailbox;
	uint64_t place;
	size_t at;

	if (!mailbox_is_owed(mailbox, id))
		return 0;
	at = find(mailbox->owed, id);
	place = mailbox->owed->rows[at].place;
	take_out(mailbox->owed, at);
	stream_replay(session->stream, place);
	return place;
}

void
mailbox_owed_sent(struct session *session)
{
	if (session->mailbox->owed != NULL && session->mailbox->owed->count == 0)
		mailbox_owed_over(session);
}

void
mailbox_owed_over(struct session *session)
{
	struct mailbox *mailbox = session->mailbox;

	if (mailbox->owed == NULL)
		return;
	free(mailbox->owed);
	mailbox->owed = NULL;
	stream_replay(session->stream, UINT64_MAX);
}

void
mailbox_owed_forget(struct mailbox *mailbox, const int64_t *ids, size_t count)
{
	for (size_t i = 0; mailbox->owed != NULL && i < count; i++)
		if (mailbox_is_owed(mailbox, ids[i]))
			take_out(mailbox->owed, find(mailbox->owed, ids[i]));
}

void
mailbox_resumed(struct session *session, uint64_t upto)
{
	struct mailbox *mailbox = session->mailbox;

	if (mailbox == NULL) {
		stream_replay(session->stream, UINT64_MAX);
		return;
	}
	mailbox_confirm_upto(session, upto);
	for (size_t i = 0; i < mailbox->count; i++) {
		(void)owe(mailbox, mailbox->rows[i].id, mailbox->rows[i].place);
		from_here(mailbox, mailbox->rows[i].id);
	}
	mailbox->count = mailbox->covered = 0;
	mailbox->ping[0] = '\0';
	mailbox->asked = false;
	if (mailbox->timer != NULL)
		timer_clear(mailbox->timer);
	mailbox->anew = mailbox->reading;
	if (mailbox->owed == NULL)
		stream_replay(session->stream, UINT64_MAX);
	if (!session->gone && mailbox->state != MAILBOX_LIVE)
		mailbox_flush(session);
}
