// Guards a VF against being used twice: a lock while it is being changed, and a file that names the namespace it was given to
// (spec/cni.md 3.3). Errors are std::runtime_error with the texts of sriov-cni.
#pragma once

#include <memory>
#include <string>

namespace rdmalab::plugin {

struct CniServices;

namespace sriov {

class PciAllocator {
public:
    explicit PciAllocator(CniServices& services) : services_(services) {}

    // Waits for at most a minute. Null where calls never overlap.
    std::shared_ptr<void> lock(const std::string& address) const;
    // A namespace that is gone has lost its VF: the file goes too.
    bool isAllocated(const std::string& address) const;
    void save(const std::string& address, const std::string& netns) const;
    void remove(const std::string& address) const; // a missing file is an error

private:
    CniServices& services_;
};

} // namespace sriov
} // namespace rdmalab::plugin
