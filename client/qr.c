/*
 * qr.c -- QR codes for the terminal and as SVG, by libqrencode; out of a PNG file, by libpng and zbar.
 *
 * On the terminal a light module is a block in the text's own colour: on a dark screen that is dark on light,
 * and phones read the reverse as well. A picture that claims to be larger than PIXELS_MAX is not decoded.
 */
#include "config.h"
#include "client/qr.h"

#include <qrencode.h>
#include <stdint.h>
#include <stdlib.h>
#ifdef HAVE_ZBAR
#include <png.h>
#include <zbar.h>
#endif
#include "proto/mem.h"

enum { QUIET = 4 /* modules of margin (ISO 18004, 6.3.8) */, SVG_MODULE = 8, SVG_GAP = 24 /* modules between codes */, PIXELS_MAX = 25 * 1000 * 1000 };

static QRcode *
encode(const char *text)
{
	/* upper case, digits and "/:" go in alphanumeric mode by themselves */
	return QRcode_encodeString(text, 0, QR_ECLEVEL_M, QR_MODE_8, 1);
}

/* Margins count as light. */
static bool
dark(const QRcode *code, int x, int y)
{
	if (x < 0 || y < 0 || x >= code->width || y >= code->width)
		return false;
	return code->data[y * code->width + x] & 1;
}

static void
terminal_line(struct buf *out, const QRcode *code, int y)
{
	static const char *const blocks[] = { "\u2588", "\u2580", "\u2584",
					      " " }; /* by dark below, dark above */
	for (int x = -QUIET; x < code->width + QUIET; x++) {
		bool above = dark(code, x, y), below = dark(code, x, y + 1);
		buf_adds(out, blocks[above ? (below ? 3 : 2) : (below ? 1 : 0)]);
	}
	buf_adds(out, "\n");
}

bool
qr_terminal(struct buf *out, const char *text, int columns, int rows)
{
	QRcode *code = encode(text);
	if (!code)
		return false;
	int width = code->width + 2 * QUIET, height = (width + 1) / 2;
	bool fits = (columns == 0 || width <= columns) && (rows == 0 || height <= rows);
	for (int y = -QUIET; fits && y < code->width + QUIET; y += 2)
		terminal_line(out, code, y);
	QRcode_free(code);
	return fits;
}

/* One path a code: a square for each dark module. */
/* In pixels, one rectangle a run: a reader that scales or smooths leaves no seams between modules. */
static void
svg_code(struct buf *out, const QRcode *code, int top)
{
	for (int y = 0; y < code->width; y++) {
		for (int x = 0, run; x < code->width; x += run) {
			for (run = 1; x + run < code->width && dark(code, x, y) == dark(code, x + run, y);)
				run++;
			if (dark(code, x, y))
				buf_printf(out, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\"/>\n",
				    (x + QUIET) * SVG_MODULE, (y + QUIET + top) * SVG_MODULE, run * SVG_MODULE, SVG_MODULE);
		}
	}
}

bool
qr_svg(struct buf *out, const char *const *texts, int count)
{
	struct buf codes = { 0 };
	int width = 0, top = 0;
	for (int i = 0; i < count; i++) {
		QRcode *code = encode(texts[i]);
		if (!code) {
			buf_free(&codes);
			return false;
		}
		int size = code->width + 2 * QUIET;
		svg_code(&codes, code, top);
		top += size + SVG_GAP;
		width = size > width ? size : width;
		QRcode_free(code);
	}
	top -= SVG_GAP;
	buf_printf(
	    out,
	    "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\""
	    " shape-rendering=\"crispEdges\">\n<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n",
	    width * SVG_MODULE, top * SVG_MODULE, width * SVG_MODULE, top * SVG_MODULE);
	buf_add(out, codes.data, codes.len);
	buf_adds(out, "</svg>\n");
	buf_free(&codes);
	return true;
}

#ifdef HAVE_ZBAR
/* Grey pixels of a PNG file; NULL: *error_r. */
static uint8_t *
png_grey(const char *file, unsigned *width_r, unsigned *height_r, const char **error_r)
{
	png_image image = { .version = PNG_IMAGE_VERSION };
	uint8_t *pixels = NULL;
	*error_r = "not a PNG picture";
	if (png_image_begin_read_from_file(&image, file)) {
		image.format = PNG_FORMAT_GRAY;
		if (image.height == 0 || image.width > PIXELS_MAX / image.height) {
			*error_r = "the picture is too large";
		} else {
			const png_color white = { 255, 255, 255 };
			pixels = xmalloc(PNG_IMAGE_SIZE(image));
			if (!png_image_finish_read(&image, &white, pixels, 0, NULL)) {
				free(pixels);
				pixels = NULL;
			}
		}
	}
	*width_r = image.width;
	*height_r = image.height;
	png_image_free(&image);
	return pixels;
}

static int
scan(zbar_image_scanner_t *scanner, zbar_image_t *image, struct buf *out)
{
	int found = 0;
	zbar_image_scanner_set_config(scanner, 0, ZBAR_CFG_ENABLE, 0);
	zbar_image_scanner_set_config(scanner, ZBAR_QRCODE, ZBAR_CFG_ENABLE, 1);
	if (zbar_scan_image(scanner, image) <= 0)
		return 0;
	for (const zbar_symbol_t *symbol = zbar_image_first_symbol(image); symbol;
	     symbol = zbar_symbol_next(symbol)) {
		buf_add(out, zbar_symbol_get_data(symbol), zbar_symbol_get_data_length(symbol));
		buf_adds(out, "\n");
		found++;
	}
	return found;
}

int
qr_read_png(const char *file, struct buf *out, const char **error_r)
{
	unsigned width, height;
	uint8_t *pixels = png_grey(file, &width, &height, error_r);
	if (!pixels)
		return -1;
	zbar_image_scanner_t *scanner = zbar_image_scanner_create();
	zbar_image_t *image = zbar_image_create();
	zbar_image_set_format(image, zbar_fourcc('Y', '8', '0', '0'));
	zbar_image_set_size(image, width, height);
	zbar_image_set_data(image, pixels, (unsigned long)width * height, NULL);
	int found = scan(scanner, image, out);
	zbar_image_destroy(image);
	zbar_image_scanner_destroy(scanner);
	free(pixels);
	return found;
}
#else
int
qr_read_png(const char *file, struct buf *out, const char **error_r)
{
	(void)file;
	(void)out;
	*error_r = "this program was built without zbar";
	return -1;
}
#endif
