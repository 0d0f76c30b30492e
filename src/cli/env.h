/* cli/env.h: credentials and endpoint for clients of leat. */
#ifndef CLI_ENV_H
#define CLI_ENV_H

/* LEAT_ACCESS_KEY_ID; else an AWS_ACCESS_KEY_ID of 12 digits, which names the account; else "test".
 */
const char *env_access_key(void);
const char *env_secret(void);
/* LEAT_CA_BUNDLE, else AWS_CA_BUNDLE: certificates to trust beside the system's; NULL. */
const char *env_ca_bundle(void);
/* "aws --endpoint-url ... WORDS" into out[count + 4], and the environment that it needs into this
 * process. Returns `out`. */
const char **env_aws_words(int count, char **words, const char **out);

#endif
