/* func/number_text.c: FLOAT and DOUBLE as Java writes and reads them. */
#include "data/number.h"
#include "func/func_int.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static void format_real(double value, bool is_float, struct buf *out)
{
    if (value != value || isinf(value)) {
        buf_append(out, value != value ? STR("NaN")
                        : value > 0    ? STR("Infinity")
                                       : STR("-Infinity"));
        return;
    }
    if (value == 0) {
        buf_append(out, signbit(value) ? STR("-0.0") : STR("0.0"));
        return;
    }
    char text[40], digits[24] = "";
    /* The fewest digits that read back as the same number. */
    for (int precision = 0; precision < 17; precision++) {
        snprintf(text, sizeof text, "%.*e", precision, fabs(value));
        bool is_same =
            is_float ? strtof(text, NULL) == (float)fabs(value) : strtod(text, NULL) == fabs(value);
        if (is_same) {
            break;
        }
    }
    int count = 0, exponent = 0;
    for (const char *c = text; *c != 0; c++) {
        if (*c == 'e') {
            exponent = (int)strtol(c + 1, NULL, 10);
            break;
        }
        if (*c != '.') {
            digits[count++] = *c;
        }
    }
    while (count > 1 && digits[count - 1] == '0') {
        count--;
    }
    buf_append(out, value < 0 ? STR("-") : STR_EMPTY);
    number_layout_java(digits, count, exponent, out);
}

void func__format_double(double value, struct buf *out)
{
    format_real(value, false, out);
}

void func__format_float(float value, struct buf *out)
{
    format_real((double)value, true, out);
}

/* Java's Double.parseDouble without hexadecimal: decimal, "NaN", "Infinity", suffix d or f. */
bool func__parse_double(str text, double *out)
{
    enum { NUMBER_BYTES_MAX = 400 };
    text = str_trim(text);
    if (text.len > 1 && strchr("dDfF", text.data[text.len - 1]) != NULL) {
        text = str_slice(text, 0, text.len - 1);
    }
    isize at = text.len > 0 && (text.data[0] == '-' || text.data[0] == '+');
    str bare = str_slice(text, at, text.len);
    bool is_negative = at == 1 && text.data[0] == '-';
    if (str_eq(bare, STR("NaN")) || str_eq(bare, STR("Infinity"))) {
        *out = bare.data[0] == 'N' ? (double)NAN
               : is_negative       ? -(double)INFINITY
                                   : (double)INFINITY;
        return true;
    }
    isize digits = 0, points = 0, i = 0;
    for (; i < bare.len && ((u8)(bare.data[i] - '0') < 10 || bare.data[i] == '.'); i++) {
        digits += bare.data[i] != '.';
        points += bare.data[i] == '.';
    }
    if (digits == 0 || points > 1 || text.len >= NUMBER_BYTES_MAX) {
        return false;
    }
    if (i < bare.len) {
        if ((bare.data[i] | 32) != 'e') {
            return false;
        }
        i++;
        i += i < bare.len && (bare.data[i] == '-' || bare.data[i] == '+');
        isize from = i;
        while (i < bare.len && (u8)(bare.data[i] - '0') < 10) {
            i++;
        }
        if (i == from || i < bare.len) {
            return false;
        }
    }
    char cstr[NUMBER_BYTES_MAX];
    str_copy_cstr(text, cstr, (isize)sizeof cstr);
    *out = strtod(cstr, NULL);
    return true;
}
