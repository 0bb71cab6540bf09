// The root of a node or container: the machine's own file system as the image, copy-on-write, with mounts of its own on top.
#pragma once

#include "util/unique_fd.h"

#include <map>
#include <string>
#include <vector>

namespace rdmalab::harness {

// A detached copy of a mount (open_tree), to be attached after the root has changed.
class DetachedMount {
public:
    // `path` is resolved inside `root` when one is given, so that a symlink of a node cannot lead out of the node.
    explicit DetachedMount(const std::string& path, const std::string& root = {}, bool recursive = true);
    void makeReadOnly() const;
    void attach(const std::string& target) const; // `target` must exist
    bool isDirectory() const { return directory_; }

private:
    UniqueFd tree_;
    bool directory_ = true;
};

struct DeviceNode {
    std::string path; // "/dev/infiniband/uverbs0"
    unsigned major = 0, minor = 0;
    unsigned mode = 0666;
};

struct BindMount {
    std::string source; // on the node
    std::string target;
    bool readOnly = false;
};

struct RootSpec {
    std::string scratch;                       // directory of the lab that takes the upper layer; made if missing
    std::string nodeRoot;                      // where `binds` are resolved; empty for a node itself
    std::string sys;                           // directory, a mount of its own or not, that becomes /sys
    bool sysReadOnly = true;                   // as container runtimes mount it, except for privileged containers
    std::vector<std::string> emptyDirectories; // fresh tmpfs each
    std::vector<BindMount> binds;
    std::map<std::string, std::string> directories;                  // lab directory -> target, read-only
    std::map<std::string, std::map<std::string, std::string>> files; // target directory -> name -> content
    std::vector<DeviceNode> devices;
    bool ownDev = true; // a fresh /dev with `devices`; otherwise a bind brings one
};

// Mounts such a root in the calling thread's mount namespace and returns where it is (below spec.scratch). Throws SystemError.
std::string assembleRoot(const RootSpec& spec);
// Makes `root` the root of the calling thread's mount namespace, which must be its own, and lets the old one go.
void pivotInto(const std::string& root);
// Both, in a mount namespace that is the caller's own.
void enterNewRoot(const RootSpec& spec);

// A directory inside `root`, whatever symlinks lead to it; reachable as /proc/self/fd/N while the descriptor is open.
UniqueFd openDirectoryInside(const std::string& root, const std::string& path);
// `mkdir -p` in the current root.
void makeDirectories(const std::string& path, unsigned mode = 0755);
// File systems of the machine below "/" that an overlay of "/" does not show (a separate /usr, a bound /etc/resolv.conf).
std::vector<std::string> additionalImageMounts(const std::string& labBase);
void setAdditionalImageMounts(std::vector<std::string> mounts);

} // namespace rdmalab::harness
