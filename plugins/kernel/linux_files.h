// The real file system, or the part of it below one directory.
#pragma once

#include "plugins/kernel/files.h"
#include "util/unique_fd.h"

namespace rdmalab::plugin {

// With a root every path, and every symbolic link met on the way, resolves inside it, as after chroot(2)
// (openat2(2) RESOLVE_IN_ROOT). The root must exist: the constructor throws SystemError.
class LinuxFiles final : public Files {
public:
    explicit LinuxFiles(const std::string& root = "");

    std::string read(const std::string& path) override;
    std::vector<DirectoryEntry> list(const std::string& path) override;
    std::string readLink(const std::string& path) override;
    FileStatus status(const std::string& path) override;
    FileStatus linkStatus(const std::string& path) override;
    void write(const std::string& path, const std::string& content, unsigned mode) override;
    void writeInPlace(const std::string& path, const std::string& content) override;
    void append(const std::string& path, const std::string& content, unsigned mode) override;
    void makeDirectories(const std::string& path, unsigned mode) override;
    void remove(const std::string& path) override; // also an empty directory

private:
    int tryOpen(const std::string& path, int flags, unsigned mode = 0) const; // -1 and errno
    UniqueFd open(const std::string& path, int flags) const;
    UniqueFd openParent(const std::string& path, std::string& lastName) const;

    UniqueFd root_; // invalid = no root
};

} // namespace rdmalab::plugin
