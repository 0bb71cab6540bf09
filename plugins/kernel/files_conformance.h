// What every Files must do. Instantiated for LinuxFiles and for the simulator's MemoryFiles. A World gives an empty tree:
//   struct World {
//       Files& files();
//       std::string base();                                                  // "" or an existing directory; paths start with it
//       void symlink(const std::string& path, const std::string& target);   // `path` below base()
//   };
#pragma once

#include "plugins/kernel/files.h"
#include "util/syscall.h"

#include <gtest/gtest.h>

namespace rdmalab::plugin {

template <typename World>
class FilesConformance : public testing::Test {
protected:
    Files& files() { return world.files(); }
    std::string path(const std::string& below) { return world.base() + below; }
    // The errno of a refused action; 0 when it is not refused.
    template <typename Action>
    static int failure(Action&& action) {
        try {
            action();
        } catch (const SystemError& error) {
            return error.code();
        }
        return 0;
    }

    World world;
};

TYPED_TEST_SUITE_P(FilesConformance);

TYPED_TEST_P(FilesConformance, WritesAndReads) {
    Files& files = this->files();
    files.makeDirectories(this->path("/var/lib/cni"), 0755);
    files.write(this->path("/var/lib/cni/state"), "one", 0600);
    EXPECT_EQ(files.read(this->path("/var/lib/cni/state")), "one");
    files.write(this->path("/var/lib/cni/state"), "two\n", 0644);
    EXPECT_EQ(files.read(this->path("/var/lib/cni/state")), "two\n");
    const FileStatus status = files.status(this->path("/var/lib/cni/state"));
    EXPECT_EQ(status.kind, FileKind::regular);
    EXPECT_EQ(status.mode, 0644u);
    files.writeInPlace(this->path("/var/lib/cni/state"), "3");
    EXPECT_EQ(files.read(this->path("/var/lib/cni/state")), "3");
    EXPECT_EQ(files.list(this->path("/var/lib/cni")).size(), 1u); // no temporary name is left
    EXPECT_EQ(files.readIfExists(this->path("/var/lib/cni/none")), std::nullopt);
}

TYPED_TEST_P(FilesConformance, ListsSortedWithoutFollowingLinks) {
    Files& files = this->files();
    files.makeDirectories(this->path("/d/sub"), 0755);
    files.write(this->path("/d/b"), "", 0644);
    files.write(this->path("/d/a"), "", 0644);
    this->world.symlink("/d/link", "sub");
    std::string listed;
    for (const DirectoryEntry& entry : files.list(this->path("/d")))
        listed += entry.name + (entry.kind == FileKind::symlink ? "@ " : entry.kind == FileKind::directory ? "/ " : " ");
    EXPECT_EQ(listed, "a b link@ sub/ ");
    EXPECT_EQ(files.readLink(this->path("/d/link")), "sub");
    EXPECT_EQ(files.status(this->path("/d/link")).kind, FileKind::directory);
    EXPECT_EQ(files.linkStatus(this->path("/d/link")).kind, FileKind::symlink);
}

TYPED_TEST_P(FilesConformance, FailsWithTheKernelsErrno) {
    Files& files = this->files();
    files.makeDirectories(this->path("/d"), 0755);
    files.write(this->path("/f"), "x", 0644);
    this->world.symlink("/dangling", "nowhere");
    this->world.symlink("/loop", "loop");
    EXPECT_EQ(this->failure([&] { files.read(this->path("/none")); }), ENOENT);
    EXPECT_EQ(this->failure([&] { files.read(this->path("/f/x")); }), ENOTDIR);
    EXPECT_EQ(this->failure([&] { files.read(this->path("/d")); }), EISDIR);
    EXPECT_EQ(this->failure([&] { files.read(this->path("/loop")); }), ELOOP);
    EXPECT_EQ(this->failure([&] { files.list(this->path("/f")); }), ENOTDIR);
    EXPECT_EQ(this->failure([&] { files.list(this->path("/none")); }), ENOENT);
    EXPECT_EQ(this->failure([&] { files.readLink(this->path("/f")); }), EINVAL);
    EXPECT_EQ(this->failure([&] { files.readLink(this->path("/none")); }), ENOENT);
    EXPECT_EQ(this->failure([&] { files.write(this->path("/none/x"), "", 0644); }), ENOENT);
    EXPECT_EQ(this->failure([&] { files.write(this->path("/d"), "", 0644); }), EISDIR);
    EXPECT_EQ(this->failure([&] { files.writeInPlace(this->path("/none"), ""); }), ENOENT);
    EXPECT_EQ(this->failure([&] { files.makeDirectories(this->path("/f/sub"), 0755); }), ENOTDIR);
    EXPECT_EQ(this->failure([&] { files.status(this->path("/loop")); }), ELOOP);
    EXPECT_FALSE(files.exists(this->path("/none/x")));
    EXPECT_FALSE(files.exists(this->path("/f/x")));
    EXPECT_FALSE(files.exists(this->path("/dangling")));
    EXPECT_EQ(files.linkStatus(this->path("/dangling")).kind, FileKind::symlink);
}

TYPED_TEST_P(FilesConformance, Removes) {
    Files& files = this->files();
    files.makeDirectories(this->path("/d/sub"), 0755);
    files.write(this->path("/d/f"), "x", 0644);
    this->world.symlink("/d/link", "f");
    EXPECT_EQ(this->failure([&] { files.remove(this->path("/d")); }), ENOTEMPTY);
    files.remove(this->path("/d/link"));
    EXPECT_TRUE(files.exists(this->path("/d/f")));
    files.remove(this->path("/d/f"));
    files.remove(this->path("/d/f"));
    files.remove(this->path("/none/f"));
    files.remove(this->path("/d/sub"));
    EXPECT_TRUE(files.list(this->path("/d")).empty());
}

TYPED_TEST_P(FilesConformance, FollowsLinksOnTheWay) {
    Files& files = this->files();
    files.makeDirectories(this->path("/sys/devices/pci0/net/eth0"), 0755);
    files.makeDirectories(this->path("/sys/class/net"), 0755);
    files.write(this->path("/sys/devices/pci0/vendor"), "0x15b3\n", 0444);
    this->world.symlink("/sys/class/net/eth0", "../../devices/pci0/net/eth0");
    this->world.symlink("/sys/devices/pci0/net/eth0/device", "../../../pci0");
    EXPECT_EQ(files.read(this->path("/sys/class/net/eth0/device/vendor")), "0x15b3\n");
    EXPECT_EQ(files.list(this->path("/sys/class/net/eth0/device/net")).size(), 1u);
    // A new file replaces a link of its name, not what the link points to.
    this->world.symlink("/link", "sys/devices/pci0/vendor");
    files.write(this->path("/link"), "new", 0644);
    EXPECT_EQ(files.linkStatus(this->path("/link")).kind, FileKind::regular);
    EXPECT_EQ(files.read(this->path("/sys/devices/pci0/vendor")), "0x15b3\n");
    // Directories are made behind a link.
    this->world.symlink("/run", "sys/class");
    files.makeDirectories(this->path("/run/new/deep"), 0755);
    EXPECT_TRUE(files.exists(this->path("/sys/class/new/deep")));
}

REGISTER_TYPED_TEST_SUITE_P(FilesConformance, WritesAndReads, ListsSortedWithoutFollowingLinks, FailsWithTheKernelsErrno, Removes,
                            FollowsLinksOnTheWay);

} // namespace rdmalab::plugin
