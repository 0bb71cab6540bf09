// The macvlan plugin (plugins/main/macvlan/macvlan.go; spec/cni.md 2.1).

#include "plugins/cni/protocol/cni_args.h"
#include "plugins/cni/protocol/configure_interface.h"
#include "plugins/cni/protocol/go_json.h"
#include "plugins/cni/protocol/invoke.h"
#include "plugins/cni/protocol/skeleton.h"
#include "plugins/kernel/kernel.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <fmt/format.h>
#include <random>

namespace rdmalab::plugin {

namespace {

struct Config {
    nlohmann::json json;
    std::string version, master, mode, mac, ipamType;
    int mtu = 0;
    std::uint32_t bcQueueLength = 0;
    bool linkInContainer = false;
};

Config parseConfig(const CniRequest& request) {
    Config config;
    try {
        config.json = parseJson(request.input);
    } catch (const std::runtime_error& error) {
        throw std::runtime_error(std::string("failed to load netconf: ") + error.what());
    }
    config.version = stringOf(config.json, "cniVersion", "0.1.0");
    config.master = stringOf(config.json, "master");
    config.mode = stringOf(config.json, "mode");
    config.mac = stringOf(config.json, "mac");
    config.mtu = static_cast<int>(intOf(config.json, "mtu"));
    config.bcQueueLength = static_cast<std::uint32_t>(intOf(config.json, "bcqueuelen"));
    config.linkInContainer = boolOf(config.json, "linkInContainer");
    config.ipamType = stringOf(memberOf(config.json, "ipam"), "type");
    return config;
}

std::string defaultRouteInterface(Kernel& kernel) {
    for (const auto& route : kernel.routes(254))
        if (!route.dst)
            if (const auto link = kernel.linkByIndex(route.linkIndex))
                return link->name;
    throw std::runtime_error("no default route interface found");
}

std::unique_ptr<Kernel> openNetns(const CniRequest& request) {
    try {
        return request.services.kernel.openNetns(request.netns);
    } catch (const KernelError& error) {
        throw std::runtime_error(fmt::format("failed to open netns {}: {}", goQuote(request.netns), error.what()));
    }
}

// Where the master is looked up: the node, or the container.
Kernel& masterKernel(const Config& config, const CniRequest& request, const std::unique_ptr<Kernel>& container) {
    return config.linkInContainer && container ? *container : request.services.kernel;
}

// Fills in what depends on the machine. Throws std::runtime_error.
void completeConfig(Config& config, const CniRequest& request, const std::unique_ptr<Kernel>& container) {
    Kernel& kernel = masterKernel(config, request, container);
    if (config.master.empty())
        config.master = defaultRouteInterface(kernel);
    const auto master = kernel.linkByName(config.master);
    if (!master)
        throw std::runtime_error("Link not found");
    if (config.mtu < 0 || config.mtu > master->mtu)
        throw std::runtime_error(fmt::format("invalid MTU {}, must be [0, master MTU({})]", config.mtu, master->mtu));
    const auto args = parseCniArgs(request.args, {"MAC"});
    if (const auto mac = args.find("MAC"); mac != args.end() && !mac->second.empty())
        config.mac = mac->second;
    if (const auto mac = stringOf(memberOf(config.json, "runtimeConfig"), "mac"); !mac.empty())
        config.mac = mac;
}

std::string checkedMode(const std::string& mode) {
    static constexpr std::array<const char*, 4> modes{"bridge", "private", "vepa", "passthru"};
    if (mode.empty())
        return "bridge";
    if (std::find(modes.begin(), modes.end(), mode) == modes.end())
        throw std::runtime_error("unknown macvlan mode: " + goQuote(mode));
    return mode;
}

void checkMac(const std::string& mac) {
    const bool shape = mac.size() == 17 && [&] {
        for (std::size_t i = 0; i < mac.size(); ++i)
            if (i % 3 == 2 ? mac[i] != ':' && mac[i] != '-' : std::isxdigit(static_cast<unsigned char>(mac[i])) == 0)
                return false;
        return true;
    }();
    if (!shape)
        throw std::runtime_error(fmt::format("invalid args {} for MAC addr: address {}: invalid MAC address", mac, mac));
}

std::string temporaryName() {
    // Only until the link has its real name; the name must be free in the container.
    std::random_device random;
    return fmt::format("veth{:08x}", random() & 0xffffffffu);
}

CniInterface createMacvlan(const Config& config, const CniRequest& request, const std::unique_ptr<Kernel>& container) {
    Kernel& kernel = masterKernel(config, request, container);
    MacvlanSpec spec;
    spec.mode = checkedMode(config.mode);
    const auto master = kernel.linkByName(config.master);
    if (!master)
        throw std::runtime_error(fmt::format("failed to lookup master {}: Link not found", goQuote(config.master)));
    if (!config.mac.empty())
        checkMac(config.mac);
    spec.name = temporaryName();
    spec.masterIndex = master->index;
    spec.mtu = config.mtu;
    spec.mac = config.mac;
    spec.bcQueueLength = config.bcQueueLength;
    try {
        kernel.addMacvlan(spec, *container);
    } catch (const KernelError& error) {
        throw std::runtime_error(std::string("failed to create macvlan: ") + error.what());
    }
    const auto created = container->linkByName(spec.name);
    if (!created)
        throw std::runtime_error(fmt::format("failed to rename macvlan to {}: Link not found", goQuote(request.ifName)));
    try {
        container->renameLink(created->index, request.ifName);
    } catch (const KernelError& error) {
        container->deleteLink(created->index);
        throw std::runtime_error(fmt::format("failed to rename macvlan to {}: {}", goQuote(request.ifName), error.what()));
    }
    const auto link = container->linkByName(request.ifName);
    if (!link)
        throw std::runtime_error(fmt::format("failed to refetch macvlan {}: Link not found", goQuote(request.ifName)));
    return {request.ifName, link->mac, request.netns, 0, "", ""};
}

void deleteLinkIfThere(Kernel& netns, const std::string& name) {
    const auto link = netns.linkByName(name);
    if (!link)
        return;
    try {
        netns.deleteLink(link->index);
    } catch (const KernelError& error) {
        if (error.code() != ENODEV)
            throw;
    }
}

// Makes the kernel announce new addresses when the link comes up. Not every kernel has both keys.
void announceAddresses(Kernel& netns, const std::string& ifName) {
    for (const auto& key : {"ipv4/conf/" + ifName + "/arp_notify", "ipv6/conf/" + ifName + "/ndisc_notify"}) {
        try {
            netns.setSysctl(key, "1");
        } catch (const KernelError&) {
        }
    }
}

// Upstream leaves the link in the container when anything in here fails; the runtime's DEL takes it away.
void configureLayer3(const CniRequest& request, const Config& config, Kernel& container, CniResult& result) {
    const auto addresses = ipamAdd(request, config.ipamType);
    if (addresses.ips.empty())
        throw std::runtime_error("IPAM plugin returned missing IP config");
    result.ips = addresses.ips;
    result.routes = addresses.routes;
    for (auto& ip : result.ips)
        ip.interface = 0;
    announceAddresses(container, request.ifName);
    try {
        configureInterface(container, request.ifName, result);
    } catch (const std::runtime_error&) {
        try {
            ipamDelete(request, config.ipamType);
        } catch (const std::runtime_error&) { // the first error is the one to report
        }
        throw;
    }
}

void configureLayer2(const CniRequest& request, Kernel& container) {
    const auto link = container.linkByName(request.ifName);
    if (!link)
        throw std::runtime_error(fmt::format("failed to find interface name {}: Link not found", goQuote(request.ifName)));
    try {
        container.setLinkUp(link->index, true);
    } catch (const KernelError& error) {
        container.deleteLink(link->index);
        throw std::runtime_error(fmt::format("failed to set {} UP: {}", goQuote(request.ifName), error.what()));
    }
}

std::string add(const CniRequest& request) {
    auto config = parseConfig(request);
    std::unique_ptr<Kernel> container;
    if (config.linkInContainer)
        container = openNetns(request);
    completeConfig(config, request, container);
    if (!container)
        container = openNetns(request);

    CniResult result;
    result.interfaces.push_back(createMacvlan(config, request, container));
    if (config.ipamType.empty())
        configureLayer2(request, *container);
    else
        configureLayer3(request, config, *container, result);
    result.dns = parseCniDns(memberOf(config.json, "dns"));
    return result.print(config.version);
}

std::string del(const CniRequest& request) {
    const auto config = parseConfig(request);
    if (!config.ipamType.empty())
        ipamDelete(request, config.ipamType);
    if (request.netns.empty())
        return "";
    std::unique_ptr<Kernel> container;
    try {
        container = request.services.kernel.openNetns(request.netns);
    } catch (const KernelError& error) {
        if (error.code() == ENOENT)
            return ""; // the link went with the namespace
        throw;
    }
    deleteLinkIfThere(*container, request.ifName);
    return "";
}

void checkLink(const Link& link, const CniInterface& expected, const Config& config) {
    if (expected.sandbox.empty())
        throw std::runtime_error(fmt::format("error: Container interface {} should not be in host namespace", link.name));
    if (link.kind != "macvlan")
        throw std::runtime_error(fmt::format("error: Container interface {} not of type macvlan", link.name));
    const auto mode = checkedMode(config.mode);
    if (link.mode != mode)
        throw std::runtime_error(fmt::format("container macvlan mode {} does not match expected value: {}", link.mode, mode));
    if (!expected.mac.empty() && expected.mac != link.mac)
        throw std::runtime_error(
            fmt::format("interface {} Mac {} doesn't match container Mac: {}", link.name, expected.mac, link.mac));
}

std::string check(const CniRequest& request) {
    auto config = parseConfig(request);
    const auto container = openNetns(request);
    completeConfig(config, request, container);
    if (!config.ipamType.empty())
        ipamCheck(request, config.ipamType);
    const auto& previous = memberOf(config.json, "prevResult");
    if (!previous.is_object())
        throw std::runtime_error("required prevResult missing");
    CniResult result;
    try {
        result = CniResult::parse(previous, config.version);
    } catch (const std::runtime_error& error) {
        throw std::runtime_error(std::string("could not parse prevResult: ") + error.what());
    }
    CniInterface expected;
    for (const auto& interface : result.interfaces)
        if (interface.name == request.ifName && !interface.sandbox.empty())
            expected = interface;
    if (expected.sandbox != request.netns)
        throw std::runtime_error(
            fmt::format("sandbox in prevResult {} doesn't match configured netns: {}", expected.sandbox, request.netns));
    if (!masterKernel(config, request, container).linkByName(config.master))
        throw std::runtime_error(fmt::format("failed to lookup master {}: Link not found", goQuote(config.master)));
    const auto link = container->linkByName(expected.name);
    if (!link)
        throw std::runtime_error(fmt::format("container interface name in prevResult: {} not found", expected.name));
    checkLink(*link, expected, config);
    checkInterfaceIps(*container, request.ifName, result.ips);
    checkRoutes(*container, result.routes);
    return "";
}

std::string status(const CniRequest& request) {
    const auto config = parseConfig(request);
    if (!config.ipamType.empty()) {
        CniInvocation invocation{request.environment, request.input};
        invocation.environment["CNI_COMMAND"] = "STATUS";
        auto& exec = request.services.exec;
        execPlugin(exec, findPlugin(exec, config.ipamType, request.pluginDirectories()), invocation);
    }
    return "";
}

} // namespace

CniOutcome macvlanMain(const CniInvocation& invocation, CniServices& services) {
    CniCommands commands;
    commands.add = add;
    commands.del = del;
    commands.check = check;
    commands.status = status;
    commands.versions = allCniVersions();
    commands.about = "CNI macvlan plugin";
    return runCniCommand(commands, invocation, services);
}

} // namespace rdmalab::plugin
