#include "fakesysfs/export.h"

#include "util/syscall.h"
#include "util/unique_fd.h"

#include <gmock/gmock.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <sstream>

namespace rdmalab::fakesysfs {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

class Export : public ::testing::Test {
protected:
    Export() {
        // In memory where possible: thousands of small files take a disk's journal a second.
        const fs::path base = access("/dev/shm", W_OK) == 0 ? fs::path("/dev/shm") : fs::path(::testing::TempDir());
        std::string pattern = (base / "rdmalab-export-XXXXXX").string();
        if (!mkdtemp(pattern.data()))
            throw SystemError("mkdtemp " + pattern, errno);
        directory_ = pattern;
        hardware::MachineSpec spec;
        spec.name = "10-20-1-10";
        for (const char* pci : {"0000:af:00.0", "0000:af:00.1"}) {
            hardware::NicSpec nic;
            nic.model = "ConnectX-5";
            nic.pci = pci;
            spec.nics.push_back(nic);
        }
        machine_ = std::make_unique<hardware::Machine>(spec);
        tree_ = std::make_unique<Tree>(*machine_, View());
    }
    ~Export() override {
        std::error_code ignored;
        fs::remove_all(directory_, ignored);
    }
    std::string read(const std::string& path) const {
        std::ifstream file(directory_ / path);
        std::ostringstream text;
        text << file.rdbuf();
        return text.str();
    }

    fs::path directory_;
    std::unique_ptr<hardware::Machine> machine_;
    std::unique_ptr<Tree> tree_;
};

const std::string port = "class/infiniband/mlx5_0/ports/1/";

TEST_F(Export, WritesWhatTheTreeHas) {
    const ExportResult result = exportTree(*tree_, directory_);
    std::size_t directories = 0, files = 0, links = 0;
    // Link counts do not matter here: equal table entries share an inode.
    for (const auto& entry : fs::recursive_directory_iterator(directory_)) {
        const fs::file_status status = entry.symlink_status();
        directories += fs::is_directory(status);
        files += fs::is_regular_file(status);
        links += fs::is_symlink(status);
    }
    EXPECT_EQ(directories, result.directories);
    EXPECT_EQ(files, result.files);
    EXPECT_EQ(links, result.links);
    const std::function<void(const Directory&, const fs::path&)> compare = [&](const Directory& tree, const fs::path& at) {
        for (const auto& [name, node] : tree.entries()) {
            struct stat status {};
            const fs::path path = at / name;
            const bool there = lstat(path.c_str(), &status) == 0;
            if (node.kind == NodeKind::directory) {
                EXPECT_TRUE(there && S_ISDIR(status.st_mode)) << path;
                compare(*node.directory, path);
            } else if (node.kind == NodeKind::symlink) {
                EXPECT_EQ(fs::read_symlink(path), node.text) << path;
            } else if (node.kind == NodeKind::file) {
                EXPECT_EQ(status.st_mode & 07777, node.mode) << path;
                EXPECT_EQ(read(path), node.text) << path;
            }
        }
    };
    compare(*tree_->find("/sys").node->directory, directory_);
}

TEST_F(Export, UnusedGidSlotsReadAsEinval) {
    exportTree(*tree_, directory_);
    const UniqueFd fd(open((directory_ / port / "gid_attrs/types/200").c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd.valid())
        GTEST_SKIP() << "/proc/self/ns/net cannot be opened here, so EINVAL cannot be imitated";
    char byte = 0;
    EXPECT_EQ(::read(fd.get(), &byte, 1), -1);
    EXPECT_EQ(errno, EINVAL);
}

TEST_F(Export, LeavesOutUnusedSlotsOnRequest) {
    ExportOptions options;
    options.emulateEinval = false;
    exportTree(*tree_, directory_, "/sys", options);
    EXPECT_TRUE(fs::exists(directory_ / port / "gid_attrs/types/1"));
    EXPECT_FALSE(fs::exists(fs::symlink_status(directory_ / port / "gid_attrs/types/2")));
    EXPECT_TRUE(fs::exists(directory_ / port / "gids/255"));
}

TEST_F(Export, SwitchIdIsAbsentRatherThanEmpty) {
    exportTree(*tree_, directory_);
    // An empty phys_switch_id would still be read as "not switchdev", a lone newline as switchdev.
    EXPECT_FALSE(fs::exists(fs::symlink_status(directory_ / "class/net/enp175s0f0np0/phys_switch_id")));
    EXPECT_TRUE(fs::exists(directory_ / "bus/pci/drivers/mlx5_core/bind"));
}

TEST_F(Export, AgainReplacesFilesInsteadOfWritingIntoThem) {
    exportTree(*tree_, directory_);
    const std::string zero = read(port + "gids/255");
    machine_->setAddresses(*machine_->nics()[0], {*Cidr::parse("10.1.0.1/24")});
    machine_->unplugCable(*machine_->nics()[0]);
    exportTree(*tree_, directory_);
    EXPECT_EQ(read(port + "state"), "1: DOWN\n");
    EXPECT_EQ(read(port + "gids/3"), "0000:0000:0000:0000:0000:ffff:0a01:0001\n");
    EXPECT_EQ(read(port + "gids/255"), zero); // shared an inode with slot 3 before
    EXPECT_EQ(read(port + "gid_attrs/types/3"), "RoCE v2\n");
}

TEST_F(Export, OfAPartOfTheTree) {
    exportTree(*tree_, directory_ / "deep/er", "/sys/bus/pci/devices/0000:af:00.1");
    EXPECT_EQ(read("deep/er/device"), "0x1017\n");
    EXPECT_THROW(exportTree(*tree_, directory_, "/sys/nope"), SystemError);
    EXPECT_THROW(exportTree(*tree_, directory_, "/sys/bus/pci/drivers_autoprobe"), SystemError);
}

// Output of a command, or nothing when it cannot be run.
std::optional<std::string> output(const std::string& command) {
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> pipe(popen(command.c_str(), "r"), pclose);
    if (!pipe)
        return std::nullopt;
    std::string text;
    std::array<char, 4096> buffer{};
    while (const std::size_t got = std::fread(buffer.data(), 1, buffer.size(), pipe.get()))
        text.append(buffer.data(), got);
    return text;
}

TEST_F(Export, LspciPrintsTheWalkthroughsLines) {
    if (output("command -v lspci").value_or("").empty())
        GTEST_SKIP() << "lspci is not installed (package pciutils): the exported tree is not read by it";
    exportTree(*tree_, directory_);
    const std::string lspci = "lspci -A linux-sysfs -O sysfs.path=" + (directory_ / "bus/pci").string();
    const std::string numbers = output(lspci + " -n 2>&1").value_or("");
    EXPECT_THAT(numbers, HasSubstr("af:00.0 0200: 15b3:1017\n"));
    EXPECT_THAT(numbers, HasSubstr("af:00.1 0200: 15b3:1017\n"));
    const std::string details = output(lspci + " -vvv -s af:00.1 2>&1").value_or("");
    EXPECT_THAT(details, HasSubstr("Kernel driver in use: mlx5_core"));
    if (geteuid() == 0) {
        EXPECT_THAT(details, HasSubstr("Total VFs: 127, Number of VFs: 0"));
        EXPECT_THAT(details, HasSubstr("checksum good"));
    }
    EXPECT_THAT(details, Not(HasSubstr("<chain")));
    const std::string names = output(lspci + " -nn 2>&1").value_or("");
    if (names.find("Mellanox") == std::string::npos)
        GTEST_SKIP() << "lspci has no pci.ids: the names of the cards are not compared";
    for (const char* function : {"af:00.0", "af:00.1"})
        EXPECT_THAT(names, HasSubstr(std::string(function) + " Ethernet controller [0200]: Mellanox Technologies MT27800 Family "
                                                             "[ConnectX-5] [15b3:1017]\n"));
}

} // namespace
} // namespace rdmalab::fakesysfs
