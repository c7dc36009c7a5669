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

struct mailbox_owed;
struct timer;

/* What was sent and not confirmed. */
struct mailbox_row {
	int64_t id;
	uint64_t sent;  /* as the how many-th stanza under stream management (stream_sent); 0: without */
	uint64_t place; /* stream_place */
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
	struct mailbox_owed *owed; /* NULL: none */
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
void mailbox_remember(struct mailbox *mailbox, const struct mailbox_row *row);
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
/* A row that comes while it is, or while owed ones are still to be sent. */
void mailbox_missed(struct session *session, int64_t id);
void mailbox_resumed(struct session *session, uint64_t upto);
/* Its place among what it was sent before; all that goes before it has gone. 0: it has none, and comes now. */
uint64_t mailbox_owed_now(struct session *session, int64_t id);
void mailbox_owed_sent(struct session *session); /* that one has gone out */
bool mailbox_is_owed(const struct mailbox *mailbox, int64_t id);
/* Eligible; and who has said that it is not available, or never that it is, gets back what was sent to it by name. */
bool mailbox_is_reader(const struct session *session);
int64_t mailbox_owed_first(const struct mailbox *mailbox); /* the lowest id; INT64_MAX: none */
void mailbox_owed_over(struct session *session); /* the flush has passed them all */
void mailbox_owed_forget(struct mailbox *mailbox, const int64_t *ids, size_t count); /* sorted */

#endif
