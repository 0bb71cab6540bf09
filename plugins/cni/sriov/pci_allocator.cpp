#include "plugins/cni/sriov/pci_allocator.h"

#include "plugins/cni/protocol/go_json.h"
#include "plugins/cni/protocol/plugin.h"
#include "plugins/cni/sriov/sriov_config.h"
#include "plugins/kernel/files.h"
#include "plugins/kernel/kernel.h"
#include "util/syscall.h"

#include <fmt/format.h>
#include <stdexcept>

namespace rdmalab::plugin::sriov {

namespace {

constexpr std::chrono::seconds kPatience{60};

std::string directory() {
    return std::string(stateDirectory) + "/pci";
}

std::string fileOf(const std::string& address) {
    return directory() + "/" + address;
}

void makeDirectory(Files& files, const std::string& path, const char* what) {
    try {
        files.makeDirectories(path, 0600);
    } catch (const SystemError& error) {
        throw std::runtime_error(fmt::format("failed to create the sriov {} directory({}): mkdir {}: {}", what, goQuote(path),
                                             path, goErrnoText(error.code())));
    }
}

} // namespace

std::shared_ptr<void> PciAllocator::lock(const std::string& address) const {
    const std::string lockDirectory = directory() + "/vf_lock";
    makeDirectory(services_.files, lockDirectory, "lock");
    if (!services_.lockFile)
        return nullptr;
    const std::string path = lockDirectory + "/" + address + ".lock";
    std::shared_ptr<void> held;
    try {
        held = services_.lockFile(path, kPatience);
    } catch (const SystemError& error) {
        throw std::runtime_error(fmt::format("failed to open PCI file [{}] for locking: {}", path, goErrnoText(error.code())));
    }
    if (!held)
        throw std::runtime_error(fmt::format("time out while waiting to acquire exclusive lock on [{}]", path));
    return held;
}

bool PciAllocator::isAllocated(const std::string& address) const {
    const std::string path = fileOf(address);
    std::string netns;
    try {
        if (!services_.files.exists(path))
            return false;
        netns = services_.files.read(path);
    } catch (const SystemError& error) {
        throw std::runtime_error(
            fmt::format("failed to read for pci address file for {}: open {}: {}", path, path, goErrnoText(error.code())));
    }
    try {
        services_.kernel.openNetns(netns);
        return true;
    } catch (const KernelError&) {
    }
    try {
        remove(address);
    } catch (const std::runtime_error& error) {
        throw std::runtime_error(
            fmt::format("error deleting the pci allocation for vf pci address {}: {}", address, error.what()));
    }
    return false;
}

void PciAllocator::save(const std::string& address, const std::string& netns) const {
    makeDirectory(services_.files, directory(), "data");
    const std::string path = fileOf(address);
    try {
        services_.files.write(path, netns, 0600);
    } catch (const SystemError& error) {
        throw std::runtime_error(fmt::format("failed to write used PCI address lock file in the path({}): open {}: {}",
                                             goQuote(path), path, goErrnoText(error.code())));
    }
}

void PciAllocator::remove(const std::string& address) const {
    const std::string path = fileOf(address);
    int code = ENOENT;
    try {
        if (services_.files.exists(path)) {
            services_.files.remove(path);
            return;
        }
    } catch (const SystemError& error) {
        code = error.code();
    }
    throw std::runtime_error(
        fmt::format("error removing PCI address lock file {}: remove {}: {}", path, path, goErrnoText(code)));
}

} // namespace rdmalab::plugin::sriov
