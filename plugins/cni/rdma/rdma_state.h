// What ADD leaves for DEL: which RDMA device is in the container (rdma-cni pkg/cache, pkg/types). Errors are std::runtime_error
// with the texts of rdma-cni.
#pragma once

#include <string>

namespace rdmalab::plugin {

class Files;

namespace rdma {

struct RdmaState {
    std::string deviceId;
    std::string sandboxName, containerName; // of the RDMA device, before and after
};

class StateFile {
public:
    StateFile(Files& files, const std::string& network, const std::string& containerId, const std::string& ifName);

    const std::string& reference() const noexcept { return reference_; } // "<network>-<container>-<interface>"
    void save(const RdmaState& state) const;
    RdmaState load() const;
    void remove() const;

private:
    Files& files_;
    std::string reference_, path_;
};

} // namespace rdma
} // namespace rdmalab::plugin
