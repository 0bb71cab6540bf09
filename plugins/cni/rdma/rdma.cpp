// The rdma plugin: behind one that gave a VF to the container, it gives the VF's RDMA device too (rdma-cni cmd/rdma, pkg/rdma;
// spec/cni.md 4).

#include "plugins/cni/protocol/cni_args.h"
#include "plugins/cni/protocol/cni_result.h"
#include "plugins/cni/protocol/go_json.h"
#include "plugins/cni/protocol/skeleton.h"
#include "plugins/cni/rdma/rdma_log.h"
#include "plugins/cni/rdma/rdma_state.h"
#include "plugins/kernel/files.h"
#include "plugins/kernel/kernel.h"
#include "plugins/kernel/rdma_kernel.h"
#include "plugins/kernel/vf_kernel.h"
#include "util/syscall.h"

#include <cctype>
#include <fmt/format.h>

namespace rdmalab::plugin {

namespace {

using namespace rdma;

struct Config {
    nlohmann::json json;
    std::string version, name, deviceId;
    bool debug = false;
};

Config parseConfig(const CniRequest& request) {
    parseCniArgs(request.args, {});
    Config config;
    try {
        config.json = parseJson(request.input);
        for (const char* key : {"cniVersion", "name", "deviceID"})
            if (const auto& value = memberOf(config.json, key); !value.is_null() && !value.is_string())
                throw std::runtime_error(
                    fmt::format("json: cannot unmarshal {} into Go struct field RdmaNetConf.{} of type string",
                                value.is_boolean() ? "bool" : value.type_name(), key));
    } catch (const std::runtime_error& error) {
        throw std::runtime_error(std::string("failed to load netconf: ") + error.what());
    }
    config.version = stringOf(config.json, "cniVersion", "0.1.0");
    config.name = stringOf(config.json, "name");
    config.deviceId = stringOf(config.json, "deviceID");
    config.debug = boolOf(memberOf(memberOf(config.json, "args"), "cni"), "debug");
    return config;
}

void requireExclusiveMode(CniServices& services) {
    RdmaNetnsMode mode{};
    try {
        mode = rdmaKernelOf(services, services.kernel)->netnsMode();
    } catch (const KernelError& error) {
        throw std::runtime_error(std::string("failed to get RDMA subsystem namespace awareness mode. ") + error.what());
    }
    if (mode != RdmaNetnsMode::exclusive)
        throw std::runtime_error(
            fmt::format("RDMA subsystem namespace awareness mode is set to {}, expecting it to be set to {}, "
                        "invalid system configurations",
                        rdmaNetnsModeName(mode), rdmaNetnsModeName(RdmaNetnsMode::exclusive)));
}

// The last resort when no plugin before this one passed the device on: the VF whose MAC the PF's owner set is the interface's.
std::string deviceWithAdminMac(CniServices& services, const std::string& mac) {
    std::vector<std::string> found;
    const auto vfs = vfKernelOf(services, services.kernel);
    for (const auto& link : services.kernel.links())
        for (const auto& vf : vfs->vfs(link.index)) {
            if (vf.mac != mac)
                continue;
            try {
                const auto target = services.files.readLink(fmt::format("/sys/class/net/{}/device/virtfn{}", link.name, vf.vf));
                found.push_back(target.substr(target.rfind('/') + 1));
            } catch (const SystemError&) {
            }
        }
    if (found.empty())
        throw std::runtime_error("could not find VF PCI device according to administrative mac address set on PF");
    if (found.size() > 1)
        throw std::runtime_error("found more than one VF PCI device matching provided administrative mac address");
    return found.front();
}

std::string deviceOf(const CniResult& result, CniServices& services, const Log& log) {
    log.warning(
        "DeviceID attribute in network configuration is empty, this may indicated that the delegate plugin is out of date.");
    if (result.interfaces.size() != 1)
        throw std::runtime_error("\"DeviceID\" network configuration attribute is required for rdma CNI");
    const std::string& mac = result.interfaces.front().mac;
    try {
        return deviceWithAdminMac(services, mac);
    } catch (const std::runtime_error& error) {
        throw std::runtime_error(fmt::format("failed to derive PCI device ID from mac {}. {}", goQuote(mac), error.what()));
    }
}

// "0000:af:00.1", with exactly these numbers of digits.
bool isPciAddress(const std::string& text) {
    static constexpr std::string_view pattern = "xxxx:xx:xx.7";
    if (text.size() != pattern.size())
        return false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool fits = pattern[i] == 'x'   ? std::isxdigit(static_cast<unsigned char>(text[i])) != 0
                          : pattern[i] == '7' ? text[i] >= '0' && text[i] <= '7'
                                              : text[i] == pattern[i];
        if (!fits)
            return false;
    }
    return true;
}

std::string rdmaDeviceOf(Files& files, const std::string& deviceId) {
    const char* const bus = isPciAddress(deviceId) ? "pci" : "auxiliary";
    std::vector<std::string> names;
    try {
        for (const auto& entry : files.list(fmt::format("/sys/bus/{}/devices/{}/infiniband", bus, deviceId)))
            if (entry.kind == FileKind::directory)
                names.push_back(entry.name);
    } catch (const SystemError&) { // no such directory: no RDMA driver
    }
    if (names.empty())
        throw std::runtime_error("no RDMA devices found");
    if (names.size() > 1)
        throw std::runtime_error(fmt::format("discovered more than one RDMA device {}. Unsupported state", goList(names)));
    return names.front();
}

std::unique_ptr<Kernel> openNetns(CniServices& services, const std::string& path) {
    try {
        return services.kernel.openNetns(path);
    } catch (const KernelError& error) {
        throw std::runtime_error(fmt::format("failed to open network namespace {}: {}", path, error.what()));
    }
}

void moveDevice(CniServices& services, const std::string& name, Kernel& from, Kernel& to) {
    std::unique_ptr<RdmaKernel> kernel;
    std::optional<RdmaDevice> device;
    try {
        kernel = rdmaKernelOf(services, from);
        device = kernel->deviceByName(name);
    } catch (const KernelError&) {
    }
    if (!device)
        throw std::runtime_error("cannot find RDMA link from name: " + name);
    try {
        kernel->moveDevice(device->index, to);
    } catch (const KernelError& error) {
        throw std::runtime_error(fmt::format("failed to move RDMA dev {} to namespace. {}", name, error.what()));
    }
}

void moveToContainer(CniServices& services, const std::string& name, const std::string& netns) {
    const auto container = openNetns(services, netns);
    try {
        moveDevice(services, name, services.kernel, *container);
    } catch (const std::runtime_error& error) {
        throw std::runtime_error(fmt::format("failed to move RDMA device {} to namespace. {}", name, error.what()));
    }
}

void moveFromContainer(CniServices& services, const std::string& name, const std::string& netns) {
    const auto container = openNetns(services, netns);
    try {
        moveDevice(services, name, *container, services.kernel);
    } catch (const std::runtime_error& error) {
        throw std::runtime_error(fmt::format("failed to move RDMA device {} to default namespace. {}", name, error.what()));
    }
}

std::string add(const CniRequest& request) {
    CniServices& services = request.services;
    Log log(request);
    log.info("RDMA-CNI: cmdAdd");
    auto config = parseConfig(request);
    if (config.debug)
        log.showDebug();
    const auto& previous = memberOf(config.json, "prevResult");
    if (!previous.is_object())
        throw std::runtime_error("RDMA-CNI is expected to be called as part of a plugin chain");
    CniResult result;
    try {
        result = CniResult::parse(previous, config.version);
    } catch (const std::runtime_error& error) {
        throw std::runtime_error(std::string("could not parse prevResult: ") + error.what());
    }
    requireExclusiveMode(services);
    if (config.deviceId.empty())
        config.deviceId = deviceOf(result, services, log);

    std::string device;
    try {
        device = rdmaDeviceOf(services.files, config.deviceId);
    } catch (const std::runtime_error& error) {
        throw std::runtime_error(fmt::format("failed to get RDMA device for device ID {}: {}", config.deviceId, error.what()));
    }
    log.debug(fmt::format("moving RDMA device {} to namespace {}", device, request.netns));
    try {
        moveToContainer(services, device, request.netns);
    } catch (const std::runtime_error& error) {
        throw std::runtime_error(fmt::format("failed to move RDMA device {} to namespace. {}", device, error.what()));
    }
    try {
        StateFile(services.files, config.name, request.containerId, request.ifName).save({config.deviceId, device, device});
    } catch (const std::runtime_error& error) {
        try {
            moveFromContainer(services, device, request.netns);
        } catch (const std::runtime_error& second) {
            throw std::runtime_error(
                fmt::format("save to cache failed {}, failed while restoring namespace for RDMA device {}. {}", error.what(),
                            device, second.what()));
        }
        throw;
    }
    return result.print(config.version);
}

std::string del(const CniRequest& request) {
    CniServices& services = request.services;
    Log log(request);
    log.info("RDMA-CNI: cmdDel");
    const auto config = parseConfig(request);
    if (config.debug)
        log.showDebug();
    if (request.netns.empty())
        return ""; // the kernel took the device back with the namespace
    const StateFile file(services.files, config.name, request.containerId, request.ifName);
    RdmaState state;
    try {
        state = file.load();
    } catch (const std::runtime_error& error) {
        log.warning(fmt::format("failed to load cache entry({}). it may have been deleted by a previous CMD_DEL call. {}",
                                goQuote(file.reference()), error.what()));
        return "";
    }
    log.debug(
        fmt::format("INFO: moving RDMA device {} from namespace {} to default namespace", state.containerName, request.netns));
    try {
        moveFromContainer(services, state.containerName, request.netns);
    } catch (const std::runtime_error& error) {
        throw std::runtime_error(
            fmt::format("failed to restore RDMA device {} to default namespace. {}", state.containerName, error.what()));
    }
    try {
        file.remove();
    } catch (const std::runtime_error& error) {
        log.warning(fmt::format("failed to delete cache entry({}). {}", goQuote(file.reference()), error.what()));
    }
    return "";
}

std::string check(const CniRequest& request) {
    Log(request).info("cmdCheck() not Implemented. args: " + request.containerId);
    return "";
}

} // namespace

CniOutcome rdmaMain(const CniInvocation& invocation, CniServices& services) {
    CniCommands commands;
    commands.add = add;
    commands.del = del;
    commands.check = check;
    commands.versions = allCniVersions();
    return runCniCommand(commands, invocation, services);
}

} // namespace rdmalab::plugin
