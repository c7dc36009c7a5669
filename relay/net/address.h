/*
 * net/address.h -- socket addresses as text and as what limits are counted by. Only numbers: no name is looked up.
 */
#ifndef RELAY_NET_ADDRESS_H
#define RELAY_NET_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

enum { ADDRESS_TEXT = 56 }; /* "[2001:db8:…]:65535" and the NUL */

/* "192.0.2.7:5222" or "[2001:db8::1]:5222"; an IPv4 address mapped into IPv6 is written as IPv4. Other families: "local". */
void address_text(const struct sockaddr_storage *address, char out[static ADDRESS_TEXT]);
void address_of_peer(int fd, char out[static ADDRESS_TEXT]);

/* Whom a peer's text stands for: its IPv4 address, or the /64 of its IPv6 address (one customer of one provider has all of
 * it). False: not an address; out is zeroed, which is a group of its own. */
struct address_group {
	uint8_t bytes[16];
};
bool address_group(const char *peer, struct address_group *out);

/* "*:5222", "127.0.0.1:0", "[::1]:5222". any_r: the star. False: not of that form. */
bool address_parse(const char *text, struct sockaddr_storage *out, socklen_t *len_r, bool *any_r);

#endif
