// /proc/sys/net of a simulated namespace. Only what was written is kept; defaults are those of a fresh namespace of Linux 6.18.
#include "sim/kernel/world_state.h"
#include "util/syscall.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <fmt/format.h>
#include <string_view>

namespace rdmalab::kernel {

namespace {

struct Default {
    std::string_view key, value;
};

constexpr Default kConf4[] = {{"accept_local", "0"},
                              {"accept_redirects", "1"},
                              {"accept_source_route", "1"},
                              {"arp_accept", "0"},
                              {"arp_announce", "0"},
                              {"arp_evict_nocarrier", "1"},
                              {"arp_filter", "0"},
                              {"arp_ignore", "0"},
                              {"arp_notify", "0"},
                              {"bc_forwarding", "0"},
                              {"bootp_relay", "0"},
                              {"disable_policy", "0"},
                              {"disable_xfrm", "0"},
                              {"drop_gratuitous_arp", "0"},
                              {"drop_unicast_in_l2_multicast", "0"},
                              {"force_igmp_version", "0"},
                              {"forwarding", "0"},
                              {"igmpv2_unsolicited_report_interval", "10000"},
                              {"igmpv3_unsolicited_report_interval", "1000"},
                              {"ignore_routes_with_linkdown", "0"},
                              {"log_martians", "0"},
                              {"mc_forwarding", "0"},
                              {"medium_id", "0"},
                              {"promote_secondaries", "0"},
                              {"proxy_arp", "0"},
                              {"proxy_arp_pvlan", "0"},
                              {"route_localnet", "0"},
                              {"rp_filter", "0"},
                              {"secure_redirects", "1"},
                              {"send_redirects", "1"},
                              {"shared_media", "1"},
                              {"src_valid_mark", "0"},
                              {"tag", "0"}};

constexpr Default kConf6[] = {{"accept_dad", "1"},
                              {"accept_ra", "1"},
                              {"accept_ra_defrtr", "1"},
                              {"accept_ra_from_local", "0"},
                              {"accept_ra_min_hop_limit", "1"},
                              {"accept_ra_mtu", "1"},
                              {"accept_ra_pinfo", "1"},
                              {"accept_ra_rtr_pref", "1"},
                              {"accept_redirects", "1"},
                              {"accept_source_route", "0"},
                              {"addr_gen_mode", "0"},
                              {"autoconf", "1"},
                              {"dad_transmits", "1"},
                              {"disable_ipv6", "0"},
                              {"disable_policy", "0"},
                              {"drop_unsolicited_na", "0"},
                              {"enhanced_dad", "1"},
                              {"forwarding", "0"},
                              {"hop_limit", "64"},
                              {"ignore_routes_with_linkdown", "0"},
                              {"keep_addr_on_down", "0"},
                              {"max_addresses", "16"},
                              {"mc_forwarding", "0"},
                              {"mtu", "1280"},
                              {"ndisc_evict_nocarrier", "1"},
                              {"ndisc_notify", "0"},
                              {"optimistic_dad", "0"},
                              {"proxy_ndp", "0"},
                              {"router_solicitations", "-1"},
                              {"seg6_enabled", "0"},
                              {"suppress_frag_ndisc", "1"},
                              {"use_optimistic", "0"},
                              {"use_tempaddr", "0"}};

constexpr Default kNeigh[] = {
    {"anycast_delay", "100"},        {"app_solicit", "0"},    {"base_reachable_time", "30"}, {"base_reachable_time_ms", "30000"},
    {"delay_first_probe_time", "5"}, {"gc_stale_time", "60"}, {"locktime", "100"},           {"mcast_resolicit", "0"},
    {"mcast_solicit", "3"},          {"proxy_delay", "80"},   {"proxy_qlen", "64"},          {"retrans_time_ms", "1000"},
    {"ucast_solicit", "3"},          {"unres_qlen", "101"},   {"unres_qlen_bytes", "212992"}};

constexpr Default kPlain[] = {{"core/somaxconn", "4096"},
                              {"ipv4/fib_multipath_hash_policy", "0"},
                              {"ipv4/fwmark_reflect", "0"},
                              {"ipv4/icmp_echo_ignore_all", "0"},
                              {"ipv4/icmp_echo_ignore_broadcasts", "1"},
                              {"ipv4/ip_default_ttl", "64"},
                              {"ipv4/ip_forward", "0"},
                              {"ipv4/ip_local_port_range", "32768\t60999"},
                              {"ipv4/ip_nonlocal_bind", "0"},
                              {"ipv4/ip_unprivileged_port_start", "1024"},
                              {"ipv4/ping_group_range", "1\t0"},
                              {"ipv4/tcp_ecn", "2"},
                              {"ipv4/tcp_fin_timeout", "60"},
                              {"ipv4/tcp_fwmark_accept", "0"},
                              {"ipv4/tcp_keepalive_intvl", "75"},
                              {"ipv4/tcp_keepalive_probes", "9"},
                              {"ipv4/tcp_keepalive_time", "7200"},
                              {"ipv4/tcp_syncookies", "1"},
                              {"ipv4/tcp_tw_reuse", "2"},
                              {"ipv6/bindv6only", "0"},
                              {"ipv6/ip_nonlocal_bind", "0"}};

template <std::size_t Count>
std::optional<std::string> lookUp(const Default (&table)[Count], std::string_view key) {
    const auto* const found = std::lower_bound(std::begin(table), std::end(table), key,
                                               [](const Default& entry, std::string_view wanted) { return entry.key < wanted; });
    if (found == std::end(table) || found->key != key)
        return std::nullopt;
    return std::string(found->value);
}

// "ipv4/conf/eth0/arp_notify" -> {"ipv4/conf", "eth0", "arp_notify"}; nullopt for keys that belong to no link.
struct LinkKey {
    std::string group, link, leaf;
    std::string record() const { return group + "/" + leaf; } // as LinkRecord::sysctls has it
    bool all() const { return link == "all"; }
    bool shared() const { return link == "all" || link == "default"; }
};

std::optional<LinkKey> linkKey(const std::string& key) {
    for (const char* const group : {"ipv4/conf", "ipv6/conf", "ipv4/neigh", "ipv6/neigh"}) {
        const std::size_t size = std::strlen(group);
        if (key.compare(0, size, group) != 0 || key.size() <= size || key[size] != '/')
            continue;
        const auto slash = key.find('/', size + 1);
        if (slash != std::string::npos)
            return LinkKey{group, key.substr(size + 1, slash - size - 1), key.substr(slash + 1)};
    }
    return std::nullopt;
}

std::optional<std::string> linkDefault(const std::string& group, const std::string& leaf, bool loopback) {
    if (group == "ipv4/conf") {
        if (loopback && (leaf == "disable_policy" || leaf == "disable_xfrm"))
            return "1";
        return lookUp(kConf4, leaf);
    }
    if (group == "ipv6/conf") {
        if (loopback && (leaf == "accept_dad" || leaf == "use_tempaddr"))
            return "-1";
        return lookUp(kConf6, leaf);
    }
    return lookUp(kNeigh, leaf);
}

[[noreturn]] void missing(const std::string& key) {
    throw plugin::KernelError(fmt::format("open /proc/sys/net/{}: {}", key, goErrnoText(ENOENT)), ENOENT);
}

// proc_dointvec(): decimal numbers and white space, read back with tabs between.
std::string parsedNumbers(const std::string& key, const std::string& value) {
    std::string numbers;
    for (const char *at = value.data(), *const end = at + value.size(); at != end;) {
        if (std::strchr(" \t\n", *at) != nullptr) {
            ++at;
            continue;
        }
        long number = 0;
        const auto [rest, error] = std::from_chars(at, end, number);
        if (error != std::errc{})
            throw plugin::KernelError(fmt::format("write /proc/sys/net/{}: {}", key, goErrnoText(EINVAL)), EINVAL);
        numbers += (numbers.empty() ? "" : "\t") + std::to_string(number);
        at = rest;
    }
    return numbers;
}

} // namespace

int WorldState::confValue(const LinkRecord& link, const std::string& key) {
    const auto written = link.sysctls.find(key);
    const auto slash = key.rfind('/');
    const std::string value = written != link.sysctls.end()
                                  ? written->second
                                  : linkDefault(key.substr(0, slash), key.substr(slash + 1), link.loopback()).value_or("0");
    return std::stoi(value);
}

std::string WorldState::sysctl(const NetnsState& netns, const std::string& key) const {
    if (key.empty() || key.front() == '/' || ("/" + key + "/").find("/../") != std::string::npos)
        throw plugin::KernelError(fmt::format("invalid net sysctl key: \"{}\"", key), EINVAL);
    const auto parts = linkKey(key);
    if (!parts || parts->shared()) {
        const auto written = netns.sysctls.find(key);
        if (written != netns.sysctls.end())
            return written->second;
        auto value = parts ? linkDefault(parts->group, parts->leaf, false) : lookUp(kPlain, key);
        if (!value || (parts && parts->all() && parts->group.find("neigh") != std::string::npos))
            missing(key);
        // Two values of "all" differ from those that a link starts with.
        if (parts && parts->all() && (parts->leaf == "accept_source_route" || parts->leaf == "accept_dad"))
            return "0";
        return *value;
    }
    const LinkRecord* const link = findLink(netns, parts->link);
    if (link == nullptr)
        missing(key);
    const auto written = link->sysctls.find(parts->record());
    if (written != link->sysctls.end())
        return written->second;
    if (parts->group == "ipv6/conf" && parts->leaf == "mtu")
        return std::to_string(link->mtu);
    const auto value = linkDefault(parts->group, parts->leaf, link->loopback());
    if (!value)
        missing(key);
    return *value;
}

void WorldState::setSysctl(NetnsState& netns, const std::string& key, const std::string& value) {
    sysctl(netns, key); // an unknown key fails as it does when it is read
    const std::string number = parsedNumbers(key, value);
    if (number.empty())
        return; // an empty write changes nothing
    const auto parts = linkKey(key);
    if (!parts) {
        netns.sysctls[key] = number;
        if (key == "ipv4/ip_forward")
            setSysctl(netns, "ipv4/conf/all/forwarding", number);
        return;
    }
    const bool propagates =
        parts->all() && (parts->leaf == "forwarding" || (parts->group == "ipv6/conf" && parts->leaf == "disable_ipv6"));
    if (parts->shared()) {
        netns.sysctls[key] = number;
        if (!propagates)
            return;
        if (parts->group == "ipv4/conf" && parts->leaf == "forwarding")
            netns.sysctls["ipv4/ip_forward"] = number;
        netns.sysctls[parts->group + "/default/" + parts->leaf] = number;
    }
    for (const auto& link : netns.links) {
        if (!propagates && link->name != parts->link)
            continue;
        const int before = confValue(*link, parts->record());
        link->sysctls[parts->record()] = number;
        if (parts->record() == "ipv6/conf/disable_ipv6" && (before != 0) != (number != "0"))
            ipv6Switched(*link, number != "0");
    }
}

} // namespace rdmalab::kernel
