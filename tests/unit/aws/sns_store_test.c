/* aws/sns/sns_store.h: topics, subscriptions, mails that wait and mails that are done. */
#include "aws_fixture.h"

#include "aws/sns/sns_store.h"

static const struct sns_scope scope = {{(const u8 *)"000000000000", 12}, {(const u8 *)"r", 1}};
#define DAY_US ((i64)86400 * 1000000)

static struct sns_store *open_store(struct sim *sim)
{
    struct sns_store *store;
    struct diag diag;
    diag_init(&diag);
    assert_int_equal(sns_store_open(sim_os(sim), "/data/sns", &store, &diag), OK);
    return store;
}

static void topic_make(struct sns_store *store, const char *name)
{
    struct arena arena = {0};
    struct sns_topic wanted = {.name = str_of(name)}, topic;
    assert_int_equal(sns_topic_create(store, scope, &wanted, &arena, &topic), OK);
    assert_str(topic.name, name);
    arena_deinit(&arena);
}

static err subscribe(struct sns_store *store, const char *topic, const char *address,
                     struct arena *arena, struct sns_subscription *out)
{
    struct sns_target target = {str_of(topic), STR("email"), str_of(address)};
    return sns_subscribe(store, scope, &target, arena, out);
}

static void subscriptions_are_confirmed_in_time(void **state)
{
    struct sns_store *store = open_store(*state);
    struct arena arena = {0};
    struct sns_subscription s, again;
    topic_make(store, "t");
    assert_int_equal(subscribe(store, "none", "a@b", &arena, &s), ERR_NOT_FOUND);
    assert_int_equal(subscribe(store, "t", "a@b", &arena, &s), OK);
    assert_false(s.is_confirmed);
    assert_int_equal(s.token.len, 64);
    struct sns_confirmation how = {.topic = STR("t"), .token = STR("0")};
    assert_int_equal(sns_confirm(store, scope, &how, &arena, &s), ERR_NOT_FOUND);
    how.token = s.token;
    sim_advance_us(*state, 4 * DAY_US);
    assert_int_equal(sns_confirm(store, scope, &how, &arena, &again), ERR_TIMEOUT);
    assert_int_equal(subscribe(store, "t", "a@b", &arena, &again), OK); /* Lives anew. */
    assert_int_equal(again.id, s.id);
    how.is_authenticated = how.needs_signed_unsubscribe = true;
    assert_int_equal(sns_confirm(store, scope, &how, &arena, &again), OK);
    assert_true(again.is_confirmed && again.is_authenticated && again.needs_signed_unsubscribe);
    how.is_authenticated = how.needs_signed_unsubscribe = false;
    sim_advance_us(*state, 40 * DAY_US);
    assert_int_equal(sns_confirm(store, scope, &how, &arena, &again), OK); /* Changes nothing. */
    assert_true(again.needs_signed_unsubscribe);
    struct sns_subscription_counts counts;
    assert_int_equal(sns_subscription_count(store, scope, STR("t"), &counts), OK);
    assert_true(counts.confirmed == 1 && counts.pending == 0);
    arena_deinit(&arena);
    sns_store_close(store);
}

static void deleting_a_topic_ends_its_subscriptions(void **state)
{
    struct sns_store *store = open_store(*state);
    struct arena arena = {0};
    struct sns_subscription s;
    topic_make(store, "t");
    assert_int_equal(subscribe(store, "t", "a@b", &arena, &s), OK);
    assert_int_equal(sns_topic_delete(store, scope, STR("t")), OK);
    assert_int_equal(sns_topic_delete(store, scope, STR("t")), OK);
    assert_int_equal(sns_subscription_find(store, scope, s.uuid, &arena, &s), ERR_NOT_FOUND);
    arena_deinit(&arena);
    sns_store_close(store);
}

static void topics_are_limited(void **state)
{
    struct sns_store *store = open_store(*state);
    struct arena arena = {0};
    struct sns_topic topic, wanted = {.name = STR("over")};
    for (int i = 0; i < SNS_TOPICS_MAX; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "t%d", i);
        topic_make(store, name);
    }
    assert_int_equal(sns_topic_create(store, scope, &wanted, &arena, &topic), ERR_LIMIT);
    topic_make(store, "t7"); /* One that is there is given. */
    sns_store_close(store);
    store = open_store(*state);
    assert_int_equal(sns_topic_create(store, scope, &wanted, &arena, &topic), ERR_LIMIT);
    assert_int_equal(sns_topic_delete(store, scope, STR("t7")), OK);
    assert_int_equal(sns_topic_delete(store, scope, STR("t7")), OK);
    topic_make(store, "over");
    assert_int_equal(
        sns_topic_create(store, scope, &(struct sns_topic){.name = STR("t7")}, &arena, &topic),
        ERR_LIMIT);
    arena_deinit(&arena);
    sns_store_close(store);
}

static void a_topic_takes_a_bounded_number(void **state)
{
    struct sns_store *store = open_store(*state);
    struct arena arena = {0};
    struct sns_subscription s;
    topic_make(store, "t");
    for (int i = 0; i < SNS_TOPIC_SUBSCRIPTIONS_MAX; i++) {
        arena_reset(&arena);
        char address[32];
        (void)snprintf(address, sizeof address, "a%d@b", i);
        assert_int_equal(subscribe(store, "t", address, &arena, &s), OK);
    }
    assert_int_equal(subscribe(store, "t", "over@b", &arena, &s), ERR_LIMIT);
    sim_advance_us(*state, 4 * DAY_US); /* Dead tokens make room. */
    assert_int_equal(subscribe(store, "t", "over@b", &arena, &s), OK);
    arena_deinit(&arena);
    sns_store_close(store);
}

/* --- mails --------------------------------------------------------------------------------- */

struct feed {
    int left;
    enum sns_mail_state state;
    i64 at_us;
};

static bool feed_next(void *ctx, struct sns_mail *out)
{
    struct feed *feed = ctx;
    if (feed->left-- <= 0) {
        return false;
    }
    *out = (struct sns_mail){.at_us = feed->at_us,
                             .region = STR("r"),
                             .recipient = STR("to@x"),
                             .subject = STR("s"),
                             .body = STR("b"),
                             .raw = STR("raw"),
                             .state = feed->state};
    return true;
}

static void add(struct sns_store *store, int count, enum sns_mail_state state, i64 at_us)
{
    struct feed feed = {count, state, at_us};
    struct sns_mail_source source = {feed_next, &feed};
    assert_int_equal(sns_mail_add(store, &source), OK);
}

static void mails_wait_for_their_time(void **state)
{
    struct sns_store *store = open_store(*state);
    struct arena arena = {0};
    struct sns_mail mail;
    i64 next_us;
    assert_int_equal(sns_mail_due(store, INT64_MAX, &arena, &mail, &next_us), ERR_END);
    assert_true(next_us == INT64_MAX);
    add(store, 2, SNS_MAIL_PENDING, 100);
    add(store, 1, SNS_MAIL_LOCAL, 50);
    assert_int_equal(sns_mail_due(store, 99, &arena, &mail, &next_us), ERR_END);
    assert_int_equal(next_us, 100);
    assert_int_equal(sns_mail_due(store, 100, &arena, &mail, &next_us), OK);
    assert_int_equal(mail.id, 1);
    assert_str(mail.raw, "raw");
    assert_int_equal(sns_mail_done(store, 1, SNS_MAIL_PENDING, 500, STR("later")), OK);
    sns_store_close(store);
    store = open_store(*state);
    assert_int_equal(sns_mail_due(store, 1000, &arena, &mail, &next_us), OK);
    assert_int_equal(mail.id, 2);
    assert_int_equal(sns_mail_done(store, 2, SNS_MAIL_SENT, 0, STR_EMPTY), OK);
    assert_int_equal(sns_mail_due(store, 1000, &arena, &mail, &next_us), OK);
    assert_int_equal(mail.id, 1);
    assert_int_equal(mail.attempts, 1);
    assert_str(mail.error, "later");
    struct sns_mail_counts counts;
    assert_int_equal(sns_mail_count(store, &counts), OK);
    assert_true(counts.total == 3 && counts.pending == 1 && counts.sent == 1);
    arena_deinit(&arena);
    sns_store_close(store);
}

static void the_inbox_is_bounded_but_what_waits_stays(void **state)
{
    struct sns_store *store = open_store(*state);
    struct arena arena = {0};
    struct sns_mail mail, *items;
    isize count;
    add(store, 1, SNS_MAIL_PENDING, 1);
    add(store, SNS_INBOX_MAX + 10, SNS_MAIL_LOCAL, 2);
    assert_int_equal(sns_mail_find(store, 1, &arena, &mail), OK);
    assert_int_equal(sns_mail_find(store, 2, &arena, &mail), ERR_NOT_FOUND);
    struct sns_mail_page page = {.max = 2};
    assert_int_equal(sns_mail_list(store, &page, &arena, &items, &count), OK);
    assert_int_equal(items[0].id, SNS_INBOX_MAX + 11);
    page.before = items[1].id;
    page.region = STR("other");
    assert_int_equal(sns_mail_list(store, &page, &arena, &items, &count), OK);
    assert_int_equal(count, 0);
    arena_deinit(&arena);
    sns_store_close(store);
}

static void the_queue_is_bounded_and_refuses_whole_calls(void **state)
{
    struct sns_store *store = open_store(*state);
    add(store, SNS_PENDING_MAX - 1, SNS_MAIL_PENDING, 1);
    struct feed feed = {2, SNS_MAIL_PENDING, 1};
    struct sns_mail_source source = {feed_next, &feed};
    assert_int_equal(sns_mail_add(store, &source), ERR_LIMIT);
    struct sns_mail_counts counts;
    assert_int_equal(sns_mail_count(store, &counts), OK);
    assert_int_equal(counts.pending, SNS_PENDING_MAX - 1);
    add(store, 1, SNS_MAIL_PENDING, 1);
    add(store, 1, SNS_MAIL_LOCAL, 1);
    sns_store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(subscriptions_are_confirmed_in_time, machine_setup,
                                        machine_teardown),
        cmocka_unit_test_setup_teardown(deleting_a_topic_ends_its_subscriptions, machine_setup,
                                        machine_teardown),
        cmocka_unit_test_setup_teardown(topics_are_limited, machine_setup, machine_teardown),
        cmocka_unit_test_setup_teardown(a_topic_takes_a_bounded_number, machine_setup,
                                        machine_teardown),
        cmocka_unit_test_setup_teardown(mails_wait_for_their_time, machine_setup, machine_teardown),
        cmocka_unit_test_setup_teardown(the_inbox_is_bounded_but_what_waits_stays, machine_setup,
                                        machine_teardown),
        cmocka_unit_test_setup_teardown(the_queue_is_bounded_and_refuses_whole_calls, machine_setup,
                                        machine_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
