/*
 * feature/disco.h -- what the relay says of itself (XEP-0030), for those who hash it (caps.c).
 */
#ifndef RELAY_FEATURE_DISCO_H
#define RELAY_FEATURE_DISCO_H

struct arena;
struct router;
struct xml;

/* Append the host's identity and every feature of the table once, sorted, to a disco#info query. */
void disco_host_info(struct router *router, struct arena *arena, struct xml *query);

#endif
