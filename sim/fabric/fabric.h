// The cabling between machines: switches, ports, cables, VLANs. It answers two questions: does this port see a signal, and
// can a frame get from this port to that one. Every answer is computed from the present state; nothing is remembered.
#pragma once

#include <compare>
#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace rdmalab::fabric {

struct PortId {
    int value = -1;
    bool valid() const noexcept { return value >= 0; }
    friend auto operator<=>(const PortId&, const PortId&) = default;
};

// Errors: std::invalid_argument for a switch or port that does not exist, or a switch name given twice.
class Fabric {
public:
    Fabric() = default;
    Fabric(const Fabric&) = delete;
    Fabric& operator=(const Fabric&) = delete;

    void addSwitch(const std::string& name);
    bool hasSwitch(const std::string& name) const { return switches_.count(name) != 0; }
    std::vector<std::string> switches() const;
    // A trunk carries every VLAN. Two switches have at most one; adding it again has no effect.
    void addTrunk(const std::string& a, const std::string& b);

    // A NIC port with a cable to a switch; an empty switch name means that the cable's far end hangs loose.
    // `vlan` is the access VLAN of the switch's port; 0 is the switch's native one.
    PortId addPort(const std::string& switchName, int vlan = 0);
    // Another port behind the same cable: a virtual function on the NIC's embedded switch. Its VLAN is its own.
    PortId addPortBehind(PortId uplink, int vlan = 0);
    // Ports behind it go as well. An unknown port is ignored.
    void removePort(PortId port);

    void setLink(PortId port, bool up); // the switch's side of the port (a VF: the VF's link state)
    void setCable(PortId port, bool plugged);
    void moveCable(PortId port, const std::string& switchName); // "" = unplugged at the far end
    void setVlan(PortId port, int vlan);
    void setSwitch(const std::string& name, bool running);
    void setTrunk(const std::string& a, const std::string& b, bool up);

    // Cable plugged in, far end on a running switch, both sides up. A port behind another follows it.
    bool carrier(PortId port) const;
    // A frame from `a` reaches `b`: both have carrier and are in one VLAN of one switched network. A port is not connected
    // to itself.
    bool connected(PortId a, PortId b) const { return brokenLink(a, b).empty(); }
    // The first thing between the ports that breaks the path, in words ("cable of port 3 is unplugged"); empty if none.
    std::string brokenLink(PortId a, PortId b) const;
    // Why the port has no carrier; empty if it has.
    std::string noCarrierReason(PortId port) const;

    std::string switchOf(PortId port) const; // "" = on none
    int vlan(PortId port) const;

    // Called after each change that can alter the carrier of ports or the paths between them.
    void onChange(std::function<void()> observer) { observers_.push_back(std::move(observer)); }

private:
    struct Port {
        std::string switchName;
        int vlan = 0;
        bool plugged = true, up = true;
        PortId uplink; // set for a port behind another one
    };
    struct Switch {
        bool running = true;
        std::map<std::string, bool> trunks; // peer -> up
    };

    Port& port(PortId id);
    const Port& port(PortId id) const;
    Switch& switchNamed(const std::string& name);
    bool switchesJoined(const std::string& a, const std::string& b) const;
    void changed();

    std::map<std::string, Switch> switches_;
    std::vector<std::optional<Port>> ports_; // by id; ids are not reused
    std::vector<std::function<void()>> observers_;
};

} // namespace rdmalab::fabric
