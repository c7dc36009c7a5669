/*
 * feature/mailbox-private.h -- one session's mailbox: what mailbox.c (coming, going, flushing) and
 * mailbox_confirm.c (what is unconfirmed, the ping, clearing) share.
 */
#ifndef RELAY_FEATURE_MAILBOX_PRIVATE_H
#define RELAY_FEATURE_MAILBOX_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "proto/digest.h"
#include "relay/feature/mailbox.h"

struct timer;

/* What was sent and not confirmed. */
struct mailbox_row {
	int64_t id;
	uint64_t sent; /* as the how many-th stanza under stream management (stream_sent); 0: without */
};

enum mailbox_state { MAILBOX_LIVE, MAILBOX_FLUSH, MAILBOX_PAUSED };

struct mailbox {
	enum mailbox_state state;
	bool no_flush;       /* the client pages the archive instead */
	bool reading, again; /* a read is under way; something came since it was asked */
	bool anew;           /* and what it brings is not wanted: the flush begins again */
	size_t clearing;     /* transactions under way that take confirmed rows out */
	bool in_window;      /* rows sent since the last confirmation belong to a flush */
	int64_t last;        /* the highest id that was sent or skipped in this flush */
	struct mailbox_row *rows; /* unconfirmed, in order of sending */
	size_t count, room;
	size_t covered;        /* how many of them are before the outstanding question */
	char ping[ID_LEN + 1]; /* the question; "": it is not a ping */
	bool asked;            /* the question is an <r/> */
	struct timer *timer;   /* made at first need */
};

struct mailbox *mailbox_of(struct session *session); /* made at first need */
/* The stream's answers wait while rows are read or taken out for this session, and no longer. */
void mailbox_hold(struct session *session);
/* Read on behind `last`. */
void mailbox_flush(struct session *session);

/* ---- mailbox_confirm.c ---- */
bool mailbox_is_per_device(const struct session *session);
void mailbox_remember(struct mailbox *mailbox, int64_t id, uint64_t sent);
bool mailbox_is_unconfirmed(const struct mailbox *mailbox, int64_t id);
/* A question, one at a time: <r/> when all that it is about was sent under stream management, else a ping. */
bool mailbox_is_asking(const struct mailbox *mailbox);
void mailbox_ping(struct session *session);            /* now, unless one is out or nothing is to be confirmed */
void mailbox_ping_later(struct session *session);      /* in 10 s; <r/> in 2 s, or behind 50 rows */
void mailbox_ping_behind_row(struct session *session, bool first); /* live; first: none before it is unasked for */
void mailbox_ping_behind_end(struct session *session); /* of a flush; when another is out, behind its answer */
void mailbox_confirmed(struct session *session);       /* the ping was answered */
void mailbox_acked(struct session *session, uint64_t upto); /* the client says <a/>: stream_owner.acked */
void mailbox_confirm_upto(struct session *session, uint64_t upto); /* the rows that it counts */
void mailbox_note_device(struct session *session);     /* mailbox = device: it is there */

/* ---- mailbox_resume.c ---- */
bool mailbox_is_away(const struct session *session); /* nothing is sent to it now */
void mailbox_missed(struct session *session, int64_t id); /* a row for it while it is */
void mailbox_resumed(struct session *session, uint64_t upto);

#endif
