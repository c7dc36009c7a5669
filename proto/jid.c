/*
 * jid.c -- addresses: see jid.h. The only file that knows libidn.
 *
 * Plain ASCII, which is nearly every address, is prepared here by one look at each byte; all else goes
 * through stringprep. A unit test holds the two against each other.
 *
 * DIAGNOSTICS: one answer, "not an address"; whoever asked knows which error the peer is owed.
 * Spec: RFC 7622 3 (shape, limits), RFC 6122 appendices A and B (nodeprep, resourceprep), RFC 3490, 3491.
 */
#include "config.h"

#include "proto/jid.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <arpa/inet.h>
#include <idna.h>
#include <stringprep.h>

#include "proto/arena.h"

/* What preparation does to an ASCII character: itself, another, or 0: not allowed. */
static char
node_char(char c)
{
	if (c >= 'A' && c <= 'Z')
		return (char)(c + ('a' - 'A'));
	if (c <= ' ' || c == 0x7F || strchr("\"&'/:<>@", c) != NULL)
		return '\0';
	return c;
}

static char
resource_char(char c)
{
	if (c < ' ' || c == 0x7F)
		return '\0';
	return c;
}

static bool
is_ascii(const char *text)
{
	while (*text != '\0')
		if (((unsigned char)*text++ & 0x80) != 0)
			return false;
	return true;
}

/* Preparation must be stable: what comes out, prepared again, is the same. Otherwise there would be two
 * forms. */
static bool
prep(char part[static JID_PART_MAX + 1], const Stringprep_profile *profile)
{
	char again[JID_PART_MAX + 1];

	if (stringprep(part, JID_PART_MAX + 1, STRINGPREP_NO_UNASSIGNED, profile) != STRINGPREP_OK)
		return false;
	memcpy(again, part, strlen(part) + 1);
	return stringprep(again, sizeof(again), STRINGPREP_NO_UNASSIGNED, profile) == STRINGPREP_OK &&
	       strcmp(part, again) == 0;
}

static bool
prep_part(char part[static JID_PART_MAX + 1], char (*ascii)(char), const Stringprep_profile *profile)
{
	if (!is_ascii(part))
		return prep(part, profile) && part[0] != '\0';
	for (char *at = part; *at != '\0'; at++) {
		*at = ascii(*at);
		if (*at == '\0')
			return false;
	}
	return part[0] != '\0';
}

/* Letters, digits and inner hyphens, labels of 1 to 63; lower-cased. Xn-- labels are not for here. */
static bool
prep_ascii_name(char *name)
{
	size_t label = 0; /* characters in it so far */

	for (char *at = name; *at != '\0'; at++) {
		if (*at >= 'A' && *at <= 'Z')
			*at = (char)(*at + ('a' - 'A'));
		bool alnum = (*at >= 'a' && *at <= 'z') || (*at >= '0' && *at <= '9');

		if (label == 0 && (!alnum || strncasecmp(at, "xn--", 4) == 0))
			return false;
		if (*at == '.') {
			if (at[-1] == '-')
				return false;
			label = 0;
			continue;
		}
		if ((!alnum && *at != '-') || ++label > 63)
			return false;
	}
	return label > 0 && name[strlen(name) - 1] != '-';
}

static bool
put(char part[static JID_PART_MAX + 1], const char *text)
{
	size_t len = strlen(text);

	if (len > JID_PART_MAX)
		return false;
	memcpy(part, text, len + 1);
	return true;
}

/* To the U-form by way of the A-form, and back to see that both name the same. */
static bool
prep_idn(char name[static JID_PART_MAX + 1])
{
	char *ascii = NULL, *unicode = NULL, *again = NULL;
	bool good = prep(name, stringprep_nameprep) &&
		    idna_to_ascii_8z(name, &ascii, IDNA_USE_STD3_ASCII_RULES) == IDNA_SUCCESS &&
		    idna_to_unicode_8z8z(ascii, &unicode, IDNA_USE_STD3_ASCII_RULES) == IDNA_SUCCESS &&
		    idna_to_ascii_8z(unicode, &again, IDNA_USE_STD3_ASCII_RULES) == IDNA_SUCCESS &&
		    strcasecmp(ascii, again) == 0 && put(name, unicode) && strncmp(name, "xn--", 4) != 0 &&
		    strstr(name, ".xn--") == NULL;

	free(ascii);
	free(unicode);
	free(again);
	if (!good)
		return false;
	if (!is_ascii(name))
		return prep(name, stringprep_nameprep);
	return prep_ascii_name(name);
}

/* [2001:db8::1], in the form of RFC 5952 that inet_ntop writes. */
static bool
prep_ip6(char name[static JID_PART_MAX + 1])
{
	struct in6_addr address;
	size_t len = strlen(name);

	if (len < 3 || name[len - 1] != ']')
		return false;
	name[len - 1] = '\0';
	if (inet_pton(AF_INET6, name + 1, &address) != 1 ||
	    inet_ntop(AF_INET6, &address, name + 1, INET6_ADDRSTRLEN) == NULL)
		return false;
	len = strlen(name);
	name[len] = ']';
	name[len + 1] = '\0';
	return true;
}

static bool
prep_domain(char name[static JID_PART_MAX + 1])
{
	char ascii[JID_PART_MAX + 1];
	size_t len = strlen(name);

	if (name[0] == '[')
		return prep_ip6(name);
	if (len > 0 && name[len - 1] == '.') /* RFC 7622 3.2 */
		name[--len] = '\0';
	memcpy(ascii, name, len + 1);
	if (prep_ascii_name(ascii))
		return put(name, ascii);
	return prep_idn(name) && name[0] != '\0' && name[strlen(name) - 1] != '.';
}

/* Where a part comes from: text without NUL inside. */
struct part {
	const char *text;
	size_t len;
};

static bool
take(char out[static JID_PART_MAX + 1], struct part part)
{
	/* The limit holds before preparation too, as it does in deployed servers: work is bounded. */
	if (part.len == 0 || part.len > JID_PART_MAX || memchr(part.text, '\0', part.len) != NULL)
		return false;
	memcpy(out, part.text, part.len);
	out[part.len] = '\0';
	return true;
}

/* text NULL in node or resource: absent. */
static bool
make(struct arena *arena, struct part node, struct part domain, struct part resource, struct jid *jid_r)
{
	char n[JID_PART_MAX + 1], d[JID_PART_MAX + 1], r[JID_PART_MAX + 1];

	*jid_r = (struct jid){ 0 };
	if (node.text != NULL && (!take(n, node) || !prep_part(n, node_char, stringprep_xmpp_nodeprep)))
		return false;
	if (!take(d, domain) || !prep_domain(d))
		return false;
	if (resource.text != NULL &&
	    (!take(r, resource) || !prep_part(r, resource_char, stringprep_xmpp_resourceprep)))
		return false;
	jid_r->node = node.text == NULL ? NULL : arena_strdup(arena, n);
	jid_r->domain = arena_strdup(arena, d);
	jid_r->resource = resource.text == NULL ? NULL : arena_strdup(arena, r);
	return true;
}

bool
jid_parse(struct arena *arena, const char *text, size_t len, struct jid *jid_r)
{
	struct part node = { 0 }, domain = { text, len }, resource = { 0 };
	const char *slash = len == 0 ? NULL : memchr(text, '/', len);

	if (slash != NULL) {
		domain.len = (size_t)(slash - text);
		resource = (struct part){ slash + 1, len - domain.len - 1 };
	}
	const char *at = domain.len == 0 ? NULL : memchr(text, '@', domain.len);

	if (at != NULL) {
		node = (struct part){ text, (size_t)(at - text) };
		domain = (struct part){ at + 1, domain.len - node.len - 1 };
	}
	return make(arena, node, domain, resource, jid_r);
}

bool
jid_parse_text(struct arena *arena, const char *text, struct jid *jid_r)
{
	*jid_r = (struct jid){ 0 };
	return text != NULL && jid_parse(arena, text, strlen(text), jid_r);
}

static struct part
part_of(const char *text)
{
	return (struct part){ text, text == NULL ? 0 : strlen(text) };
}

bool
jid_make(struct arena *arena, const char *node, const char *domain, const char *resource, struct jid *jid_r)
{
	return make(arena, part_of(node), part_of(domain), part_of(resource), jid_r);
}

struct jid
jid_bare(const struct jid *jid)
{
	return (struct jid){ .node = jid->node, .domain = jid->domain };
}

static const char *
copy_part(struct arena *arena, const char *text)
{
	return text == NULL ? NULL : arena_strdup(arena, text);
}

struct jid
jid_copy(struct arena *arena, const struct jid *jid)
{
	return (struct jid){
		.node = copy_part(arena, jid->node),
		.domain = copy_part(arena, jid->domain),
		.resource = copy_part(arena, jid->resource),
	};
}

const char *
jid_text(struct arena *arena, const struct jid *jid)
{
	bool node = jid->node != NULL, resource = jid->resource != NULL;

	assert(jid->domain != NULL);
	return arena_printf(arena, "%s%s%s%s%s", node ? jid->node : "", node ? "@" : "", jid->domain,
			    resource ? "/" : "", resource ? jid->resource : "");
}

const char *
jid_bare_text(struct arena *arena, const struct jid *jid)
{
	struct jid bare = jid_bare(jid);

	return jid_text(arena, &bare);
}

static bool
same_part(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

bool
jid_equal(const struct jid *a, const struct jid *b)
{
	return jid_bare_equal(a, b) && same_part(a->resource, b->resource);
}

bool
jid_bare_equal(const struct jid *a, const struct jid *b)
{
	return same_part(a->node, b->node) && same_part(a->domain, b->domain);
}

bool
jid_is_bare(const struct jid *jid)
{
	return jid->resource == NULL;
}

bool
jid_domain_valid(const char *text)
{
	char name[JID_PART_MAX + 1];

	return take(name, part_of(text)) && prep_domain(name) && strcmp(name, text) == 0;
}

bool
jid_domain_ascii(const char *domain, char ascii_r[static JID_PART_MAX + 1])
{
	char *ascii = NULL;
	bool good = is_ascii(domain) || idna_to_ascii_8z(domain, &ascii, IDNA_USE_STD3_ASCII_RULES) == IDNA_SUCCESS;

	good = good && put(ascii_r, ascii != NULL ? ascii : domain);
	free(ascii);
	return good;
}
