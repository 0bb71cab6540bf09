#include "harness/run/inside_checks.h"

#include "harness/scenario/matcher.h"
#include "plugins/kernel/files.h"
#include "plugins/kernel/kernel.h"
#include "util/syscall.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace rdmalab::harness {

using nlohmann::json;

namespace {

std::string trimmed(std::string text) {
    while (!text.empty() && (text.back() == '\n' || text.back() == ' '))
        text.pop_back();
    return text;
}

// "5: LinkUp" -> "LINK_UP": sysfs and iproute2 have different words for the same state.
std::string physicalWord(const std::string& sysfs) {
    static const std::pair<const char*, const char*> words[] = {{"LinkUp", "LINK_UP"},
                                                                {"Disabled", "DISABLED"},
                                                                {"Polling", "POLLING"},
                                                                {"Sleep", "SLEEP"},
                                                                {"PortConfigurationTraining", "PORT_CONFIGURATION_TRAINING"},
                                                                {"LinkErrorRecovery", "LINK_ERROR_RECOVER"},
                                                                {"Phy Test", "PHY_TEST"}};
    const auto colon = sysfs.find(": ");
    const std::string word = colon == std::string::npos ? sysfs : sysfs.substr(colon + 2);
    for (const auto& [kernel, tool] : words)
        if (word == kernel)
            return tool;
    return word;
}

std::string afterColon(const std::string& text) {
    const auto colon = text.find(": ");
    return colon == std::string::npos ? text : text.substr(colon + 2);
}

InsideFinding different(std::string message, std::string expected, std::string found) {
    return {std::move(message), std::move(expected), std::move(found), {}};
}

// The parent of a macvlan or ipvlan lives on the node, and is known by its index there.
std::string parentOf(const plugin::Link& link, View& view) {
    if (link.parentIndex == 0)
        return "none";
    plugin::Kernel& where = link.parentElsewhere ? view.nodeKernel : view.kernel;
    const auto parent = where.linkByIndex(link.parentIndex);
    return parent ? parent->name : "index " + std::to_string(link.parentIndex);
}

} // namespace

InsideFinding checkText(const scenario::TextExpectation& expectation, const std::string& text, const std::string& what) {
    const auto mismatches = scenario::matchText(expectation, text, what);
    if (mismatches.empty())
        return {};
    const auto& first = mismatches.front();
    return {first.path.empty() ? what + " is not as expected" : first.path + " is not as expected", first.expected, first.found,
            first.place};
}

InsideFinding checkInterface(const scenario::InterfaceProbe& probe, View& view) {
    const auto link = view.kernel.linkByName(probe.name);
    if (probe.absent)
        return link ? different("interface " + probe.name + " exists", "no such interface", link->kind) : InsideFinding{};
    if (!link) {
        std::vector<std::string> names;
        for (const auto& other : view.kernel.links())
            names.push_back(other.name);
        return different("no interface " + probe.name, probe.name, fmt::format("{}", fmt::join(names, ", ")));
    }
    const std::string of = "of " + probe.name;
    if (probe.kind && link->kind != *probe.kind)
        return different("kind " + of, *probe.kind, link->kind);
    if (probe.parent && parentOf(*link, view) != *probe.parent)
        return different("parent " + of, *probe.parent, parentOf(*link, view));
    if (probe.up && link->up != *probe.up)
        return different("state " + of, *probe.up ? "up" : "down", link->up ? "up" : "down");
    if (probe.mtu && link->mtu != *probe.mtu)
        return different("mtu " + of, std::to_string(*probe.mtu), std::to_string(link->mtu));
    if (probe.mac && link->mac != *probe.mac)
        return different("mac " + of, *probe.mac, link->mac);
    if (probe.addressIn) {
        std::vector<std::string> found;
        bool inside = false;
        for (const auto& address : view.kernel.addresses(link->index)) {
            inside = inside || probe.addressIn->contains(address.cidr.address);
            found.push_back(address.cidr.str());
        }
        if (!inside)
            return different("address " + of, "one in " + probe.addressIn->str(), fmt::format("{}", fmt::join(found, ", ")));
    }
    if (probe.gateway) {
        std::vector<std::string> found;
        bool matches = false;
        for (const auto& route : view.kernel.routes(254)) {
            if ((route.dst && !route.dst->isDefault()) || route.linkIndex != link->index || !route.gateway)
                continue;
            matches = matches || *route.gateway == *probe.gateway;
            found.push_back(route.gateway->str());
        }
        if (!matches)
            return different("default gateway through " + probe.name, probe.gateway->str(),
                             found.empty() ? "no default route" : fmt::format("{}", fmt::join(found, ", ")));
    }
    return {};
}

InsideFinding checkDevices(const scenario::DevicesProbe& probe, View& view) {
    std::vector<std::string> names;
    if (view.files.exists(probe.path))
        for (const auto& entry : view.files.list(probe.path))
            names.push_back(entry.name);
    const std::string found = names.empty() ? "nothing" : fmt::format("{}", fmt::join(names, ", "));
    if (probe.equals) {
        auto wanted = *probe.equals;
        std::sort(wanted.begin(), wanted.end());
        std::sort(names.begin(), names.end());
        if (wanted != names)
            return different("devices in " + probe.path, fmt::format("exactly {}", fmt::join(wanted, ", ")), found);
    }
    const auto has = [&](const std::string& name) { return std::find(names.begin(), names.end(), name) != names.end(); };
    for (const auto& name : probe.contains)
        if (!has(name))
            return different("devices in " + probe.path, name, found);
    for (const auto& name : probe.notContains)
        if (has(name))
            return different("devices in " + probe.path, "no " + name, found);
    return {};
}

InsideFinding checkFile(const scenario::FileProbe& probe, View& view) {
    const auto content = [&]() -> std::optional<std::string> {
        try {
            return view.files.readIfExists(probe.path);
        } catch (const SystemError& error) {
            return std::string("(") + error.what() + ")";
        }
    }();
    if (probe.absent)
        return content ? different(probe.path + " exists", "no such file", *content) : InsideFinding{};
    if (!content)
        return different("no file " + probe.path, "a file", "nothing");
    return checkText(probe.text, *content, probe.path);
}

json rdmaFacts(plugin::Files& files) {
    json facts = {{"links", json::array()}};
    if (const auto mode = files.readIfExists("/sys/module/ib_core/parameters/netns_mode"))
        facts["netns"] = trimmed(*mode) == "Y" ? "shared" : "exclusive";
    const std::string base = "/sys/class/infiniband";
    if (!files.exists(base))
        return facts;
    for (const auto& device : files.list(base)) {
        const std::string ports = base + "/" + device.name + "/ports";
        if (!files.exists(ports))
            continue;
        for (const auto& port : files.list(ports)) {
            const std::string dir = ports + "/" + port.name;
            json link = {{"name", device.name + "/" + port.name},
                         {"state", afterColon(trimmed(files.read(dir + "/state")))},
                         {"physicalState", physicalWord(trimmed(files.read(dir + "/phys_state")))}};
            try {
                if (const auto netdev = files.readIfExists(dir + "/gid_attrs/ndevs/0"))
                    link["netdev"] = trimmed(*netdev);
            } catch (const SystemError&) {
                // EINVAL: the entry is unused, or its netdev is in another namespace.
            }
            facts["links"].push_back(std::move(link));
        }
    }
    return facts;
}

InsideFinding checkRdma(const scenario::RdmaProbe& probe, View& view) {
    const auto mismatches = scenario::matchPartial(probe.expected, rdmaFacts(view.files));
    if (mismatches.empty())
        return {};
    const auto& first = mismatches.front();
    return {"rdma " + first.path, first.expected, first.found, first.place};
}

} // namespace rdmalab::harness
