#include "sim/kernel/memory_files.h"

#include "plugins/kernel/files_conformance.h"

namespace rdmalab::kernel {
namespace {

class MemoryWorld {
public:
    plugin::Files& files() { return files_; }
    std::string base() const { return ""; }
    void symlink(const std::string& path, const std::string& target) { files_.addSymlink(path, target); }

private:
    MemoryFiles files_;
};

class MemoryFilesTest : public testing::Test {
protected:
    MemoryFilesTest() {
        sys.makeDirectories("/class/net/eth0", 0755);
        sys.write("/class/net/eth0/mtu", "1500\n", 0644);
        node.mount("/sys", sys);
    }
    MemoryFiles sys, node;
};

TEST_F(MemoryFilesTest, AMountedTreeIsAskedWithItsOwnPaths) {
    EXPECT_EQ(node.read("/sys/class/net/eth0/mtu"), "1500\n");
    EXPECT_EQ(node.list("/sys").size(), 1u);
    EXPECT_EQ(node.status("/sys").kind, plugin::FileKind::directory);
    node.writeInPlace("/sys/class/net/eth0/mtu", "9000");
    EXPECT_EQ(sys.read("/class/net/eth0/mtu"), "9000");
    node.addSymlink("/eth", "/sys/class/net/eth0");
    EXPECT_EQ(node.read("/eth/mtu"), "9000");
    node.write("/etc-file", "here", 0644);
    EXPECT_EQ(node.read("/sys/class/../../etc-file"), "here");
    EXPECT_EQ(node.read("/sys/../sys/class/net/eth0/mtu"), "9000");
    EXPECT_THROW(node.remove("/sys"), SystemError);
}

TEST_F(MemoryFilesTest, AMountedTreeCanKeepItsNames) {
    MemoryFiles whole, other;
    whole.makeDirectories("/sys/bus", 0755);
    other.mount("/sys", whole, "/sys");
    EXPECT_EQ(other.list("/sys").at(0).name, "bus");
    other.makeDirectories("/sys/new/deep", 0755);
    EXPECT_TRUE(whole.exists("/sys/new/deep"));
}

TEST_F(MemoryFilesTest, UnmountShowsWhatWasThere) {
    node.unmount("/sys");
    EXPECT_TRUE(node.list("/sys").empty());
    EXPECT_THROW(node.unmount("/sys"), SystemError);
    EXPECT_THROW(node.unmount("/none"), SystemError);
}

TEST_F(MemoryFilesTest, Devices) {
    node.addDevice("/dev/infiniband/uverbs0", plugin::FileKind::characterDevice, 231, 192, 0666);
    const plugin::FileStatus status = node.status("/dev/infiniband/uverbs0");
    EXPECT_EQ(status.kind, plugin::FileKind::characterDevice);
    EXPECT_EQ(status.deviceMajor, 231u);
    EXPECT_EQ(status.deviceMinor, 192u);
    EXPECT_EQ(status.mode, 0666u);
    EXPECT_THROW(node.addDevice("/dev/infiniband/uverbs0", plugin::FileKind::characterDevice, 1, 1, 0600), SystemError);
    EXPECT_THROW(node.read("/dev/infiniband/uverbs0"), SystemError);
    node.removeTree("/dev");
    EXPECT_FALSE(node.exists("/dev"));
}

} // namespace
} // namespace rdmalab::kernel

namespace rdmalab::plugin {
using Memory = rdmalab::kernel::MemoryWorld;
INSTANTIATE_TYPED_TEST_SUITE_P(Memory, FilesConformance, Memory);
} // namespace rdmalab::plugin
