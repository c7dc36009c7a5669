/*
 * feature/mailbox_resume.c -- the mailbox of a session whose connection is lost and that may be taken up again (XEP-0198 section
 * 5). See mailbox.h.
 *
 * While it is away nothing is sent to it: its rows wait in the database, where they are. When it comes back, its count confirms what
 * it had, and the flush goes on from the first row that it has not.
 */
#include "config.h"

#include "relay/feature/mailbox-private.h"

#include "relay/net/loop.h"
#include "relay/route/session.h"
#include "relay/stream/stream.h"

bool
mailbox_is_away(const struct session *session)
{
	return session->stream != NULL && stream_is_away(session->stream);
}

static void
from_here(struct mailbox *mailbox, int64_t id)
{
	if (mailbox->state == MAILBOX_LIVE || mailbox->last >= id)
		mailbox->last = id - 1;
	mailbox->state = MAILBOX_PAUSED;
}

void
mailbox_missed(struct session *session, int64_t id)
{
	struct mailbox *mailbox = mailbox_of(session);

	from_here(mailbox, id);
	mailbox->again = true;
}

void
mailbox_resumed(struct session *session, uint64_t upto)
{
	struct mailbox *mailbox = session->mailbox;

	if (mailbox == NULL)
		return;
	mailbox_confirm_upto(session, upto);
	for (size_t i = 0; i < mailbox->count; i++)
		from_here(mailbox, mailbox->rows[i].id);
	mailbox->count = mailbox->covered = 0;
	mailbox->ping[0] = '\0';
	mailbox->asked = false;
	if (mailbox->timer != NULL)
		timer_clear(mailbox->timer);
	mailbox->anew = mailbox->reading;
	if (mailbox->state != MAILBOX_LIVE)
		mailbox_flush(session);
}
