// What the plugin does to a VF: its settings through the PF, and its netdev's way into the container and back (spec/cni.md 3.4,
// 3.5; sriov-cni pkg/sriov). Errors are std::runtime_error with the texts of sriov-cni.
#pragma once

#include "plugins/cni/sriov/sriov_config.h"

#include <functional>
#include <memory>

namespace rdmalab::plugin {

class Kernel;
class VfKernel;
struct CniServices;
struct Link;

namespace sriov {

class Log;

class VfManager {
public:
    VfManager(CniServices& services, const Log& log);
    ~VfManager();
    VfManager(const VfManager&) = delete;
    VfManager& operator=(const VfManager&) = delete;

    // Fills in config.original.
    void rememberOriginal(SriovConfig& config);
    // Settings through the PF, only those that are configured; fills in config.mtu with the PF's. What was set stays set when a
    // later one is refused.
    void applySettings(SriovConfig& config);
    // Moves the netdev into the container, up, under its new name. On its way it is in a namespace of its own, where no name is
    // taken. Fills in config.original.effectiveMac and config.mtu.
    void setUp(SriovConfig& config, const std::string& ifName, Kernel& container);

    void resetSettings(const SriovConfig& config);
    void release(const SriovConfig& config, const std::string& ifName, Kernel& container);

private:
    int pfIndex(const SriovConfig& config);
    VfKernel& vfs();
    void moveIntoContainer(const std::string& linkName, const std::string& ifName, Kernel& container);
    void configureInContainer(const SriovConfig& config, const std::string& ifName, Kernel& container);
    void setHardwareMac(const SriovConfig& config, const std::string& mac);
    void setEffectiveMac(Kernel& netns, const std::string& ifName, const std::string& mac);
    void retry(const std::function<void()>& action);

    CniServices& services_;
    const Log& log_;
    std::unique_ptr<VfKernel> vfs_;
};

} // namespace sriov
} // namespace rdmalab::plugin
