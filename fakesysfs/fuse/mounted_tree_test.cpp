#include "fakesysfs/fuse/mounted_tree.h"

#include "util/syscall.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fcntl.h>

#include <map>

namespace rdmalab::fakesysfs {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

// A card with VFs, as far as a tree knows it.
struct State {
    std::uint64_t generation = 1;
    std::map<std::string, std::uint64_t> vfs; // name -> identity
    std::string text = "0";
    std::vector<std::string> interfaces; // of a live directory
    std::function<std::size_t(std::string_view)> write;
};

class Provider : public TreeProvider {
public:
    explicit Provider(const State& state) : state_(state) {}
    std::uint64_t generation() const override { return state_.generation; }
    std::unique_ptr<Directory> root() const override {
        auto root = std::make_unique<Directory>();
        Directory& devices = root->path("sys/devices");
        for (const auto& [name, identity] : state_.vfs) {
            Directory& vf = devices.directory(name);
            devices.node(name).identity = identity;
            vf.text("vendor", "0x15b3");
            vf.directory("net").directory("eth-" + name);
        }
        devices.writable("numvfs", state_.text, [this](std::string_view bytes) { return state_.write(bytes); });
        devices.text("plain", "x", 0644);
        devices.text("readonly", "abcdef");
        devices.raw("config", std::string(300, 'c'), 0644, 300);
        devices.writeOnly("uevent");
        devices.unreadable("speed", EINVAL);
        devices.link("driver", "../bus/" + state_.text);
        Directory& net = root->path("sys/class/net");
        root->path("sys/class").node("net").live = true;
        for (const std::string& name : state_.interfaces)
            net.link(name, "../../devices/" + name);
        return root;
    }

private:
    const State& state_;
};

class NoLock : public TreeLock {
public:
    void lock() override {}
    void unlock() override {}
};

class MountedTreeTest : public testing::Test {
protected:
    MountedTree::Attributes at(std::initializer_list<const char*> path) {
        MountedTree::Attributes found;
        found.number = InodeTable::rootNumber;
        for (const char* name : path) {
            const std::uint64_t parent = found.number;
            found = {};
            EXPECT_EQ(mounted.lookup(parent, name, found), 0) << name;
        }
        return found;
    }
    std::vector<std::string> listing(std::uint64_t number, std::int64_t from = 0, std::size_t most = 1000,
                                     std::int64_t* end = nullptr) {
        std::vector<std::string> names;
        mounted.list(number, from, false, [&](const MountedTree::Listed& one) {
            if (names.size() == most)
                return false;
            names.push_back(one.name);
            if (end)
                *end = one.next;
            return true;
        });
        return names;
    }
    std::uint64_t opened(std::uint64_t number, int flags = O_RDONLY) {
        std::uint64_t handle = 0;
        EXPECT_EQ(mounted.open(number, flags, handle), 0);
        return handle;
    }
    std::string read(std::uint64_t handle, std::uint64_t offset, std::size_t size = 65536) {
        std::string_view bytes;
        const int error = mounted.read(handle, offset, size, bytes);
        return error ? "error " + std::to_string(error) : std::string(bytes);
    }

    State state;
    Tree tree{std::make_unique<Provider>(state)};
    NoLock lock;
    MountedTree mounted{tree, lock};
};

TEST_F(MountedTreeTest, NamesAreKeptExceptInLiveDirectories) {
    state.interfaces = {"eth0"};
    EXPECT_TRUE(at({"devices"}).keepName);
    EXPECT_TRUE(at({"class", "net"}).keepName);
    EXPECT_FALSE(at({"class", "net"}).keepAttributes); // its time tells whether its listing is still good
    EXPECT_FALSE(at({"class", "net", "eth0"}).keepName);
}

TEST_F(MountedTreeTest, ALiveDirectoryHasAnotherTimeWhenItsEntriesAreOthers) {
    const auto before = at({"class", "net"});
    MountedTree::Attributes same, other;
    ASSERT_EQ(mounted.attributes(before.number, same), 0);
    EXPECT_EQ(same.status.st_mtim.tv_nsec, before.status.st_mtim.tv_nsec);
    state.interfaces = {"macvlan0"};
    ++state.generation;
    ASSERT_EQ(mounted.attributes(before.number, other), 0);
    EXPECT_NE(std::pair(other.status.st_mtim.tv_sec, other.status.st_mtim.tv_nsec),
              std::pair(before.status.st_mtim.tv_sec, before.status.st_mtim.tv_nsec));
}

TEST_F(MountedTreeTest, WhatIsGoneIsNamedAndWhatStayedIsNot) {
    state.vfs = {{"vf0", 1}, {"vf1", 2}};
    const auto devices = at({"devices"});
    at({"devices", "vf0", "vendor"});
    at({"devices", "vf1", "vendor"});
    state.vfs = {{"vf0", 1}, {"vf1", 3}}; // the second is another one
    ++state.generation;
    const Stale stale = mounted.stale({true, {}});
    ASSERT_EQ(stale.names.size(), 1u);
    EXPECT_EQ(stale.names[0].name, "vf1");
    EXPECT_EQ(stale.names[0].parent, devices.number);
    EXPECT_THAT(mounted.stale({true, {}}).names, IsEmpty()); // told once
}

TEST_F(MountedTreeTest, WhatIsInUseBelowWhatIsGoneIsNamedToo) {
    state.vfs = {{"vf0", 1}};
    const auto vendor = at({"devices", "vf0", "vendor"});
    at({"devices", "vf0", "net", "eth-vf0"});
    const std::uint64_t file = opened(vendor.number);
    state.vfs.clear();
    ++state.generation;
    std::vector<std::string> names;
    for (const Stale::Name& name : mounted.stale({true, {}}).names)
        names.push_back(name.name);
    EXPECT_THAT(names, UnorderedElementsAre("vendor", "net", "eth-vf0", "vf0"));
    EXPECT_EQ(names.back(), "vf0");
    mounted.close(file);
}

TEST_F(MountedTreeTest, ALinkWithAnotherTargetIsGone) {
    at({"devices", "driver"});
    state.text = "1";
    ++state.generation;
    const Stale stale = mounted.stale({true, {}});
    ASSERT_EQ(stale.names.size(), 1u);
    EXPECT_EQ(stale.names[0].name, "driver");
}

TEST_F(MountedTreeTest, OnlyDevicesThatChangedAreLookedInto) {
    state.vfs = {{"vf0", 1}, {"vf1", 2}};
    const auto first = at({"devices", "vf0"}), second = at({"devices", "vf1"});
    listing(first.number);
    listing(second.number);
    ++state.generation;
    const Stale stale = mounted.stale({false, {2}});
    EXPECT_THAT(stale.listings, ElementsAre(second.number));
    EXPECT_THAT(mounted.stale({true, {}}).listings, ElementsAre(first.number));
}

TEST_F(MountedTreeTest, AListingThatTheKernelMayKeepGetsAnotherTime) {
    const auto before = at({"devices"});
    listing(before.number);
    EXPECT_THAT(mounted.stale({true, {}}).listings, ElementsAre(before.number));
    MountedTree::Attributes after;
    ASSERT_EQ(mounted.attributes(before.number, after), 0);
    EXPECT_GT(std::pair(after.status.st_mtim.tv_sec, after.status.st_mtim.tv_nsec),
              std::pair(before.status.st_mtim.tv_sec, before.status.st_mtim.tv_nsec));
}

TEST_F(MountedTreeTest, WhatIsOpenOfADeviceThatIsGoneFailsAlsoWhenAnotherHasTakenItsPlace) {
    state.vfs = {{"vf0", 1}};
    const auto vf = at({"devices", "vf0"}), vendor = at({"devices", "vf0", "vendor"});
    const std::uint64_t file = opened(vendor.number);
    EXPECT_EQ(read(file, 0), "0x15b3\n");
    for (const std::uint64_t identity : {0, 2}) {
        state.vfs.clear();
        if (identity)
            state.vfs = {{"vf0", identity}};
        ++state.generation;
        std::string_view bytes;
        EXPECT_EQ(mounted.read(file, 0, 10, bytes), ENODEV);
        EXPECT_EQ(mounted.read(file, 7, 10, bytes), ENODEV);
        std::uint64_t handle = 0;
        EXPECT_EQ(mounted.open(vendor.number, O_RDONLY, handle), ENODEV);
        MountedTree::Attributes found;
        EXPECT_EQ(mounted.lookup(vf.number, "vendor", found), ENOENT);
        EXPECT_EQ(mounted.attributes(vendor.number, found), 0); // fstat still works
        EXPECT_EQ(found.status.st_size, 4096);
        EXPECT_THAT(listing(vf.number), ElementsAre(".", ".."));
    }
    mounted.stale({true, {}});
    std::string_view bytes;
    EXPECT_EQ(mounted.read(file, 0, 10, bytes), ENODEV);
    mounted.close(file);
}

TEST_F(MountedTreeTest, ATextIsRenderedWhenReadFromTheStartOrFromElsewhere) {
    const std::uint64_t file = opened(at({"devices", "numvfs"}).number);
    state.text = "first";
    ++state.generation;
    EXPECT_EQ(read(file, 0, 3), "fir");
    state.text = "other";
    ++state.generation;
    EXPECT_EQ(read(file, 3, 100), "st\n"); // goes on
    EXPECT_EQ(read(file, 6, 100), "");
    EXPECT_EQ(read(file, 4, 100), "r\n"); // elsewhere
    EXPECT_EQ(read(file, 0, 100), "other\n");
    EXPECT_EQ(read(file, 1'000'000'000'000, 100), "");
}

TEST_F(MountedTreeTest, ReadingGivesAtMostAPage) {
    state.text = std::string(9000, 'x');
    const std::uint64_t file = opened(at({"devices", "numvfs"}).number);
    EXPECT_EQ(read(file, 0).size(), 4096u);
    EXPECT_EQ(read(file, 4096).size(), 4096u);
    EXPECT_EQ(read(file, 8192).size(), 9001u - 8192u);
}

TEST_F(MountedTreeTest, ModesBindAlsoRoot) {
    const auto refusal = [&](const char* name, int flags) {
        std::uint64_t handle = 0;
        return mounted.open(at({"devices", name}).number, flags, handle);
    };
    EXPECT_EQ(refusal("readonly", O_WRONLY), EACCES);
    EXPECT_EQ(refusal("readonly", O_RDWR), EACCES);
    EXPECT_EQ(refusal("uevent", O_RDONLY), EACCES);
    EXPECT_EQ(refusal("uevent", O_RDWR), EACCES);
    EXPECT_EQ(refusal("uevent", O_WRONLY), 0);
    EXPECT_EQ(refusal("numvfs", O_RDWR), 0);
    EXPECT_EQ(refusal("speed", O_RDONLY), 0); // fails when read
    EXPECT_EQ(read(opened(at({"devices", "speed"}).number), 0), "error " + std::to_string(EINVAL));
}

TEST_F(MountedTreeTest, AWriteTakesAtMostAPageAndTellsTheStoresErrno) {
    std::size_t taken = 0, length = 0;
    state.write = [&](std::string_view bytes) { return length = bytes.size(); };
    const std::uint64_t file = opened(at({"devices", "numvfs"}).number, O_WRONLY);
    EXPECT_EQ(mounted.write(file, std::string(10000, 'x'), 0, taken), 0);
    EXPECT_EQ(length, 4096u);
    EXPECT_EQ(taken, 4096u);
    EXPECT_EQ(mounted.write(file, "abc", 100'000, taken), 0); // a text's store does not know where
    EXPECT_EQ(taken, 3u);
    state.write = [](std::string_view) -> std::size_t { throw SystemError("numvfs", EBUSY); };
    EXPECT_EQ(mounted.write(file, "1", 0, taken), EBUSY);
    state.write = [](std::string_view) -> std::size_t { throw std::runtime_error("a bug"); };
    EXPECT_EQ(mounted.write(file, "1", 0, taken), EIO);
    EXPECT_EQ(mounted.write(opened(at({"devices", "plain"}).number, O_WRONLY), "1", 0, taken), EIO); // no store
    EXPECT_EQ(mounted.write(opened(at({"devices", "config"}).number, O_WRONLY), "1", 300, taken), EFBIG);
}

TEST_F(MountedTreeTest, AWriteMayThrowTheTreeAway) {
    state.write = [&](std::string_view bytes) {
        state.text = bytes;
        ++state.generation;
        tree.root();
        return bytes.size();
    };
    std::size_t taken = 0;
    const std::uint64_t file = opened(at({"devices", "numvfs"}).number, O_RDWR);
    EXPECT_EQ(mounted.write(file, "5", 0, taken), 0);
    EXPECT_EQ(read(file, 0), "5\n");
}

TEST_F(MountedTreeTest, AListingInPiecesHasEveryEntryThatStaysOnce) {
    for (int i = 0; i < 200; ++i)
        state.vfs["vf" + std::to_string(i)] = static_cast<std::uint64_t>(i + 1);
    const auto devices = at({"devices"});
    const std::vector<std::string> whole = listing(devices.number);
    std::vector<std::string> pieces;
    std::int64_t offset = 0;
    for (int step = 0;; ++step) {
        const auto piece = listing(devices.number, offset, 7, &offset);
        if (piece.empty())
            break;
        pieces.insert(pieces.end(), piece.begin(), piece.end());
        // Others come and go meanwhile.
        state.vfs.erase("extra" + std::to_string(step - 1));
        state.vfs["extra" + std::to_string(step)] = static_cast<std::uint64_t>(1000 + step);
        ++state.generation;
    }
    std::erase_if(pieces, [](const std::string& name) { return name.starts_with("extra"); });
    EXPECT_EQ(pieces, whole);
}

TEST_F(MountedTreeTest, ListingsTellTheNumbersThatStatTells) {
    state.vfs = {{"vf0", 1}};
    const auto devices = at({"devices"});
    std::map<std::string, std::uint64_t> listed;
    mounted.list(devices.number, 0, false, [&](const MountedTree::Listed& one) { return listed[one.name] = one.number, true; });
    for (const char* name : {"vf0", "plain", "driver", "uevent", "speed"})
        EXPECT_EQ(listed.at(name), at({"devices", name}).status.st_ino) << name;
    EXPECT_EQ(listed.at("."), devices.status.st_ino);
    EXPECT_EQ(listed.at(".."), 1u);
}

TEST_F(MountedTreeTest, AListingThatLooksUpCountsOnlyWhatWasTaken) {
    state.vfs = {{"vf0", 1}, {"vf1", 2}, {"vf2", 3}};
    const auto devices = at({"devices"});
    const std::size_t before = mounted.knownInodes();
    std::vector<std::uint64_t> entered;
    mounted.list(devices.number, 0, true, [&](const MountedTree::Listed& one) {
        if (!one.entry)
            return true;
        if (entered.size() == 2)
            return false;
        entered.push_back(one.entry->number);
        return true;
    });
    EXPECT_EQ(mounted.knownInodes(), before + 2);
    for (const std::uint64_t number : entered)
        mounted.forget(number, 1);
    EXPECT_EQ(mounted.knownInodes(), before);
}

TEST_F(MountedTreeTest, ModesAndOwnersCanBeSetAndStay) {
    const auto file = at({"devices", "readonly"});
    struct stat wanted {};
    wanted.st_mode = 0600;
    wanted.st_uid = 5;
    MountedTree::Attributes found;
    ASSERT_EQ(mounted.setAttributes(file.number, wanted, 1 | 2, found), 0);
    EXPECT_EQ(found.status.st_mode, S_IFREG | 0600u);
    mounted.forget(file.number, 1);
    const auto again = at({"devices", "readonly"});
    EXPECT_EQ(again.status.st_mode, S_IFREG | 0600u);
    EXPECT_EQ(again.status.st_uid, 5u);
    std::uint64_t handle = 0;
    EXPECT_EQ(mounted.open(again.number, O_WRONLY, handle), 0); // the new mode counts
}

TEST_F(MountedTreeTest, UnknownInodesAreRefused) {
    MountedTree::Attributes found;
    std::uint64_t handle = 0;
    std::string_view bytes;
    EXPECT_EQ(mounted.lookup(99, "x", found), ESTALE);
    EXPECT_EQ(mounted.attributes(99, found), ESTALE);
    EXPECT_EQ(mounted.open(99, O_RDONLY, handle), ESTALE);
    EXPECT_EQ(mounted.read(99, 0, 1, bytes), EBADF);
    mounted.forget(99, 1);
    mounted.close(99);
}

} // namespace
} // namespace rdmalab::fakesysfs
