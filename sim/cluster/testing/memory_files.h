// A file system in memory for tests.
#pragma once

#include "plugins/kernel/files.h"
#include "util/syscall.h"

#include <cerrno>
#include <map>
#include <set>

namespace rdmalab::cluster::testing {

class MemoryFiles final : public plugin::Files {
public:
    std::map<std::string, std::string> contents;
    std::set<std::string> directories;

    std::string read(const std::string& path) override {
        const auto found = contents.find(path);
        if (found == contents.end())
            throw SystemError("open " + path, ENOENT);
        return found->second;
    }
    std::vector<plugin::DirectoryEntry> list(const std::string& path) override {
        std::vector<plugin::DirectoryEntry> result;
        for (const auto& [name, content] : contents)
            if (name.starts_with(path + "/") && name.find('/', path.size() + 1) == std::string::npos)
                result.push_back({name.substr(path.size() + 1), plugin::FileKind::regular});
        return result;
    }
    std::string readLink(const std::string& path) override { throw SystemError("readlink " + path, EINVAL); }
    plugin::FileStatus status(const std::string& path) override {
        if (contents.contains(path))
            return {plugin::FileKind::regular, 0644, 0, 0};
        return {directories.contains(path) ? plugin::FileKind::directory : plugin::FileKind::missing, 0755, 0, 0};
    }
    plugin::FileStatus linkStatus(const std::string& path) override { return status(path); }
    void write(const std::string& path, const std::string& content, unsigned) override { contents[path] = content; }
    void writeInPlace(const std::string& path, const std::string& content) override { contents[path] = content; }
    void makeDirectories(const std::string& path, unsigned) override { directories.insert(path); }
    void remove(const std::string& path) override { contents.erase(path); }
};

} // namespace rdmalab::cluster::testing
