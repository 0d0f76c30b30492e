/* aws/sns/sns_mail.c: mails as AWS words them. */
#include "aws/sns/sns_mail.h"

#include "base/cal.h"
#include "codec/base64.h"
#include "codec/json.h"

enum { ENCODED_WORD_BYTES = 45, LINE_MAX = 76, ADDRESS_MAX = 320 };

bool sns_mail_is_address(str text)
{
    isize at = str_find_byte(text, '@', 0);
    if (at < 1 || at != str_rfind_byte(text, '@') || at > 64 || text.len > ADDRESS_MAX ||
        at == text.len - 1) {
        return false;
    }
    for (isize i = 0; i < text.len; i++) {
        u8 c = text.data[i];
        bool is_refused = c <= 0x20 || c >= 0x7F || c == ',' || c == ';' || c == '<' || c == '>' ||
                          c == '"' || c == '(' || c == ')' || c == '\\' || c == ':';
        if (is_refused) {
            return false;
        }
    }
    return true;
}

/* --- the body
 * --------------------------------------------------------------------------------------- */

static void append_member(struct buf *out, const char *name, str value)
{
    buf_printf(out, "%s  \"%s\" : ", out->len > 2 ? ",\n" : "", name);
    json_write_string(out, value);
}

static void body_json(const struct sns_notice *notice, struct buf *out)
{
    char when[32];
    isize len = cal_format_iso_ms(notice->at_us, when);
    buf_append(out, STR("{\n"));
    append_member(out, "Type", notice->type);
    append_member(out, "MessageId", notice->message_id);
    if (notice->token.len > 0) {
        append_member(out, "Token", notice->token);
    }
    append_member(out, "TopicArn", notice->topic_arn);
    if (notice->subject.len > 0) {
        append_member(out, "Subject", notice->subject);
    }
    append_member(out, "Message", notice->message);
    if (notice->subscribe_url.len > 0) {
        append_member(out, "SubscribeURL", notice->subscribe_url);
    }
    append_member(out, "Timestamp", str_from(when, len));
    if (notice->signature.len > 0) {
        append_member(out, "SignatureVersion", STR("1"));
        append_member(out, "Signature", notice->signature);
        append_member(out, "SigningCertURL", notice->certificate_url);
    }
    if (notice->unsubscribe_url.len > 0) {
        append_member(out, "UnsubscribeURL", notice->unsubscribe_url);
    }
    if (notice->attributes.len > 0) {
        buf_append(out, STR(",\n  \"MessageAttributes\" : "));
        buf_append(out, notice->attributes);
    }
    buf_append(out, STR("\n}\n"));
}

static void body_text(const struct sns_notice *notice, struct buf *out)
{
    if (notice->token.len > 0) {
        buf_printf(out,
                   "You have chosen to subscribe to the topic:\n" STR_FMT
                   "\n\nTo confirm this subscription, open:\n" STR_FMT "\n",
                   STR_ARG(notice->topic_arn), STR_ARG(notice->subscribe_url));
        return;
    }
    buf_append(out, notice->message);
    buf_printf(out, "\n\n--\nTo stop receiving notifications from this topic, open:\n" STR_FMT "\n",
               STR_ARG(notice->unsubscribe_url));
}

void sns_mail_body(const struct sns_notice *notice, str protocol, struct buf *out)
{
    if (str_eq(protocol, STR("email-json"))) {
        body_json(notice, out);
    } else {
        body_text(notice, out);
    }
}

str sns_mail_subject(const struct sns_notice *notice)
{
    if (notice->token.len > 0) {
        return STR("AWS Notification - Subscription Confirmation");
    }
    return notice->subject.len > 0 ? notice->subject : STR("AWS Notification Message");
}

/* --- the message
 * ------------------------------------------------------------------------------------- */

static bool is_plain_header(str text)
{
    for (isize i = 0; i < text.len; i++) {
        if (text.data[i] < 0x20 || text.data[i] >= 0x7F) {
            return false;
        }
    }
    return text.len <= LINE_MAX - 10 && str_find(text, STR("=?"), 0) < 0;
}

/* RFC 2047: words of at most 45 bytes, cut between characters. */
static void append_encoded_words(struct buf *out, str text)
{
    while (text.len > 0) {
        isize cut = MIN(text.len, (isize)ENCODED_WORD_BYTES);
        while (cut > 1 && cut < text.len && (text.data[cut] & 0xC0) == 0x80) {
            cut--;
        }
        buf_append(out, STR("=?UTF-8?B?"));
        base64_append(out, str_slice(text, 0, cut));
        buf_append(out, STR("?="));
        text = str_slice(text, cut, text.len);
        if (text.len > 0) {
            buf_append(out, STR("\r\n "));
        }
    }
}

static void append_header_text(struct buf *out, str text)
{
    if (is_plain_header(text)) {
        buf_append(out, text);
    } else {
        append_encoded_words(out, text);
    }
}

/* A phrase before an address: words of letters and digits as they are, anything else encoded. */
static void append_display_name(struct buf *out, str name)
{
    bool is_plain = name.len <= LINE_MAX - 10;
    for (isize i = 0; i < name.len && is_plain; i++) {
        u8 c = name.data[i];
        u8 lower = c | 0x20;
        is_plain = (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || c == ' ' || c == '-';
    }
    if (is_plain) {
        buf_append(out, name);
    } else {
        append_encoded_words(out, name);
    }
}

/* RFC 2045 §6.7, with soft line breaks; every line ends in CRLF. */
static void append_quoted_printable(struct buf *out, str body)
{
    static const char hex[] = "0123456789ABCDEF";
    isize column = 0;
    for (isize i = 0; i < body.len; i++) {
        u8 c = body.data[i];
        if (c == '\r' && i + 1 < body.len && body.data[i + 1] == '\n') {
            continue; /* A line's end is CRLF in any case. */
        }
        if (c == '\n') {
            buf_append(out, STR("\r\n"));
            column = 0;
            continue;
        }
        bool is_at_end = i + 1 == body.len || body.data[i + 1] == '\n' || body.data[i + 1] == '\r';
        bool is_plain = (c > 0x20 && c < 0x7F && c != '=') || (c == ' ' && !is_at_end);
        if (column + (is_plain ? 1 : 3) > LINE_MAX - 1) {
            buf_append(out, STR("=\r\n"));
            column = 0;
        }
        if (is_plain) {
            buf_append_byte(out, c);
            column++;
        } else {
            u8 text[3] = {'=', (u8)hex[c >> 4], (u8)hex[c & 15]};
            buf_append_bytes(out, text, 3);
            column += 3;
        }
    }
    if (column > 0) {
        buf_append(out, STR("\r\n"));
    }
}

static void append_date(struct buf *out, i64 us)
{
    char when[32];
    isize len = cal_format_http(us, when);
    buf_append(out, str_from(when, len - 3));
    buf_append(out, STR("+0000"));
}

void sns_mail_message(const struct sns_notice *notice, str sender, str recipient, str body,
                      struct buf *out)
{
    str name = notice->display_name.len > 0 ? notice->display_name : STR("AWS Notifications");
    buf_append(out, STR("From: "));
    append_display_name(out, name);
    buf_printf(out, " <" STR_FMT ">\r\nTo: " STR_FMT "\r\nDate: ", STR_ARG(sender),
               STR_ARG(recipient));
    append_date(out, notice->at_us);
    buf_append(out, STR("\r\nSubject: "));
    append_header_text(out, sns_mail_subject(notice));
    buf_printf(out,
               "\r\nMessage-ID: <" STR_FMT "@leat.localhost>\r\nMIME-Version: 1.0\r\n"
               "Content-Type: text/plain; charset=UTF-8\r\n"
               "Content-Transfer-Encoding: quoted-printable\r\n\r\n",
               STR_ARG(notice->message_id));
    append_quoted_printable(out, body);
}
