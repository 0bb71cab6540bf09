#include "fakekernel/test_lab.h"

#include <fmt/ranges.h>

#include <semaphore>

namespace rdmalab::fakekernel {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

TEST_F(SysfsMountsTest, ShowsTheSysfsOfTheMountersNetwork) {
    const auto text = run({"unshare mnt,net", "link /proc/self/ns/net", "mount none /sys sysfs", "cat /sys/marker", "flags /sys",
                           "umount /sys", "cat /sys/marker"});
    expectOwnSysfs(text);
    EXPECT_THAT(text, HasSubstr("mount: 0\n"));
    EXPECT_THAT(text, HasSubstr("umount: 0\ncat: ENOENT\n"));
}

TEST_F(SysfsMountsTest, KeepsTheNamespaceOfTheMounterAfterwards) {
    const auto text = run({"unshare mnt,net", "link /proc/self/ns/net", "mount none /sys sysfs", "unshare net", "cat /sys/marker",
                           "mount none /mnt/dir sysfs", "link /proc/self/ns/net", "cat /mnt/dir/marker"});
    expectOwnSysfs(text);
    expectOwnSysfs(text.substr(text.find("mount: 0\n", text.find("unshare: 0\ncat"))));
}

TEST_F(SysfsMountsTest, OtherMountsAreTheKernels) {
    const auto text = run({"unshare mnt,net", "mount none /mnt/dir tmpfs 0 size=64k", "touch /mnt/dir/file",
                           "mount none /mnt/dir nosuchfs", "mount /mnt/root /mnt/dir - 4096", "cat /mnt/dir/marker",
                           "mount none /mnt/dir sysfs.sub", "mount none /mnt/nowhere tmpfs"});
    EXPECT_EQ(text, "unshare: 0\nmount: 0\ntouch: 0\nmount: ENODEV\nmount: 0\ncat: ENOENT\nmount: ENODEV\nmount: ENOENT\n");
}

TEST_F(SysfsMountsTest, TypeIsIgnoredWithFlagsThatMakeNoNewMount) {
    // Bind (with a propagation of its own), remount read-only, private: all natively, though they name sysfs.
    const auto text = run({"unshare mnt,net", "mount none /mnt/dir sysfs", "mount /mnt/dir /mnt/root sysfs 4096",
                           "mount none /mnt/root sysfs 4129", "flags /mnt/root", "mount none /mnt/root sysfs 0x40000",
                           "mount none /mnt/dir sysfs 0x20"});
    EXPECT_EQ(text, "unshare: 0\nmount: 0\nmount: 0\nmount: 0\nflags: 1001\nmount: 0\nmount: 0\n");
}

TEST_F(SysfsMountsTest, TakesOverTheMountFlags) {
    const auto text =
        run({"unshare mnt,net", "mount none /sys sysfs 0", "flags /sys", "umount /sys", "mount none /sys sysfs 0xf", "flags /sys",
             "umount /sys", "mount none /sys sysfs 0xc0ed0400", "flags /sys", "umount /sys", "mount none /sys sysfs 0x1000802",
             "flags /sys", "umount /sys", "mount none /sys sysfs 0x100", "flags /sys"});
    // ST_RELATIME 0x1000, ST_NOATIME 0x400, ST_NODIRATIME 0x800, ST_NOSYMFOLLOW 0x2000
    EXPECT_EQ(text, "unshare: 0\nmount: 0\nflags: 1000\numount: 0\nmount: 0\nflags: 100f\numount: 0\nmount: 0\nflags: 400\n"
                    "umount: 0\nmount: 0\nflags: 802\numount: 0\nmount: 0\nflags: 3000\n");
}

TEST_F(SysfsMountsTest, ErrorsAreTheKernels) {
    const auto text =
        run({"unshare mnt,net", "touch /mnt/file", "symlink loop /mnt/loop", "symlink /mnt/gone /mnt/dangling",
             "mount none /mnt/nowhere sysfs", "mount none /mnt/file sysfs", "mount none /mnt/file/below sysfs",
             "mount none /mnt/loop sysfs", "mount none /mnt/dangling sysfs", "mount none /mnt/dir sysfs 0 rw,lazytime",
             "umount /mnt/dir", "mount none /mnt/dir sysfs 0 size=1", "mount none /mnt/dir sysfs 0 source=x",
             "mount none /mnt/dir sysfs 0x80000000", "mount none /mnt/dir sysfs", "mount none /mnt/dir sysfs",
             "mount none /mnt/dir/. sysfs", "umount /mnt/dir", "umount /mnt/dir"});
    EXPECT_EQ(text, "unshare: 0\ntouch: 0\nsymlink: 0\nsymlink: 0\n"
                    "mount: ENOENT\nmount: ENOTDIR\nmount: ENOTDIR\nmount: ELOOP\nmount: ENOENT\nmount: 0\n"
                    "umount: 0\nmount: EINVAL\nmount: EINVAL\nmount: EINVAL\nmount: 0\nmount: EBUSY\nmount: EBUSY\n"
                    "umount: 0\numount: EINVAL\n");
}

// The same questions to the real sysfs, without a supervisor, must have the same answers.
TEST_F(SysfsMountsTest, ErrorsAreThoseOfThisKernel) {
    const Commands commands = {"unshare mnt,net",
                               "touch /mnt/file",
                               "mount none /mnt/nowhere sysfs",
                               "mount none /mnt/file sysfs",
                               "mount none /mnt/dir sysfs 0 size=1",
                               "mount none /mnt/dir sysfs 0 ,,ro,",
                               "mount none /mnt/dir sysfs",
                               "umount /mnt/dir",
                               "mount none /mnt/dir sysfs 0 source=x",
                               "mount none /mnt/dir sysfs 0x80000000",
                               "mount none /mnt/dir sysfs 0 rw=5",
                               "umount /mnt/dir",
                               "bad /mnt/dir",
                               "fsopen sysfs 2",
                               "fsopen sysfs",
                               "set size 1",
                               "log",
                               "fsmount",
                               "set source a",
                               "set source b",
                               "log",
                               "create",
                               "create",
                               "set ro -",
                               "fsmount 7",
                               "fsmount 0 0x80000000",
                               "fsmount 1 15",
                               "fdflags",
                               "move /mnt/dir",
                               "flags /mnt/dir",
                               "fsmount",
                               "umount /mnt/dir",
                               "chroot /mnt/root",
                               "chdir /",
                               "mount none sys sysfs",
                               "mount none ../../sys/../sys sysfs",
                               "umount sys",
                               "mount none / sysfs",
                               "setuid 1",
                               "mount none /sys sysfs",
                               "mount none /nowhere sysfs",
                               "fsopen sysfs",
                               "fsmount"};
    const auto native = natively(commands);
    EXPECT_EQ(run(commands), native);
    EXPECT_THAT(native, HasSubstr("type across pages: 0\n"));
}

TEST_F(SysfsMountsTest, NeedsTheRightsOverMountAndNetwork) {
    EXPECT_EQ(run({"unshare mnt,net", "setuid 65534", "mount none /sys sysfs"}), "unshare: 0\nsetuid: 0\nmount: EPERM\n");
    // A user namespace gives rights over a mount namespace made in it, but not over the network outside.
    EXPECT_EQ(run({"unshare user,mnt", "mount none /sys sysfs"}), "unshare: 0\nmount: EPERM\n");
    EXPECT_EQ(run({"unshare mnt,net", "unshare user", "mount none /sys sysfs"}), "unshare: 0\nunshare: 0\nmount: EPERM\n");
    const auto text =
        run({"setuid 65534", "unshare user,mnt,net", "link /proc/self/ns/net", "mount none /sys sysfs", "cat /sys/marker"});
    expectOwnSysfs(text);
    EXPECT_THAT(text, HasSubstr("mount: 0\n"));
}

TEST_F(SysfsMountsTest, AUserNamespaceBelowAnother) {
    const auto text =
        run({"unshare user,mnt,net", "unshare user,mnt,net", "link /proc/self/ns/net", "mount none /sys sysfs", "cat /sys/marker",
             "umount /sys", "fsopen sysfs", "create", "fsmount", "move /sys", "cat /sys/marker"});
    expectOwnSysfs(text);
    EXPECT_THAT(text, HasSubstr("umount: 0\nfsopen: 0\ncreate: 0\nfsmount: 0\nmove: 0\ncat: net:"));
}

TEST_F(SysfsMountsTest, TargetsAreTheCallers) {
    // Relative, through symlinks, in a chroot where "/" and ".." are its own.
    auto text = run({"unshare mnt,net", "link /proc/self/ns/net", "chdir /mnt", "mount none dir/../root//sys/ sysfs",
                     "cat /mnt/root/sys/marker"});
    expectOwnSysfs(text);
    text = run({"unshare mnt,net", "link /proc/self/ns/net", "symlink /sys /mnt/root/link", "chroot /mnt/root", "chdir /",
                "mount none ../../link sysfs", "cat /sys/marker"});
    expectOwnSysfs(text);
    // A working directory outside the root.
    text = run({"unshare mnt,net", "link /proc/self/ns/net", "chdir /mnt/dir", "chroot /mnt/root", "mount none . sysfs",
                "chdir ../dir", "cat marker"});
    expectOwnSysfs(text);
}

TEST_F(SysfsMountsTest, TargetsNamedByDescriptor) {
    // As runc does; /proc/self is the caller's in every /proc that it may see.
    for (const std::string name : {"/proc/self/fd/100", "/proc/thread-self/fd/100", "/dev/fd/100", "/proc/self/cwd/sys"}) {
        const Commands mounting = {"chdir /mnt/root", "opath /mnt/root/sys", "mount none " + name + " sysfs",
                                   "cat /mnt/root/sys/marker"};
        const std::vector<Commands> places = {
            {"unshare mnt,net", "link /proc/self/ns/net"},
            {"unshare mnt,net,pid", "link /proc/self/ns/net", "fork"}, // the outer /proc
            {"unshare mnt,net,pid", "link /proc/self/ns/net", "fork", "mount proc /proc proc"},
            {"unshare mnt,net,pid", "link /proc/self/ns/net", "fork", "fork", "mount proc /proc proc", "unshare pid", "fork"},
        };
        for (auto commands : places) {
            commands.insert(commands.end(), mounting.begin(), mounting.end());
            SCOPED_TRACE(fmt::format("{}: {}", name, fmt::join(commands, "; ")));
            expectOwnSysfs(run(commands));
        }
    }
}

TEST_F(SysfsMountsTest, AContainerRuntime) {
    // runc: new namespaces, a root file system, proc, sysfs, pivot_root; then what the container itself does.
    const Commands container = {"link /proc/self/ns/net",
                                "fork",
                                "mount /mnt/root /mnt/root - 4096",
                                "mount proc /mnt/root/proc proc 14",
                                "opath /mnt/root/sys",
                                "mount sysfs /proc/self/fd/100 sysfs 15",
                                "pivot /mnt/root",
                                "flags /sys",
                                "cat /sys/marker"};
    for (const std::string unshare : {"unshare mnt,net,pid", "unshare user,mnt,net,pid"}) {
        Commands commands = {unshare};
        commands.insert(commands.end(), container.begin(), container.end());
        const auto text = run(commands);
        expectOwnSysfs(text);
        EXPECT_THAT(text, HasSubstr("pivot: 0\numount: 0\nchdir: 0\nflags: 100f\n"));
    }
}

TEST_F(SysfsMountsTest, ThreadsForksAndPrograms) {
    // A thread with namespaces of its own mounts its own sysfs, and the others see nothing of it.
    auto text = run({"unshare mnt", "thread 4", "unshare mnt,net", "link /proc/thread-self/ns/net", "mount none /sys sysfs",
                     "cat /sys/marker", "cat /sys/marker"});
    expectOwnSysfs(text);
    EXPECT_THAT(text, testing::EndsWith("cat: ENOENT\n"));
    text = run({"fork", "fork", std::string("exec ") + FAKEKERNEL_CLIENT, "fork", "unshare mnt,net", "link /proc/self/ns/net",
                "fork", "mount none /sys sysfs", std::string("exec ") + FAKEKERNEL_CLIENT, "cat /sys/marker"});
    expectOwnSysfs(text);
}

TEST_F(SysfsMountsTest, NestedFilters) {
    expectOwnSysfs(
        run({"unshare mnt,net", "link /proc/self/ns/net", "seccomp allow", "mount none /sys sysfs", "cat /sys/marker"}));
    EXPECT_THAT(run({"unshare mnt,net", "seccomp refuse", "mount none /sys sysfs", "seccomp listen"}),
                HasSubstr("seccomp: 0\nmount: ENOTTY\nseccomp: EBUSY\n"));
    EXPECT_EQ(run({"privs"}), "privs: no_new_privs 0\n");
}

TEST_F(SysfsMountsTest, SignalsNeitherLoseNorRepeatAMount) {
    EXPECT_THAT(run({"unshare mnt,net", "signals /mnt/dir restart"}), HasSubstr("signals: 0 wrong, alarms came\n"));
    EXPECT_THAT(run({"unshare mnt,net", "signals /mnt/dir interrupt"}), HasSubstr("signals: 0 wrong, alarms came\n"));
}

TEST_F(SysfsMountsTest, SixtyFourAtOnce) {
    const auto text = inLab([](Lab& lab) {
        std::vector<std::unique_ptr<Lab::Client>> clients;
        for (int i = 0; i < 64; ++i)
            clients.push_back(std::make_unique<Lab::Client>(
                lab, Commands{"wait", "unshare mnt,net", "link /proc/self/ns/net", "mount none /sys sysfs", "cat /sys/marker",
                              "umount /sys", "fsopen sysfs", "create", "fsmount", "move /sys", "cat /sys/marker"}));
        for (const auto& client : clients)
            client->go();
        std::string all;
        for (const auto& client : clients)
            all += client->output() + "====\n";
        return all;
    });
    std::size_t count = 0;
    for (std::size_t at = 0, end; (end = text.find("====\n", at)) != std::string::npos; at = end + 5, ++count) {
        const auto one = text.substr(at, end - at);
        expectOwnSysfs(one);
        EXPECT_THAT(one, AllOf(HasSubstr("move: 0\ncat: net:"), Not(HasSubstr("E"))));
    }
    EXPECT_EQ(count, 64u);
}

TEST_F(SysfsMountsTest, ASlowSourceDelaysNobodyElseAndKilledCallersGetNothing) {
    EXPECT_EQ(inLab([](Lab& lab) {
                  std::binary_semaphore reached(0), gate(0);
                  std::atomic<bool> once = true;
                  lab.source->before = [&] {
                      if (once.exchange(false)) {
                          reached.release();
                          gate.acquire();
                      }
                  };
                  // Both share the lab's mount namespace, so the test sees what they mount.
                  Lab::Client slow(lab, {"mount none /mnt/dir sysfs"});
                  reached.acquire();
                  auto text = lab.run({"mount none /mnt/root sysfs"});
                  slow.kill();
                  text += slow.output();
                  gate.release();
                  lab.supervisor.reset(); // waits for the handler
                  text += std::filesystem::exists("/mnt/dir/marker") ? "mounted" : "not mounted";
                  text += std::filesystem::exists("/mnt/root/marker") ? ", mounted" : ", not mounted";
                  return text + lab.log();
              }),
              "mount: 0\nexit 137\nnot mounted, mounted");
}

TEST_F(SysfsMountsTest, WithoutSupervisorTheCallDoesNotExist) {
    EXPECT_EQ(inLab([](Lab& lab) {
                  Lab::Client client(lab, {"wait", "mount none /mnt/dir sysfs", "fsopen sysfs"});
                  lab.supervisor.reset();
                  client.go();
                  return client.output();
              }),
              "mount: ENOSYS\nfsopen: ENOSYS\n");
}

TEST_F(SysfsMountsTest, AFailingSourceIsReported) {
    const auto text = inLab([](Lab& lab) {
        lab.source->before = [] { throw std::runtime_error("no such machine"); };
        const auto output = lab.run({"mount none /mnt/dir sysfs"});
        return output + lab.log();
    });
    EXPECT_THAT(text, AllOf(HasSubstr("mount: EIO\n"), HasSubstr("no fake /sys for net:["), HasSubstr("no such machine")));
}

TEST_F(SysfsMountsTest, TheMountOfAnotherIsLeftAlone) {
    // The clone is private: what is mounted below it in one place appears in no other, and the source stays.
    EXPECT_EQ(inLab([](Lab& lab) {
                  auto text = lab.run({"unshare mnt", "mount none /mnt/dir sysfs", "mkdir /mnt/dir/sub",
                                       "mount none /mnt/dir/sub tmpfs", "touch /mnt/dir/sub/x", "umount /mnt/dir"});
                  return text + lab.run({"unshare mnt", "mount none /mnt/dir sysfs", "cat /mnt/dir/sub/x"});
              }),
              "unshare: 0\nmount: 0\nmkdir: 0\nmount: 0\ntouch: 0\numount: 0\nunshare: 0\nmount: 0\ncat: ENOENT\n");
}

// Programs of the distribution.

TEST_F(SysfsMountsTest, IpNetnsExec) {
    const auto text =
        shell("mount -t tmpfs none /run && ip netns add blue && readlink /proc/self/ns/net > /mnt/outer &&"
              "ip netns exec blue sh -c 'echo link: $(readlink /proc/self/ns/net); echo cat: $(cat /sys/marker);"
              "test $(readlink /proc/self/ns/net) != $(cat /mnt/outer) && echo differs'; ls -A /sys/kernel | wc -l");
    expectOwnSysfs(text);
    EXPECT_THAT(text, HasSubstr("differs\n")) << text;
    EXPECT_THAT(text, Not(testing::EndsWith("\n0\n"))); // outside it is as before
}

TEST_F(SysfsMountsTest, UnshareAndMountCommands) {
    expectOwnSysfs(shell("unshare -m -n sh -c 'echo link: $(readlink /proc/self/ns/net); mount -t sysfs -o ro,nosuid none /sys &&"
                         "echo cat: $(cat /sys/marker)'"));
    expectOwnSysfs(shell("unshare -m -n -p -f --mount-proc sh -c 'echo link: $(readlink /proc/self/ns/net);"
                         "mount -t sysfs sysfs /sys && echo cat: $(cat /sys/marker)'"));
    EXPECT_THAT(shell("unshare -m -n sh -c 'mount -t sysfs sysfs /sys && mount -t sysfs sysfs /sys'"),
                HasSubstr("already mounted"));
}

} // namespace
} // namespace rdmalab::fakekernel
