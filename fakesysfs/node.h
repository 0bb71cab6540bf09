// The nodes of a fake /sys. Modes, sizes and refusals are those of a real kernel.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace rdmalab::fakesysfs {

enum class NodeKind {
    directory,
    file,
    symlink,
    unreadable,     // a file that exists but whose reading (or opening) fails, e.g. an unused gid_attrs entry: EINVAL
    characterDevice // only below /dev
};

class Directory;

struct Node {
    NodeKind kind = NodeKind::file;
    unsigned mode = 0444;
    std::string text;          // a file's content or a link's target
    int error = 0;             // of an unreadable file
    bool failsInOpen = false;  // the error comes from open(2) already (write-only files: EACCES, also for root)
    std::uint64_t size = 4096; // st_size: text attributes always report a page
    unsigned deviceMajor = 0, deviceMinor = 0;
    std::unique_ptr<Directory> directory;

    Node();
    Node(Node&&) noexcept;
    Node& operator=(Node&&) noexcept;
    ~Node();
};

// A directory whose entries are made by `fill` when somebody first asks for them.
class Directory {
public:
    using Fill = std::function<void(Directory&)>;

    Directory() = default;
    explicit Directory(Fill fill) : fill_(std::move(fill)) {}
    Directory(const Directory&) = delete;
    Directory& operator=(const Directory&) = delete;

    const std::map<std::string, Node, std::less<>>& entries() const;
    const Node* find(std::string_view name) const;

    // For those who fill it. Adding a name that exists replaces it, except for directories, which are returned as they are.
    void text(std::string_view name, std::string content, unsigned mode = 0444); // content without the final newline
    void raw(std::string_view name, std::string content, unsigned mode, std::uint64_t size = 4096);
    void link(std::string_view name, std::string target);
    void writeOnly(std::string_view name, unsigned mode = 0200);
    void unreadable(std::string_view name, int error, unsigned mode = 0444, std::uint64_t size = 4096);
    void device(std::string_view name, unsigned major, unsigned minor, unsigned mode);
    Directory& directory(std::string_view name);
    // Rendered when first looked into. `fill` runs at most once.
    Directory& lazy(std::string_view name, Fill fill);
    // As `directory`, for every part of a relative path.
    Directory& path(std::string_view relative);

private:
    Node& add(std::string_view name, NodeKind kind, unsigned mode);
    void ensure() const;

    mutable Fill fill_;
    mutable std::map<std::string, Node, std::less<>> entries_;
};

} // namespace rdmalab::fakesysfs
