//  bubblewrap_seccomp.c - owns the list of system calls that a place has not.
//
//  Everything else is allowed: the other walls (namespaces, no capabilities, no new privileges)
//  hold without it; this closes what they leave open to a user without any right, and keeps large
//  parts of the kernel out of reach. ptrace and process_vm_* stay: the pid namespace names none but
//  the place's own, and debuggers and leak checkers need them.

#include "bubblewrap.h"

#include <errno.h>
#include <linux/sched.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef TIOCLINUX
#define TIOCLINUX 0x541C
#endif

enum { FILTER_MAX = 65536, FAMILIES = 64 };

static const char *const s_denied [] = {
    //  Keys belong to the user, not to the place: on one uid they are shared with the host
    "keyctl", "add_key", "request_key",
    //  Files by handle pass by every path
    "open_by_handle_at", "name_to_handle_at",
    //  Large and often broken
    "bpf", "perf_event_open", "userfaultfd", "io_uring_setup", "io_uring_enter",
    "io_uring_register", "fanotify_init", "lookup_dcookie", "vhangup", "quotactl", "quotactl_fd",
    //  The machine itself
    "kexec_load", "kexec_file_load", "init_module", "finit_module", "delete_module",
    "create_module", "query_module", "get_kernel_syms", "swapon", "swapoff", "reboot", "acct",
    "settimeofday", "stime", "clock_settime", "clock_settime64", "clock_adjtime",
    "clock_adjtime64", "sethostname", "setdomainname", "syslog", "iopl", "ioperm", "nfsservctl",
    "_sysctl", "uselib", "vserver"
};

//  What makes namespaces useful, and is asked for with them.
static const char *const s_mounts [] = {
    "mount", "umount", "umount2", "pivot_root", "move_mount", "open_tree", "open_tree_attr",
    "fsopen", "fsconfig", "fsmount", "fspick", "mount_setattr", "chroot"
};

static const uint32_t s_namespaces [] = {
    CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWIPC, CLONE_NEWUTS,
    CLONE_NEWCGROUP
};

//  The kernel reads 32 bits of these arguments; a comparison of 64 is passed by in the upper ones.
static int
s_deny_low (scmp_filter_ctx filter, int call, unsigned argument, uint32_t mask, uint32_t value,
            int error)
{
    if (call == __NR_SCMP_ERROR)
        return 0;
    return seccomp_rule_add (filter, SCMP_ACT_ERRNO ((uint32_t) error), call, 1,
                             SCMP_CMP (argument, SCMP_CMP_MASKED_EQ, mask, value));
}

static int
s_deny (scmp_filter_ctx filter, const char *name, int error)
{
    int call = seccomp_syscall_resolve_name (name);
    if (call == __NR_SCMP_ERROR)
        return 0;                   //  This libseccomp does not know it: the kernel is no older
    return seccomp_rule_add (filter, SCMP_ACT_ERRNO ((uint32_t) error), call, 0);
}

//  Sockets of the families that a network namespace holds. AF_VSOCK, for one, is not: it would
//  reach the machine below a virtual one.
static int
s_families (scmp_filter_ctx filter)
{
    for (uint32_t family = 0; family < FAMILIES; family++) {
        if (family == AF_UNIX || family == AF_INET || family == AF_INET6 || family == AF_NETLINK)
            continue;
        if (s_deny_low (filter, SCMP_SYS (socket), 0, UINT32_MAX, family, EAFNOSUPPORT)
            || s_deny_low (filter, SCMP_SYS (socketpair), 0, UINT32_MAX, family, EAFNOSUPPORT))
            return -1;
    }
    return 0;
}

static int
s_rules (scmp_filter_ctx filter, bool nested)
{
    for (size_t index = 0; index < BERTH_COUNT (s_denied); index++)
        if (s_deny (filter, s_denied [index], EPERM))
            return -1;
    //  A terminal of somebody else can't be typed into.
    if (s_deny_low (filter, SCMP_SYS (ioctl), 1, UINT32_MAX, TIOCSTI, EPERM)
        || s_deny_low (filter, SCMP_SYS (ioctl), 1, UINT32_MAX, TIOCLINUX, EPERM)
        || s_families (filter))
        return -1;
    if (nested)
        return 0;
    for (size_t index = 0; index < BERTH_COUNT (s_mounts); index++)
        if (s_deny (filter, s_mounts [index], EPERM))
            return -1;
    //  clone3 has its flags in memory, where no filter sees them; libc falls back to clone.
    if (s_deny (filter, "clone3", ENOSYS) || s_deny (filter, "setns", EPERM)
        || s_deny_low (filter, SCMP_SYS (unshare), 0, CLONE_NEWTIME, CLONE_NEWTIME, EPERM))
        return -1;
#if defined (__s390__)
    unsigned flags = 1;
#else
    unsigned flags = 0;
#endif
    for (size_t index = 0; index < BERTH_COUNT (s_namespaces); index++) {
        uint32_t bit = s_namespaces [index];
        if (s_deny_low (filter, SCMP_SYS (unshare), 0, bit, bit, EPERM)
            || s_deny_low (filter, SCMP_SYS (clone), flags, bit, bit, EPERM))
            return -1;
    }
    return 0;
}

//  What else this kernel executes: without it, a filter is passed by with the other numbers.
static int
s_architectures (scmp_filter_ctx filter)
{
    int rc = 0;
#if defined (__x86_64__)
    rc = seccomp_arch_add (filter, SCMP_ARCH_X86);
    if (rc == 0)
        rc = seccomp_arch_add (filter, SCMP_ARCH_X32);
#elif defined (__aarch64__)
    rc = seccomp_arch_add (filter, SCMP_ARCH_ARM);
#endif
    (void) filter;
    return rc;
}

int
bubblewrap_seccomp (bool nested, berth_bytes_t *ret_filter, berth_error_t *err)
{
    scmp_filter_ctx filter = seccomp_init (SCMP_ACT_ALLOW);
    int file = memfd_create ("filter", MFD_CLOEXEC);
    uint8_t *data = malloc (FILTER_MAX);
    ssize_t size = -1;
    if (filter && file >= 0 && data && s_architectures (filter) == 0
        && s_rules (filter, nested) == 0 && seccomp_export_bpf (filter, file) == 0)
        size = pread (file, data, FILTER_MAX, 0);
    if (filter)
        seccomp_release (filter);
    if (file >= 0)
        close (file);
    if (size <= 0 || size == FILTER_MAX) {
        free (data);
        return berth_fail (err, BERTH_PROVIDER_UNAVAILABLE,
                           "wall 'seccomp': the filter cannot be compiled");
    }
    *ret_filter = (berth_bytes_t) { data, (size_t) size };
    return 0;
}
