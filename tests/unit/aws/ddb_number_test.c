/* aws/dynamodb/ddb_number.h: canonical text, order, keys in order, sums. */
#include "aws_fixture.h"

#include "aws/dynamodb/ddb_number.h"
#include "base/rng.h"

static struct ddb_number number(const char *text)
{
    struct ddb_number n;
    assert_int_equal(ddb_number_parse(str_of(text), &n), DDB_NUMBER_OK);
    return n;
}

static void text_is(const struct ddb_number *n, const char *wanted)
{
    char text[DDB_NUMBER_TEXT_MAX];
    assert_str(str_from(text, ddb_number_write(n, text)), wanted);
}

static void texts_are_canonical(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"0", "0"},           {"-0.000e5", "0"}, {"+1", "1"},       {"1.50", "1.5"},
        {"00012", "12"},      {"1e3", "1000"},   {"1E-3", "0.001"}, {"-12.34e1", "-123.4"},
        {"100e-2", "1"},      {".25", "0.25"},   {"7.", "7"},       {"0.00102", "0.00102"},
        {"1230e-5", "0.0123"}};
    for (isize i = 0; i < COUNT_OF(pairs); i++) {
        struct ddb_number n = number(pairs[i][0]);
        text_is(&n, pairs[i][1]);
        struct ddb_number again = number(pairs[i][1]);
        assert_int_equal(ddb_number_cmp(&n, &again), 0);
    }
}

static void faults_are_told_apart(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum ddb_number_fault fault;
    } cases[] = {
        {"", DDB_NUMBER_SYNTAX},
        {"-", DDB_NUMBER_SYNTAX},
        {".", DDB_NUMBER_SYNTAX},
        {"1e", DDB_NUMBER_SYNTAX},
        {"1e+", DDB_NUMBER_SYNTAX},
        {"1.2.3", DDB_NUMBER_SYNTAX},
        {" 1", DDB_NUMBER_SYNTAX},
        {"0x1", DDB_NUMBER_SYNTAX},
        {"NaN", DDB_NUMBER_SYNTAX},
        {"1e126", DDB_NUMBER_OVERFLOW},
        {"1e99999999999999999999", DDB_NUMBER_OVERFLOW},
        {"9.9e125", DDB_NUMBER_OK},
        {"1e-130", DDB_NUMBER_OK},
        {"1e-131", DDB_NUMBER_UNDERFLOW},
        {"1e-99999999999999999999", DDB_NUMBER_UNDERFLOW},
        {"0e99999999999999999999", DDB_NUMBER_OK},
        {"12345678901234567890123456789012345678", DDB_NUMBER_OK},
        {"123456789012345678901234567890123456780000", DDB_NUMBER_OK},
        {"123456789012345678901234567890123456789", DDB_NUMBER_DIGITS},
        {"1.00000000000000000000000000000000000001", DDB_NUMBER_DIGITS},
    };
    for (isize i = 0; i < COUNT_OF(cases); i++) {
        struct ddb_number n;
        if (ddb_number_parse(str_of(cases[i].text), &n) != cases[i].fault) {
            print_error("\"%s\"\n", cases[i].text);
            fail();
        }
    }
}

/* Digits, a point, an exponent: any number there is. */
static struct ddb_number number_random(struct rng *rng)
{
    char text[64];
    int len = 0;
    text[len++] = rng_below(rng, 2) == 0 ? '-' : '+';
    int digits = 1 + (int)rng_below(rng, rng_below(rng, 2) == 0 ? 3 : 37);
    for (int i = 0; i < digits; i++) {
        text[len++] = (char)('0' + rng_below(rng, 10));
    }
    int exponent = rng_below(rng, 4) == 0 ? (int)rng_below(rng, 200) - 115 : (int)rng_below(rng, 4);
    len += snprintf(text + len, sizeof text - (size_t)len, "e%d", exponent - digits);
    struct ddb_number n;
    enum ddb_number_fault fault = ddb_number_parse(str_from(text, len), &n);
    return fault == DDB_NUMBER_OK ? n : (struct ddb_number){0};
}

static int sign(int n)
{
    return (n > 0) - (n < 0);
}

/* The bytes of two keys compare as the numbers do, and neither begins the other. */
static void keys_are_in_order(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, 7);
    for (int i = 0; i < 200000; i++) {
        struct ddb_number a = number_random(&rng), b = number_random(&rng);
        u8 x[DDB_NUMBER_KEY_MAX], y[DDB_NUMBER_KEY_MAX];
        str key_a = {x, ddb_number_key(&a, x)}, key_b = {y, ddb_number_key(&b, y)};
        int order = ddb_number_cmp(&a, &b);
        assert_int_equal(sign(str_cmp(key_a, key_b)), sign(order));
        assert_true(order == 0 || !(str_starts(key_a, key_b) || str_starts(key_b, key_a)));
    }
}

static void sum_is(const char *a, const char *b, bool is_minus, const char *wanted)
{
    struct ddb_number x = number(a), y = number(b), sum;
    assert_int_equal(ddb_number_add(&x, &y, is_minus, &sum), DDB_NUMBER_OK);
    text_is(&sum, wanted);
}

static void sums_are_exact(void **state)
{
    (void)state;
    sum_is("0.1", "0.2", false, "0.3");
    sum_is("1", "1", true, "0");
    sum_is("1", "2", true, "-1");
    sum_is("-5", "3", false, "-2");
    sum_is("-5", "-3", true, "-2");
    sum_is("0", "-3", true, "3");
    sum_is("99999999999999999999999999999999999999", "1", false,
           "100000000000000000000000000000000000000");
    sum_is("1e-130", "1e-130", true, "0");
    sum_is("1000", "0.001", true, "999.999");
    struct ddb_number big = number("9.9e125"), one = number("1"), sum;
    assert_int_equal(ddb_number_add(&big, &big, false, &sum), DDB_NUMBER_OVERFLOW);
    assert_int_equal(ddb_number_add(&big, &one, false, &sum), DDB_NUMBER_DIGITS);
    struct ddb_number a = number("1.1e-130"), b = number("1e-130");
    assert_int_equal(ddb_number_add(&a, &b, true, &sum), DDB_NUMBER_UNDERFLOW);
}

/* a + b - b is a, whenever both sums can be held; and b + a is a + b. */
static void sums_go_back(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, 9);
    int tried = 0;
    for (int i = 0; i < 100000; i++) {
        struct ddb_number a = number_random(&rng), b = number_random(&rng), sum, other, back;
        if (ddb_number_add(&a, &b, false, &sum) != DDB_NUMBER_OK) {
            continue;
        }
        tried++;
        assert_int_equal(ddb_number_add(&b, &a, false, &other), DDB_NUMBER_OK);
        assert_int_equal(ddb_number_cmp(&sum, &other), 0);
        assert_int_equal(ddb_number_add(&sum, &b, true, &back), DDB_NUMBER_OK);
        assert_int_equal(ddb_number_cmp(&back, &a), 0);
    }
    assert_true(tried > 10000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_canonical), cmocka_unit_test(faults_are_told_apart),
        cmocka_unit_test(keys_are_in_order),   cmocka_unit_test(sums_are_exact),
        cmocka_unit_test(sums_go_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
