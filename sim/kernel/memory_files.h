// A file system in memory with the errno behaviour of a real one; subtrees can be delegated to other Files.
#pragma once

#include "plugins/kernel/files.h"

#include <map>
#include <memory>

namespace rdmalab::kernel {

class MemoryFiles final : public plugin::Files {
public:
    MemoryFiles();
    ~MemoryFiles() override;

    std::string read(const std::string& path) override;
    std::vector<plugin::DirectoryEntry> list(const std::string& path) override;
    std::string readLink(const std::string& path) override;
    plugin::FileStatus status(const std::string& path) override;
    plugin::FileStatus linkStatus(const std::string& path) override;
    void write(const std::string& path, const std::string& content, unsigned mode) override;
    void writeInPlace(const std::string& path, const std::string& content) override;
    void makeDirectories(const std::string& path, unsigned mode) override;
    void remove(const std::string& path) override; // also an empty directory

    // What mknod(2), symlink(2), bind(2) and rm -r would do. Parents are created as needed, except by removeTree.
    void addSymlink(const std::string& path, const std::string& target);
    void addDevice(const std::string& path, plugin::FileKind kind, unsigned major, unsigned minor, unsigned mode);
    void addSocket(const std::string& path, unsigned mode);
    void removeTree(const std::string& path);

    // From now on everything below `path` is asked of `files`, where it is found below `root`: with root "/" the path
    // "/sys/class/net" under mount("/sys", files) is "/class/net" there, with root "/sys" it keeps its name. Symbolic links
    // inside the delegate are the delegate's affair. `files` must outlive this object or be unmounted.
    void mount(const std::string& path, plugin::Files& files, const std::string& root = "/");
    void unmount(const std::string& path); // throws SystemError EINVAL if nothing is mounted there

private:
    struct Node;
    struct Place;
    Place resolve(const std::string& path, bool followLast);
    Node& directory(const std::string& path, unsigned mode); // created as needed
    Node& create(const std::string& path);

    std::unique_ptr<Node> root_;
};

} // namespace rdmalab::kernel
