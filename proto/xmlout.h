/*
 * xmlout.h -- trees to bytes that every XML reader takes for the same tree (attack X12).
 *
 * Default namespaces only, no prefixes but xml: and those made up (ns1…) for namespaced attributes. Characters that XML 1.0 does not allow are
 * refused when read; should a caller have put one into a tree, U+FFFD is written. Text is escaped for both text and attributes, CR, LF and TAB in attributes as
 * character references.
 */
#ifndef PROTO_XMLOUT_H
#define PROTO_XMLOUT_H

#include "proto/buf.h"

struct xml;

/* Append the element. `outer` is the namespace in force around it (jabber:client on a c2s stream): not declared again. NULL: none. */
void xmlout(struct buf *out, const struct xml *node, const char *outer);

/* Append text escaped for element content or attribute values. */
void xmlout_escape(struct buf *out, const char *text, size_t len);
/* Append " name='value'"; value NULL: nothing. */
void xmlout_attribute(struct buf *out, const char *name, const char *value);

#endif
