// plugin::Files on fake hardware, for plugins that run in-process.
#pragma once

#include "fakesysfs/tree.h"
#include "plugins/kernel/files.h"

namespace rdmalab::fakesysfs {

// Writing acts as on the real file, a call is one write(2); it throws SystemError with the kernel's errno (EACCES for 0444), and
// EROFS where the tree cannot be written.
class TreeFiles : public plugin::Files {
public:
    explicit TreeFiles(const Tree& tree) : tree_(tree) {} // must outlive this

    std::string read(const std::string& path) override;
    std::vector<plugin::DirectoryEntry> list(const std::string& path) override;
    std::string readLink(const std::string& path) override;
    plugin::FileStatus status(const std::string& path) override;
    plugin::FileStatus linkStatus(const std::string& path) override;
    void write(const std::string& path, const std::string& content, unsigned mode) override;
    void writeInPlace(const std::string& path, const std::string& content) override;
    void makeDirectories(const std::string& path, unsigned mode) override;
    void remove(const std::string& path) override;

private:
    const Tree& tree_;
};

// A node's whole file system: /sys, /dev/infiniband and /dev/vfio from the hardware, everything else from `rest`.
class NodeFiles : public plugin::Files {
public:
    NodeFiles(plugin::Files& hardware, plugin::Files& rest) : hardware_(hardware), rest_(rest) {} // both must outlive this

    std::string read(const std::string& path) override { return of(path).read(path); }
    std::vector<plugin::DirectoryEntry> list(const std::string& path) override { return of(path).list(path); }
    std::string readLink(const std::string& path) override { return of(path).readLink(path); }
    plugin::FileStatus status(const std::string& path) override { return of(path).status(path); }
    plugin::FileStatus linkStatus(const std::string& path) override { return of(path).linkStatus(path); }
    void write(const std::string& path, const std::string& content, unsigned mode) override {
        of(path).write(path, content, mode);
    }
    void writeInPlace(const std::string& path, const std::string& content) override { of(path).writeInPlace(path, content); }
    void makeDirectories(const std::string& path, unsigned mode) override { of(path).makeDirectories(path, mode); }
    void remove(const std::string& path) override { of(path).remove(path); }

private:
    plugin::Files& of(const std::string& path);

    plugin::Files& hardware_;
    plugin::Files& rest_;
};

} // namespace rdmalab::fakesysfs
