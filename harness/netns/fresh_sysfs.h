// The fake /sys of every network namespace that processes of a node can be in, for those who mount a sysfs of their own.
#pragma once

#include "fakekernel/sysfs_mounts.h"
#include "sim/hardware/machine_spec.h"

#include <map>
#include <memory>
#include <mutex>
#include <string>

namespace rdmalab::harness {

class NodeHardware;
class PodSys;

class FreshSysfs final : public fakekernel::SysfsSource {
public:
    // Mounts for namespaces that are neither the node's nor a pod's (`ip netns add`) are made below `directory`. They, and their
    // namespaces with them, stay until this object goes.
    FreshSysfs(std::shared_ptr<NodeHardware> node, std::string directory);
    ~FreshSysfs() override;

    std::string mountPointFor(const fakekernel::NamespaceHandle& network) override;

private:
    const std::shared_ptr<NodeHardware> node_;
    const std::string directory_;
    std::mutex mutex_;
    std::map<hardware::NetnsId, std::unique_ptr<PodSys>> others_; // guarded by mutex_
};

} // namespace rdmalab::harness
