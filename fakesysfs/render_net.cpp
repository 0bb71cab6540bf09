#include "fakesysfs/net_writes.h"
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

void addState(Directory& directory, const NetdevFacts& facts, const NetWrites& writes) {
    directory.text("operstate", operstate(facts));
    directory.writable("flags", fmt::format("0x{:x}", flags(facts)), writes.of("flags"));
    directory.text("carrier_changes", std::to_string(facts.carrierUp + facts.carrierDown));
    directory.text("carrier_up_count", std::to_string(facts.carrierUp));
    directory.text("carrier_down_count", std::to_string(facts.carrierDown));
    if (!facts.up) { // net/core/net-sysfs.c: these want a running interface
        directory.unreadable("carrier", EINVAL, 0644);
        directory.node("carrier").behaviour = std::make_shared<Behaviour>(Behaviour{nullptr, writes.of("carrier")});
        for (const char* name : {"dormant", "duplex", "speed", "testing"})
            directory.unreadable(name, EINVAL);
        return;
    }
    directory.writable("carrier", facts.carrier ? "1" : "0", writes.of("carrier"));
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

void addIdentity(Directory& directory, const Scene& scene, const NetdevFacts& facts, const NetWrites& writes) {
    directory.text("address", facts.mac);
    directory.text("addr_len", facts.infiniband ? "20" : "6");
    directory.text("addr_assign_type", std::to_string(facts.macOrigin));
    directory.text("broadcast", facts.loopback     ? "00:00:00:00:00:00"
                                : facts.infiniband ? "00:ff:ff:ff:ff:12:40:1b:ff:ff:00:00:00:00:00:00:ff:ff:ff:ff"
                                                   : "ff:ff:ff:ff:ff:ff");
    directory.text("type", facts.loopback ? "772" : facts.infiniband ? "32" : "1");
    directory.text("ifindex", std::to_string(facts.ifindex));
    directory.text("iflink", std::to_string(facts.iflink));
    directory.writable("mtu", std::to_string(facts.mtu), writes.of("mtu"));
    directory.text("dev_id", "0x0");
    directory.text("dev_port", "0");
    // 2: predictable (lo), 3: given by its creator, 4: renamed by udev.
    directory.text("name_assign_type", facts.loopback ? "2" : facts.device.empty() ? "3" : "4");
    const std::string alias = writes.kept("ifalias", "");
    directory.raw("ifalias", alias.empty() ? "" : alias + "\n", 0644);
    directory.node("ifalias").behaviour = std::make_shared<Behaviour>(Behaviour{nullptr, writes.of("ifalias")});
    directory.unreadable("phys_port_id", EOPNOTSUPP);
    directory.unreadable("phys_switch_id", EOPNOTSUPP);
    if (facts.portName.empty())
        directory.unreadable("phys_port_name", EOPNOTSUPP);
    else
        directory.text("phys_port_name", facts.portName);
    const bool typed = facts.kind == "macvlan" || facts.kind == "ipvlan" || facts.kind == "vlan" || facts.kind == "bridge" ||
                       facts.kind == "bond" || facts.kind == "vxlan";
    addUevent(
        directory, scene,
        fmt::format("{}INTERFACE={}\nIFINDEX={}\n", typed ? "DEVTYPE=" + facts.kind + "\n" : "", facts.name, facts.ifindex));
}

void addQueues(Directory& directory, const NetWrites& writes) {
    directory.lazy("queues", [writes](Directory& queues) {
        const auto kept = [&](Directory& queue, const std::string& path, const std::string& name) {
            const std::string full = path + name;
            queue.writable(name, writes.kept(full, "0"), writes.of(full));
        };
        Directory& rx = queues.directory("rx-0");
        for (const char* name : {"rps_cpus", "rps_flow_cnt"})
            kept(rx, "queues/rx-0/", name);
        Directory& tx = queues.directory("tx-0");
        tx.text("traffic_class", "0");
        tx.text("tx_timeout", "0");
        for (const char* name : {"tx_maxrate", "xps_cpus", "xps_rxqs"})
            kept(tx, "queues/tx-0/", name);
    });
}

} // namespace

void addIpoib(Directory& directory, const Scene& scene) {
    const auto write = [&](const char* name) { return unlessReadOnly(scene, ipoibStore(name)); };
    directory.writeOnly("create_child", write("create_child"));
    directory.writeOnly("delete_child", write("delete_child"));
    directory.writable("mode", "datagram", write("mode"));
    directory.text("pkey", "0xffff");
    directory.writable("umcast", "0", write("umcast"));
}

void renderNetdev(Directory& directory, const std::string& path, const Scene& scene, const NetdevFacts& facts) {
    const NetWrites writes(scene, facts);
    addIdentity(directory, scene, facts, writes);
    addState(directory, facts, writes);
    directory.text("link_mode", "0");
    for (const char* name : {"gro_flush_timeout", "napi_defer_hard_irqs", "netdev_group", "proto_down", "threaded"})
        directory.writable(name, writes.kept(name, "0"), writes.of(name));
    directory.writable("tx_queue_len", writes.kept("tx_queue_len", facts.infiniband ? "256" : "1000"), writes.of("tx_queue_len"));
    if (facts.infiniband)
        addIpoib(directory, scene);
    directory.lazy("statistics", [](Directory& counters) {
        for (const char* name : statistics)
            counters.text(name, "0");
    });
    addQueues(directory, writes);
    addPower(directory, scene, writes.owner());
    addLink(directory, path, "subsystem", "class/net");
    if (!facts.device.empty())
        addLink(directory, path, "device", facts.device);
}

} // namespace rdmalab::fakesysfs
