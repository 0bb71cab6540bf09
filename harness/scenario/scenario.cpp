#include "harness/scenario/scenario.h"

#include "sim/hardware/catalogue.h"

#include <algorithm>
#include <array>

namespace rdmalab::scenario {

std::string_view name(Tier tier) {
    switch (tier) {
    case Tier::model:
        return "model";
    case Tier::netns:
        return "netns";
    case Tier::rxe:
        return "rxe";
    }
    return {};
}

std::string_view name(RdmaNetns mode) {
    return mode == RdmaNetns::shared ? "shared" : "exclusive";
}

std::string_view name(PodCondition condition) {
    switch (condition) {
    case PodCondition::ready:
        return "Ready";
    case PodCondition::running:
        return "Running";
    case PodCondition::pending:
        return "Pending";
    case PodCondition::completed:
        return "Completed";
    case PodCondition::failed:
        return "Failed";
    case PodCondition::gone:
        return "Gone";
    }
    return {};
}

std::string_view name(TextExpectation::Op op) {
    switch (op) {
    case TextExpectation::Op::contains:
        return "contains";
    case TextExpectation::Op::notContains:
        return "notContains";
    case TextExpectation::Op::matches:
        return "matches";
    case TextExpectation::Op::equals:
        return "equals";
    }
    return {};
}

std::string PodSelector::str() const {
    if (!pod.empty())
        return "pod " + ns + '/' + pod;
    std::string out = "pods";
    char separator = ' ';
    for (const auto& [key, value] : labels) {
        out += separator + key + '=' + value;
        separator = ',';
    }
    return ns == "default" ? out : out + " in " + ns;
}

std::string describe(const Target& target) {
    if (const auto* pods = std::get_if<PodSelector>(&target))
        return pods->str();
    return "node " + std::get<NodeSelector>(target).node;
}

std::string_view kindOf(const Action& action) {
    constexpr std::array<std::string_view, 8> names = {"apply", "delete", "wait", "assert", "probe", "fault", "patch", "write"};
    static_assert(names.size() == std::variant_size_v<Action>);
    return names[action.index()];
}

std::string_view kindOf(const Probe& probe) {
    constexpr std::array<std::string_view, 7> names = {"exec", "log", "devices", "interface", "file", "reach", "rdma"};
    static_assert(names.size() == std::variant_size_v<decltype(Probe::check)>);
    return names[probe.check.index()];
}

std::string describe(const Probe& probe) {
    std::string out(kindOf(probe));
    if (const auto* exec = std::get_if<ExecProbe>(&probe.check)) {
        for (const std::string& argument : exec->argv)
            out += ' ' + argument;
    } else if (const auto* devices = std::get_if<DevicesProbe>(&probe.check)) {
        out += ' ' + devices->path;
    } else if (const auto* interface = std::get_if<InterfaceProbe>(&probe.check)) {
        out += ' ' + interface->name;
    } else if (const auto* file = std::get_if<FileProbe>(&probe.check)) {
        out += ' ' + file->path;
    } else if (const auto* reach = std::get_if<ReachProbe>(&probe.check)) {
        out = reach->with;
        if (reach->between)
            out += " between " + reach->between->str();
        if (reach->from)
            out += " from " + reach->from->str();
        if (reach->to)
            out += " to " + reach->to->str();
        if (reach->toIp)
            out += " to " + reach->toIp->str();
        return reach->expectReached ? out : out + " is refused";
    }
    return probe.target ? out + " in " + describe(*probe.target) : out;
}

std::shared_ptr<const hardware::Catalogue> builtInCatalogue() {
    return {&hardware::Catalogue::builtIn(), [](const hardware::Catalogue*) {}};
}

bool Scenario::allows(Tier tier) const {
    return !tiers || std::find(tiers->begin(), tiers->end(), tier) != tiers->end();
}

} // namespace rdmalab::scenario
