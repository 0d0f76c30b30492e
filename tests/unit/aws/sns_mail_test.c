/* aws/sns/sns_mail.h: messages that no text can break out of. */
#include "aws_fixture.h"

#include "aws/sns/sns_mail.h"

static struct sns_notice notice_of(const char *subject, const char *message)
{
    return (struct sns_notice){.type = STR("Notification"),
                               .message_id = STR("id-1"),
                               .topic_arn = STR("arn:aws:sns:r:a:t"),
                               .subject = str_of(subject),
                               .message = str_of(message),
                               .at_us = 0,
                               .unsubscribe_url = STR("http://u")};
}

/* The whole message in `out`. */
static void make(const struct sns_notice *notice, const char *protocol, struct buf *out)
{
    struct buf body = {0};
    sns_mail_body(notice, str_of(protocol), &body);
    sns_mail_message(notice, STR("from@x"), STR("to@y"), buf_str(&body), out);
    buf_deinit(&body);
}

/* Every line ends in CRLF and is short; no CR or LF stands alone. */
static void check_lines(str text)
{
    isize start = 0;
    assert_true(str_ends(text, STR("\r\n")));
    for (isize i = 0; i < text.len; i++) {
        assert_true(text.data[i] < 0x80);
        if (text.data[i] == '\n') {
            assert_true(i > 0 && text.data[i - 1] == '\r');
            assert_true(i - start <= 120);
            start = i + 1;
        }
        assert_true(text.data[i] != '\r' || (i + 1 < text.len && text.data[i + 1] == '\n'));
    }
}

static isize headers_of(str text)
{
    isize count = 0, end = str_find(text, STR("\r\n\r\n"), 0);
    for (isize at = 0; at >= 0 && at < end; at = str_find(text, STR("\r\n"), at) + 2) {
        count += text.data[at] != ' ';
        if (str_find(text, STR("\r\n"), at) >= end) {
            break;
        }
    }
    return count;
}

static void no_text_adds_a_header_or_ends_the_message(void **state)
{
    static const char *const evil[] = {
        "x\r\nBcc: a@b",
        "x\nBcc: a@b",
        "x\r\n.\r\nMAIL FROM:<a@b>",
        "\r\n\r\nbody",
        "a\x01\x7f",
        "=?UTF-8?Q?=0ABcc: a@b?=",
        "\xe2\x80\xa8",
        "é\xc3\xa9\xf0\x9f\x98\x80",
        "tail ",
        " head",
        "an e-mail subject that is longer than a line of a message may be, and so has to be folded",
    };
    (void)state;
    for (int i = 0; i < COUNT_OF(evil); i++) {
        struct buf out = {0};
        struct sns_notice notice = notice_of(evil[i], evil[i]);
        notice.display_name = str_of(evil[i]);
        for (int k = 0; k < 2; k++) {
            buf_reset(&out);
            make(&notice, k == 0 ? "email" : "email-json", &out);
            check_lines(buf_str(&out));
            assert_int_equal(headers_of(buf_str(&out)), 8);
            assert_true(str_find(buf_str(&out), STR("\r\nBcc:"), 0) < 0 || i < 3);
        }
        buf_deinit(&out);
    }
}

static void the_json_document_is_as_aws_words_it(void **state)
{
    (void)state;
    struct buf out = {0};
    struct sns_notice notice = notice_of("Alert", "{'a': \"1\"}\n");
    sns_mail_body(&notice, STR("email-json"), &out);
    assert_str(buf_str(&out),
               "{\n  \"Type\" : \"Notification\",\n  \"MessageId\" : \"id-1\",\n"
               "  \"TopicArn\" : \"arn:aws:sns:r:a:t\",\n  \"Subject\" : \"Alert\",\n"
               "  \"Message\" : \"{'a': \\\"1\\\"}\\n\",\n"
               "  \"Timestamp\" : \"1970-01-01T00:00:00.000Z\",\n"
               "  \"UnsubscribeURL\" : \"http://u\"\n}\n");
    buf_deinit(&out);
}

static void addresses(void **state)
{
    static const char *const good[] = {"a@b", "first.last+tag@mail.example.com", "a@[127.0.0.1]"};
    static const char *const bad[] = {"",        "a",       "@b",         "a@",         "a@b@c",
                                      "a b@c",   "a@b c",   "a@b\n",      "a@b\r\nBcc", "<a@b>",
                                      "a@b,c@d", "a\x7f@b", "\xc3\xa9@b", "a:b@c",      "(a)@b",
                                      "a;b@c",   "\"a\"@b", "a\\b@c"};
    (void)state;
    for (int i = 0; i < COUNT_OF(good); i++) {
        assert_true(sns_mail_is_address(str_of(good[i])));
    }
    for (int i = 0; i < COUNT_OF(bad); i++) {
        assert_false(sns_mail_is_address(str_of(bad[i])));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_text_adds_a_header_or_ends_the_message),
        cmocka_unit_test(the_json_document_is_as_aws_words_it),
        cmocka_unit_test(addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
