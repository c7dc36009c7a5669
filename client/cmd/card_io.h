/* card_io.h -- contact cards in and out of lazo: files, text, QR codes. See client/card.h. */
#ifndef CLIENT_CMD_CARD_IO_H
#define CLIENT_CMD_CARD_IO_H

#include <stdbool.h>

struct app;

/* From a file or "-"; what to exit with. */
int card_add(struct app *app, const char *source, const char *name, bool verified);
/* To a file, a picture, the terminal; both NULL and no `qr`: as text. */
int card_show(struct app *app, const char *file, const char *svg, bool qr, bool all);

#endif
