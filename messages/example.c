//  example.c - a program outside: leases the local environment, runs a command there, gives it back.
//
//      cc example.c $(pkg-config --cflags --libs berth) -o example
//      ./example ipc:///run/berth/bus.sock

#include <berth/client.h>

#include <stdio.h>

static int
s_failed (const berth_error_t *err)
{
    fprintf (stderr, "example: %s (%s)\n", err->text, berth_code_text (err->code));
    if (err->remedy [0])
        fprintf (stderr, "  remedy: %s\n", err->remedy);
    return berth_code_exit (err->code);
}

//  Runs `uname -s` in the leased place and prints what it wrote.
static int
s_run (berth_client_t *bus, const lease_t *lease, arena_t *arena, berth_error_t *err)
{
    static const berth_bytes_t option = { (const uint8_t *) "-s", 2 };
    exec_start_t start = { .lease = lease->id, .command = { (const uint8_t *) "uname", 5 },
                           .args = { 1, &option } };
    berth_put (exec_start, &start, generation, lease->generation);     //  Not after another has the place
    exec_result_t result;
    if (berth_client_ask (bus, REQUEST_EXEC_RUN, &start, NULL, arena, &result, err))
        return -1;
    fwrite (result.out.data, 1, result.out.size, stdout);
    return 0;
}

int
main (int argc, char **argv)
{
    berth_error_t err = { 0 };
    own (arena) arena = arena_new ();
    own (berth_client) bus = berth_client_new (argc > 1 ? argv [1] : "ipc:///run/berth/bus.sock", &err);
    if (!bus)
        return s_failed (&err);

    company_ref_t company = { .company = "default" };
    environment_t environment;
    if (berth_client_ask (bus, REQUEST_ENVIRONMENT_ENSURE_LOCAL, &company, NULL, arena, &environment, &err))
        return s_failed (&err);

    lease_acquire_t acquire = { .company = "default", .env = environment.id };
    lease_t lease;
    if (berth_client_ask (bus, REQUEST_LEASE_ACQUIRE, &acquire, NULL, arena, &lease, &err))
        return s_failed (&err);

    int rc = s_run (bus, &lease, arena, &err);

    //  What was leased is given back, whatever came of it.
    berth_error_t last = { 0 };
    lease_release_t release = { .id = lease.id };
    if (berth_client_ask (bus, REQUEST_LEASE_RELEASE, &release, NULL, arena, NULL, &last))
        return s_failed (&last);
    return rc ? s_failed (&err) : 0;
}
