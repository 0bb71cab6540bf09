// The sriov plugin (sriov-cni pkg/cnicommands; spec/cni.md 3).

#include "plugins/cni/protocol/cni_args.h"
#include "plugins/cni/protocol/configure_interface.h"
#include "plugins/cni/protocol/go_json.h"
#include "plugins/cni/protocol/invoke.h"
#include "plugins/cni/protocol/skeleton.h"
#include "plugins/cni/sriov/pci_allocator.h"
#include "plugins/cni/sriov/sriov_config.h"
#include "plugins/cni/sriov/sriov_log.h"
#include "plugins/cni/sriov/sysfs_lookup.h"
#include "plugins/cni/sriov/vf_manager.h"
#include "plugins/kernel/files.h"
#include "plugins/kernel/kernel.h"
#include "util/syscall.h"

#include <algorithm>
#include <cctype>
#include <fmt/format.h>

namespace rdmalab::plugin {

namespace {

using namespace sriov;

SriovConfig parseConfig(const CniRequest& request) {
    try {
        return SriovConfig::parse(request.input);
    } catch (const std::runtime_error& error) {
        throw std::runtime_error(std::string("SetLogging(): failed to load netconf: ") + error.what());
    }
}

// The VF as /sys shows it. Texts of LoadConf in sriov-cni, without its name in front for those that come from the allocator.
std::shared_ptr<void> completeConfig(SriovConfig& config, CniServices& services) {
    Files& files = services.files;
    if (config.deviceId.empty())
        throw std::runtime_error("LoadConf(): VF pci addr is required");
    try {
        config.master = pfNetdev(files, config.deviceId);
        config.vf = vfNumber(files, config.deviceId, config.master);
    } catch (const std::runtime_error& error) {
        throw std::runtime_error(std::string("LoadConf(): failed to get VF information: ") + goQuote(error.what()));
    }
    const PciAllocator allocator(services);
    auto lock = allocator.lock(config.deviceId);
    // The DEL of the VF's last pod may be late: the new pod has to wait for it.
    if (allocator.isAllocated(config.deviceId))
        throw std::runtime_error(fmt::format("pci address {} is already allocated", config.deviceId));
    config.original = {};
    config.original.hostIfName = vfNetdev(files, config.deviceId);
    if (config.original.hostIfName.empty()) {
        try {
            config.userspaceDriver = hasUserspaceDriver(files, config.deviceId);
        } catch (const std::runtime_error& error) {
            throw std::runtime_error(
                fmt::format("LoadConf(): failed to detect if VF {} has dpdk driver {}", config.deviceId, goQuote(error.what())));
        }
        if (!config.userspaceDriver)
            throw std::runtime_error(
                fmt::format("LoadConf(): the VF {} does not have a interface name or a dpdk driver", config.deviceId));
    }
    validateVlanAndLinkState(config);
    return lock;
}

// Sets config.mac from what is stronger than the configuration.
void chooseMac(SriovConfig& config, const CniRequest& request) {
    std::map<std::string, std::string> args;
    try {
        args = parseCniArgs(request.args, {"MAC"});
    } catch (const std::runtime_error& error) {
        throw std::runtime_error(std::string("SRIOV-CNI failed to parse args: ") + error.what());
    }
    if (const auto mac = args.find("MAC"); mac != args.end() && !mac->second.empty())
        config.mac = mac->second;
    if (!config.runtimeMac.empty())
        config.mac = config.runtimeMac;
    std::transform(config.mac.begin(), config.mac.end(), config.mac.begin(), [](unsigned char c) { return std::tolower(c); });
}

std::string macForResult(const SriovConfig& config) {
    if (!config.mac.empty())
        return config.mac;
    if (!config.userspaceDriver)
        return config.original.effectiveMac;
    return config.original.adminMac == "00:00:00:00:00:00" ? "" : config.original.adminMac;
}

std::string cachePath(const CniRequest& request) {
    return fmt::format("{}/{}-{}", stateDirectory, request.containerId, request.ifName);
}

void saveCache(const CniRequest& request, const SriovConfig& config) {
    Files& files = request.services.files;
    const std::string path = cachePath(request);
    std::string why;
    try {
        files.makeDirectories(stateDirectory, 0700);
    } catch (const SystemError& error) {
        why = fmt::format("failed to create the sriov data directory({}): mkdir {}: {}", goQuote(stateDirectory), stateDirectory,
                          goErrnoText(error.code()));
    }
    if (why.empty())
        try {
            files.write(path, config.cached(), 0600);
        } catch (const SystemError& error) {
            why = fmt::format("failed to write container data in the path({}): open {}: {}", goQuote(path), path,
                              goErrnoText(error.code()));
        }
    if (!why.empty())
        throw std::runtime_error("error saving NetConf " + goQuote(why));
}

SriovConfig loadCache(const CniRequest& request) {
    std::string text;
    try {
        text = request.services.files.read(cachePath(request));
    } catch (const SystemError&) {
        throw std::runtime_error(fmt::format("error reading cached NetConf in {} with name {}-{}", stateDirectory,
                                             request.containerId, request.ifName));
    }
    try {
        return SriovConfig::parse(text);
    } catch (const std::runtime_error& error) {
        throw std::runtime_error("failed to parse NetConf: " + goQuote(error.what()));
    }
}

template <typename Action>
void ignoringErrors(Action&& action) {
    try {
        action();
    } catch (const std::exception&) { // there is a first error to report
    }
}

// Everything between the VF's settings and the end of ADD. `ipamDone` tells the caller what is to be undone.
CniResult attach(const CniRequest& request, SriovConfig& config, VfManager& manager, Kernel& container, bool& ipamDone) {
    CniServices& services = request.services;
    CniResult result;
    if (!config.userspaceDriver)
        try {
            manager.setUp(config, request.ifName, container);
        } catch (const std::runtime_error& error) {
            throw std::runtime_error(fmt::format("failed to set up pod interface {} from the device {}: {}",
                                                 goQuote(request.ifName), goQuote(config.master), error.what()));
        }
    const CniInterface interface { request.ifName, macForResult(config), request.netns, config.mtu.value_or(0), "", "" };
    if (!config.ipamType.empty()) {
        try {
            result = ipamAdd(request, config.ipamType);
        } catch (const std::runtime_error& error) {
            throw std::runtime_error(fmt::format("failed to set up IPAM plugin type {} from the device {}: {}",
                                                 goQuote(config.ipamType), goQuote(config.master), error.what()));
        }
        ipamDone = true;
        if (result.ips.empty())
            throw std::runtime_error("IPAM plugin returned missing IP config");
        for (auto& ip : result.ips)
            ip.interface = 0;
    }
    result.interfaces = {interface};
    if (!config.ipamType.empty() && !config.userspaceDriver)
        configureInterface(container, request.ifName, result);
    saveCache(request, config);
    try {
        PciAllocator(services).save(config.deviceId, request.netns);
    } catch (const std::runtime_error& error) {
        throw std::runtime_error(
            fmt::format("error saving the pci allocation for vf pci address {}: {}", config.deviceId, error.what()));
    }
    return result;
}

// The addresses may have been another pod's a moment ago, with another MAC; the kernel announces by itself only what is new to
// it.
void announce(const CniRequest& request, Kernel& container, const CniResult& result, const Log& log) {
    using namespace std::chrono_literals;
    std::optional<Link> link = container.linkByName(request.ifName);
    std::chrono::milliseconds waited{0};
    for (auto pause = 2ms; link && !(link->up && link->lowerUp) && waited < 200ms; pause += pause / 2) {
        sleepFor(request.services, pause);
        waited += pause;
        link = container.linkByName(request.ifName);
    }
    if (!link)
        return;
    for (const auto& ip : result.ips)
        try {
            container.announceAddress(link->index, ip.address.address);
        } catch (const KernelError& error) {
            log.debug("announcing IPs", {{"IP", ip.address.address.str()}, {"announceError", error.what()}});
        }
}

std::string add(const CniRequest& request) {
    CniServices& services = request.services;
    auto config = parseConfig(request);
    const Log log(request, config.logLevel, config.logFile);
    log.debug("function called",
              {{"func", "cmdAdd"}, {"args.Path", request.path}, {"args.StdinData", request.input}, {"args.Args", request.args}});
    std::shared_ptr<void> lock;
    try {
        lock = completeConfig(config, services);
    } catch (const std::runtime_error& error) {
        throw std::runtime_error(std::string("SRIOV-CNI failed to load netconf: ") + error.what());
    }
    chooseMac(config, request);
    std::unique_ptr<Kernel> container;
    try {
        container = services.kernel.openNetns(request.netns);
    } catch (const KernelError& error) {
        throw std::runtime_error(fmt::format("failed to open netns {}: {}", goQuote(request.netns), error.what()));
    }

    VfManager manager(services, log);
    try {
        manager.rememberOriginal(config);
    } catch (const std::runtime_error& error) {
        throw std::runtime_error(std::string("failed to get original vf information: ") + error.what());
    }
    try {
        manager.applySettings(config);
    } catch (const std::runtime_error& error) {
        // As upstream, nothing is taken back here.
        throw std::runtime_error("SRIOV-CNI failed to configure VF " + goQuote(error.what()));
    }

    bool ipamDone = false;
    CniResult result;
    try {
        result = attach(request, config, manager, *container, ipamDone);
    } catch (...) {
        if (ipamDone)
            ignoringErrors([&] { ipamDelete(request, config.ipamType); });
        ignoringErrors([&] {
            if (container->linkByName(request.ifName))
                manager.release(config, request.ifName, *container);
        });
        ignoringErrors([&] { manager.resetSettings(config); });
        throw;
    }
    if (!config.ipamType.empty() && !config.userspaceDriver)
        ignoringErrors([&] { announce(request, *container, result, log); });
    return result.print(config.version);
}

// Takes the kept configuration away when it goes, unless told otherwise.
class CacheRemoval {
public:
    CacheRemoval(Files& files, std::string path) : files_(files), path_(std::move(path)) {}
    CacheRemoval(const CacheRemoval&) = delete;
    CacheRemoval& operator=(const CacheRemoval&) = delete;
    ~CacheRemoval() {
        if (!kept_)
            ignoringErrors([this] { files_.remove(path_); });
    }
    void keep() { kept_ = true; }

private:
    Files& files_;
    std::string path_;
    bool kept_ = false;
};

void releaseVf(const CniRequest& request, const SriovConfig& config, VfManager& manager, CacheRemoval& removal, const Log& log) {
    CniServices& services = request.services;
    try {
        vfNumber(services.files, config.deviceId, config.master);
    } catch (const std::runtime_error& error) {
        throw std::runtime_error("cmdDel() error obtaining VF ID: " + goQuote(error.what()));
    }
    // Before the netdev is touched: some drivers refuse its changes once trust is off.
    try {
        manager.resetSettings(config);
    } catch (const std::runtime_error& error) {
        throw std::runtime_error("cmdDel() error reseting VF: " + goQuote(error.what()));
    }
    std::unique_ptr<Kernel> container;
    try {
        container = services.kernel.openNetns(request.netns);
    } catch (const KernelError& error) {
        if (error.code() == ENOENT) { // the kernel has sent the VF home
            log.debug("Exiting as the network namespace does not exists anymore",
                      {{"func", "cmdDel"}, {"netConf.DeviceID", config.deviceId}, {"args.Netns", request.netns}});
            return;
        }
        throw std::runtime_error(fmt::format("failed to open netns {}: {}", goQuote(request.netns), error.what()));
    }
    manager.release(config, request.ifName, *container);
    try {
        PciAllocator(services).remove(config.deviceId);
    } catch (const std::runtime_error& error) {
        removal.keep();
        throw std::runtime_error(
            fmt::format("error cleaning the pci allocation for vf pci address {}: {}", config.deviceId, error.what()));
    }
}

std::string del(const CniRequest& request) {
    const auto given = parseConfig(request);
    const Log log(request, given.logLevel, given.logFile);
    log.debug("function called",
              {{"func", "cmdDel"}, {"args.Path", request.path}, {"args.StdinData", request.input}, {"args.Args", request.args}});
    SriovConfig config;
    try {
        config = loadCache(request);
    } catch (const std::runtime_error& error) {
        log.error("Cannot load config file from cache", {{"func", "cmdDel"}, {"err", error.what()}});
        return "";
    }
    CniServices& services = request.services;
    std::shared_ptr<void> lock;
    try {
        lock = PciAllocator(services).lock(config.deviceId);
    } catch (const std::runtime_error& error) {
        throw std::runtime_error(fmt::format("cmdDel() error obtaining lock for device [{}]: {}", config.deviceId, error.what()));
    }
    if (!config.ipamType.empty())
        ipamDelete(request, config.ipamType); // its error keeps the cache, so that DEL can be repeated
    // As upstream, whatever fails from here on is not repeated by the next DEL: that one finds no cache and succeeds.
    CacheRemoval removal(services.files, cachePath(request));
    if (request.netns.empty())
        return "";
    VfManager manager(services, log);
    releaseVf(request, config, manager, removal, log);
    return "";
}

std::string check(const CniRequest&) {
    return "";
}

} // namespace

CniOutcome sriovMain(const CniInvocation& invocation, CniServices& services) {
    CniCommands commands;
    commands.add = add;
    commands.del = del;
    commands.check = check;
    commands.versions = allCniVersions();
    return runCniCommand(commands, invocation, services);
}

} // namespace rdmalab::plugin
