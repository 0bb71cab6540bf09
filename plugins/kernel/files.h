// The file system as plugins use it: /sys, /dev and their own state files. LinuxFiles is the real one.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace rdmalab::plugin {

enum class FileKind { missing, regular, directory, symlink, characterDevice, blockDevice, socket, other };

struct FileStatus {
    FileKind kind = FileKind::missing;
    unsigned mode = 0;                         // permission bits
    unsigned deviceMajor = 0, deviceMinor = 0; // of a device node
};

struct DirectoryEntry {
    std::string name;
    FileKind kind; // as lstat tells: a symlink is a symlink
};

// Paths are absolute. Unless said otherwise a failure throws SystemError (util/syscall.h) with the kernel's errno.
class Files {
public:
    Files() = default;
    Files(const Files&) = delete;
    Files& operator=(const Files&) = delete;
    virtual ~Files() = default;

    virtual std::string read(const std::string& path) = 0;
    virtual std::vector<DirectoryEntry> list(const std::string& path) = 0; // sorted by name
    virtual std::string readLink(const std::string& path) = 0;
    virtual FileStatus status(const std::string& path) = 0;     // follows links; missing is an answer, not an error
    virtual FileStatus linkStatus(const std::string& path) = 0; // does not follow the last link

    // Writes through a temporary name and rename, so that a reader never sees half a file.
    virtual void write(const std::string& path, const std::string& content, unsigned mode) = 0;
    virtual void writeInPlace(const std::string& path, const std::string& content) = 0; // one write(2), as sysfs wants it
    // At the end of the file, which is made with `mode` when it is not there. This one is not atomic; the real file system's is.
    virtual void append(const std::string& path, const std::string& content, unsigned mode) {
        write(path, readIfExists(path).value_or("") + content, mode);
    }
    virtual void makeDirectories(const std::string& path, unsigned mode) = 0;
    virtual void remove(const std::string& path) = 0; // a missing file is no error

    bool exists(const std::string& path) { return status(path).kind != FileKind::missing; }
    std::optional<std::string> readIfExists(const std::string& path) {
        return exists(path) ? std::optional(read(path)) : std::nullopt;
    }
};

} // namespace rdmalab::plugin
