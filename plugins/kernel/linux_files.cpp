#include "plugins/kernel/linux_files.h"

#include "util/syscall.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <memory>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

namespace rdmalab::plugin {

namespace {

FileKind kindOf(mode_t mode) {
    switch (mode & S_IFMT) {
    case S_IFREG:
        return FileKind::regular;
    case S_IFDIR:
        return FileKind::directory;
    case S_IFLNK:
        return FileKind::symlink;
    case S_IFCHR:
        return FileKind::characterDevice;
    case S_IFBLK:
        return FileKind::blockDevice;
    case S_IFSOCK:
        return FileKind::socket;
    default:
        return FileKind::other;
    }
}

FileKind kindOfEntry(unsigned char type) {
    switch (type) {
    case DT_REG:
        return FileKind::regular;
    case DT_DIR:
        return FileKind::directory;
    case DT_LNK:
        return FileKind::symlink;
    case DT_CHR:
        return FileKind::characterDevice;
    case DT_BLK:
        return FileKind::blockDevice;
    case DT_SOCK:
        return FileKind::socket;
    default:
        return FileKind::other;
    }
}

FileStatus statusOf(int fd, const std::string& path) {
    struct stat found {};
    checked("stat " + path, ::fstat(fd, &found));
    FileStatus status;
    status.kind = kindOf(found.st_mode);
    status.mode = found.st_mode & 07777;
    if (status.kind == FileKind::characterDevice || status.kind == FileKind::blockDevice) {
        status.deviceMajor = major(found.st_rdev);
        status.deviceMinor = minor(found.st_rdev);
    }
    return status;
}

bool meansMissing(int code) {
    return code == ENOENT || code == ENOTDIR;
}

void writeAll(int fd, const std::string& path, const std::string& content) {
    for (std::size_t done = 0; done < content.size();) {
        const ssize_t count = ::write(fd, content.data() + done, content.size() - done);
        if (count == -1 && errno == EINTR)
            continue;
        done += static_cast<std::size_t>(checked("write " + path, count));
    }
}

// "/a/b/" -> {"/a", "b"}
std::pair<std::string, std::string> splitPath(std::string path) {
    while (path.size() > 1 && path.back() == '/')
        path.pop_back();
    const auto slash = path.rfind('/');
    if (slash == std::string::npos)
        return {".", path};
    return {slash == 0 ? "/" : path.substr(0, slash), path.substr(slash + 1)};
}

} // namespace

LinuxFiles::LinuxFiles(const std::string& root) {
    if (!root.empty())
        root_.reset(checked("open " + root, ::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)));
}

int LinuxFiles::tryOpen(const std::string& path, int flags, unsigned mode) const {
    if (!root_.valid())
        return ::open(path.c_str(), flags | O_CLOEXEC, mode);
    open_how how{};
    how.flags = static_cast<unsigned>(flags | O_CLOEXEC);
    how.mode = mode;
    how.resolve = RESOLVE_IN_ROOT;
    for (;;) {
        const long fd = ::syscall(SYS_openat2, root_.get(), path.c_str(), &how, sizeof how);
        // EAGAIN: somebody renamed a directory while the kernel was checking that ".." stays inside.
        if (fd != -1 || errno != EAGAIN)
            return static_cast<int>(fd);
    }
}

UniqueFd LinuxFiles::open(const std::string& path, int flags) const {
    return UniqueFd(checked("open " + path, tryOpen(path, flags)));
}

UniqueFd LinuxFiles::openParent(const std::string& path, std::string& lastName) const {
    const auto [parent, name] = splitPath(path);
    lastName = name;
    return open(parent, O_PATH | O_DIRECTORY);
}

std::string LinuxFiles::read(const std::string& path) {
    const UniqueFd fd = open(path, O_RDONLY);
    std::string content;
    char buffer[16384];
    for (;;) {
        const ssize_t count = ::read(fd.get(), buffer, sizeof buffer);
        if (count == -1 && errno == EINTR)
            continue;
        if (checked("read " + path, count) == 0)
            return content;
        content.append(buffer, static_cast<std::size_t>(count));
    }
}

std::vector<DirectoryEntry> LinuxFiles::list(const std::string& path) {
    UniqueFd fd = open(path, O_RDONLY | O_DIRECTORY);
    const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(fd.get()), ::closedir);
    if (!stream)
        throw SystemError("open " + path, errno);
    const int directory = fd.release(); // the stream owns it now
    std::vector<DirectoryEntry> entries;
    for (;;) {
        errno = 0;
        const dirent* entry = ::readdir(stream.get());
        if (entry == nullptr) {
            if (errno != 0)
                throw SystemError("read " + path, errno);
            break;
        }
        const std::string name = entry->d_name;
        if (name == "." || name == "..")
            continue;
        FileKind kind = kindOfEntry(entry->d_type);
        if (entry->d_type == DT_UNKNOWN) {
            struct stat found {};
            if (::fstatat(directory, name.c_str(), &found, AT_SYMLINK_NOFOLLOW) == -1)
                continue; // gone since
            kind = kindOf(found.st_mode);
        }
        entries.push_back({name, kind});
    }
    std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
    return entries;
}

std::string LinuxFiles::readLink(const std::string& path) {
    const UniqueFd fd = open(path, O_PATH | O_NOFOLLOW);
    if (statusOf(fd.get(), path).kind != FileKind::symlink)
        throw SystemError("readlink " + path, EINVAL); // the empty-path form below says ENOENT
    std::string target(256, '\0');
    for (;;) {
        const auto size =
            static_cast<std::size_t>(checked("readlink " + path, ::readlinkat(fd.get(), "", target.data(), target.size())));
        if (size < target.size()) {
            target.resize(size);
            return target;
        }
        target.resize(target.size() * 2);
    }
}

FileStatus LinuxFiles::status(const std::string& path) {
    const UniqueFd fd(tryOpen(path, O_PATH));
    if (fd.valid())
        return statusOf(fd.get(), path);
    if (!meansMissing(errno))
        throw SystemError("stat " + path, errno);
    return {};
}

FileStatus LinuxFiles::linkStatus(const std::string& path) {
    const UniqueFd fd(tryOpen(path, O_PATH | O_NOFOLLOW));
    if (fd.valid())
        return statusOf(fd.get(), path);
    if (!meansMissing(errno))
        throw SystemError("lstat " + path, errno);
    return {};
}

void LinuxFiles::write(const std::string& path, const std::string& content, unsigned mode) {
    static std::atomic<unsigned> counter{0};
    std::string name;
    const UniqueFd directory = openParent(path, name);
    const std::string temporary = "." + name + "." + std::to_string(::getpid()) + "." + std::to_string(++counter);
    const UniqueFd fd(checked("open " + path, ::openat(directory.get(), temporary.c_str(),
                                                       O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600)));
    try {
        writeAll(fd.get(), path, content);
        checked("chmod " + path, ::fchmod(fd.get(), mode)); // whatever the umask is
        checked("rename " + path, ::renameat(directory.get(), temporary.c_str(), directory.get(), name.c_str()));
    } catch (...) {
        ::unlinkat(directory.get(), temporary.c_str(), 0);
        throw;
    }
}

void LinuxFiles::writeInPlace(const std::string& path, const std::string& content) {
    const UniqueFd fd = open(path, O_WRONLY | O_TRUNC);
    const auto count = checked("write " + path, ::write(fd.get(), content.data(), content.size()));
    if (static_cast<std::size_t>(count) != content.size())
        throw SystemError("write " + path, EIO);
}

void LinuxFiles::append(const std::string& path, const std::string& content, unsigned mode) {
    const UniqueFd fd(checked("open " + path, tryOpen(path, O_WRONLY | O_CREAT | O_APPEND, mode)));
    writeAll(fd.get(), path, content);
}

void LinuxFiles::makeDirectories(const std::string& path, unsigned mode) {
    if (const FileStatus found = status(path); found.kind == FileKind::directory)
        return;
    else if (found.kind != FileKind::missing)
        throw SystemError("mkdir " + path, ENOTDIR);
    const auto [parent, name] = splitPath(path);
    if (parent != path)
        makeDirectories(parent, mode);
    const UniqueFd directory = open(parent, O_PATH | O_DIRECTORY);
    if (::mkdirat(directory.get(), name.c_str(), mode) == -1 && errno != EEXIST)
        throw SystemError("mkdir " + path, errno);
}

void LinuxFiles::remove(const std::string& path) {
    const FileStatus found = linkStatus(path);
    if (found.kind == FileKind::missing)
        return;
    std::string name;
    const UniqueFd directory = openParent(path, name);
    if (::unlinkat(directory.get(), name.c_str(), found.kind == FileKind::directory ? AT_REMOVEDIR : 0) == -1 && errno != ENOENT)
        throw SystemError("remove " + path, errno);
}

} // namespace rdmalab::plugin
