// The mount interface of descriptors: fsopen(2), fsmount(2), move_mount(2).
#include "fakekernel/test_lab.h"

#include <fmt/ranges.h>

namespace rdmalab::fakekernel {
namespace {

using testing::HasSubstr;

TEST_F(SysfsMountsTest, TheNewMountInterface) {
    const auto text = run({"unshare mnt,net", "link /proc/self/ns/net", "fsopen sysfs 1", "set source none", "create",
                           "fsmount 1 14", "fdflags", "move /sys", "cat /sys/marker", "flags /sys"});
    expectOwnSysfs(text);
    EXPECT_THAT(text, HasSubstr("fsopen: 0\nset: 0\ncreate: 0\nfsmount: 0\nfdflags: 1 1\nmove: 0\n"));
    EXPECT_THAT(text, HasSubstr("flags: 100e\n"));
    EXPECT_EQ(run({"unshare mnt,net", "fsopen tmpfs", "set size 64k", "create", "fsmount", "move /mnt/dir", "touch /mnt/dir/a"}),
              "unshare: 0\nfsopen: 0\nset: 0\ncreate: 0\nfsmount: 0\nmove: 0\ntouch: 0\n");
}

// Each against the kernel with its own sysfs.
TEST_F(SysfsMountsTest, DetachedMountsBehaveAsTheKernels) {
    const Commands make = {"fsopen sysfs", "create", "fsmount"};
    const std::vector<Commands> uses = {
        {"move /nowhere", "move /mnt/file", "move /mnt/file/x", "moveto cwd /mnt/link 4", "moveto cwd /mnt/link 0x14", "close",
         "unmount /mnt/dir", "unmount /mnt/dir"},
        {"chdir /mnt", "moveto cwd dir 4", "move /mnt/root", "flags /mnt/dir", "close", "unmount /mnt/dir", "unmount /mnt/root"},
        {"opath /mnt/dir", "moveto 100 - 0x44", "close", "unmount /mnt/dir"},
        {"opath /mnt", "moveto 100 dir 4", "close", "unmount /mnt/dir"},
        {"moveto 99 dir 4", "moveto 99 /mnt/dir 4", "unmount /mnt/dir", "close", "unmount /mnt/dir"},
        {"opath /mnt/file", "moveto 100 dir 4", "moveto 100 - 0x44", "moveto cwd - 4", "moveto cwd /mnt/dir 0x1004"},
        {"chdir /mnt/dir", "moveto cwd - 0x44", "chdir /", "close", "unmount /mnt/dir"},
        {"attr 0x3", "move /mnt/dir", "flags /mnt/dir", "attr 0x8", "flags /mnt/dir", "close", "move /mnt/root"},
        {"close", "move /mnt/dir", "unmount /mnt/dir"},
        {"setuid 1", "move /mnt/dir"},
        {"fork", "fork", "move /mnt/dir", "close", "unmount /mnt/dir"},
        {"unshare mnt", "move /mnt/dir", "close", "unmount /mnt/dir"},
    };
    for (const auto& use : uses) {
        Commands commands = {"unshare mnt,net", "touch /mnt/file", "symlink /mnt/dir /mnt/link"};
        commands.insert(commands.end(), make.begin(), make.end());
        commands.insert(commands.end(), use.begin(), use.end());
        SCOPED_TRACE(fmt::format("{}", fmt::join(use, "; ")));
        EXPECT_EQ(run(commands), natively(commands));
    }
    const auto text = run({"unshare mnt,net", "link /proc/self/ns/net", "fsopen sysfs", "create", "fsmount", "look marker"});
    EXPECT_THAT(text, HasSubstr("look: net:["));
}

TEST_F(SysfsMountsTest, DetachedMountsThatNobodyPlacesDoNotPileUp) {
    const std::string end = "fsopen: 0\ncreate: 0\nfsmount: 0\nmove: 0\nclose: 0\n";
    const auto text = inLab([](Lab& lab) {
        Commands commands = {"unshare mnt,net"};
        for (int i = 0; i < 400; ++i) // as many kept ones would exceed the supervisor's descriptors
            commands.insert(commands.end(), {"fsopen sysfs", "create", "fsmount", "close", "closecontext"});
        commands.insert(commands.end(), {"fsopen sysfs", "create", "fsmount", "move /mnt/dir", "close"});
        const rlimit few{400, 400};
        checked("setrlimit", ::setrlimit(RLIMIT_NOFILE, &few));
        return lab.run(commands);
    });
    EXPECT_THAT(text, testing::EndsWith(end));
}

TEST_F(SysfsMountsTest, AContextPassedOnIsStillKnown) {
    const auto text = run({"unshare mnt,net", "link /proc/self/ns/net", "fsopen sysfs", "create", "fork", "fork", "fsmount",
                           "move /sys", "cat /sys/marker"});
    expectOwnSysfs(text);
}

TEST_F(SysfsMountsTest, FewDescriptors) {
    const auto text =
        run({"unshare mnt,net", "nofile 16", "link /proc/self/ns/net", "mount none /sys sysfs", "cat /sys/marker", "umount /sys",
             "fsopen sysfs", "create", "fill", "mount none /sys sysfs", "fsmount", "fsopen sysfs", "umount /sys"});
    expectOwnSysfs(text);
    EXPECT_THAT(text, HasSubstr("fill: 0\nmount: 0\nfsmount: EMFILE\nfsopen: EMFILE\numount: 0\n"));
}

} // namespace
} // namespace rdmalab::fakekernel
