/*
 * login.c -- from the TLS handshake to a ready session: SCRAM (RFC 5802, RFC 7677), bind (RFC 6120 section
 * 7), and stream management (XEP-0198 section 3) where it is offered.
 *
 * Takes SCRAM-SHA-256 before SCRAM-SHA-1, without channel binding. Keeps the stretched password, as a client
 * does that has logged in before: what is measured is the server's work, not PBKDF2 on this side.
 */
#include "config.h"

#include "tests/bench/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proto/digest.h"
#include "proto/mem.h"

enum { SALTS = 4096, TEXT = 512 };

struct scram {
	enum digest kind;
	char bare[128], nonce[ID_LEN + 1];
};

/* The stretched password by kind, salt and iterations. */
static struct {
	enum digest kind;
	unsigned iterations;
	char salt[128];
	uint8_t key[DIGEST_MAX];
} salted[SALTS];
static size_t salted_count;

bool
attribute(const char *xml, const char *name, char *out, size_t room)
{
	const char *end = strchr(xml, '>'), *at = xml;
	size_t len = strlen(name);

	for (; end != NULL && (at = strstr(at, name)) != NULL && at < end; at += len) {
		if (at[-1] != ' ' || at[len] != '=')
			continue;
		const char *value = at + len + 2, *stop = strchr(value, at[len + 1]);
		if (stop == NULL || (size_t)(stop - value) >= room)
			return false;
		memcpy(out, value, (size_t)(stop - value));
		out[stop - value] = '\0';
		return true;
	}
	return false;
}

static void
fail(struct session *s, const char *what, const char *xml)
{
	fprintf(stderr, "load: %s: %s: %s\n", s->user, what, xml);
	exit(1);
}

static void
open_stream(struct session *s)
{
	session_send(
	    s,
	    "<?xml version='1.0'?><stream:stream to='%s' version='1.0' xml:lang='en' xmlns='jabber:client' "
	    "xmlns:stream='http://etherx.jabber.org/streams'>",
	    s->site->host);
}

void
login_greet(struct session *s)
{
	s->scram = xcalloc(1, sizeof *s->scram);
	open_stream(s);
}

void
login_end(struct session *s)
{
	free(s->scram);
	s->scram = NULL;
}

static void
begin_proof(struct session *s, const char *features)
{
	char first[TEXT], coded[TEXT * 2];
	bool sha256 = strstr(features, ">SCRAM-SHA-256<") != NULL;

	if (!sha256 && strstr(features, ">SCRAM-SHA-1<") == NULL)
		fail(s, "no SCRAM offered", features);
	s->scram->kind = sha256 ? DIGEST_SHA256 : DIGEST_SHA1;
	random_id(s->scram->nonce);
	snprintf(s->scram->bare, sizeof s->scram->bare, "n=%s,r=%s", s->user, s->scram->nonce);
	int len = snprintf(first, sizeof first, "n,,%s", s->scram->bare);
	base64_encode(coded, first, (size_t)len);
	session_send(s, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-%s'>%s</auth>",
		     sha256 ? "256" : "1", coded);
	s->state = PROVING;
}

static const uint8_t *
salted_password(enum digest kind, const char *salt, unsigned iterations)
{
	uint8_t raw[128];

	for (size_t i = 0; i < salted_count; i++)
		if (salted[i].kind == kind && salted[i].iterations == iterations &&
		    strcmp(salted[i].salt, salt) == 0)
			return salted[i].key;
	size_t i = salted_count < SALTS ? salted_count++ : (size_t)rand() % SALTS;
	long len = base64_decode(raw, salt, strlen(salt));
	salted[i].kind = kind;
	salted[i].iterations = iterations;
	snprintf(salted[i].salt, sizeof salted[i].salt, "%s", salt);
	digest_pbkdf2(kind, bench.password, strlen(bench.password), raw, len < 0 ? 0 : (size_t)len,
		      iterations, salted[i].key);
	return salted[i].key;
}

/* RFC 5802 section 3: ClientProof := ClientKey XOR HMAC(H(ClientKey), AuthMessage). */
static void
answer_challenge(struct session *s, const char *xml)
{
	char first[TEXT], nonce[TEXT], salt[128], message[3 * TEXT], coded[2 * TEXT], last[2 * TEXT];
	uint8_t client_key[DIGEST_MAX], stored[DIGEST_MAX], proof[DIGEST_MAX];
	const char *text = strchr(xml, '>');
	unsigned iterations;
	size_t size = digest_len(s->scram->kind);

	size_t coded_len = text == NULL ? 0 : strcspn(++text, "<");
	long len = coded_len == 0 || coded_len > TEXT ? -1 : base64_decode((uint8_t *)first, text, coded_len);
	if (len < 0)
		fail(s, "challenge", xml);
	first[len] = '\0';
	if (sscanf(first, "r=%255[^,],s=%127[^,],i=%u", nonce, salt, &iterations) != 3)
		fail(s, "challenge", first);
	const uint8_t *key = salted_password(s->scram->kind, salt, iterations);
	digest_hmac(s->scram->kind, key, size, "Client Key", 10, client_key);
	digest(s->scram->kind, client_key, size, stored);
	int n = snprintf(message, sizeof message, "%s,%s,c=biws,r=%s", s->scram->bare, first, nonce);
	digest_hmac(s->scram->kind, stored, size, message, (size_t)n, proof);
	for (size_t i = 0; i < size; i++)
		proof[i] ^= client_key[i];
	base64_encode(coded, proof, size);
	n = snprintf(last, sizeof last, "c=biws,r=%s,p=%s", nonce, coded);
	base64_encode(message, last, (size_t)n);
	session_send(s, "<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>%s</response>", message);
}

static void
ready(struct session *s)
{
	s->state = READY;
	login_end(s);
	if (s->presence) {
		session_send(s, "<presence/>");
		s->out_count++;
	}
	if (bench.hooks.ready != NULL)
		bench.hooks.ready(s);
}

static void
bound(struct session *s, const char *xml)
{
	const char *jid = strstr(xml, "<jid>");

	if (jid == NULL || sscanf(jid, "<jid>%127[^<]", s->jid) != 1)
		fail(s, "bind", xml);
	if (!s->managed) {
		ready(s);
		return;
	}
	session_send(s, "<enable xmlns='urn:xmpp:sm:3'/>");
	s->state = ENABLING;
}

void
login_stanza(struct session *s, char *xml)
{
	bool features = strncmp(xml, "<stream:features", 16) == 0;

	if (s->state == GREETED && features) {
		begin_proof(s, xml);
	} else if (s->state == PROVING && strncmp(xml, "<challenge", 10) == 0) {
		answer_challenge(s, xml);
	} else if (s->state == PROVING && strncmp(xml, "<success", 8) == 0) {
		s->state = PROVED;
		session_restart(s);
		open_stream(s);
	} else if (s->state == PROVED && features) {
		s->managed = bench.manage && strstr(xml, "urn:xmpp:sm:3") != NULL;
		session_send(
		    s, "<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>");
		s->state = BINDING;
	} else if (s->state == BINDING && strncmp(xml, "<iq", 3) == 0) {
		bound(s, xml);
	} else if (s->state == ENABLING && strncmp(xml, "<enabled", 8) == 0) {
		ready(s);
	} else if (s->state == ENABLING && strncmp(xml, "<iq", 3) == 0) {
		s->in_count++; /* something of the server's own, before it took <enable/> */
	} else {
		fail(s, "login", xml);
	}
}
