// What must not hang, crash or leave stale names behind. A hang is ended by the time limit of the test.
#include "fakesysfs/fuse/mount_test.h"
#include "fakesysfs/tree.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <functional>
#include <map>
#include <random>
#include <set>
#include <thread>

namespace rdmalab::fakesysfs {
namespace {

using testing::Contains;
using testing::IsEmpty;
using testing::Not;

// Everything below a directory of the tree.
void eachPath(const Directory& directory, const std::string& path,
              const std::function<void(const std::string&, const Node&)>& visit) {
    for (const auto& [name, node] : directory.entries()) {
        visit(path + "/" + name, node);
        if (node.kind == NodeKind::directory)
            eachPath(*node.directory, path + "/" + name, visit);
    }
}

class FuseStress : public MountTest {
protected:
    void eachPathNow(const std::function<void(const std::string&, const Node&)>& visit) {
        const auto access = machine.lock();
        const Tree tree(std::as_const(*access), {});
        eachPath(*tree.root().find("sys")->directory, place(), visit);
    }

    // What is listed and what resolves are the same as in the tree, whatever the kernel had kept.
    void expectNothingStale(const std::set<std::string>& everSeen) {
        settle();
        std::map<std::string, NodeKind> now;
        eachPathNow([&](const std::string& path, const Node& node) { now.emplace(path, node.kind); });
        std::set<std::string> directories = {place()};
        for (const auto& [path, kind] : now) {
            struct stat status {};
            ASSERT_EQ(lstat(path.c_str(), &status), 0) << path << ": " << errno;
            ASSERT_EQ(S_ISDIR(status.st_mode), kind == NodeKind::directory) << path;
            if (kind == NodeKind::directory)
                directories.insert(path);
        }
        for (const std::string& path : everSeen) {
            struct stat status {};
            if (!now.count(path)) {
                EXPECT_EQ(lstat(path.c_str(), &status), -1) << "stale: " << path;
            }
        }
        for (const std::string& path : directories) {
            std::vector<std::string> expected;
            for (auto child = now.upper_bound(path + "/"); child != now.end() && child->first.starts_with(path + "/"); ++child)
                if (child->first.find('/', path.size() + 1) == std::string::npos)
                    expected.push_back(child->first.substr(path.size() + 1));
            ASSERT_EQ(namesOf(path), expected) << path;
        }
    }

    std::set<int> plausible() {
        std::set<int> errors = {0, ENOENT, ENODEV, EACCES};
        eachPathNow([&](const std::string&, const Node& node) {
            if (node.kind == NodeKind::unreadable)
                errors.insert(node.error);
        });
        return errors;
    }
};

// Looks at one path as a program would; the errno that it met.
int lookAt(const std::string& path) {
    struct stat status {};
    if (lstat(path.c_str(), &status) != 0)
        return errno;
    if (S_ISLNK(status.st_mode)) {
        char target[4096];
        return readlink(path.c_str(), target, sizeof(target)) == -1 ? errno : 0;
    }
    const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file.valid())
        return errno;
    if (S_ISDIR(status.st_mode)) {
        alignas(long) char entries[4096];
        for (;;) {
            const ssize_t got = getdents64(file.get(), entries, sizeof(entries));
            if (got <= 0)
                return got == 0 ? 0 : errno;
        }
    }
    char buffer[8192];
    ssize_t got = 1;
    while (got > 0)
        got = read(file.get(), buffer, sizeof(buffer));
    return got == 0 ? 0 : errno;
}

TEST_F(FuseStress, AThousandReadersWhileVfsComeAndGo) {
    mount();
    constexpr int readers = 1000, looks = 30, rounds = 40;
    std::vector<std::string> paths;
    std::set<std::string> seen;
    eachPathNow([&](const std::string& path, const Node&) { seen.insert(path); });
    paths.assign(seen.begin(), seen.end());
    const std::set<int> plausibleErrors = plausible();

    std::array<std::atomic<unsigned>, 256> met{};
    std::atomic<int> reading{readers};
    std::vector<std::thread> threads;
    for (int i = 0; i < readers; ++i)
        threads.emplace_back([&, i] {
            std::mt19937 random(static_cast<unsigned>(i));
            for (int look = 0; look < looks; ++look)
                ++met.at(static_cast<std::size_t>(lookAt(paths[random() % paths.size()])));
            --reading;
        });
    int round = 0;
    for (; round < rounds || reading > 0; ++round) {
        EXPECT_EQ(write("sriov_numvfs", round % 2 ? "2" : "0"), 0);
        if (round % 8 == 3) { // and by others
            const auto access = machine.lock();
            access->reloadDriver("mlx5_core");
        }
        if (reading == 0 && round >= rounds)
            break;
    }
    for (std::thread& thread : threads)
        thread.join();
    for (std::size_t error = 0; error < met.size(); ++error)
        if (met[error]) {
            EXPECT_TRUE(plausibleErrors.count(static_cast<int>(error))) << "errno " << error << ": " << met[error] << " times";
        }
    EXPECT_GT(met[0], 0u);
    expectNothingStale(seen);
    ASSERT_EQ(write("sriov_numvfs", "0"), 0);
    expectNothingStale(seen);
}

TEST_F(FuseStress, ProcessesThatAreKilledInMidCall) {
    mount();
    const std::string directory = place() + "/bus/pci/devices", numvfs = pf() + "/sriov_numvfs";
    std::mt19937 random(1);
    for (int round = 0; round < 40; ++round) {
        int ends[2];
        ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
        UniqueFd out(ends[0]), in(ends[1]);
        const pid_t child = fork();
        ASSERT_GE(child, 0);
        if (child == 0) {
            char byte = 'x';
            (void)!::write(in.get(), &byte, 1);
            for (;;) {
                const int file = open(numvfs.c_str(), round % 2 ? O_WRONLY : O_RDONLY);
                (void)!(round % 2 ? ::write(file, round % 4 == 1 ? "0" : "2", 1) : read(file, &byte, 1));
                close(file);
                const int listed = open(directory.c_str(), O_RDONLY | O_DIRECTORY);
                char entries[4096];
                (void)!getdents64(listed, entries, sizeof(entries));
                close(listed);
            }
        }
        char byte = 0;
        ASSERT_EQ(read(out.get(), &byte, 1), 1);
        std::this_thread::sleep_for(std::chrono::microseconds(random() % 3000)); // anywhere in the loop
        ASSERT_EQ(kill(child, SIGKILL), 0);
        int status = 0;
        ASSERT_EQ(waitpid(child, &status, 0), child);
    }
    EXPECT_EQ(contentOf(pf() + "/vendor"), "0x15b3\n");
    ASSERT_EQ(write("sriov_numvfs", "0"), 0);
    expectNothingStale({});
}

TEST_F(FuseStress, GarbageToEveryWritableFile) {
    mount();
    std::set<std::string> writable;
    eachPathNow([&](const std::string& path, const Node& node) {
        if (node.kind != NodeKind::directory && node.kind != NodeKind::symlink && (node.mode & 0222))
            writable.insert(path);
    });
    ASSERT_GT(writable.size(), 50u);
    const std::string huge(1 << 20, 'A'), zeros(5000, '\0'), digits(4096, '9');
    std::string noise(3000, '\0');
    std::mt19937 random(7);
    for (char& byte : noise)
        byte = static_cast<char>(random());
    std::size_t accepted = 0, refused = 0;
    for (const std::string& path : writable)
        for (const std::string& garbage :
             {huge, zeros, digits, noise, std::string("-1"), std::string("99999999999999999999"), std::string("\n"),
              std::string("%s%n"), std::string("0000:ff:1f.7\n"), std::string("\xff\xfe")}) {
            const UniqueFd file(open(path.c_str(), O_WRONLY));
            if (!file.valid()) {
                EXPECT_THAT(errno, testing::AnyOf(EACCES, ENOENT)) << path; // gone by a write before
                continue;
            }
            const ssize_t taken = ::write(file.get(), garbage.data(), garbage.size());
            if (taken == -1) {
                EXPECT_GT(errno, 0);
                EXPECT_NE(errno, ENOSYS) << path;
                EXPECT_NE(errno, ENOTCONN) << path;
                ++refused;
            } else {
                EXPECT_LE(taken, 4096) << path;
                EXPECT_LE(taken, static_cast<ssize_t>(garbage.size())) << path;
                ++accepted;
            }
        }
    EXPECT_GT(refused, accepted / 100);
    EXPECT_GT(accepted, 0u);
    EXPECT_THAT(namesOf(place() + "/bus"), Contains("pci"));
    expectNothingStale({});
}

TEST_F(FuseStress, WritersReadersAndThoseWhoTryToRemoveTheFile) {
    // unlink() holds the directory and waits for the write, which waits until names in that directory are forgotten: the write
    // gives up waiting in the end.
    mount();
    std::atomic<bool> done{false};
    std::thread remover([&] {
        while (!done) {
            EXPECT_EQ(unlink((pf() + "/sriov_numvfs").c_str()), -1);
            EXPECT_EQ(errno, EPERM);
        }
    });
    std::thread reader([&] {
        while (!done)
            namesOf(pf());
    });
    for (int round = 0; round < 6; ++round)
        EXPECT_EQ(write("sriov_numvfs", round % 2 ? "2" : "0"), 0);
    done = true;
    remover.join();
    reader.join();
    ASSERT_EQ(write("sriov_numvfs", "0"), 0);
    expectNothingStale({});
}

TEST_F(FuseStress, ManyWritersAtOnce) {
    mount();
    auto other = anotherMount();
    std::vector<std::thread> threads;
    std::array<std::atomic<unsigned>, 256> met{};
    for (int i = 0; i < 24; ++i)
        threads.emplace_back([&, i] {
            const std::string& where = i % 2 ? place() : other->mountPoint();
            for (int round = 0; round < 10; ++round)
                ++met.at(static_cast<std::size_t>(
                    writeTo(where + "/bus/pci/devices/" + pfAddress + "/sriov_numvfs", std::to_string((i + round) % 3))));
        });
    for (std::thread& thread : threads)
        thread.join();
    for (std::size_t error = 0; error < met.size(); ++error)
        if (met[error]) {
            EXPECT_TRUE(error == 0 || error == EBUSY) << error; // from N to M
        }
    EXPECT_GT(met[0], 0u);
    expectNothingStale({});
}

TEST_F(FuseStress, TheMountEndsUnderItsReaders) {
    for (int round = 0; round < 10; ++round) {
        mount();
        const std::string path = pf(), top = place();
        std::atomic<int> began{0};
        std::array<std::atomic<unsigned>, 256> met{};
        std::vector<std::thread> threads;
        for (int i = 0; i < 30; ++i)
            threads.emplace_back([&, i] {
                const UniqueFd here(open(path.c_str(), O_RDONLY | O_DIRECTORY));
                ++began;
                for (int error = 0; error != ENOTCONN && error != ECONNABORTED;) {
                    const UniqueFd file(openat(here.get(), i % 3 ? "vendor" : "sriov_numvfs", i % 3 ? O_RDONLY : O_RDWR));
                    char buffer[16];
                    const bool failed =
                        !file.valid() || (i % 3 ? read(file.get(), buffer, 16) : ::write(file.get(), "0", 1)) == -1;
                    error = failed ? errno : 0;
                    ++met.at(static_cast<std::size_t>(error));
                }
            });
        while (began < 30)
            std::this_thread::yield();
        unmount();
        for (std::thread& thread : threads)
            thread.join();
        EXPECT_GT(met[ENOTCONN] + met[ECONNABORTED], 0u);
    }
}

TEST_F(FuseStress, ADyingServerLeavesNothingThatHangs) {
    // In a child: it is killed without a chance to clean up.
    int ends[2];
    ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
    UniqueFd out(ends[0]), in(ends[1]);
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        out.reset();
        mount();
        (void)!::write(in.get(), "x", 1);
        for (;;)
            pause();
    }
    in.reset();
    char byte = 0;
    ASSERT_EQ(read(out.get(), &byte, 1), 1);
    const std::string file = place() + "/bus/pci/devices/" + pfAddress + "/vendor";
    const UniqueFd opened(open(file.c_str(), O_RDONLY));
    EXPECT_TRUE(opened.valid());
    ASSERT_EQ(kill(child, SIGKILL), 0);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(read(opened.get(), &byte, 1), -1);
    EXPECT_EQ(errno, ENOTCONN);
}

} // namespace
} // namespace rdmalab::fakesysfs
