/*
 * jid.h -- addresses: node@domain/resource (RFC 7622 in shape and limits, prepared by stringprep as the deployed
 * servers do: nodeprep, nameprep, resourceprep of RFC 6122).
 *
 * A struct jid always holds the one canonical form; two addresses are equal when their bytes are. Each part is at
 * most 1023 bytes after preparation. Code points that stringprep leaves unassigned (those that only PRECIS
 * would allow) are refused, never passed through. A trailing dot of the domain is removed; the domain is kept in its U-form, checked by
 * IDNA; IP literals are allowed.
 */
#ifndef PROTO_JID_H
#define PROTO_JID_H

#include <stdbool.h>
#include <stddef.h>

enum { JID_PART_MAX = 1023, JID_TEXT_MAX = 3 * JID_PART_MAX + 2 };

struct arena;

/* Parts are borrowed from the arena they were made in. node and resource are NULL when absent, never "". */
struct jid {
	const char *node;
	const char *domain; /* NULL only in a jid that was never set */
	const char *resource;
};

/* Parse and prepare. False: not an address; jid_r is zeroed. `text` needs no NUL. */
bool jid_parse(struct arena *arena, const char *text, size_t len, struct jid *jid_r);
bool jid_parse_text(struct arena *arena, const char *text, struct jid *jid_r); /* NULL text: false */

/* From parts that come from outside (registration, SASL user names, bind resources). NULL node/resource: absent. */
bool jid_make(struct arena *arena, const char *node, const char *domain, const char *resource, struct jid *jid_r);

struct jid jid_bare(const struct jid *jid);                           /* same parts, no resource; borrowed likewise */
struct jid jid_copy(struct arena *arena, const struct jid *jid);
const char *jid_text(struct arena *arena, const struct jid *jid);      /* full text form */
const char *jid_bare_text(struct arena *arena, const struct jid *jid); /* node@domain */

bool jid_equal(const struct jid *a, const struct jid *b);
bool jid_bare_equal(const struct jid *a, const struct jid *b);
bool jid_is_bare(const struct jid *jid); /* has no resource */

bool jid_domain_valid(const char *text); /* already canonical and legal as a host name */
/* A domain as DNS and certificates write it: its A-form (RFC 5890 2.3.2.1), or itself when it is ASCII or an IP
 * literal. False: it has none. */
bool jid_domain_ascii(const char *domain, char ascii_r[static JID_PART_MAX + 1]);

#endif
