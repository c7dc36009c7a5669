/*
 * relay.h -- the whole relay: builds the floors upward, frees them downward.
 *
 * One process, one event loop; the store's two threads and the thread pool are the only others. Nothing is global but the log's level and the counters of tally.h.
 */
#ifndef RELAY_RELAY_H
#define RELAY_RELAY_H

struct conf;
struct relay;

/* Open everything in the order store, TLS, router, listeners, control. conf becomes the relay's, also on failure.
 * NULL: *error_r (malloc'd) says what to mend; *exit_r the code of sysexits.h that fits. */
struct relay *relay_new(struct conf *conf, char **error_r, int *exit_r);

/* Say `ready` and serve until SIGTERM or SIGINT; then tell clients, finish what is begun, return. */
void relay_run(struct relay *relay);
void relay_free(struct relay **relay);

#endif
