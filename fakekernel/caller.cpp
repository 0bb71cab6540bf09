#include "fakekernel/caller.h"

#include "util/syscall.h"

#include <fmt/format.h>

#include <fcntl.h>
#include <linux/nsfs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sstream>

namespace rdmalab::fakekernel {

namespace {

// A user namespace related to `ns`; not valid when this process may not see it.
NamespaceHandle related(const NamespaceHandle& ns, unsigned long request) {
    const int fd = ::ioctl(ns.fd(), request);
    if (fd < 0)
        return {};
    ::fcntl(fd, F_SETFD, FD_CLOEXEC);
    return NamespaceHandle(UniqueFd(fd));
}

std::vector<pid_t> numbers(std::istringstream& line) {
    std::vector<pid_t> all;
    for (pid_t one; line >> one;)
        all.push_back(one);
    return all;
}

} // namespace

NamespaceHandle::NamespaceHandle(UniqueFd fd) : fd_(std::move(fd)) {
    struct stat info;
    checked("fstat a namespace", ::fstat(fd_.get(), &info));
    device_ = info.st_dev;
    inode_ = info.st_ino;
}

Caller::Caller(const UniqueFd& procFs, pid_t thread) : thread_(thread) {
    directory_.reset(checked(fmt::format("open /proc/{}", thread),
                             ::openat(procFs.get(), std::to_string(thread).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)));
}

UniqueFd Caller::open(const char* path, int flags) const {
    return UniqueFd(checked(fmt::format("open /proc/{}/{}", thread_, path), ::openat(directory_.get(), path, flags | O_CLOEXEC)));
}

NamespaceHandle Caller::ns(const char* kind) const {
    return NamespaceHandle(open(fmt::format("ns/{}", kind).c_str(), O_RDONLY));
}

UniqueFd Caller::root() const {
    return open("root", O_PATH | O_DIRECTORY);
}
UniqueFd Caller::workingDirectory() const {
    return open("cwd", O_PATH | O_DIRECTORY);
}

std::string Caller::readFile(const char* path) const {
    const auto file = open(path, O_RDONLY);
    std::string text;
    char buffer[4096];
    for (;;) {
        const auto got = checked(fmt::format("read /proc/{}/{}", thread_, path), ::read(file.get(), buffer, sizeof buffer));
        if (got == 0)
            return text;
        text.append(buffer, static_cast<std::size_t>(got));
    }
}

Caller::Status Caller::status() const {
    Status status;
    std::istringstream lines(readFile("status"));
    for (std::string text; std::getline(lines, text);) {
        std::istringstream line(text);
        std::string key;
        line >> key;
        if (key == "CapEff:")
            line >> std::hex >> status.effectiveCapabilities;
        else if (key == "Uid:")
            line >> status.effectiveUser >> status.effectiveUser; // real, effective, saved, file system
        else if (key == "NStgid:")
            status.process = numbers(line);
        else if (key == "NSpid:")
            status.thread = numbers(line);
    }
    return status;
}

// security/commoncap.c cap_capable()
bool Caller::capableOver(const NamespaceHandle& ns, unsigned capability) const {
    const auto own = this->ns("user");
    const auto status = this->status();
    auto at = related(ns, NS_GET_USERNS);
    while (at.fd() >= 0) {
        if (at == own)
            return ((status.effectiveCapabilities >> capability) & 1) != 0;
        auto parent = related(at, NS_GET_PARENT);
        uid_t creator = 0;
        if (parent.fd() >= 0 && parent == own && ::ioctl(at.fd(), NS_GET_OWNER_UID, &creator) == 0 &&
            creator == status.effectiveUser)
            return true;
        at = std::move(parent);
    }
    return false;
}

} // namespace rdmalab::fakekernel
