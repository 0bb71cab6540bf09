#include "fakesysfs/render.h"

#include <fmt/format.h>

#include <array>
#include <cerrno>

namespace rdmalab::fakesysfs {
namespace {

constexpr std::array<const char*, 24> statistics = {
    "collisions",       "multicast",           "rx_bytes",       "rx_compressed",   "rx_crc_errors",
    "rx_dropped",       "rx_errors",           "rx_fifo_errors", "rx_frame_errors", "rx_length_errors",
    "rx_missed_errors", "rx_nohandler",        "rx_over_errors", "rx_packets",      "tx_aborted_errors",
    "tx_bytes",         "tx_carrier_errors",   "tx_compressed",  "tx_dropped",      "tx_errors",
    "tx_fifo_errors",   "tx_heartbeat_errors", "tx_packets",     "tx_window_errors"};

bool stacked(const std::string& kind) {
    return kind == "macvlan" || kind == "ipvlan" || kind == "vlan" || kind == "veth";
}

std::string operstate(const NetdevFacts& facts) {
    if (facts.loopback)
        return facts.up ? "unknown" : "down";
    if (!facts.up)
        return "down";
    if (facts.carrier)
        return "up";
    return stacked(facts.kind) ? "lowerlayerdown" : "down";
}

// IFF_UP, IFF_BROADCAST, IFF_LOOPBACK, IFF_MULTICAST: the device's own flags, not those that ioctl derives.
unsigned flags(const NetdevFacts& facts) {
    return (facts.up ? 0x1U : 0U) | (facts.loopback ? 0x8U : 0x1002U);
}

void addState(Directory& directory, const NetdevFacts& facts) {
    directory.text("operstate", operstate(facts));
    directory.text("flags", fmt::format("0x{:x}", flags(facts)), 0644);
    directory.text("carrier_changes", std::to_string(facts.carrierUp + facts.carrierDown));
    directory.text("carrier_up_count", std::to_string(facts.carrierUp));
    directory.text("carrier_down_count", std::to_string(facts.carrierDown));
    if (!facts.up) { // net/core/net-sysfs.c: these want a running interface
        directory.unreadable("carrier", EINVAL, 0644);
        for (const char* name : {"dormant", "duplex", "speed", "testing"})
            directory.unreadable(name, EINVAL);
        return;
    }
    directory.text("carrier", facts.carrier ? "1" : "0", 0644);
    directory.text("dormant", "0");
    directory.text("testing", "0");
    if (facts.loopback || facts.speed == -2) {
        directory.unreadable("speed", EINVAL);
        directory.unreadable("duplex", EINVAL);
        return;
    }
    directory.text("speed", facts.carrier ? std::to_string(facts.speed) : "-1");
    directory.text("duplex", facts.carrier && facts.speed > 0 ? "full" : "unknown");
}

void addIdentity(Directory& directory, const NetdevFacts& facts) {
    directory.text("address", facts.mac);
    directory.text("addr_len", facts.infiniband ? "20" : "6");
    directory.text("addr_assign_type", facts.macGiven ? "3" : "0");
    directory.text("broadcast", facts.loopback     ? "00:00:00:00:00:00"
                                : facts.infiniband ? "00:ff:ff:ff:ff:12:40:1b:ff:ff:00:00:00:00:00:00:ff:ff:ff:ff"
                                                   : "ff:ff:ff:ff:ff:ff");
    directory.text("type", facts.loopback ? "772" : facts.infiniband ? "32" : "1");
    directory.text("ifindex", std::to_string(facts.ifindex));
    directory.text("iflink", std::to_string(facts.iflink));
    directory.text("mtu", std::to_string(facts.mtu), 0644);
    directory.text("dev_id", "0x0");
    directory.text("dev_port", "0");
    // 2: predictable (lo), 3: given by its creator, 4: renamed by udev.
    directory.text("name_assign_type", facts.loopback ? "2" : facts.device.empty() ? "3" : "4");
    directory.raw("ifalias", "", 0644);
    directory.unreadable("phys_port_id", EOPNOTSUPP);
    directory.unreadable("phys_switch_id", EOPNOTSUPP);
    if (facts.portName.empty())
        directory.unreadable("phys_port_name", EOPNOTSUPP);
    else
        directory.text("phys_port_name", facts.portName);
    const bool typed = facts.kind == "macvlan" || facts.kind == "ipvlan" || facts.kind == "vlan" || facts.kind == "bridge" ||
                       facts.kind == "bond" || facts.kind == "vxlan";
    directory.text(
        "uevent",
        fmt::format("{}INTERFACE={}\nIFINDEX={}", typed ? "DEVTYPE=" + facts.kind + "\n" : "", facts.name, facts.ifindex), 0644);
}

void addQueues(Directory& directory) {
    directory.lazy("queues", [](Directory& queues) {
        Directory& rx = queues.directory("rx-0");
        rx.text("rps_cpus", "0", 0644);
        rx.text("rps_flow_cnt", "0", 0644);
        Directory& tx = queues.directory("tx-0");
        tx.text("traffic_class", "0");
        tx.text("tx_maxrate", "0", 0644);
        tx.text("tx_timeout", "0");
        tx.text("xps_cpus", "0", 0644);
        tx.text("xps_rxqs", "0", 0644);
    });
}

} // namespace

void renderNetdev(Directory& directory, const std::string& path, const NetdevFacts& facts) {
    addIdentity(directory, facts);
    addState(directory, facts);
    directory.text("gro_flush_timeout", "0", 0644);
    directory.text("link_mode", "0");
    directory.text("napi_defer_hard_irqs", "0", 0644);
    directory.text("netdev_group", "0", 0644);
    directory.text("proto_down", "0", 0644);
    directory.text("threaded", "0", 0644);
    directory.text("tx_queue_len", facts.infiniband ? "256" : "1000", 0644);
    if (facts.infiniband) {
        directory.writeOnly("create_child");
        directory.writeOnly("delete_child");
        directory.text("mode", "datagram", 0644);
        directory.text("pkey", "0xffff");
        directory.text("umcast", "0", 0644);
    }
    directory.lazy("statistics", [](Directory& counters) {
        for (const char* name : statistics)
            counters.text(name, "0");
    });
    addQueues(directory);
    addPower(directory);
    addLink(directory, path, "subsystem", "class/net");
    if (!facts.device.empty())
        addLink(directory, path, "device", facts.device);
}

} // namespace rdmalab::fakesysfs
