#include "fakesysfs/fuse/mount_test.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <sstream>

namespace rdmalab::fakesysfs {
namespace {

hardware::MachineSpec twoCards() {
    hardware::MachineSpec spec;
    spec.name = "node";
    for (const char* address : {"0000:10:00.0", "0000:20:00.0"}) {
        hardware::NicSpec nic;
        nic.model = "ConnectX-5";
        nic.pci = address;
        nic.numVfs = 2;
        spec.nics.push_back(nic);
    }
    return spec;
}

} // namespace

std::string contentOf(const std::string& path) {
    const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file.valid())
        return "error " + std::to_string(errno);
    std::string content;
    char buffer[1000];
    for (;;) {
        const ssize_t got = read(file.get(), buffer, sizeof(buffer));
        if (got == -1)
            return "error " + std::to_string(errno);
        if (got == 0)
            return content;
        content.append(buffer, static_cast<std::size_t>(got));
    }
}

std::vector<std::string> namesOf(int directory) {
    std::vector<std::string> names;
    DIR* stream = fdopendir(dup(directory));
    if (!stream)
        return {"error " + std::to_string(errno)};
    rewinddir(stream);
    while (const dirent* entry = readdir(stream))
        if (std::strcmp(entry->d_name, ".") != 0 && std::strcmp(entry->d_name, "..") != 0)
            names.emplace_back(entry->d_name);
    closedir(stream);
    std::sort(names.begin(), names.end());
    return names;
}

std::vector<std::string> namesOf(const std::string& path) {
    const UniqueFd directory(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    return directory.valid() ? namesOf(directory.get()) : std::vector<std::string>{"error " + std::to_string(errno)};
}

int writeTo(const std::string& path, const std::string& text) {
    const UniqueFd file(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)); // as a shell does
    if (!file.valid())
        return errno;
    const std::string line = text + "\n";
    const ssize_t written = write(file.get(), line.data(), line.size());
    return written == static_cast<ssize_t>(line.size()) ? 0 : written == -1 ? errno : EIO;
}

std::vector<std::string> inAnotherProcess(const std::function<std::vector<std::string>()>& action) {
    int ends[2];
    checked("pipe", pipe2(ends, O_CLOEXEC));
    UniqueFd out(ends[0]), in(ends[1]);
    const pid_t child = checked("fork", fork());
    if (child == 0) {
        std::string text;
        for (const std::string& line : action())
            text += line + "\n";
        for (std::size_t done = 0; done < text.size();) {
            const ssize_t written = write(in.get(), text.data() + done, text.size() - done);
            if (written <= 0)
                _exit(1);
            done += static_cast<std::size_t>(written);
        }
        _exit(0);
    }
    in.reset();
    std::string text;
    char buffer[4096];
    for (ssize_t got; (got = read(out.get(), buffer, sizeof(buffer))) > 0;)
        text.append(buffer, static_cast<std::size_t>(got));
    int status = 0;
    checked("wait", waitpid(child, &status, 0));
    EXPECT_EQ(status, 0);
    std::vector<std::string> lines;
    std::istringstream in2(text);
    for (std::string line; std::getline(in2, line);)
        lines.push_back(line);
    return lines;
}

MountTest::MountTest() : machine(twoCards()) {}

MountTest::~MountTest() {
    mounted_.reset();
    if (scratch_.empty())
        return;
    umount2(scratch_.c_str(), MNT_DETACH);
    rmdir(scratch_.c_str());
}

void MountTest::SetUp() {
    if (geteuid() != 0)
        GTEST_SKIP() << "mounting needs root";
    if (access("/dev/fuse", R_OK | W_OK) != 0)
        GTEST_SKIP() << "no /dev/fuse: " << std::strerror(errno);
    if (unshare(CLONE_NEWNS) != 0)
        GTEST_SKIP() << "no mount namespace: " << std::strerror(errno);
    checked("make mounts private", ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr));
    char pattern[] = "/tmp/rdmalab-fuse-XXXXXX";
    ASSERT_NE(mkdtemp(pattern), nullptr);
    scratch_ = pattern;
    checked("mount tmpfs", ::mount("tmpfs", pattern, "tmpfs", 0, nullptr));
    place_ = scratch_ + "/sys";
    checked("mkdir", mkdir(place_.c_str(), 0755));
}

void MountTest::mount() {
    mounted_ = std::make_unique<SysfsMount>(service, machine, View(), place_);
}

std::unique_ptr<SysfsMount> MountTest::anotherMount() {
    const std::string path = scratch_ + "/other" + std::to_string(others_++);
    checked("mkdir", mkdir(path.c_str(), 0755));
    return std::make_unique<SysfsMount>(service, machine, View(), path);
}

void MountTest::settle() {
    ASSERT_TRUE(mounted_->settle());
}

} // namespace rdmalab::fakesysfs
