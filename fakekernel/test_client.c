// A client for the tests of the sysfs mounts: statically linked, raw system calls, one command per argument, a line of output
// each.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

static int context = -1, made = -1;

static void result(const char* what, long value) {
    if (value < 0)
        printf("%s: %s\n", what, strerrorname_np(errno));
    else
        printf("%s: 0\n", what);
    fflush(stdout);
}

static long rawMount(const char* source, const char* target, const char* type, unsigned long flags, const void* data) {
    return syscall(SYS_mount, source, target, type, flags, data);
}

static const char* orNull(const char* text) {
    return text == NULL || strcmp(text, "-") == 0 ? NULL : text;
}

static void writeFile(const char* path, const char* text) {
    const int fd = open(path, O_WRONLY);
    if (fd < 0 || write(fd, text, strlen(text)) < 0)
        perror(path);
    close(fd);
}

static void doUnshare(char* kinds) {
    int flags = 0;
    const unsigned uid = geteuid(), gid = getegid();
    for (char* kind = strtok(kinds, ","); kind != NULL; kind = strtok(NULL, ","))
        flags |= strcmp(kind, "user") == 0  ? CLONE_NEWUSER
                 : strcmp(kind, "mnt") == 0 ? CLONE_NEWNS
                 : strcmp(kind, "net") == 0 ? CLONE_NEWNET
                 : strcmp(kind, "pid") == 0 ? CLONE_NEWPID
                                            : 0;
    const long got = syscall(SYS_unshare, flags);
    result("unshare", got);
    if (got == 0 && (flags & CLONE_NEWUSER) != 0) {
        char map[64];
        writeFile("/proc/self/setgroups", "deny");
        snprintf(map, sizeof map, "0 %u 1", uid);
        writeFile("/proc/self/uid_map", map);
        snprintf(map, sizeof map, "0 %u 1", gid);
        writeFile("/proc/self/gid_map", map);
    }
    // As every runtime does, so that nothing comes back through a shared mount.
    if (got == 0 && (flags & CLONE_NEWNS) != 0)
        rawMount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL);
}

static void cat(const char* path) {
    char text[4096];
    const int fd = open(path, O_RDONLY);
    const ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (got < 0) {
        printf("cat: %s\n", strerrorname_np(errno));
    } else {
        text[got] = 0;
        printf("cat: %s\n", text);
    }
    close(fd);
    fflush(stdout);
}

static void nestedFilter(const char* kind) {
    struct sock_filter code[] = {{BPF_LD | BPF_W | BPF_ABS, 0, 0, 0},
                                 {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, SYS_mount},
                                 {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | ENOTTY},
                                 {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW}};
    struct sock_fprog program = {4, code};
    unsigned long flags = 0;
    if (strcmp(kind, "allow") == 0)
        program.len = 1, program.filter = code + 3;
    if (strcmp(kind, "listen") == 0)
        flags = SECCOMP_FILTER_FLAG_NEW_LISTENER;
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    result("seccomp", syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program));
}

static void badPointers(const char* target) {
    char* page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(page + 4096, 4096);
    const char* bad = page + 4096;
    result("bad type", rawMount("x", target, bad, 0, NULL));
    result("bad target", rawMount("x", bad, "sysfs", 0, NULL));
    result("null target", rawMount("x", NULL, "sysfs", 0, NULL));
    result("bad source", rawMount(bad, target, "sysfs", 0, NULL));
    result("bad data", rawMount("x", target, "sysfs", 0, bad));
    memcpy(page + 4091, "sysfs", 5); // no NUL before the mapping ends
    result("type runs off", rawMount("x", target, page + 4091, 0, NULL));
    memcpy(page + 4090, "sysfs", 6);
    result("type ends at the mapping's end", rawMount("x", target, page + 4090, 0, NULL));
    umount2(target, MNT_DETACH);
    char* two = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memcpy(two + 4094, "sysfs", 6);
    result("type across pages", rawMount("x", target, two + 4094, 0, NULL));
    umount2(target, MNT_DETACH);
    memcpy(page + 4094, ",", 2); // options up to the end of a mapping
    result("data at the end", rawMount("x", target, "sysfs", 0, page + 4094));
    umount2(target, MNT_DETACH);
    char* longName = malloc(8192);
    memset(longName, 'a', 8191);
    longName[8191] = 0;
    result("long target", rawMount("x", longName, "sysfs", 0, NULL));
    result("long source", rawMount(longName, target, "sysfs", 0, NULL));
    result("long type", rawMount("x", target, longName, 0, NULL));
}

static volatile sig_atomic_t alarms;
static void onAlarm(int number) {
    (void)number, ++alarms;
}

// Every mount that succeeded must be there once, every one that failed not at all.
static void underSignals(const char* target, int restart) {
    struct sigaction action = {.sa_handler = onAlarm, .sa_flags = restart ? SA_RESTART : 0};
    sigaction(SIGALRM, &action, NULL);
    const struct itimerval often = {{0, 150}, {0, 150}}, never = {{0, 0}, {0, 0}};
    setitimer(ITIMER_REAL, &often, NULL);
    int done = 0, interrupted = 0, wrong = 0;
    while (done < 200) {
        const long got = rawMount("x", target, "sysfs", 0, NULL);
        if (got == 0)
            ++done;
        else if (errno == EINTR && !restart)
            ++interrupted;
        else
            ++wrong;
        const int unmounted = umount2(target, MNT_DETACH);
        if ((got == 0) != (unmounted == 0) || umount2(target, MNT_DETACH) == 0 || wrong > 0) {
            ++wrong;
            break;
        }
    }
    setitimer(ITIMER_REAL, &never, NULL);
    printf("signals: %d wrong, alarms %s\n", wrong, alarms > 0 ? "came" : "did not come");
    fflush(stdout);
}

static int run(char** commands);
static void* threadMain(void* commands) {
    syscall(SYS_unshare, CLONE_FS);
    run(commands);
    return NULL;
}

static int run(char** commands) {
    for (; *commands != NULL; ++commands) {
        char* words[8] = {NULL};
        char line[4096];
        snprintf(line, sizeof line, "%s", *commands);
        int count = 0;
        for (char *save, *word = strtok_r(line, " ", &save); word != NULL && count < 8; word = strtok_r(NULL, " ", &save))
            words[count++] = word;
        const char* name = words[0];
        const char* a = words[1];
        const char* b = words[2];
        if (strcmp(name, "unshare") == 0)
            doUnshare(words[1]);
        else if (strcmp(name, "fork") == 0) { // the rest happens in a child
            const pid_t pid = fork();
            if (pid > 0) {
                int status;
                waitpid(pid, &status, 0);
                return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
            }
            result("fork", pid);
        } else if (strcmp(name, "exec") == 0) { // the rest happens in a new program
            char** rest = commands;
            *rest = (char*)"client";
            execv(a, rest);
            result("exec", -1);
        } else if (strcmp(name, "thread") == 0) { // the next command happens in a thread that shares no directories
            pthread_t thread;
            int skip = atoi(a);
            char* of[16] = {NULL};
            for (int i = 0; i < skip; ++i)
                of[i] = *++commands;
            pthread_create(&thread, NULL, threadMain, of);
            pthread_join(thread, NULL);
        } else if (strcmp(name, "mount") == 0) // mount SOURCE TARGET TYPE [FLAGS [DATA]]
            result("mount",
                   rawMount(orNull(a), b, orNull(words[3]), words[4] == NULL ? 0 : strtoul(words[4], NULL, 0), orNull(words[5])));
        else if (strcmp(name, "umount") == 0)
            result("umount", umount2(a, MNT_DETACH));
        else if (strcmp(name, "mkdir") == 0)
            result("mkdir", mkdir(a, 0755));
        else if (strcmp(name, "symlink") == 0)
            result("symlink", symlink(a, b));
        else if (strcmp(name, "touch") == 0)
            result("touch", open(a, O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
        else if (strcmp(name, "chdir") == 0)
            result("chdir", chdir(a));
        else if (strcmp(name, "chroot") == 0)
            result("chroot", chroot(a));
        else if (strcmp(name, "pivot") == 0) { // as runc: pivot_root(".", ".")
            result("pivot", chdir(a) < 0 ? -1 : syscall(SYS_pivot_root, ".", "."));
            result("umount", umount2(".", MNT_DETACH));
            result("chdir", chdir("/"));
        } else if (strcmp(name, "cat") == 0)
            cat(a);
        else if (strcmp(name, "link") == 0) {
            char text[256];
            const ssize_t got = readlink(a, text, sizeof text - 1);
            text[got < 0 ? 0 : got] = 0;
            printf("link: %s\n", text);
            fflush(stdout);
        } else if (strcmp(name, "flags") == 0) { // the mount's flags
            struct statfs info;
            const long got = syscall(SYS_statfs, a, &info);
            printf("flags: %lx\n", got < 0 ? -1ul : (unsigned long)info.f_flags & ~0x20ul /* ST_VALID */);
            fflush(stdout);
        } else if (strcmp(name, "opath") == 0) // as descriptor 100
            result("opath", dup2(open(a, O_PATH | O_CLOEXEC), 100));
        else if (strcmp(name, "fsopen") == 0)
            result("fsopen", context = (int)syscall(SYS_fsopen, a, b == NULL ? 0 : atoi(b)));
        else if (strcmp(name, "fdflags") == 0)
            printf("fdflags: %d %d\n", fcntl(context, F_GETFD), fcntl(made, F_GETFD));
        else if (strcmp(name, "set") == 0)
            result("set", syscall(SYS_fsconfig, context, 1 /* SET_STRING */, a, b, 0));
        else if (strcmp(name, "log") == 0) {
            char text[512];
            const ssize_t got = read(context, text, sizeof text - 1);
            text[got < 0 ? 0 : got] = 0;
            printf("log: %s", got < 0 ? strerrorname_np(errno) : text);
            printf("\n");
            fflush(stdout);
        } else if (strcmp(name, "create") == 0)
            result("create", syscall(SYS_fsconfig, context, 6 /* CMD_CREATE */, NULL, NULL, 0));
        else if (strcmp(name, "fsmount") == 0)
            result("fsmount", made = (int)syscall(SYS_fsmount, context, a == NULL ? 0 : atoi(a), b == NULL ? 0 : atoi(b)));
        else if (strcmp(name, "move") == 0)
            result("move", syscall(SYS_move_mount, made, "", AT_FDCWD, a, 4 /* F_EMPTY_PATH */));
        else if (strcmp(name, "moveto") == 0) // moveto DESCRIPTOR PATH FLAGS
            result("move", syscall(SYS_move_mount, made, "", strcmp(a, "cwd") == 0 ? AT_FDCWD : atoi(a),
                                   strcmp(b, "-") == 0 ? "" : b, strtoul(words[3], NULL, 0)));
        else if (strcmp(name, "look") == 0) { // at a file below the mount that is not placed yet
            char text[64] = "";
            const int fd = openat(made, a, O_RDONLY | O_CLOEXEC);
            const ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
            printf("look: %s\n", got < 0 ? strerrorname_np(errno) : text);
            close(fd);
        } else if (strcmp(name, "attr") == 0) {
            const uint64_t attributes[4] = {strtoul(a, NULL, 0), 0, 0, 0};
            result("attr", syscall(SYS_mount_setattr, made, "", 0x1000 /* AT_EMPTY_PATH */, attributes, sizeof attributes));
        } else if (strcmp(name, "close") == 0)
            result("close", close(made));
        else if (strcmp(name, "closecontext") == 0)
            close(context);
        else if (strcmp(name, "unmount") == 0) // not lazily
            result("unmount", umount2(a, 0));
        else if (strcmp(name, "setuid") == 0) {
            result("setuid", setresuid((uid_t)atoi(a), (uid_t)atoi(a), (uid_t)atoi(a)));
            prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); // or its /proc files stay root's
        } else if (strcmp(name, "nofile") == 0) {
            const struct rlimit limit = {(rlim_t)atoi(a), (rlim_t)atoi(a)};
            result("nofile", setrlimit(RLIMIT_NOFILE, &limit));
        } else if (strcmp(name, "fill") == 0) { // takes all descriptors
            while (dup(1) >= 0) {
            }
            result("fill", 0);
        } else if (strcmp(name, "privs") == 0)
            printf("privs: no_new_privs %d\n", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
        else if (strcmp(name, "seccomp") == 0)
            nestedFilter(a);
        else if (strcmp(name, "bad") == 0)
            badPointers(a);
        else if (strcmp(name, "signals") == 0)
            underSignals(a, strcmp(b, "restart") == 0);
        else if (strcmp(name, "wait") == 0) { // for a line on standard input
            char byte;
            while (read(0, &byte, 1) == 1 && byte != '\n') {
            }
        } else {
            printf("unknown command %s\n", name);
            return 1;
        }
    }
    fflush(stdout);
    return 0;
}

int main(int argc, char** argv) {
    (void)argc;
    return run(argv + 1);
}
