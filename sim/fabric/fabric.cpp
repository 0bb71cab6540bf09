#include "sim/fabric/fabric.h"

#include <set>
#include <stdexcept>
#include <utility>

namespace rdmalab::fabric {

Fabric::Port& Fabric::port(PortId id) {
    return const_cast<Port&>(std::as_const(*this).port(id));
}

const Fabric::Port& Fabric::port(PortId id) const {
    if (!id.valid() || static_cast<std::size_t>(id.value) >= ports_.size() || !ports_[static_cast<std::size_t>(id.value)])
        throw std::invalid_argument("fabric: no port " + std::to_string(id.value));
    return *ports_[static_cast<std::size_t>(id.value)];
}

Fabric::Switch& Fabric::switchNamed(const std::string& name) {
    const auto found = switches_.find(name);
    if (found == switches_.end())
        throw std::invalid_argument("fabric: no switch \"" + name + "\"");
    return found->second;
}

void Fabric::changed() {
    for (std::size_t i = 0; i < observers_.size(); ++i)
        observers_[i]();
}

void Fabric::addSwitch(const std::string& name) {
    if (name.empty() || !switches_.try_emplace(name).second)
        throw std::invalid_argument("fabric: switch \"" + name + "\" has no name or exists already");
}

std::vector<std::string> Fabric::switches() const {
    std::vector<std::string> names;
    for (const auto& [name, ignored] : switches_)
        names.push_back(name);
    return names;
}

void Fabric::addTrunk(const std::string& a, const std::string& b) {
    if (a == b)
        throw std::invalid_argument("fabric: switch \"" + a + "\" cannot have a trunk to itself");
    Switch& first = switchNamed(a);
    switchNamed(b).trunks.emplace(a, true);
    first.trunks.emplace(b, true);
    changed();
}

PortId Fabric::addPort(const std::string& switchName, int vlan) {
    if (!switchName.empty())
        switchNamed(switchName);
    ports_.push_back(Port{switchName, vlan, true, true, {}});
    return PortId{static_cast<int>(ports_.size()) - 1};
}

PortId Fabric::addPortBehind(PortId uplink, int vlan) {
    const Port& carrying = port(uplink);
    // The embedded switches of NICs do not nest.
    const PortId root = carrying.uplink.valid() ? carrying.uplink : uplink;
    ports_.push_back(Port{"", vlan, true, true, root});
    return PortId{static_cast<int>(ports_.size()) - 1};
}

void Fabric::removePort(PortId id) {
    if (!id.valid() || static_cast<std::size_t>(id.value) >= ports_.size())
        return;
    ports_[static_cast<std::size_t>(id.value)].reset();
    for (auto& other : ports_)
        if (other && other->uplink == id)
            other.reset();
    changed();
}

void Fabric::setLink(PortId id, bool up) {
    port(id).up = up;
    changed();
}

void Fabric::setCable(PortId id, bool plugged) {
    Port& cable = port(id);
    (cable.uplink.valid() ? port(cable.uplink) : cable).plugged = plugged;
    changed();
}

void Fabric::moveCable(PortId id, const std::string& switchName) {
    if (!switchName.empty())
        switchNamed(switchName);
    Port& cable = port(id);
    (cable.uplink.valid() ? port(cable.uplink) : cable).switchName = switchName;
    changed();
}

void Fabric::setVlan(PortId id, int vlan) {
    port(id).vlan = vlan;
    changed();
}

void Fabric::setSwitch(const std::string& name, bool running) {
    switchNamed(name).running = running;
    changed();
}

void Fabric::setTrunk(const std::string& a, const std::string& b, bool up) {
    auto& there = switchNamed(a).trunks;
    const auto found = there.find(b);
    if (found == there.end())
        throw std::invalid_argument("fabric: no trunk between \"" + a + "\" and \"" + b + "\"");
    found->second = up;
    switchNamed(b).trunks[a] = up;
    changed();
}

std::string Fabric::switchOf(PortId id) const {
    const Port& asked = port(id);
    return asked.uplink.valid() ? port(asked.uplink).switchName : asked.switchName;
}

int Fabric::vlan(PortId id) const {
    return port(id).vlan;
}

std::string Fabric::noCarrierReason(PortId id) const {
    const Port& asked = port(id);
    const std::string name = "port " + std::to_string(id.value);
    if (asked.uplink.valid()) {
        if (!asked.up)
            return "link state of virtual " + name + " is down";
        return noCarrierReason(asked.uplink);
    }
    if (!asked.plugged)
        return "cable of " + name + " is unplugged";
    if (asked.switchName.empty())
        return "cable of " + name + " goes to no switch";
    if (!switches_.at(asked.switchName).running)
        return "switch " + asked.switchName + " is not running";
    if (!asked.up)
        return "switch " + asked.switchName + " has its side of " + name + " down";
    return "";
}

bool Fabric::carrier(PortId id) const {
    return noCarrierReason(id).empty();
}

bool Fabric::switchesJoined(const std::string& a, const std::string& b) const {
    if (a == b)
        return true;
    std::set<std::string> seen{a};
    std::vector<std::string> todo{a};
    while (!todo.empty()) {
        const std::string here = todo.back();
        todo.pop_back();
        for (const auto& [peer, up] : switches_.at(here).trunks) {
            if (!up || !switches_.at(peer).running || !seen.insert(peer).second)
                continue;
            if (peer == b)
                return true;
            todo.push_back(peer);
        }
    }
    return false;
}

std::string Fabric::brokenLink(PortId a, PortId b) const {
    if (a == b)
        return "port " + std::to_string(a.value) + " is asked to reach itself";
    if (std::string reason = noCarrierReason(a); !reason.empty())
        return reason;
    if (std::string reason = noCarrierReason(b); !reason.empty())
        return reason;
    const std::string from = switchOf(a), to = switchOf(b);
    if (!switchesJoined(from, to))
        return "switches " + from + " and " + to + " are not joined";
    if (const int here = vlan(a), there = vlan(b); here != there)
        return "port " + std::to_string(a.value) + " is in VLAN " + std::to_string(here) + ", port " + std::to_string(b.value) +
               " in VLAN " + std::to_string(there);
    return "";
}

} // namespace rdmalab::fabric
