/* aws/dynamodb/ddb_store.h: tables, items and indexes through restarts and changes. */
#include "aws_fixture.h"

#include "aws/dynamodb/ddb_store.h"

static const struct ddb_scope scope = {{(const u8 *)"000000000000", 12}, {(const u8 *)"r", 1}};
static struct arena arena;

static struct ddb_store *store_make(struct sim *sim)
{
    struct ddb_store *store;
    struct diag diag;
    diag_init(&diag);
    assert_int_equal(ddb_store_open(sim_os(sim), "/data/dynamodb", &store, &diag), OK);
    ddb_store_lock(store);
    return store;
}

static void store_end(struct ddb_store *store)
{
    ddb_store_unlock(store);
    ddb_store_close(store);
}

static struct ddb_definition definition(const char *text)
{
    struct ddb_work work = {.arena = &arena};
    struct ddb_definition d;
    const struct json_value *value;
    assert_int_equal(json_parse(&arena, str_of(text), &value, NULL), OK);
    if (!ddb_definition_parse(&work, value, true, &d)) {
        print_error("%.*s\n", STR_ARG(work.message));
        fail();
    }
    return d;
}

static const char plain[] =
    "{\"BillingMode\":\"PAY_PER_REQUEST\",\"AttributeDefinitions\":[{\"AttributeName\":\"h\","
    "\"AttributeType\":\"S\"}],\"KeySchema\":[{\"AttributeName\":\"h\",\"KeyType\":\"HASH\"}]}";
static const char indexed[] =
    "{\"BillingMode\":\"PAY_PER_REQUEST\",\"AttributeDefinitions\":[{\"AttributeName\":\"h\","
    "\"AttributeType\":\"S\"},{\"AttributeName\":\"o\",\"AttributeType\":\"S\"}],\"KeySchema\":"
    "[{\"AttributeName\":\"h\",\"KeyType\":\"HASH\"}],\"GlobalSecondaryIndexes\":[{\"IndexName\":"
    "\"by-o\",\"KeySchema\":[{\"AttributeName\":\"o\",\"KeyType\":\"HASH\"}],\"Projection\":"
    "{\"ProjectionType\":\"KEYS_ONLY\"}}],\"Tags\":[{\"Key\":\"k\",\"Value\":\"\\\"v\"}]}";

static struct ddb_value lease(const char *hash, const char *owner)
{
    struct ddb_value item = {.type = DDB_M};
    struct ddb_value h = {.type = DDB_S, .text = str_of(hash)};
    struct ddb_value o = {.type = DDB_S, .text = str_of(owner)};
    ddb_put(&arena, &item, STR("h"), &h);
    ddb_put(&arena, &item, STR("o"), &o);
    return item;
}

static void lease_write(struct ddb_store *store, const struct ddb_table *table, const char *hash,
                        const char *owner)
{
    struct ddb_value item = lease(hash, owner), old;
    bool found;
    assert_int_equal(ddb_store_begin(store), OK);
    assert_int_equal(ddb_item_read(store, table, &item, &arena, &old, &found), OK);
    assert_int_equal(ddb_item_write(store, table, found ? &old : NULL, &item), OK);
    assert_int_equal(ddb_store_commit(store), OK);
}

static bool count_one(void *ctx, const struct ddb_value *item)
{
    assert_non_null(ddb_get(item, STR("h")));
    ++*(isize *)ctx;
    return true;
}

static isize count_of(struct ddb_store *store, const struct ddb_table *table, const char *owner)
{
    struct buf low = {0}, high = {0};
    isize count = 0;
    struct ddb_value o = {.type = DDB_S, .text = str_of(owner)};
    ddb_hash_prefix(&low, &o);
    ddb_hash_prefix(&high, &o);
    ddb_prefix_end(&high);
    struct ddb_range range = {ddb_index_find(&table->definition, STR("by-o")), buf_str(&low),
                              buf_str(&high), false};
    assert_non_null(range.index);
    assert_int_equal(ddb_range_read(store, table, &range, count_one, &count), OK);
    buf_deinit(&low);
    buf_deinit(&high);
    return count;
}

static void indexes_are_made_and_dropped(void **state)
{
    struct ddb_store *store = store_make(*state);
    struct ddb_definition before = definition(plain), after = definition(indexed);
    const struct ddb_table *table;
    struct ddb_counts counts;
    assert_int_equal(ddb_table_create(store, scope, STR("leases"), &before, &table), OK);
    lease_write(store, table, "a", "w1");
    lease_write(store, table, "b", "w1");
    lease_write(store, table, "c", "w2");
    assert_int_equal(ddb_table_change(store, &table, &after), OK);
    assert_int_equal(count_of(store, table, "w1"), 2);
    lease_write(store, table, "b", "w2");
    store_end(store);
    store = store_make(*state); /* All of it is on the disk. */
    table = ddb_table_find(store, scope, STR("leases"));
    assert_non_null(table);
    assert_str(table->definition.tags[0].value, "\"v");
    assert_int_equal(count_of(store, table, "w1"), 1);
    assert_int_equal(count_of(store, table, "w2"), 2);
    assert_int_equal(ddb_table_counts(store, table, table->definition.indexes[0].id, &counts), OK);
    assert_int_equal(counts.items, 3);
    assert_int_equal(ddb_table_change(store, &table, &before), OK);
    assert_int_equal(table->definition.index_count, 0);
    assert_int_equal(ddb_table_counts(store, table, 1, &counts), ERR_CORRUPT);
    assert_int_equal(ddb_table_delete(store, table), OK);
    assert_null(ddb_table_find(store, scope, STR("leases")));
    store_end(store);
}

static void what_is_taken_back_leaves_nothing(void **state)
{
    struct ddb_store *store = store_make(*state);
    struct ddb_definition d = definition(indexed);
    const struct ddb_table *table;
    struct ddb_counts counts;
    assert_int_equal(ddb_table_create(store, scope, STR("leases"), &d, &table), OK);
    struct ddb_value item = lease("a", "w1");
    assert_int_equal(ddb_store_begin(store), OK);
    assert_int_equal(ddb_item_write(store, table, NULL, &item), OK);
    ddb_store_rollback(store);
    assert_int_equal(count_of(store, table, "w1"), 0);
    assert_int_equal(ddb_table_counts(store, table, 0, &counts), OK);
    assert_int_equal(counts.items, 0);
    assert_int_equal(counts.bytes, 0);
    store_end(store);
}

static void tokens_live_ten_minutes(void **state)
{
    struct ddb_store *store = store_make(*state);
    u64 hash;
    bool found;
    assert_int_equal(ddb_token_write(store, scope, STR("t"), 77), OK);
    sim_advance_us(*state, (i64)599 * 1000000);
    assert_int_equal(ddb_token_read(store, scope, STR("t"), &hash, &found), OK);
    assert_true(found && hash == 77);
    sim_advance_us(*state, (i64)2 * 1000000);
    assert_int_equal(ddb_token_read(store, scope, STR("t"), &hash, &found), OK);
    assert_false(found);
    store_end(store);
}

static void expire_are(struct ddb_store *store, i64 now_s, isize max, isize wanted)
{
    isize deleted;
    assert_int_equal(ddb_items_expire(store, now_s, max, &deleted), OK);
    assert_int_equal(deleted, wanted);
}

/* Items as they were before, change after, and come after time to live was switched on. */
static void items_expire(void **state)
{
    struct ddb_store *store = store_make(*state);
    struct ddb_definition d = definition(indexed);
    const struct ddb_table *table;
    struct ddb_counts counts;
    assert_int_equal(ddb_table_create(store, scope, STR("leases"), &d, &table), OK);
    static const char *const times[] = {"100", "200", "200.9", "-5", "1e20", "300"};
    struct ddb_value items[COUNT_OF(times)];
    d.expiry = STR("t");
    for (int i = 0; i < COUNT_OF(times); i++) {
        if (i == 2) {
            assert_int_equal(ddb_table_change(store, &table, &d), OK);
        }
        items[i] = lease(i % 2 == 0 ? (const char *[]){"a", "b", "c"}[i / 2]
                                    : (const char *[]){"d", "e", "f"}[i / 2],
                         "w");
        struct ddb_value time = {.type = DDB_N, .text = str_of(times[i])};
        ddb_put(&arena, &items[i], STR("t"), &time);
        assert_int_equal(ddb_store_begin(store), OK);
        assert_int_equal(ddb_item_write(store, table, NULL, &items[i]), OK);
        assert_int_equal(ddb_store_commit(store), OK);
    }
    store_end(store);
    store = store_make(*state);
    table = ddb_table_find(store, scope, STR("leases"));
    assert_str(table->definition.expiry, "t");
    expire_are(store, 100, 10, 0);
    expire_are(store, 101, 10, 1);
    expire_are(store, 250, 1, 1);
    expire_are(store, 250, 10, 1);
    expire_are(store, 300 + (i64)6 * 366 * 86400, 10, 0); /* More than five years ago. */
    assert_int_equal(count_of(store, table, "w"), 3);
    assert_int_equal(ddb_table_counts(store, table, 0, &counts), OK);
    assert_int_equal(counts.items, 3);
    d.expiry = STR_EMPTY;
    assert_int_equal(ddb_table_change(store, &table, &d), OK);
    expire_are(store, 1000, 10, 0);
    store_end(store);
}

static int teardown(void **state)
{
    arena_deinit(&arena);
    return machine_teardown(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(indexes_are_made_and_dropped, machine_setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_taken_back_leaves_nothing, machine_setup, teardown),
        cmocka_unit_test_setup_teardown(items_expire, machine_setup, teardown),
        cmocka_unit_test_setup_teardown(tokens_live_ten_minutes, machine_setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
