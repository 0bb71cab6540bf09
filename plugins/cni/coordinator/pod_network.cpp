#include "plugins/cni/coordinator/pod_network.h"

#include "plugins/cni/protocol/go_json.h"
#include "plugins/kernel/kernel.h"

#include <algorithm>
#include <cerrno>
#include <fmt/format.h>
#include <random>
#include <stdexcept>

namespace rdmalab::plugin::coordinator {

namespace {

constexpr const char* underlayVeth = "veth0";
constexpr const char* firstNic = "eth0";
constexpr int mainTable = 254, podRuleTable = 100, rulePriority = 1000;
constexpr int scopeUniverse = 0, scopeLink = 253;
constexpr std::uint32_t mark = 1;

std::string randomMac() {
    // Set explicitly, because udev replaces an address that the kernel made up, some time later.
    std::random_device random;
    const auto a = random(), b = random();
    return fmt::format("{:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}", ((a & 0xff) | 2u) & 0xfeu, a >> 8 & 0xff, a >> 16 & 0xff,
                       b & 0xff, b >> 8 & 0xff, b >> 16 & 0xff);
}

Cidr hostRoute(const IpAddress& ip) {
    return {ip, ip.bits()};
}

// Runs `action`; "file exists" is what was wanted.
template <typename Action>
void unlessExists(Action action) {
    try {
        action();
    } catch (const KernelError& error) {
        if (error.code() != EEXIST)
            throw;
    }
}

std::string describe(const Route& route, const std::string& link) {
    return fmt::format("{{Ifindex: {} Dst: {} Src: {} Gw: {} Flags: [] Table: {} Realm: 0}} dev {}", route.linkIndex,
                       route.dst ? route.dst->str() : "<nil>", route.source ? route.source->str() : "<nil>",
                       route.gateway ? route.gateway->str() : "<nil>", route.table, link);
}

bool isKernelLinkLocal(const Route& route) {
    return route.dst && route.dst->str() == "fe80::/64";
}

} // namespace

std::string hostVethName(const std::string& containerId) {
    return "veth" + containerId.substr(0, 11);
}

PodNetwork::PodNetwork(Kernel& host, Kernel& pod, const Config& config, std::string containerId, std::string ifName)
    : host_(host), pod_(pod), config_(config), containerId_(std::move(containerId)), ifName_(std::move(ifName)),
      legacy_(!config.podNics.empty()) {}

void PodNetwork::setUp() {
    findFamilies();
    setInterfaceUp();
    chooseMode();
    std::vector<Cidr> all;
    for (const auto& link : pod_.links())
        if (link.name != "lo")
            for (const auto& address : unicastAddresses(pod_, link.index, families_))
                all.push_back(address);
    hostAddresses_ = hostAddressesForPod(host_, all, families_);
    if (mode_ == Mode::underlay) {
        podVeth_ = underlayVeth;
        hostVeth_ = hostVethName(containerId_);
        if (first_)
            createVeth();
    } else {
        podVeth_ = firstNic;
        findHostVeth();
    }
    addresses_ = unicastAddresses(pod_, podLink(ifName_).index, families_);
    if (!config_.macPrefix.empty())
        overwriteMac();
    if (config_.txQueueLength > 0)
        setTxQueueLength();
    if (families_.v6)
        enableIpv6();
    if (config_.podRpFilter >= 0)
        setRpFilter(pod_, config_.podRpFilter);
    if (config_.hostRpFilter && *config_.hostRpFilter >= 0)
        setRpFilter(host_, *config_.hostRpFilter);
    setNeighbours();
    for (const auto& address : unicastAddresses(pod_, podLink(firstNic).index, {families_.v4, false}))
        if (!podSource_)
            podSource_ = address.address;
    setHostRoutes();
    setHijackRoutes();
    if (mode_ == Mode::underlay && first_)
        returnRepliesThroughVeth();
    if (config_.tunePodRoutes && (!first_ || mode_ == Mode::overlay))
        tunePodRoutes();
    setPolicyRoutes();
}

Link PodNetwork::podLink(const std::string& name) {
    auto link = pod_.linkByName(name);
    if (!link)
        throw std::runtime_error("Link not found");
    return *link;
}

void PodNetwork::findFamilies() {
    const auto link = pod_.linkByName(ifName_);
    if (!link)
        throw std::runtime_error(fmt::format("failed to read addresses on {}: Link not found", goQuote(ifName_)));
    for (const auto& address : unicastAddresses(pod_, link->index))
        (address.address.isV4() ? families_.v4 : families_.v6) = true;
    if (!families_.v4 && !families_.v6)
        throw std::runtime_error("no usable IP addresses on " + goQuote(ifName_));
}

void PodNetwork::setInterfaceUp() {
    const auto link = podLink(ifName_);
    if (!link.up)
        pod_.setLinkUp(link.index, true);
}

void PodNetwork::chooseModeAutomatically(bool vethExists) {
    if (ifName_ == config_.podFirstInterface)
        mode_ = Mode::underlay;
    else
        mode_ = vethExists ? Mode::underlay : Mode::overlay;
}

void PodNetwork::chooseMode() {
    const bool vethExists = pod_.linkByName(underlayVeth).has_value();
    const auto links = pod_.links();
    const auto upLinks = static_cast<std::size_t>(
        std::count_if(links.begin(), links.end(), [](const Link& link) { return link.up && link.broadcast && link.multicast; }));
    if (config_.mode == "auto")
        chooseModeAutomatically(vethExists);
    else if (config_.mode == "underlay")
        mode_ = Mode::underlay;
    else if (config_.mode == "overlay")
        mode_ = Mode::overlay;
    else
        throw std::runtime_error("unknown tuneMode: " + config_.mode);

    if (mode_ == Mode::underlay) {
        first_ = ifName_ == config_.podFirstInterface;
        if (!first_ && !vethExists)
            throw std::runtime_error(fmt::format(
                "when creating interface {} in underlay mode, it detects that the auxiliary interface {} was not created by "
                "previous interface. please enable coordinator plugin in previous interface",
                ifName_, config_.podFirstInterface));
    } else {
        if (ifName_ == config_.podFirstInterface)
            throw std::runtime_error(fmt::format(
                "when creating interface {} in overlay mode, it detects that the current interface is first interface named {}, "
                "this plugin should not work for it. please modify in the CNI configuration",
                ifName_, config_.podFirstInterface));
        if (vethExists)
            throw std::runtime_error(
                fmt::format("when creating interface {} in overlay mode, it detects that the auxiliary interface {} of underlay "
                            "mode exists. It seems that the previous interface work in underlay mode. ",
                            ifName_, underlayVeth));
        first_ = legacy_ ? config_.podNics.front() == ifName_ : upLinks == 2;
    }
    chooseTables(upLinks);
}

void PodNetwork::chooseTables(std::size_t upLinks) {
    if (legacy_) {
        markTable_ = config_.hostRuleTable;
        if (ifName_ == firstNic)
            ruleTable_ = mainTable;
        else if (config_.podNics.front() == ifName_)
            ruleTable_ = podRuleTable;
        else
            ruleTable_ = podRuleTable + static_cast<int>(config_.podNics.size()) - 1;
        return;
    }
    markTable_ = podRuleTable;
    // Table 100 is eth0's. veth0, eth0 and net1 are up when an underlay pod gets its second NIC.
    ruleTable_ = first_ ? podRuleTable + 1 : static_cast<int>(upLinks) + (mode_ == Mode::underlay ? 98 : 99);
}

void PodNetwork::createVeth() {
    podVethMac_ = randomMac();
    hostVethMac_ = randomMac();
    try {
        host_.addVeth({hostVeth_, hostVethMac_, podVeth_, podVethMac_, config_.vethMtu}, pod_);
    } catch (const KernelError& error) {
        if (error.code() == EEXIST)
            throw std::runtime_error(
                fmt::format("container veth name ({}) peer provided ({}) already exists", goQuote(podVeth_), goQuote(hostVeth_)));
        throw std::runtime_error(std::string("failed to make veth pair: ") + error.what());
    }
    const auto hostLink = host_.linkByName(hostVeth_);
    if (!hostLink)
        throw std::runtime_error("Link not found");
    host_.setLinkUp(hostLink->index, true);
    const auto link = podLink(podVeth_);
    try {
        pod_.setLinkUp(link.index, true);
    } catch (const KernelError& error) {
        throw std::runtime_error(fmt::format("failed to set {} UP: {}", goQuote(podVeth_), error.what()));
    }
    if (families_.v4 && !config_.vethLinkAddress.empty()) {
        const auto address = IpAddress::parse(config_.vethLinkAddress);
        try {
            if (!address)
                throw KernelError("invalid argument", EINVAL);
            pod_.addAddress(link.index, {*address, 32});
        } catch (const KernelError& error) {
            throw std::runtime_error(std::string("failed to add ip address to veth0: ") + error.what());
        }
    }
}

// In overlay mode eth0 is some other plugin's veth.
void PodNetwork::findHostVeth() {
    const auto peer = host_.linkByIndex(podLink(firstNic).parentIndex);
    if (!peer)
        throw std::runtime_error("Link not found");
    hostVeth_ = peer->name;
}

void PodNetwork::overwriteMac() {
    const auto failed = [this](const std::string& why) {
        return std::runtime_error(
            fmt::format("failed to update hardware address for interface {}, maybe hardware_prefix({}) is invalid: {}", ifName_,
                        config_.macPrefix, why));
    };
    const auto link = podLink(ifName_);
    const auto all = unicastAddresses(pod_, link.index);
    if (all.empty())
        throw failed("invalid ip address");
    const auto& ip = all.front().address;
    std::string mac = config_.macPrefix;
    std::replace(mac.begin(), mac.end(), '-', ':');
    for (std::size_t i = ip.size() - 4; i < ip.size(); ++i)
        mac += fmt::format(":{:02x}", ip.data()[i]);
    try {
        // With this the kernel itself tells the neighbours about the new address.
        pod_.setSysctl("ipv4/conf/" + ifName_ + "/arp_notify", "1");
    } catch (const KernelError&) {
    }
    try {
        pod_.setLinkMac(link.index, mac);
    } catch (const KernelError& error) {
        throw failed(error.what());
    }
}

// Upstream looks the interface up on the node, not in the pod: it is missed there, or a NIC of the node is changed.
void PodNetwork::setTxQueueLength() {
    const auto link = host_.linkByName(ifName_);
    std::string why = "Link not found";
    try {
        if (link) {
            host_.setLinkTxQueueLength(link->index, config_.txQueueLength);
            return;
        }
    } catch (const KernelError& error) {
        why = error.what();
    }
    // 0xc...: upstream prints the pointer to the value.
    throw std::runtime_error(fmt::format("failed to set {} txQueueLen to 0xc0000127b0: {}", ifName_, why));
}

void PodNetwork::enableIpv6() {
    std::vector<std::string> names{"all", "default"};
    for (const auto& link : pod_.links())
        names.push_back(link.name);
    for (const auto& name : names) {
        const auto key = "ipv6/conf/" + name + "/disable_ipv6";
        try {
            if (!pod_.sysctl(key).starts_with("0"))
                pod_.setSysctl(key, "0");
        } catch (const KernelError& error) {
            throw std::runtime_error(fmt::format("failed to read current sysctl /net/{} value: {}", key, error.what()));
        }
    }
}

void PodNetwork::setRpFilter(Kernel& kernel, int value) {
    std::vector<std::string> names{"all", "default"};
    for (const auto& link : kernel.links())
        names.push_back(link.name);
    for (const auto& name : names) {
        const auto key = "ipv4/conf/" + name + "/rp_filter";
        std::string current;
        try {
            current = kernel.sysctl(key);
        } catch (const KernelError&) {
            continue; // the link went meanwhile
        }
        while (current.ends_with('\n'))
            current.pop_back();
        if (current == std::to_string(value))
            continue;
        try {
            kernel.setSysctl(key, std::to_string(value));
        } catch (const KernelError& error) {
            throw std::runtime_error(
                fmt::format("failed to set rp_filter in {} : {}", &kernel == &pod_ ? "pod" : "host", error.what()));
        }
    }
}

void PodNetwork::setNeighbours() {
    const auto podSide = pod_.linkByName(podVeth_);
    const auto hostSide = host_.linkByName(hostVeth_);
    if (!podSide || !hostSide)
        throw std::runtime_error("failed to GetHwAddressByName: Link not found");
    const auto set = [](Kernel& kernel, const Neighbour& neighbour) {
        try {
            kernel.setNeighbour(neighbour);
        } catch (const KernelError& error) {
            throw std::runtime_error(fmt::format("failed to add neigh table: {} ", error.what()));
        }
    };
    for (const auto& address : addresses_)
        set(host_, {address.address, podSide->mac, hostSide->index});
    if (first_)
        for (const auto& ip : hostAddresses_)
            set(pod_, {ip, hostSide->mac, podSide->index});
}

void PodNetwork::addPodRoute(int table, int scope, const std::string& link, const std::optional<IpAddress>& source,
                             const std::optional<Cidr>& dst, const std::optional<IpAddress>& gateway, int family) {
    Route route;
    route.dst = dst;
    route.family = family;
    route.gateway = gateway;
    route.source = source;
    route.linkIndex = podLink(link).index;
    route.table = table;
    route.scope = scope;
    try {
        unlessExists([&] { pod_.addRoute(route); });
    } catch (const KernelError& error) {
        throw std::runtime_error(fmt::format("failed to add route table({}): {}", describe(route, link), error.what()));
    }
}

void PodNetwork::setHostRoutes() {
    for (const auto& ip : hostAddresses_) {
        const auto source = ip.isV4() ? podSource_ : std::nullopt;
        addPodRoute(ruleTable_, scopeLink, podVeth_, source, hostRoute(ip), std::nullopt, ip.family());
        if (first_ && ruleTable_ != mainTable)
            addPodRoute(mainTable, scopeLink, podVeth_, source, hostRoute(ip), std::nullopt, ip.family());
    }

    for (const bool v4 : {true, false}) {
        if (!(v4 ? families_.v4 : families_.v6))
            continue;
        Rule rule;
        rule.family = v4 ? 2 : 10;
        rule.priority = rulePriority;
        rule.table = config_.hostRuleTable;
        try {
            unlessExists([&] { host_.addRule(rule); });
        } catch (const KernelError& error) {
            throw std::runtime_error(fmt::format("failed to Add ToRuleTable for host(ip rule {}: from all table {}): {}",
                                                 rulePriority, config_.hostRuleTable, error.what()));
        }
    }

    const auto hostLink = host_.linkByName(hostVeth_);
    if (!hostLink)
        throw std::runtime_error("failed to AddRouteTable for preInterfaceIPAddress: Link not found");
    for (const auto& address : addresses_) {
        const auto dst = hostRoute(address.address);
        for (const auto& stale : host_.routes(config_.hostRuleTable)) // of a pod that had the address before
            if (stale.dst == dst) {
                try {
                    host_.deleteRoute(stale);
                } catch (const KernelError&) { // the new route tells whether it was in the way
                }
            }
        Route route;
        route.dst = dst;
        route.family = dst.address.family();
        route.linkIndex = hostLink->index;
        route.table = config_.hostRuleTable;
        route.scope = scopeLink;
        try {
            unlessExists([&] { host_.addRoute(route); });
        } catch (const KernelError& error) {
            throw std::runtime_error(
                fmt::format("failed to AddRouteTable for preInterfaceIPAddress: failed to add route table({}): {}",
                            describe(route, hostVeth_), error.what()));
        }
    }
}

std::optional<IpAddress> PodNetwork::hijackGateway(bool v4) const {
    const auto found =
        std::find_if(hostAddresses_.begin(), hostAddresses_.end(), [v4](const IpAddress& ip) { return ip.isV4() == v4; });
    return found != hostAddresses_.end() && families_.has(*found) ? std::optional(*found) : std::nullopt;
}

void PodNetwork::setHijackRoutes() {
    for (const auto& cidr : config_.hijackCidrs) {
        const bool v4 = cidr.address.isV4();
        const auto gateway = hijackGateway(v4);
        if (!gateway)
            continue;
        const auto add = [&](int table) {
            try {
                addPodRoute(table, scopeUniverse, podVeth_, v4 ? podSource_ : std::nullopt, cidr, gateway, cidr.address.family());
            } catch (const std::runtime_error& error) {
                throw std::runtime_error(std::string("failed to AddRoute for hijackCIDR: ") + error.what());
            }
        };
        if (legacy_)
            add(ruleTable_);
        if (!legacy_ || (first_ && mode_ == Mode::overlay))
            add(first_ ? mainTable : ruleTable_);
    }
}

// Replies to what came in through veth0 must leave through it, whatever the destination.
void PodNetwork::returnRepliesThroughVeth() {
    const auto markText = fmt::format("{:#x}", mark);
    const std::vector<IptablesRule> rules{
        {"-t", "mangle", "-A", "PREROUTING", "-i", underlayVeth, "-m", "conntrack", "--ctstate", "NEW", "-j", "MARK",
         "--set-xmark", markText},
        {"-t", "mangle", "-A", "PREROUTING", "-m", "mark", "--mark", markText, "-j", "CONNMARK", "--save-mark"},
        {"-t", "mangle", "-A", "OUTPUT", "-j", "CONNMARK", "--restore-mark"},
    };
    const std::string prefix = "failed to makeReplyPacketViaVeth: ";
    for (const bool v4 : {true, false}) {
        if (!(v4 ? families_.v4 : families_.v6))
            continue;
        const int family = v4 ? 2 : 10;
        try {
            pod_.ensureIptablesRules(rules, family);
        } catch (const KernelError& error) {
            throw std::runtime_error(prefix + "iptables ensureRule err: failed to set-xmark: " + error.what());
        }
        Rule rule;
        rule.family = family;
        rule.priority = rulePriority;
        rule.mark = mark;
        rule.table = markTable_;
        try {
            unlessExists([&] { pod_.addRule(rule); });
        } catch (const KernelError& error) {
            throw std::runtime_error(prefix + "failed to add rule table with mark: " + error.what());
        }
        try {
            addPodRoute(markTable_, scopeUniverse, podVeth_, v4 ? podSource_ : std::nullopt, std::nullopt, hijackGateway(v4),
                        family);
        } catch (const std::runtime_error& error) {
            throw std::runtime_error(prefix + error.what());
        }
    }
}

// In the order of the links, not of the routes.
std::string PodNetwork::otherDefaultRouteInterface() {
    const auto routes = pod_.routes(mainTable);
    for (const auto& link : pod_.links()) {
        if (link.name == "lo" || link.name == ifName_)
            continue;
        for (const auto& route : routes)
            if (!route.dst && route.linkIndex == link.index && (route.family == 2 ? families_.v4 : families_.v6))
                return link.name;
    }
    return "";
}

void PodNetwork::addFromRules(const std::vector<Cidr>& addresses, int table) {
    for (const auto& address : addresses) {
        Rule rule;
        rule.family = address.address.family();
        rule.from = hostRoute(address.address);
        rule.table = table;
        pod_.addRule(rule);
    }
}

void PodNetwork::copyRoutes(const std::string& name, int table, bool defaultsOnly, bool moveDefaults) {
    const auto link = podLink(name);
    for (auto route : pod_.routes(mainTable)) {
        if (route.linkIndex != link.index || isKernelLinkLocal(route) || (defaultsOnly && route.dst) ||
            !(route.family == 2 ? families_.v4 : families_.v6))
            continue;
        if (!route.dst && moveDefaults) {
            try {
                pod_.deleteRoute(route);
            } catch (const KernelError& error) {
                throw std::runtime_error(
                    fmt::format("failed to RouteDel {} in main table: {}", describe(route, name), error.what()));
            }
        }
        route.table = table;
        try {
            unlessExists([&] { pod_.addRoute(route); });
        } catch (const KernelError& error) {
            throw std::runtime_error(
                fmt::format("failed to RouteAdd ({}) to new table: {}", describe(route, name), error.what()));
        }
    }
}

void PodNetwork::tunePodRoutes() {
    const std::string prefix = "failed to tunePodRoutes: ";
    const auto defaultNic = otherDefaultRouteInterface();
    if (defaultNic.empty())
        return; // nobody else wants the main table
    auto wanted = config_.defaultRouteNic;
    std::string moved = ifName_;
    if (wanted.empty() || wanted == defaultNic) {
        wanted = defaultNic;
    } else {
        if (!pod_.linkByName(wanted))
            throw std::runtime_error(fmt::format("{}podDefaultRouteNIC: {} don't exist in pod", prefix, wanted));
        moved = defaultNic;
    }
    try {
        const auto defaultAddresses = unicastAddresses(pod_, podLink(defaultNic).index, families_);
        addFromRules(wanted == ifName_ ? defaultAddresses : addresses_, ruleTable_);
        if (mode_ == Mode::overlay && first_ && !legacy_) {
            // Answers from eth0's address must leave through eth0 although another NIC may get the default route.
            addFromRules(defaultAddresses, podRuleTable);
            copyRoutes(firstNic, podRuleTable, true, false);
        }
        copyRoutes(moved, ruleTable_, false, true);
    } catch (const std::runtime_error& error) {
        throw std::runtime_error(prefix + error.what());
    }
}

void PodNetwork::setPolicyRoutes() {
    const int table = mode_ == Mode::underlay && first_ ? mainTable : ruleTable_;
    for (const auto& route : config_.policyRoutes) {
        if (!families_.has(route.dst.address))
            continue;
        try {
            const auto dst = route.dst.isDefault() ? std::nullopt : std::optional(route.dst);
            addPodRoute(table, scopeUniverse, ifName_, std::nullopt, dst, route.gateway, route.gateway.family());
        } catch (const std::runtime_error& error) {
            throw std::runtime_error(
                fmt::format("failed to setupPolicyRoutes: failed to AddRoute for configured route {} via {}: {}", route.dst.str(),
                            route.gateway.str(), error.what()));
        }
    }
}

} // namespace rdmalab::plugin::coordinator
