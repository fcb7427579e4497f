// SPDX-License-Identifier: GPL-2.0-only
#include <math.h>
#include <stdbool.h>
#include <stdio.h>

#include "../loader/markup.h"
#include "curve.h"
#include "output.h"

#define WIDTH 760
#define HEIGHT 440
#define LEFT 80
#define RIGHT 20
#define TOP 60
#define BOTTOM 60
#define LOSS_MIN 1e-6 /* a logarithm needs something */
#define TRAIN_COLOUR "#1f5fa8"
#define VALIDATION_COLOUR "#c4570a"

struct curve {
	const char *title;
	const struct epoch_loss *losses;
	unsigned int nr, best;
	bool validates;
	double low, high; /* of the axis, log10 */
};

static double log_loss(double loss)
{
	return log10(loss > LOSS_MIN ? loss : LOSS_MIN);
}

static double x_of(const struct curve *c, unsigned int epoch)
{
	double share = c->nr > 1 ? (double)(epoch - 1) / (c->nr - 1) : 0.5;

	return LEFT + share * (WIDTH - LEFT - RIGHT);
}

static double y_of(const struct curve *c, double loss)
{
	double share = (log_loss(loss) - c->low) / (c->high - c->low);

	return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM);
}

static void find_range(struct curve *c)
{
	double low = INFINITY, high = -INFINITY;
	unsigned int i;

	for (i = 0; i < c->nr; i++) {
		low = fmin(low, log_loss(c->losses[i].train));
		high = fmax(high, log_loss(c->losses[i].train));
		if (!c->validates)
			continue;
		low = fmin(low, log_loss(c->losses[i].validation));
		high = fmax(high, log_loss(c->losses[i].validation));
	}
	c->low = low - 0.05;
	c->high = high + 0.05;
}

static void print_epochs(FILE *out, const struct curve *c)
{
	unsigned int step = 1, epoch;

	/* 1, 2, 5, 10, ...: at most ten of them */
	while (c->nr / step > 10)
		step = step % 9 == 2 ? step / 2 * 5 : step * 2;
	for (epoch = step; epoch <= c->nr; epoch += step) {
		double x = x_of(c, epoch);

		fprintf(out,
			"<line x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\" stroke=\"#888\"/>\n"
			"<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%u</text>\n",
			x, HEIGHT - BOTTOM, x, HEIGHT - BOTTOM + 5, x, HEIGHT - BOTTOM + 20, epoch);
	}
	fprintf(out, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">epoch</text>\n",
		LEFT + (WIDTH - LEFT - RIGHT) / 2, HEIGHT - 14);
}

static void print_losses(FILE *out, const struct curve *c)
{
	static const double steps[] = {1.0, 2.0, 5.0};
	int power;
	unsigned int i;

	for (power = (int)floor(c->low); power <= (int)floor(c->high); power++) {
		for (i = 0; i < 3; i++) {
			double loss = steps[i] * pow(10.0, power), y = y_of(c, loss);

			if (log10(loss) < c->low || log10(loss) > c->high)
				continue;
			fprintf(out,
				"<line x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\" "
				"stroke=\"#ddd\"/>\n"
				"<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%g</text>\n",
				LEFT, y, WIDTH - RIGHT, y, LEFT - 8, y + 5, loss);
		}
	}
	fprintf(out,
		"<text transform=\"translate(20 %d) rotate(-90)\" text-anchor=\"middle\">"
		"cross-entropy loss (log)</text>\n",
		TOP + (HEIGHT - TOP - BOTTOM) / 2);
}

static void print_line(FILE *out, const struct curve *c, bool validation)
{
	unsigned int i;

	fprintf(out,
		"<polyline id=\"%s\" fill=\"none\" stroke=\"%s\" stroke-width=\"1.5\" points=\"",
		validation ? "validation" : "training",
		validation ? VALIDATION_COLOUR : TRAIN_COLOUR);
	for (i = 0; i < c->nr; i++)
		fprintf(out, "%s%.1f,%.1f", i ? " " : "", x_of(c, i + 1),
			y_of(c, validation ? c->losses[i].validation : c->losses[i].train));
	fputs("\"/>\n", out);
}

static void print_best(FILE *out, const struct curve *c)
{
	const struct epoch_loss *loss = &c->losses[c->best - 1];
	double x = x_of(c, c->best), at = c->validates ? loss->validation : loss->train;
	bool right = x > WIDTH / 2;

	fprintf(out,
		"<line id=\"best\" x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\" stroke=\"#444\" "
		"stroke-dasharray=\"4 3\"/>\n"
		"<circle cx=\"%.1f\" cy=\"%.1f\" r=\"4\" fill=\"#444\"/>\n"
		"<text x=\"%.1f\" y=\"%d\" text-anchor=\"%s\">kept: epoch %u, loss %.4f</text>\n",
		x, TOP, x, HEIGHT - BOTTOM, x, y_of(c, at), x + (right ? -8 : 8), TOP + 16,
		right ? "end" : "start", c->best, at);
}

static void print_svg(FILE *out, const void *what)
{
	const struct curve *c = what;

	fprintf(out,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
		"font-family=\"sans-serif\" font-size=\"13\">\n<title>Learning curve of ",
		WIDTH, HEIGHT);
	print_escaped(out, c->title);
	fputs("</title>\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
	      "<text x=\"20\" y=\"24\" font-size=\"14\">Learning curve of ",
	      out);
	print_escaped(out, c->title);
	fprintf(out, "</text>\n<text x=\"20\" y=\"44\" fill=\"%s\">training part</text>\n",
		TRAIN_COLOUR);
	if (c->validates)
		fprintf(out, "<text x=\"130\" y=\"44\" fill=\"%s\">validation part</text>\n",
			VALIDATION_COLOUR);
	print_losses(out, c);
	print_epochs(out, c);
	fprintf(out,
		"<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" fill=\"none\" "
		"stroke=\"#888\"/>\n",
		LEFT, TOP, WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM);
	print_line(out, c, false);
	if (c->validates)
		print_line(out, c, true);
	print_best(out, c);
	fputs("</svg>\n", out);
}

int curve_write_svg(const char *path, const char *title, const struct epoch_loss *losses,
		    unsigned int nr, unsigned int best, struct fault *why)
{
	struct curve c = {.title = title, .losses = losses, .nr = nr, .best = best};

	c.validates = losses[0].validation > 0.0;
	find_range(&c);
	return output_write(path, print_svg, &c, why);
}
