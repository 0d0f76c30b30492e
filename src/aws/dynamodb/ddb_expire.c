/*
 * aws/dynamodb/ddb_expire.c: items whose time to live is over go, within seconds. The
 * store is locked for one small transaction at a time.
 */
#include "aws/dynamodb/ddb_int.h"
#include "base/trace.h"

enum { PERIOD_MS = 2000, ITEMS_MAX = 100 };

/* True when there may be more. */
static bool expire_some(struct dynamodb *service)
{
    isize deleted = 0;
    ddb_store_lock(service->store);
    err e =
        ddb_items_expire(service->store, os_wall_us(service->os) / 1000000, ITEMS_MAX, &deleted);
    ddb_store_unlock(service->store);
    if (e != OK) {
        trace(TRACE_ERROR, "dynamodb", "expired items cannot be deleted now",
              T_STR("error", str_of(err_text(e))));
    }
    return e == OK && deleted == ITEMS_MAX;
}

static void run(void *ctx)
{
    struct dynamodb *service = ctx;
    os_mutex_lock(&service->lock);
    bool has_more = false;
    while (!service->is_stopping) {
        if (!has_more) {
            (void)os_cond_wait_ms(&service->wake, &service->lock, PERIOD_MS);
        }
        if (!service->is_stopping) {
            os_mutex_unlock(&service->lock);
            has_more = expire_some(service);
            os_mutex_lock(&service->lock);
        }
    }
    os_mutex_unlock(&service->lock);
}

void ddb__expirer_start(struct dynamodb *service)
{
    os_thread_start(&service->expirer, "dynamodb-expire", run, service);
}

void ddb__expirer_stop(struct dynamodb *service)
{
    if (service->store == NULL) {
        return; /* It never ran. */
    }
    os_mutex_lock(&service->lock);
    service->is_stopping = true;
    os_cond_signal(&service->wake);
    os_mutex_unlock(&service->lock);
    os_thread_join(&service->expirer);
}
