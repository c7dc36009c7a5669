/*
 * qr.h -- QR codes: shown with libqrencode, read from images with zbar where built in (HAVE_ZBAR).
 */
#ifndef CLIENT_QR_H
#define CLIENT_QR_H

#include <stdbool.h>
#include "proto/buf.h"

/* Half blocks of UTF-8, dark on light by the terminal's own colours; false when wider than `columns` or
 * higher than `rows` (0: no limit) or too long for a code. */
bool qr_terminal(struct buf *out, const char *text, int columns, int rows);
bool qr_svg(struct buf *out, const char *const *texts,
	    int count); /* all codes below each other in one picture */
/* Texts of all codes in a PNG file, one a line. -1: not readable, or not built in (*error_r, borrowed); else
 * how many. */
int qr_read_png(const char *file, struct buf *out, const char **error_r);

#endif
