//  place_fixture.c - owns a host for tests of providers, and talks to shims on its own.

#include "place_fixture.h"

#include "clock.h"
#include "codec.h"
#include "ids.h"
#include "json.h"
#include "spool.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { RUN_MS = 30000, UID_FIRST = 210000, UID_COUNT = 1000 };

static const char *
s_program (house_t *self, const char *name)
{
    const char *build = getenv ("BERTH_BUILD");
    assert_non_null (build);
    return arena_printf (self->arena, "%s/%s", build, name);
}

void
house_open (house_t *self, const char *provider)
{
    berth_error_t err = { 0 };
    *self = (house_t) { .arena = arena_new (), .folder = fixture_folder_new () };
    self->host.state = arena_printf (self->arena, "%s/state", self->folder);
    self->host.runtime = arena_printf (self->arena, "%s/run", self->folder);
    self->host.install_id = "test-install";
    self->host.init_path = s_program (self, "berth-init");
    self->host.local_as_root = true;
    if (geteuid () == 0) {
        self->host.uid_first = UID_FIRST;
        self->host.uid_count = UID_COUNT;
    }
    assert_int_equal (mkdir (self->host.state, 0700), 0);
    assert_int_equal (mkdir (self->host.runtime, 0700), 0);
    assert_int_equal (mkdir (arena_printf (self->arena, "%s/spool", self->folder), 0700), 0);
    spawner_options_t options = {
        .shim_path = s_program (self, "berth-shim"), .install_id = self->host.install_id,
        .parked = 2
    };
    assert_ok (spawner_start (&options, &self->host.spawner, &err), err);
    self->provider = provider_by_name (provider);
    assert_non_null (self->provider);
    assert_ok (self->provider->open (&self->self, &self->host, &err), err);
}

void
house_close (house_t *self)
{
    self->provider->close (&self->self);
    assert_null (self->self);
    spawner_destroy (&self->host.spawner);
    fixture_folder_destroy (&self->folder);
    arena_destroy (&self->arena);
}

void
house_reopen (house_t *self)
{
    berth_error_t err = { 0 };
    self->provider->close (&self->self);
    assert_ok (self->provider->open (&self->self, &self->host, &err), err);
}

int64_t
soon (int64_t ms)
{
    return berth_mono_ms () + ms;
}

static const char *
s_id (house_t *self)
{
    char id [BERTH_ID_SIZE];
    berth_id_new (id);
    return arena_string (self->arena, id);
}

place_open_t
house_ask (house_t *self, const char *config)
{
    berth_error_t err = { 0 };
    place_open_t ask = {
        .lease = s_id (self), .company = "acme", .env = s_id (self), .run = "run-1",
        .issue = "issue-1", .config = berth_empty_map
    };
    berth_put (place_open, &ask, generation, 7);
    if (!config)
        config = self->config;
    if (config)
        assert_ok (berth_json_parse (config, strlen (config), self->arena, &ask.config, &err), err);
    return ask;
}

place_opened_t
house_acquire (house_t *self, const place_open_t *ask)
{
    berth_error_t err = { 0 };
    place_opened_t place = { 0 };
    assert_ok (self->provider->acquire (self->self, ask, soon (RUN_MS), self->arena, &place, &err),
               err);
    return place;
}

place_close_t
house_closing (const place_open_t *ask, const place_opened_t *place)
{
    return (place_close_t) {
        .lease = ask->lease, .provider_lease = place ? place->provider_lease : NULL,
        .config = ask->config, .metadata = place ? place->metadata : berth_empty_map,
        .status = "released"
    };
}

void
house_release (house_t *self, const place_open_t *ask, const place_opened_t *place)
{
    berth_error_t err = { 0 };
    place_close_t closing = house_closing (ask, place);
    assert_ok (self->provider->release (self->self, &closing, soon (RUN_MS), &err), err);
    if (self->provider->prepare)
        self->provider->prepare (self->self);       //  As behind an answer
}

const char *
house_places (house_t *self)
{
    const char *text = "";
    DIR *folder = opendir (arena_printf (self->arena, "%s/places", self->host.state));
    assert_non_null (folder);
    struct dirent *entry;
    while ((entry = readdir (folder)))
        if (strcmp (entry->d_name, ".") && strcmp (entry->d_name, ".."))
            text = arena_printf (self->arena, "%s%s%s", text, *text ? " " : "", entry->d_name);
    closedir (folder);
    return text;
}

//  ---------------------------------------------------------------------------------------------
//  Talking to a shim: messages/shim.h, read anew

static void
s_receive (int fd, void *data, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t got = recv (fd, (char *) data + done, size - done, 0);
        if (got <= 0)
            fail_msg ("the shim says nothing: %s", got ? strerror (errno) : "closed");
        done += (size_t) got;
    }
}

static shim_message_t
s_hear (house_t *self, int fd)
{
    uint32_t length;
    s_receive (fd, &length, sizeof length);
    assert_in_range (length, 1, SHIM_FRAME_MAX);
    uint8_t *data = arena_take (self->arena, length);
    s_receive (fd, data, length);
    shim_message_t message = { 0 };
    berth_error_t err = { 0 };
    assert_ok (berth_unpack (&shim_message_schema, (berth_bytes_t) { data, length }, self->arena,
                             &message, &err), err);
    return message;
}

static void
s_say (house_t *self, int fd, const shim_message_t *message)
{
    berth_bytes_t frame = berth_pack (&shim_message_schema, message, self->arena);
    uint32_t length = (uint32_t) frame.size;
    assert_int_equal (send (fd, &length, sizeof length, MSG_NOSIGNAL | MSG_MORE), sizeof length);
    assert_int_equal (send (fd, frame.data, frame.size, MSG_NOSIGNAL), (ssize_t) frame.size);
}

static int
s_connect (const place_opened_t *place)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    struct timeval limit = { RUN_MS / 1000, 0 };
    assert_in_range (place->shim.size, 1, sizeof address.sun_path - 1);
    memcpy (address.sun_path, place->shim.data, place->shim.size);
    int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true (fd >= 0);
    assert_int_equal (setsockopt (fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), 0);
    if (connect (fd, (struct sockaddr *) &address, sizeof address) == 0)
        return fd;
    close (fd);
    return -1;
}

bool
house_hello (house_t *self, const place_opened_t *place, shim_message_t *ret_hello)
{
    int fd = s_connect (place);
    if (fd < 0)
        return false;
    *ret_hello = s_hear (self, fd);
    close (fd);
    return ret_hello->op == shim_op_HELLO;
}

static const char *
s_spool_text (house_t *self, const char *folder)
{
    berth_error_t err = { 0 };
    spool_reader_t *reader;
    static char data [1048576];
    size_t size = 0, got;
    assert_ok (spool_reader_open (folder, &reader, &err), err);
    do {
        uint64_t from;
        int stream;
        assert_ok (spool_read (reader, SPOOL_ALL, size, data + size, sizeof data - size, &got,
                               &from, &stream, &err), err);
        size += got;
    } while (got);
    spool_reader_destroy (&reader);
    return arena_text (self->arena, data, size);
}

ran_t
house_run (house_t *self, const place_opened_t *place, const char *script)
{
    const char *exec = s_id (self);
    const char *spool = arena_printf (self->arena, "%s/spool/%s", self->folder, exec);
    berth_bytes_t argv [] = {
        BYTES_OF ("/bin/sh"), BYTES_OF ("-c"), { (const uint8_t *) script, strlen (script) }
    };
    shim_message_t start = { 0 };
    berth_put (shim_message, &start, op, shim_op_START);
    berth_put (shim_message, &start, exec, exec);
    start.argv = (berth_blobs_t) { BERTH_COUNT (argv), argv };
    berth_put (shim_message, &start, argv, start.argv);
    berth_put (shim_message, &start, spool,
               ((berth_bytes_t) { (const uint8_t *) spool, strlen (spool) }));
    berth_put (shim_message, &start, spool_max, 1048576);
    berth_put (shim_message, &start, on_full, exec_on_full_DROP_NEW);
    berth_put (shim_message, &start, timeout_ms, RUN_MS);
    berth_put (shim_message, &start, grace_ms, 100);
    int fd = s_connect (place);
    assert_true (fd >= 0);
    assert_int_equal (s_hear (self, fd).op, shim_op_HELLO);
    s_say (self, fd, &start);
    ran_t ran = { 0 };
    while (!ran.cause) {
        shim_message_t heard = s_hear (self, fd);
        if (!heard.exec || strcmp (heard.exec, exec))
            continue;
        if (heard.op == shim_op_REFUSED)
            fail_msg ("the shim refused: %s", heard.error ? heard.error : "");
        if (heard.op != shim_op_ENDED)
            continue;
        ran.cause = heard.cause;
        ran.exit_code = heard.exit_code;
        ran.signal = (int64_t) heard.signal;
        ran.error = heard.error;
    }
    close (fd);
    ran.text = s_spool_text (self, spool);
    return ran;
}

const char *
house_text (house_t *self, const place_opened_t *place, const char *script)
{
    ran_t ran = house_run (self, place, script);
    if (ran.cause != exec_cause_EXITED || ran.exit_code != 0)
        fail_msg ("%s: %s %d signal %d %s: %s", script,
                  berth_enum_text (&exec_cause_enum, (int) ran.cause), (int) ran.exit_code,
                  (int) ran.signal, ran.error ? ran.error : "", ran.text);
    return ran.text;
}

//  ---------------------------------------------------------------------------------------------
//  The host

static bool
s_holds (const char *path, const char *entry)
{
    static char data [262144];
    int fd = open (path, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? -1 : read (fd, data, sizeof data - 1);
    if (fd >= 0)
        close (fd);
    if (size <= 0)
        return false;
    data [size] = 0;
    for (const char *at = data; at < data + size; at += strlen (at) + 1)
        if (strcmp (at, entry) == 0)
            return true;
    return false;
}

//  Of our own program: we, or a fork of ours.
static bool
s_is_ours (const char *pid)
{
    char path [300];
    struct stat ours, its;
    snprintf (path, sizeof path, "/proc/%s/exe", pid);
    return stat ("/proc/self/exe", &ours) == 0 && stat (path, &its) == 0
        && ours.st_dev == its.st_dev && ours.st_ino == its.st_ino;
}

unsigned
census (const char *entry)
{
    unsigned count = 0;
    DIR *folder = opendir ("/proc");
    assert_non_null (folder);
    struct dirent *process;
    while ((process = readdir (folder))) {
        char path [300];
        snprintf (path, sizeof path, "/proc/%s/environ", process->d_name);
        if (isdigit ((unsigned char) process->d_name [0]) && !s_is_ours (process->d_name))
            count += s_holds (path, entry);
    }
    closedir (folder);
    return count;
}

void
file_put (const char *path, const char *text)
{
    FILE *file = fopen (path, "we");
    assert_non_null (file);
    assert_true (fputs (text, file) >= 0);
    assert_int_equal (fclose (file), 0);
}

const char *
file_text (house_t *self, const char *path)
{
    static char data [65536];
    int fd = open (path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return strerrorname_np (errno);
    ssize_t size = read (fd, data, sizeof data);
    close (fd);
    assert_true (size >= 0);
    return arena_text (self->arena, data, (size_t) size);
}
