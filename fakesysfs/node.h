// The nodes of a fake /sys. Modes, sizes and refusals are those of a real kernel.
#pragma once

#include <cstddef>
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

// What a file does beyond holding a text. Both throw SystemError with the errno that the kernel's show() or store() gives.
struct Behaviour {
    std::function<std::string()> read;                  // the whole content, now; empty: the node's text
    std::function<std::size_t(std::string_view)> write; // the bytes of one write(2); returns how many were taken
};

struct Node {
    NodeKind kind = NodeKind::file;
    unsigned mode = 0444;
    std::string text;          // a file's content or a link's target
    int error = 0;             // of an unreadable file
    bool failsInOpen = false;  // the error comes from open(2) already (write-only files: EACCES, also for root)
    std::uint64_t size = 4096; // st_size: text attributes always report a page
    unsigned deviceMajor = 0, deviceMinor = 0;
    std::unique_ptr<Directory> directory;
    std::shared_ptr<const Behaviour> behaviour; // shared: a write may throw away the tree that it came through
    // Of what lives and dies as a device: another number at the same path is another object, and files of the old one that
    // are still open fail with ENODEV. 0 = as its parent.
    std::uint64_t identity = 0;
    // A directory whose entries change without the machine changing (interfaces of a namespace): names in it are never cached.
    bool live = false;

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
    using Write = std::function<std::size_t(std::string_view)>;
    void writable(std::string_view name, std::string content, Write write, unsigned mode = 0644); // content as for text()
    void writeOnly(std::string_view name, Write write, unsigned mode = 0200);
    // Content read when somebody reads; `write` may be empty. Content with its newline.
    void live(std::string_view name, std::function<std::string()> read, Write write, unsigned mode);
    void raw(std::string_view name, std::string content, unsigned mode, std::uint64_t size = 4096);
    void link(std::string_view name, std::string target);
    void writeOnly(std::string_view name, unsigned mode = 0200);
    void unreadable(std::string_view name, int error, unsigned mode = 0444, std::uint64_t size = 4096);
    void device(std::string_view name, unsigned major, unsigned minor, unsigned mode);
    Directory& directory(std::string_view name);
    Node& node(std::string_view name); // of an entry that exists, to set identity and live
    // Rendered when first looked into. `fill` runs at most once.
    Directory& lazy(std::string_view name, Fill fill);
    // As `directory`, for every part of a relative path.
    Directory& path(std::string_view relative);
    // Every node added from now on, here and below, adds one to the counter, which must outlive the directory.
    void countInto(std::size_t* counter) noexcept;

private:
    Node& add(std::string_view name, NodeKind kind, unsigned mode);
    void ensure() const;

    std::size_t* counter_ = nullptr;
    mutable Fill fill_;
    mutable std::map<std::string, Node, std::less<>> entries_;
};

} // namespace rdmalab::fakesysfs
