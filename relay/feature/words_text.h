/*
 * feature/words_text.h -- the words that the relay's own address understands, and what it says, in each
 * language. Pure.
 *
 * A table of its own and not gettext: one process answers people of all languages at once.
 */
#ifndef RELAY_FEATURE_WORDS_TEXT_H
#define RELAY_FEATURE_WORDS_TEXT_H

struct arena;

enum word { WORD_NONE, WORD_STATUS, WORD_HELP };

/* What it says. %s and %lld stand in this order in all languages. */
struct words_text {
	const char *tag;  /* language, primary subtag (BCP 47) */
	const char *held; /* count, time of the oldest */
	const char *none_held;
	const char *sent;    /* heading */
	const char *sent_to; /* address, count, time of the oldest */
	const char *sent_more;
	const char *none_sent;
	const char *away;      /* heading: for other relays */
	const char *away_to;   /* address, count, time of the oldest */
	const char *away_next; /* reason, time of the next try; behind it */
	const char *none_away;
	const char *untold; /* what it cannot answer */
	const char *help;
	const char *failed;
};

/* The word that a body is, however written (case, accents as people leave them out, a full stop); *text_r:
 * the language to answer in. By `lang` (xml:lang, may be NULL) when we speak it, else that of the word, else
 * English. English gives way to the word's: libraries write it into their streams unasked (libstrophe). */
enum word words_read(struct arena *arena, const char *body, const char *lang,
		     const struct words_text **text_r);

extern const struct words_text words_texts[]; /* tag NULL ends */

#endif
