#include "loop/handover_text.h"

#include <string.h>

char *
ward_text_append(char *at, const char *text, size_t n)
{
	memcpy(at, text, n);
	return at + n;
}

char *
ward_text_number(char *at, unsigned int n, unsigned int base)
{
	char digits[16];
	size_t i = sizeof(digits);

	do {
		digits[--i] = "0123456789abcdef"[n % base];
		n /= base;
	} while (n > 0);
	return ward_text_append(at, digits + i, sizeof(digits) - i);
}

char *
ward_text_set(char *at, const struct ward_fdset *set)
{
	const unsigned char *bytes = (const unsigned char *)set->bits;

	for (size_t i = 0; i < sizeof(set->bits); i++) {
		*at++ = "0123456789abcdef"[bytes[i] >> 4];
		*at++ = "0123456789abcdef"[bytes[i] & 15];
	}
	return at;
}

char *
ward_text_sized(char *at, const char *text, size_t most)
{
	size_t n = strlen(text);

	n = n < most ? n : most - 1;
	at = ward_text_number(at, (unsigned int)n, 10);
	*at++ = ':';
	return ward_text_append(at, text, n);
}
