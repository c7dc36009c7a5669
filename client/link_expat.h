/*
 * link_expat.h -- no waiting inside expat for libstrophe's parsers.
 *
 * Expat 2.6 (and Debian's 2.5.0-1+deb12u1 and later) puts off parsing an unfinished tag until twice as many bytes are
 * there (CVE-2023-52425). On a stream the rest of a tag may be all that comes, and a stanza would stay unseen until the
 * relay says something more. What that delay protects from is bounded by link.c otherwise. libstrophe cannot turn it off.
 *
 * This file stands in for the two functions of expat by which libstrophe makes its parsers: the program's own definition
 * comes before the library's. In the same way it takes the place of xmpp_stanza_to_text(), by which libstrophe writes out every
 * stanza that came, for a log that nobody reads: a quarter of the processor time of a long backlog. What is sent here goes
 * out by xmpp_send_raw() alone, which needs no such text.
 */
#ifndef CLIENT_LINK_EXPAT_H
#define CLIENT_LINK_EXPAT_H

#include <stdbool.h>

/* Whether the stand-ins are in force: a parser was made through them. */
bool link_expat_used(void);

#endif
