// The fake /sys as programs see it. Needs root and /dev/fuse; mounts in a mount namespace of its own.
#include "fakesysfs/fuse_mount.h"

#include "fakesysfs/fuse/mount_test.h"
#include "fakesysfs/tree.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <fstream>
#include <functional>
#include <map>
#include <set>
#include <sstream>

namespace rdmalab::fakesysfs {
namespace {

using testing::AnyOf;
using testing::Contains;
using testing::IsEmpty;
using testing::Not;

class FuseMount : public MountTest {};

// Everything below a node, compared with the mount.
class Comparison {
public:
    void directory(const Directory& tree, const std::string& path) {
        std::map<std::string, std::pair<ino_t, unsigned char>> listed;
        DIR* stream = opendir(path.c_str());
        ASSERT_NE(stream, nullptr) << path << ": " << errno;
        while (const dirent* entry = readdir(stream))
            if (entry->d_name != std::string(".") && entry->d_name != std::string("..")) {
                EXPECT_TRUE(listed.emplace(entry->d_name, std::pair(entry->d_ino, entry->d_type)).second) << entry->d_name;
            }
        closedir(stream);
        for (const auto& [name, node] : tree.entries()) {
            const auto found = listed.find(name);
            if (found == listed.end()) {
                ADD_FAILURE() << "not listed: " << path << "/" << name;
                continue;
            }
            entry(node, path + "/" + name, found->second.first, found->second.second);
            listed.erase(found);
        }
        for (const auto& [name, entry] : listed)
            ADD_FAILURE() << "listed, but not in the tree: " << path << "/" << name;
    }
    std::size_t compared() const { return compared_; }

private:
    void entry(const Node& node, const std::string& path, ino_t number, unsigned char type) {
        ++compared_;
        struct stat status {};
        ASSERT_EQ(lstat(path.c_str(), &status), 0) << path << ": " << errno;
        EXPECT_EQ(status.st_ino, number) << path;
        EXPECT_EQ(DTTOIF(type), status.st_mode & S_IFMT) << path;
        EXPECT_EQ(static_cast<std::uint64_t>(status.st_size), node.size) << path;
        if (node.kind != NodeKind::symlink) {
            EXPECT_EQ(status.st_mode & 07777, node.mode) << path;
        }
        switch (node.kind) {
        case NodeKind::directory:
            EXPECT_TRUE(S_ISDIR(status.st_mode)) << path;
            return directory(*node.directory, path);
        case NodeKind::symlink: {
            char target[4096];
            const ssize_t length = readlink(path.c_str(), target, sizeof(target));
            ASSERT_GE(length, 0) << path;
            EXPECT_EQ(std::string(target, static_cast<std::size_t>(length)), node.text) << path;
            return;
        }
        case NodeKind::file:
            EXPECT_TRUE(S_ISREG(status.st_mode)) << path;
            EXPECT_EQ(contentOf(path), node.behaviour && node.behaviour->read ? node.behaviour->read() : node.text) << path;
            return;
        case NodeKind::unreadable:
            EXPECT_EQ(contentOf(path), "error " + std::to_string(node.error)) << path;
            return;
        case NodeKind::characterDevice:
            return;
        }
    }

    std::size_t compared_ = 0;
};

// The model is only read by this thread meanwhile: the lock is not held while the mount is looked at.
std::size_t expectSame(hardware::LiveMachine& machine, const std::string& path) {
    const Tree tree(std::as_const(*machine.lock()), {});
    Comparison comparison;
    comparison.directory(*tree.root().find("sys")->directory, path);
    return comparison.compared();
}

TEST_F(FuseMount, ShowsWhatTheTreeHas) {
    mount();
    EXPECT_GT(expectSame(machine, place()), 1000u);
    EXPECT_GT(expectSame(machine, place()), 1000u); // now from what the kernel has kept
}

TEST_F(FuseMount, FilesAreReadAsSysfsIsRead) {
    mount();
    const std::string path = pf() + "/sriov_totalvfs";
    const UniqueFd file(open(path.c_str(), O_RDONLY));
    const std::string whole = contentOf(path);
    ASSERT_GT(whole.size(), 1u);
    std::string bytewise;
    for (char byte; read(file.get(), &byte, 1) == 1;)
        bytewise += byte;
    EXPECT_EQ(bytewise, whole);
    char buffer[8192];
    EXPECT_EQ(read(file.get(), buffer, sizeof(buffer)), 0);
    EXPECT_EQ(pread(file.get(), buffer, sizeof(buffer), 1), static_cast<ssize_t>(whole.size() - 1));
    EXPECT_EQ(pread(file.get(), buffer, sizeof(buffer), 4095), 0);
    EXPECT_EQ(pread(file.get(), buffer, sizeof(buffer), 1LL << 40), 0);
    EXPECT_EQ(lseek(file.get(), 0, SEEK_SET), 0);
    EXPECT_EQ(read(file.get(), buffer, 0), 0);
    EXPECT_EQ(read(file.get(), buffer, sizeof(buffer)), static_cast<ssize_t>(whole.size()));

    const UniqueFd config(open((pf() + "/config").c_str(), O_RDONLY));
    unsigned char id[4] = {};
    EXPECT_EQ(pread(config.get(), id, 4, 0), 4);
    EXPECT_EQ(id[0] | id[1] << 8, 0x15b3);
    EXPECT_EQ(pread(config.get(), buffer, sizeof(buffer), 4090), 6);
    EXPECT_EQ(pread(config.get(), buffer, sizeof(buffer), 4096), 0);
}

TEST_F(FuseMount, AnOpenFileShowsNewContentWhenReadFromTheStart) {
    mount();
    const UniqueFd file(open((pf() + "/sriov_numvfs").c_str(), O_RDONLY));
    char buffer[64];
    ASSERT_EQ(read(file.get(), buffer, sizeof(buffer)), 2);
    EXPECT_EQ(buffer[0], '2');
    EXPECT_EQ(write("sriov_numvfs", "0"), 0);
    ASSERT_EQ(pread(file.get(), buffer, sizeof(buffer), 0), 2);
    EXPECT_EQ(buffer[0], '0');
}

TEST_F(FuseMount, RefusesWhatSysfsRefuses) {
    mount();
    const auto refusal = [](auto result) { return result == static_cast<decltype(result)>(-1) ? errno : 0; };
    const std::string fresh = place() + "/fresh", file = pf() + "/vendor", directory = place() + "/bus";
    EXPECT_EQ(refusal(open(fresh.c_str(), O_CREAT | O_WRONLY, 0644)), EACCES);
    EXPECT_EQ(refusal(mknod(fresh.c_str(), S_IFREG | 0644, 0)), EACCES);
    EXPECT_EQ(refusal(mknod(fresh.c_str(), S_IFIFO | 0644, 0)), EPERM);
    EXPECT_EQ(refusal(mkdir(fresh.c_str(), 0755)), EPERM);
    EXPECT_EQ(refusal(rmdir(directory.c_str())), EPERM);
    EXPECT_EQ(refusal(unlink(file.c_str())), EPERM);
    EXPECT_EQ(refusal(unlink(directory.c_str())), EISDIR);
    EXPECT_EQ(refusal(rename(file.c_str(), fresh.c_str())), EPERM);
    EXPECT_EQ(refusal(symlink("x", fresh.c_str())), EPERM);
    EXPECT_EQ(refusal(link(file.c_str(), fresh.c_str())), EPERM);
    EXPECT_EQ(refusal(open(file.c_str(), O_WRONLY)), EACCES); // root or not
    EXPECT_EQ(refusal(open((place() + "/bus/pci/rescan").c_str(), O_RDONLY)), EACCES);
    EXPECT_EQ(refusal(open(file.c_str(), O_RDONLY | O_DIRECTORY)), ENOTDIR);
    EXPECT_EQ(refusal(setxattr(file.c_str(), "user.x", "1", 1, 0)), EOPNOTSUPP);
    EXPECT_THAT(refusal(getxattr(file.c_str(), "user.x", nullptr, 0)), AnyOf(ENODATA, EOPNOTSUPP));
    EXPECT_EQ(refusal(truncate(file.c_str(), 0)), 0); // without effect
    EXPECT_EQ(contentOf(file), "0x15b3\n");
    const UniqueFd opened(open(file.c_str(), O_RDONLY));
    EXPECT_EQ(refusal(fsync(opened.get())), 0);
    EXPECT_EQ(mmap(nullptr, 4096, PROT_READ, MAP_SHARED, opened.get(), 0), MAP_FAILED);
    EXPECT_EQ(errno, ENODEV);
    pollfd ready{opened.get(), POLLIN, 0};
    EXPECT_EQ(poll(&ready, 1, 0), 1);
    struct statfs status {};
    EXPECT_EQ(statfs(place().c_str(), &status), 0);
    EXPECT_EQ(status.f_namelen, 255);
    EXPECT_EQ(status.f_blocks, 0u);
    EXPECT_EQ(refusal(access((place() + "/" + std::string(300, 'x')).c_str(), F_OK)), ENOENT);
}

TEST_F(FuseMount, ErrorsThatFuseCannotCarryAreTranslated) {
    mount();
    // ENOTSUPP, 524, which only the kernel itself knows.
    EXPECT_EQ(write("sriov/0/config", "1"), EOPNOTSUPP);
    EXPECT_EQ(contentOf(pf() + "/vendor"), "0x15b3\n");
}

TEST_F(FuseMount, ModesAndTimesCanBeChangedAsInSysfs) {
    mount();
    const std::string file = pf() + "/vendor";
    EXPECT_EQ(chmod(file.c_str(), 0640), 0);
    EXPECT_EQ(chown(file.c_str(), 12, 34), 0);
    EXPECT_EQ(utimensat(AT_FDCWD, file.c_str(), nullptr, 0), 0);
    struct stat status {};
    ASSERT_EQ(stat(file.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777, 0640u);
    EXPECT_EQ(status.st_uid, 12u);
    EXPECT_EQ(status.st_gid, 34u);
    EXPECT_EQ(status.st_size, 4096);
}

TEST_F(FuseMount, ListingsCanBeSoughtIn) {
    mount();
    const std::unique_ptr<DIR, int (*)(DIR*)> stream(opendir((pf()).c_str()), closedir);
    std::vector<std::pair<long, std::string>> entries;
    for (long at = telldir(stream.get());; at = telldir(stream.get())) {
        const dirent* entry = readdir(stream.get());
        if (!entry)
            break;
        entries.emplace_back(at, entry->d_name);
    }
    ASSERT_GT(entries.size(), 20u);
    for (const std::size_t index : {entries.size() - 1, entries.size() / 2, std::size_t(0), std::size_t(5)}) {
        seekdir(stream.get(), entries[index].first);
        const dirent* entry = readdir(stream.get());
        ASSERT_NE(entry, nullptr) << index;
        EXPECT_EQ(entry->d_name, entries[index].second);
    }
}

TEST_F(FuseMount, AWriteActsAtOnceForTheWriterAndForOthers) {
    mount();
    auto other = anotherMount();
    for (int round = 0; round < 5; ++round) {
        ASSERT_EQ(write("sriov_numvfs", "0"), 0);
        for (const std::string& each : {place(), other->mountPoint()}) {
            const std::string card = each + "/bus/pci/devices/" + pfAddress;
            EXPECT_THAT(namesOf(card), Not(Contains("virtfn0")));
            EXPECT_THAT(inAnotherProcess([&] { return namesOf(card); }), Not(Contains("virtfn0")));
            EXPECT_NE(access((card + "/virtfn0").c_str(), F_OK), 0);
            EXPECT_NE(access((each + "/bus/pci/devices/" + vfAddress + "/vendor").c_str(), F_OK), 0);
            EXPECT_THAT(namesOf(each + "/bus/pci/devices"), Not(Contains(vfAddress)));
        }
        ASSERT_EQ(write("sriov_numvfs", "2"), 0);
        for (const std::string& each : {place(), other->mountPoint()}) {
            const std::string card = each + "/bus/pci/devices/" + pfAddress;
            EXPECT_THAT(namesOf(card), Contains("virtfn1"));
            EXPECT_THAT(inAnotherProcess([&] { return namesOf(card); }), Contains("virtfn1"));
            EXPECT_EQ(contentOf(card + "/virtfn0/vendor"), "0x15b3\n");
            EXPECT_EQ(contentOf(each + "/bus/pci/devices/" + vfAddress + "/vendor"), "0x15b3\n");
        }
    }
    expectSame(machine, place());
}

TEST_F(FuseMount, WhatIsOpenOfARemovedDeviceFailsWithENODEV) {
    mount();
    const std::string vf = place() + "/bus/pci/devices/" + vfAddress;
    const UniqueFd file(open((vf + "/vendor").c_str(), O_RDONLY)), override(open((vf + "/driver_override").c_str(), O_RDWR)),
        directory(open(vf.c_str(), O_RDONLY | O_DIRECTORY));
    char buffer[64];
    ASSERT_GT(read(file.get(), buffer, sizeof(buffer)), 0);
    for (const char* count : {"0", "2"}) { // 2: others at the same addresses
        ASSERT_EQ(write("sriov_numvfs", count), 0);
        EXPECT_EQ(pread(file.get(), buffer, sizeof(buffer), 0), -1);
        EXPECT_EQ(errno, ENODEV);
        EXPECT_EQ(::write(override.get(), "x\n", 2), -1);
        EXPECT_EQ(errno, ENODEV);
        struct stat status {};
        EXPECT_EQ(fstat(file.get(), &status), 0);
        EXPECT_EQ(openat(directory.get(), "vendor", O_RDONLY), -1);
        EXPECT_EQ(errno, ENOENT);
        lseek(directory.get(), 0, SEEK_SET);
        const UniqueFd copy(dup(directory.get()));
        EXPECT_THAT(namesOf(directory.get()), IsEmpty());
    }
    EXPECT_EQ(contentOf(vf + "/vendor"), "0x15b3\n");
}

TEST_F(FuseMount, ChangesMadeElsewhereAreSeen) {
    mount();
    const std::string renamed = place() + "/class/net/renamed";
    const auto netdev = machine.lock()->nics().front()->port.netdev;
    EXPECT_EQ(access((place() + "/class/net/" + netdev + "/mtu").c_str(), F_OK), 0);
    EXPECT_NE(access(renamed.c_str(), F_OK), 0);
    {
        const auto access = machine.lock();
        access->renameNetdev(*access->nics().front(), "renamed");
    }
    settle();
    EXPECT_EQ(access((renamed + "/mtu").c_str(), F_OK), 0);
    EXPECT_NE(access((place() + "/class/net/" + netdev).c_str(), F_OK), 0);
    machine.lock()->removeFunction(*hardware::PciAddress::parse(pfAddress));
    settle();
    EXPECT_NE(access(pf().c_str(), F_OK), 0);
    EXPECT_THAT(namesOf(place() + "/bus/pci/devices"), Not(Contains(pfAddress)));
    machine.lock()->rescanBus();
    settle();
    EXPECT_EQ(contentOf(pf() + "/vendor"), "0x15b3\n");
    expectSame(machine, place());
}

TEST_F(FuseMount, ADeviceCanRemoveTheFileThatIsWritten) {
    mount();
    EXPECT_EQ(write("remove", "1"), 0);
    EXPECT_NE(access(pf().c_str(), F_OK), 0);
    EXPECT_EQ(writeTo(place() + "/bus/pci/rescan", "1"), 0);
    EXPECT_EQ(contentOf(pf() + "/sriov_numvfs"), "0\n");
}

TEST_F(FuseMount, WhatIsMountedInsideStays) {
    mount();
    const std::string inside = place() + "/fs/cgroup";
    ASSERT_EQ(::mount("tmpfs", inside.c_str(), "tmpfs", 0, nullptr), 0) << errno;
    ASSERT_TRUE(std::ofstream(inside + "/mine") << "x");
    ASSERT_EQ(write("sriov_numvfs", "0"), 0);
    machine.lock()->setRdmaNetnsMode(hardware::RdmaNetnsMode::exclusive); // everything is looked through
    ASSERT_EQ(write("sriov_numvfs", "2"), 0);
    EXPECT_EQ(access((inside + "/mine").c_str(), F_OK), 0);
    umount2(inside.c_str(), MNT_DETACH);
}

TEST_F(FuseMount, ManyMountsShowTheSameMachine) {
    mount();
    std::vector<std::unique_ptr<SysfsMount>> others;
    for (int i = 0; i < 30; ++i)
        others.push_back(anotherMount());
    for (const auto& one : others)
        EXPECT_THAT(namesOf(one->mountPoint() + "/bus/pci/devices"), Contains(vfAddress));
    ASSERT_EQ(write("sriov_numvfs", "0"), 0);
    for (const auto& one : others)
        EXPECT_THAT(namesOf(one->mountPoint() + "/bus/pci/devices"), Not(Contains(vfAddress)));
}

TEST_F(FuseMount, ReadersGetENOTCONNWhenTheMountEnds) {
    mount();
    const std::string elsewhere = scratch() + "/elsewhere", file = "/bus/pci/devices/" + pfAddress + "/vendor";
    ASSERT_EQ(mkdir(elsewhere.c_str(), 0755), 0);
    ASSERT_EQ(::mount(place().c_str(), elsewhere.c_str(), nullptr, MS_BIND, nullptr), 0);
    const UniqueFd opened(open((place() + file).c_str(), O_RDONLY));
    ASSERT_TRUE(opened.valid());
    unmount();
    char buffer[16];
    EXPECT_EQ(pread(opened.get(), buffer, sizeof(buffer), 0), -1);
    EXPECT_EQ(errno, ENOTCONN);
    EXPECT_EQ(open((elsewhere + "/class").c_str(), O_RDONLY), -1);
    EXPECT_EQ(errno, ENOTCONN);
    EXPECT_EQ(access((place() + "/class").c_str(), F_OK), -1);
    EXPECT_EQ(errno, ENOENT); // the mount point is an empty directory again
    umount2(elsewhere.c_str(), MNT_DETACH);
}

TEST_F(FuseMount, EndsAlsoFromAnotherMountNamespace) {
    mount();
    const std::string file = pf() + "/vendor", top = place();
    ASSERT_EQ(unshare(CLONE_NEWNS), 0); // the mount that was made is left behind; what is seen here is its copy
    EXPECT_EQ(contentOf(file), "0x15b3\n");
    unmount();
    EXPECT_EQ(contentOf(file), "error " + std::to_string(ENOTCONN));
    umount2(top.c_str(), MNT_DETACH);
}

TEST_F(FuseMount, CannotBeMountedOnWhatIsNotThere) {
    try {
        const SysfsMount bad(service, machine, {}, scratch() + "/nothing");
        FAIL();
    } catch (const SystemError& error) {
        EXPECT_EQ(error.code(), ENOENT);
        EXPECT_THAT(error.what(), testing::HasSubstr("mount fuse on " + scratch() + "/nothing"));
    }
}

} // namespace
} // namespace rdmalab::fakesysfs
