/* aws/sts/sts.c: who am I. */
#include "aws/sts/sts.h"

#include "aws/common/query.h"

static void get_caller_identity(struct query_call *call)
{
    const struct aws_caller *caller = &call->request->caller;
    query_put_text(
        call, "Arn",
        arena_printf(call->arena, "arn:aws:iam::" STR_FMT ":root", STR_ARG(caller->account)));
    query_put_text(call, "UserId", caller->account);
    query_put_text(call, "Account", caller->account);
}

static const struct query_operation operations[] = {
    {"GetCallerIdentity", get_caller_identity, false}};
static const struct query_api api = {
    "STS",
    "https://sts.amazonaws.com/doc/2011-06-15/",
    operations,
    COUNT_OF(operations),
};

static err sts_open(const struct aws_env *env, void **out, struct diag *diag)
{
    (void)env;
    (void)diag; /* There is nothing to open. */
    *out = NULL;
    return OK;
}

static void sts_close(void *service)
{
    (void)service;
}

static void sts_handle(struct aws_request *request)
{
    query_handle(request, &api);
}

static err sts_reset(void *service)
{
    (void)service;
    return OK;
}

static const char *const scopes[] = {"sts", NULL};
static const char *const prefixes[] = {"AWSSecurityTokenServiceV20110615", NULL};
static const char *const versions[] = {"2011-06-15", NULL};

const struct aws_service sts_service = {
    .name = "sts",
    .scopes = scopes,
    .target_prefixes = prefixes,
    .query_versions = versions,
    .open = sts_open,
    .close = sts_close,
    .handle = sts_handle,
    .reset = sts_reset,
};
