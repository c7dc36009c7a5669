/*
 * stream/resume_kept.c -- what a resumable session was sent and has not acknowledged (XEP-0198 1.6.3 section 5).
 *
 * Kept are the stanzas that are not mailbox rows: at most 256 KiB a session and 64 MiB in all. Beyond that none are kept and the
 * session cannot be taken up until the client has acknowledged what is missing; its messages are in the mailbox in any case.
 * When it is taken up, what is kept goes out again in its order among the mailbox's rows, which the owner reads anew and whose
 * places it tells (stream_replay): between two people nothing changes its order. Until that is over, what is new waits behind.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include "proto/mem.h"
#include "relay/stream/smacks-private.h"
#include "relay/stream/stream-private.h"

enum {
	KEPT_MOST = 256 * 1024, /* bytes; design 3.2 */
	KEPT_ALL_MOST = 64 * 1024 * 1024,
	ASK_BYTES = 16 * 1024, /* kept behind the last <r/> */
	ASK_AFTER = 5 * 1000,  /* ms */
};

static void
drop_first(struct stream *stream, struct smacks *smacks)
{
	struct kept *kept = smacks->first;
	size_t size = sizeof *kept + kept->len;

	smacks->first = kept->next;
	if (smacks->first == NULL)
		smacks->last = &smacks->first;
	if (smacks->unsent == kept)
		smacks->unsent = kept->next;
	smacks->bytes -= size;
	stream_shared(stream->host)->kept -= size;
	free(kept);
}

void
kept_free(struct stream *stream, struct smacks *smacks)
{
	while (smacks->first != NULL)
		drop_first(stream, smacks);
	smacks->unasked = 0;
}

bool
kept_complete(const struct smacks *smacks)
{
	return smacks->count.acked >= smacks->lost;
}

void
kept_acked(struct stream *stream)
{
	struct smacks *smacks = stream->smacks;

	while (smacks->first != smacks->unsent && smacks->first->number <= smacks->count.acked)
		drop_first(stream, smacks);
	if (smacks->first == smacks->unsent)
		stream_set_deadline(stream, DEADLINE_ASK, -1);
	else if (stream->state == STATE_READY && stream->at[DEADLINE_ASK] == 0)
		stream_set_deadline(stream, DEADLINE_ASK, ASK_AFTER);
}

static void
ask(struct stream *stream)
{
	stream->smacks->unasked = 0;
	stream_set_deadline(stream, DEADLINE_ASK, -1);
	stream_ask(stream);
}

/* ---- sent again ---- */

/* What the client lacks gets numbers behind what it has. */
void
kept_again(struct smacks *smacks)
{
	smacks->count.sent = smacks->count.acked;
	smacks->lost = 0;
	smacks->holding = true;
	for (struct kept *kept = smacks->first; kept != NULL; kept = kept->next)
		kept->number = 0;
	smacks->unsent = smacks->first;
}

void
stream_replay(struct stream *stream, uint64_t before)
{
	struct smacks *smacks = stream->smacks;
	struct kept *kept;

	if (smacks == NULL || !smacks->holding || stream->state != STATE_READY)
		return;
	while ((kept = smacks->unsent) != NULL && kept->place < before && stream->state == STATE_READY) {
		smacks->unsent = kept->next;
		smacks_sent(stream);
		kept->number = smacks->count.sent;
		smacks->unasked += sizeof *kept + kept->len;
		stream_send_counted(stream, kept->bytes, kept->len); /* may close it */
	}
	if (before != UINT64_MAX || stream->state != STATE_READY)
		return;
	smacks->holding = false;
	if (smacks->first != NULL)
		ask(stream);
}

/* ---- keeping ---- */

static void
give_up(struct stream *stream)
{
	struct smacks *smacks = stream->smacks;

	if (stream->state == STATE_AWAY) {
		log_info(&stream->log, "closed: too much to keep for when it comes back");
		stream_drop(stream);
		return;
	}
	stream_replay(stream, UINT64_MAX);
	kept_free(stream, smacks);
	smacks->lost = smacks->count.sent + 1; /* with the one at hand */
}

static void
add(struct stream *stream, struct smacks *smacks, const char *bytes, size_t len)
{
	struct kept *kept = xmalloc(sizeof *kept + len);

	kept->next = NULL;
	kept->place = smacks->place;
	kept->number = 0;
	kept->len = len;
	memcpy(kept->bytes, bytes, len);
	*smacks->last = kept;
	smacks->last = &kept->next;
	smacks->bytes += sizeof *kept + len;
	stream_shared(stream->host)->kept += sizeof *kept + len;
	if (stream->state == STATE_AWAY || smacks->holding) {
		if (smacks->unsent == NULL)
			smacks->unsent = kept;
		return;
	}
	kept->number = smacks->count.sent + 1;
	smacks->unasked += sizeof *kept + len;
	if (smacks->unasked >= ASK_BYTES)
		stream->want_ask = true; /* behind it, not ahead */
	else if (stream->at[DEADLINE_ASK] == 0)
		stream_set_deadline(stream, DEADLINE_ASK, ASK_AFTER);
}

bool
resume_keep(struct stream *stream, const char *bytes, size_t len)
{
	struct smacks *smacks = stream->smacks;
	size_t size = sizeof(struct kept) + len;

	if (smacks == NULL || smacks->id[0] == '\0' || (stream->state != STATE_READY && stream->state != STATE_AWAY))
		return true;
	smacks->place++;
	if (smacks->bytes + size > KEPT_MOST || stream_shared(stream->host)->kept + size > KEPT_ALL_MOST)
		give_up(stream);
	else
		add(stream, smacks, bytes, len);
	return stream->state == STATE_READY && !smacks->holding;
}

void
resume_sent(struct stream *stream)
{
	if (!stream->want_ask)
		return;
	stream->want_ask = false;
	if (stream->state == STATE_READY)
		ask(stream);
}

void
resume_waited(struct stream *stream)
{
	if (stream->state == STATE_READY && stream->smacks != NULL && stream->smacks->first != stream->smacks->unsent)
		ask(stream);
}

uint64_t
stream_place(const struct stream *stream)
{
	return stream->smacks == NULL ? 0 : stream->smacks->place;
}

uint64_t
stream_take_place(struct stream *stream)
{
	return stream->smacks == NULL ? 0 : ++stream->smacks->place;
}
