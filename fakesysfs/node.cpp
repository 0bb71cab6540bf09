#include "fakesysfs/node.h"

#include <cerrno>
#include <stdexcept>
#include <utility>

namespace rdmalab::fakesysfs {

Node::Node() = default;
Node::Node(Node&&) noexcept = default;
Node& Node::operator=(Node&&) noexcept = default;
Node::~Node() = default;

void Directory::ensure() const {
    if (!fill_)
        return;
    // Taken out first: filling goes through the same functions.
    const Fill fill = std::exchange(fill_, nullptr);
    fill(const_cast<Directory&>(*this));
}

void Directory::countInto(std::size_t* counter) noexcept {
    counter_ = counter;
    for (auto& [name, node] : entries_)
        if (node.directory)
            node.directory->countInto(counter);
}

const std::map<std::string, Node, std::less<>>& Directory::entries() const {
    ensure();
    return entries_;
}

const Node* Directory::find(std::string_view name) const {
    ensure();
    const auto found = entries_.find(name);
    return found == entries_.end() ? nullptr : &found->second;
}

Node& Directory::add(std::string_view name, NodeKind kind, unsigned mode) {
    ensure();
    Node& node = entries_.insert_or_assign(std::string(name), Node()).first->second;
    node.kind = kind;
    node.mode = mode;
    if (counter_)
        ++*counter_;
    return node;
}

void Directory::text(std::string_view name, std::string content, unsigned mode) {
    content += '\n';
    add(name, NodeKind::file, mode).text = std::move(content);
}

void Directory::raw(std::string_view name, std::string content, unsigned mode, std::uint64_t size) {
    Node& node = add(name, NodeKind::file, mode);
    node.text = std::move(content);
    node.size = size;
}

void Directory::link(std::string_view name, std::string target) {
    Node& node = add(name, NodeKind::symlink, 0777);
    node.text = std::move(target);
    node.size = 0;
}

void Directory::writeOnly(std::string_view name, unsigned mode) {
    Node& node = add(name, NodeKind::unreadable, mode);
    node.error = EACCES;
    node.failsInOpen = true;
}

void Directory::writable(std::string_view name, std::string content, Write write, unsigned mode) {
    text(name, std::move(content), mode);
    node(name).behaviour = std::make_shared<Behaviour>(Behaviour{nullptr, std::move(write)});
}

void Directory::writeOnly(std::string_view name, Write write, unsigned mode) {
    writeOnly(name, mode);
    node(name).behaviour = std::make_shared<Behaviour>(Behaviour{nullptr, std::move(write)});
}

void Directory::live(std::string_view name, std::function<std::string()> read, Write write, unsigned mode) {
    add(name, NodeKind::file, mode).behaviour = std::make_shared<Behaviour>(Behaviour{std::move(read), std::move(write)});
}

void Directory::unreadable(std::string_view name, int error, unsigned mode, std::uint64_t size) {
    Node& node = add(name, NodeKind::unreadable, mode);
    node.error = error;
    node.size = size;
}

void Directory::device(std::string_view name, unsigned major, unsigned minor, unsigned mode) {
    Node& node = add(name, NodeKind::characterDevice, mode);
    node.deviceMajor = major;
    node.deviceMinor = minor;
    node.size = 0;
}

Node& Directory::node(std::string_view name) {
    ensure();
    const auto found = entries_.find(name);
    if (found == entries_.end())
        throw std::logic_error("no entry " + std::string(name));
    return found->second;
}

Directory& Directory::directory(std::string_view name) {
    return lazy(name, nullptr);
}

Directory& Directory::lazy(std::string_view name, Fill fill) {
    ensure();
    if (const auto found = entries_.find(name); found != entries_.end() && found->second.kind == NodeKind::directory)
        return *found->second.directory;
    Node& node = add(name, NodeKind::directory, 0755);
    node.size = 0;
    node.directory = std::make_unique<Directory>(std::move(fill));
    node.directory->countInto(counter_);
    return *node.directory;
}

Directory& Directory::path(std::string_view relative) {
    Directory* here = this;
    while (!relative.empty()) {
        const std::size_t slash = relative.find('/');
        here = &here->directory(relative.substr(0, slash));
        relative.remove_prefix(slash == std::string_view::npos ? relative.size() : slash + 1);
    }
    return *here;
}

} // namespace rdmalab::fakesysfs
