//  relay_words.c - owns what is made of the last words of ssh: a code, a sentence, a remedy.

#include "relay.h"

#include <stdio.h>
#include <string.h>

typedef struct {
    const char *word;               //  Of ssh, or of the script
    berth_code_t code;
    const char *text, *remedy;
} meaning_t;

static const meaning_t s_ssh [] = {
    { "HOST IDENTIFICATION HAS CHANGED", BERTH_PROVIDER_ERROR,
      "its host key is not the one that is known",
      "find out who answers there; if it is right, put its new key into knownHosts" },
    { "Host key verification failed", BERTH_PROVIDER_ERROR, "its host key is not known",
      "put the host's key into knownHosts (ssh-keyscan shows it; check its fingerprint)" },
    { "Permission denied", BERTH_PROVIDER_ERROR, "it lets nobody in with these keys",
      "put the public key into authorized_keys there, or give the right private key" },
    { "Too many authentication failures", BERTH_PROVIDER_ERROR, "it lets nobody in with these keys",
      "give the right private key: the agent offers too many" },
    { "Load key", BERTH_PROVIDER_ERROR, "the private key for it cannot be read",
      "give it in a form that ssh-keygen writes, without a passphrase" },
    { "Could not resolve hostname", BERTH_PROVIDER_UNAVAILABLE, "the name of the host is not known",
      "check config.host and the resolver" },
    { "Connection refused", BERTH_PROVIDER_UNAVAILABLE, "nobody listens there",
      "start sshd there, or check config.port" },
    { "No route to host", BERTH_PROVIDER_UNAVAILABLE, "there is no way to it", "check the network" },
    { "Network is unreachable", BERTH_PROVIDER_UNAVAILABLE, "there is no way to it",
      "check the network" },
    { "timed out", BERTH_PROVIDER_TIMEOUT, "it did not answer in time",
      "check whether the host is up, and the firewalls on the way" },
    { "Session open refused", BERTH_PROVIDER_UNAVAILABLE, "it opens no more sessions",
      "raise MaxSessions in its sshd_config" },
    { "too long for Unix domain socket", BERTH_PROVIDER_ERROR, "its master connection has no room",
      "give berthd a shorter runtime directory" }
};

static const meaning_t s_script [] = {
    { "folder", BERTH_PROVIDER_ERROR, "remoteWorkspacePath cannot be made or entered there",
      "make the folder there, writable for the user" },
    { "store", BERTH_PROVIDER_ERROR, "berth-shim cannot be copied there",
      "make room on the disk of remoteWorkspacePath" },
    { "run", BERTH_UNSUPPORTED, "berth-shim does not run there",
      "use a Linux machine of this architecture, and a remoteWorkspacePath that is not noexec" }
};

//  The last line that says something.
static void
s_last_line (const char *words, char *line, size_t size)
{
    const char *end = words + strlen (words);
    while (end > words && strchr (" \r\n", end [-1]))
        end--;
    const char *start = end;
    while (start > words && start [-1] != '\n')
        start--;
    snprintf (line, size, "%.*s", (int) (end - start), start);
}

static bool
s_says (const struct relay *self, const meaning_t *meaning, const char *where, bool whole,
        berth_error_t *why)
{
    if (whole ? strcmp (where, meaning->word) : !strstr (where, meaning->word))
        return false;
    berth_error_set (why->remedy, sizeof why->remedy, "%s", meaning->remedy);
    (void) berth_fail (why, meaning->code, "%s: %s", self->told->host, meaning->text);
    return true;
}

void
relay_blame (const struct relay *self, bool timed_out, berth_error_t *ret_why)
{
    berth_error_t why = { 0 };
    char line [300];
    s_last_line (self->words, line, sizeof line);
    berth_error_set (why.cause, sizeof why.cause, "%s", line);
    bool known = false;
    for (size_t index = 0; !known && index < BERTH_COUNT (s_script); index++)
        known = s_says (self, &s_script [index], self->failed, true, &why);
    if (known && strcmp (self->failed, "run") == 0)
        (void) berth_fail (&why, why.code, "%s: berth-shim does not run there: it is %s, and this program "
                           "is for " BERTH_MACHINE, self->told->host, self->system);
    for (size_t index = 0; !known && index < BERTH_COUNT (s_ssh); index++)
        known = s_says (self, &s_ssh [index], self->words, false, &why);
    if (!known && timed_out) {
        berth_error_set (why.remedy, sizeof why.remedy,
                         "check whether the host is up, and the firewalls on the way");
        (void) berth_fail (&why, BERTH_PROVIDER_TIMEOUT, "%s: it did not answer in time",
                           self->told->host);
    }
    else if (!known)
        (void) berth_fail (&why, BERTH_PROVIDER_UNAVAILABLE, "%s: the connection broke off",
                           self->told->host);
    *ret_why = why;
}
