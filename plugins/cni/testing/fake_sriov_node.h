// A node with PFs and VFs in memory, by the book of the interfaces: /sys with its links, namespaces with links in them, what the
// PF is told about its VFs, and RDMA devices. Everything that changes something is kept in `log`.
#pragma once

#include "plugins/cni/protocol/go_json.h"
#include "plugins/kernel/files.h"
#include "plugins/kernel/kernel.h"
#include "plugins/kernel/rdma_kernel.h"
#include "plugins/kernel/vf_kernel.h"
#include "util/syscall.h"

#include <algorithm>
#include <cerrno>
#include <fmt/format.h>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace rdmalab::plugin::testing {

// Regular files and symbolic links; directories are what is above them, and those that were made.
class LinkedFiles final : public Files {
public:
    std::map<std::string, std::string> content, links;
    std::set<std::string> directories;
    std::set<std::string> readOnly; // directories in which nothing can be made

    std::string read(const std::string& path) override {
        const auto found = content.find(real(path, true));
        if (found == content.end())
            throw SystemError("open " + path, ENOENT);
        return found->second;
    }
    std::vector<DirectoryEntry> list(const std::string& path) override {
        if (status(path).kind != FileKind::directory)
            throw SystemError("open " + path, ENOENT);
        std::map<std::string, FileKind> found;
        const std::string prefix = real(path, true) + "/";
        const auto add = [&](const std::string& name, FileKind kind) {
            if (!name.starts_with(prefix))
                return;
            const auto rest = name.substr(prefix.size());
            const auto slash = rest.find('/');
            found[rest.substr(0, slash)] = slash == std::string::npos ? kind : FileKind::directory;
        };
        for (const auto& [name, text] : content)
            add(name, FileKind::regular);
        for (const auto& [name, target] : links)
            add(name, FileKind::symlink);
        for (const auto& name : directories)
            add(name, FileKind::directory);
        std::vector<DirectoryEntry> out;
        for (const auto& [name, kind] : found)
            out.push_back({name, kind});
        return out;
    }
    std::string readLink(const std::string& path) override {
        const auto found = links.find(real(path, false));
        if (found == links.end())
            throw SystemError("readlink " + path, linkStatus(path).kind == FileKind::missing ? ENOENT : EINVAL);
        return found->second;
    }
    FileStatus status(const std::string& path) override { return at(real(path, true)); }
    FileStatus linkStatus(const std::string& path) override { return at(real(path, false)); }
    void write(const std::string& path, const std::string& text, unsigned mode) override {
        const std::string name = real(path, true);
        if (readOnly.count(name.substr(0, name.rfind('/'))) != 0)
            throw SystemError("open " + path, EROFS);
        content[name] = text;
        modes[name] = mode;
    }
    void writeInPlace(const std::string& path, const std::string& text) override { write(path, text, 0644); }
    void makeDirectories(const std::string& path, unsigned) override { directories.insert(real(path, true)); }
    void remove(const std::string& path) override {
        content.erase(real(path, false));
        links.erase(real(path, false));
    }
    std::map<std::string, unsigned> modes;

private:
    FileStatus at(const std::string& name) const {
        if (links.count(name) != 0)
            return {FileKind::symlink, 0777, 0, 0};
        if (content.count(name) != 0)
            return {FileKind::regular, 0644, 0, 0};
        const auto below = [&](const auto& names) {
            const auto next = names.lower_bound(name + "/");
            return next != names.end() && key(*next).starts_with(name + "/");
        };
        const bool directory = directories.count(name) != 0 || below(content) || below(links) || below(directories);
        return directory ? FileStatus{FileKind::directory, 0755, 0, 0} : FileStatus{};
    }
    static const std::string& key(const std::string& name) { return name; }
    static const std::string& key(const std::pair<const std::string, std::string>& entry) { return entry.first; }

    // Without symbolic links on the way, and without one at the end if `last`.
    std::string real(const std::string& path, bool last) const {
        std::vector<std::string> left = parts(path);
        std::string done;
        for (int jumps = 0; !left.empty();) {
            const std::string part = left.front();
            left.erase(left.begin());
            if (part == "..") {
                done.erase(done.empty() ? 0 : done.rfind('/'));
                continue;
            }
            const auto link = links.find(done + "/" + part);
            if (link == links.end() || (left.empty() && !last) || ++jumps > 40) {
                done += "/" + part;
                continue;
            }
            if (link->second.starts_with('/'))
                done.clear();
            const auto target = parts(link->second);
            left.insert(left.begin(), target.begin(), target.end());
        }
        return done;
    }
    static std::vector<std::string> parts(const std::string& path) {
        std::vector<std::string> out{""};
        for (const char c : path + "/") {
            if (c != '/')
                out.back() += c;
            else if (!out.back().empty() && out.back() != ".")
                out.emplace_back();
            else
                out.back().clear();
        }
        out.pop_back();
        return out;
    }
};

class FakeSriovNode {
public:
    struct Netns {
        std::string name;
        std::map<int, Link> links;
        std::map<std::string, std::string> sysctls;
    };
    struct Rdma {
        RdmaDevice device;
        std::string netns;
    };

    LinkedFiles files;
    std::map<std::string, Netns> namespaces{{"host", {"host", {}, {}}}};
    std::map<std::string, std::string> paths; // "/run/netns/pod" -> "pod"
    std::map<int, std::vector<VfInfo>> vfs;   // by the PF's index
    std::vector<Rdma> rdma;
    RdmaNetnsMode mode = RdmaNetnsMode::exclusive;
    std::map<std::string, int> refusals; // first words of a log entry -> errno
    bool macIgnored = false;             // VF MACs are acknowledged and forgotten
    std::vector<std::string> log;
    int nextIndex = 10, temporary = 0;

    Link& addLink(const std::string& name, const std::string& mac, int mtu = 1500) {
        Link link;
        link.index = nextIndex++;
        link.name = name;
        link.mac = mac;
        link.mtu = mtu;
        link.encap = "ether";
        return namespaces["host"].links[link.index] = link;
    }
    // A PF with `count` VFs at 0000:af:00.1, .2, ..., each with a netdev "ens6f0v<N>" and an RDMA device "mlx5_<N + 2>".
    void addPf(const std::string& name, unsigned count) {
        const std::string pf = "/sys/devices/pci0000:ae/0000:af:00.0";
        const int index = addLink(name, "b8:ce:f6:00:00:01").index;
        files.links["/sys/bus/pci/devices/0000:af:00.0"] = "../../../devices/pci0000:ae/0000:af:00.0";
        files.links["/sys/class/net/" + name] = "../../devices/pci0000:ae/0000:af:00.0/net/" + name;
        files.links[pf + "/net/" + name + "/device"] = "../../../0000:af:00.0";
        files.content[pf + "/sriov_numvfs"] = std::to_string(count) + "\n";
        for (unsigned i = 0; i < count; ++i) {
            const std::string address = vfAddress(i), device = "/sys/devices/pci0000:ae/" + address;
            const std::string netdev = name + "v" + std::to_string(i), ibdev = "mlx5_" + std::to_string(i + 2);
            files.links["/sys/bus/pci/devices/" + address] = "../../../devices/pci0000:ae/" + address;
            files.links[device + "/physfn"] = "../0000:af:00.0";
            files.links[device + "/driver"] = "../../../bus/pci/drivers/mlx5_core";
            files.links[pf + "/virtfn" + std::to_string(i)] = "../" + address;
            files.directories.insert(device + "/net/" + netdev);
            files.directories.insert(device + "/infiniband/" + ibdev);
            addLink(netdev, "02:00:00:00:00:0" + std::to_string(i), 9000);
            VfInfo info;
            info.vf = static_cast<int>(i);
            info.mac = "00:00:00:00:00:00";
            info.vlanProtocol = 0x8100;
            vfs[index].push_back(info);
            RdmaDevice rdmaDevice;
            rdmaDevice.index = i + 2;
            rdmaDevice.name = ibdev;
            rdma.push_back({rdmaDevice, "host"});
        }
        files.directories.insert("/sys/bus/pci/drivers/mlx5_core");
    }
    static std::string vfAddress(unsigned number) { return "0000:af:00." + std::to_string(number + 1); }
    void addPod(const std::string& name) {
        namespaces[name] = {name, {}, {}};
        paths["/run/netns/" + name] = name;
    }
    // As the kernel ends it: hardware goes home, down, under the name it has.
    void endPod(const std::string& name) {
        for (auto& [index, link] : namespaces[name].links)
            namespaces["host"].links[index] = link;
        for (auto& device : rdma)
            if (device.netns == name)
                device.netns = "host";
        namespaces.erase(name);
        paths.erase("/run/netns/" + name);
    }
    Link* find(const std::string& netns, const std::string& name) {
        for (auto& [index, link] : namespaces.at(netns).links)
            if (link.name == name)
                return &link;
        return nullptr;
    }
    VfInfo& vf(unsigned number) { return vfs.begin()->second.at(number); }
    std::string whereIsRdma(const std::string& name) const {
        for (const auto& device : rdma)
            if (device.device.name == name)
                return device.netns;
        return "";
    }
    // Of the log, what starts like this.
    std::vector<std::string> logged(const std::string& start) const {
        std::vector<std::string> out;
        std::copy_if(log.begin(), log.end(), std::back_inserter(out),
                     [&](const auto& entry) { return entry.starts_with(start); });
        return out;
    }
    void record(const std::string& entry) {
        log.push_back(entry);
        for (const auto& [start, code] : refusals)
            if (entry.starts_with(start))
                throw KernelError(goErrnoText(code), code);
    }
};

class FakeSriovKernel final : public Kernel {
public:
    FakeSriovKernel(FakeSriovNode& node, std::string netns) : node_(node), netns_(std::move(netns)) {}
    const std::string& netns() const { return netns_; }

    std::unique_ptr<Kernel> openNetns(const std::string& path) override {
        const auto found = node_.paths.find(path);
        if (found == node_.paths.end())
            throw KernelError("failed to Statfs " + goQuote(path) + ": no such file or directory", ENOENT);
        return std::make_unique<FakeSriovKernel>(node_, found->second);
    }
    std::unique_ptr<Kernel> temporaryNetns() override {
        const std::string name = "temporary" + std::to_string(++node_.temporary);
        node_.record("unshare");
        node_.namespaces[name] = {name, {}, {}};
        return std::make_unique<FakeSriovKernel>(node_, name);
    }
    bool sameNetns(const Kernel& other) const override { return netns_ == dynamic_cast<const FakeSriovKernel&>(other).netns_; }
    std::vector<Link> links() override {
        std::vector<Link> out;
        for (const auto& [index, link] : here().links)
            out.push_back(link);
        return out;
    }
    std::optional<Link> linkByName(const std::string& name) override {
        const Link* const link = node_.find(netns_, name);
        return link == nullptr ? std::nullopt : std::optional(*link);
    }
    std::optional<Link> linkByIndex(int index) override {
        const auto found = here().links.find(index);
        return found == here().links.end() ? std::nullopt : std::optional(found->second);
    }
    void renameLink(int index, const std::string& name) override {
        node_.record(fmt::format("rename {} to {} in {}", link(index).name, name, netns_));
        if (link(index).up)
            throw KernelError("device or resource busy", EBUSY);
        if (const Link* const other = node_.find(netns_, name); other != nullptr && other->index != index)
            throw KernelError("file exists", EEXIST);
        link(index).name = name;
    }
    void setLinkUp(int index, bool up) override {
        node_.record(fmt::format("{} {} in {}", up ? "up" : "down", link(index).name, netns_));
        link(index).up = link(index).lowerUp = up;
    }
    void setLinkMac(int index, const std::string& mac) override {
        node_.record(fmt::format("mac {} {} in {}", link(index).name, mac, netns_));
        link(index).mac = mac;
    }
    void setLinkMtu(int index, int mtu) override {
        node_.record(fmt::format("mtu {} {} in {}", link(index).name, mtu, netns_));
        link(index).mtu = mtu;
    }
    void moveLink(int index, Kernel& target) override {
        const std::string& to = dynamic_cast<FakeSriovKernel&>(target).netns_;
        node_.record(fmt::format("move {} from {} to {}", link(index).name, netns_, to));
        if (node_.find(to, link(index).name) != nullptr)
            throw KernelError("file exists", EEXIST);
        Link moved = link(index);
        moved.up = false;
        here().links.erase(index);
        node_.namespaces.at(to).links[index] = moved;
    }
    void deleteLinkAltName(int index, const std::string& name) override {
        node_.record("delete altname " + name);
        std::erase(link(index).altNames, name);
    }
    void announceAddress(int index, const IpAddress& ip) override {
        node_.record(fmt::format("announce {} on {}", ip.str(), link(index).name));
    }
    void addAddress(int index, const Cidr& address) override {
        node_.record(fmt::format("address {} on {}", address.str(), link(index).name));
    }
    void addRoute(const Route&) override {}
    std::string sysctl(const std::string&) override { return "0"; }
    void setSysctl(const std::string& key, const std::string& value) override { here().sysctls[key] = value; }

    void addMacvlan(const MacvlanSpec&, Kernel&) override { refuse(); }
    void addVeth(const VethSpec&, Kernel&) override { refuse(); }
    void deleteLink(int) override { refuse(); }
    void setLinkTxQueueLength(int, int) override { refuse(); }
    std::vector<Address> addresses(int) override { return {}; }
    std::vector<Route> routes(int) override { return {}; }
    void deleteRoute(const Route&) override { refuse(); }
    std::vector<Rule> rules() override { return {}; }
    void addRule(const Rule&) override { refuse(); }
    void deleteRule(const Rule&) override { refuse(); }
    void setNeighbour(const Neighbour&) override { refuse(); }
    std::vector<Neighbour> neighbours() override { return {}; }
    void ensureIptablesRules(const std::vector<IptablesRule>&, int) override { refuse(); }
    std::vector<IptablesRule> iptablesRules(const std::string&, int) override { return {}; }

private:
    [[noreturn]] static void refuse() { throw KernelError("operation not supported", EOPNOTSUPP); }
    FakeSriovNode::Netns& here() { return node_.namespaces.at(netns_); }
    Link& link(int index) {
        const auto found = here().links.find(index);
        if (found == here().links.end())
            throw KernelError("no such device", ENODEV);
        return found->second;
    }
    FakeSriovNode& node_;
    std::string netns_;
};

class FakeVfKernel final : public VfKernel {
public:
    explicit FakeVfKernel(FakeSriovNode& node) : node_(node) {}

    std::vector<VfInfo> vfs(int pf) override {
        const auto found = node_.vfs.find(pf);
        return found == node_.vfs.end() ? std::vector<VfInfo>{} : found->second;
    }
    void setVfMac(int pf, int vf, const std::string& mac) override {
        node_.record(fmt::format("vf {} mac {}", vf, mac));
        if (!node_.macIgnored)
            at(pf, vf).mac = mac;
    }
    void setVfVlan(int pf, int vf, int vlan, int qos, int protocol) override {
        node_.record(fmt::format("vf {} vlan {} qos {} proto {:x}", vf, vlan, qos, protocol));
        at(pf, vf).vlan = vlan;
        at(pf, vf).qos = qos;
        at(pf, vf).vlanProtocol = protocol;
    }
    void setVfRate(int pf, int vf, std::uint32_t minTxRate, std::uint32_t maxTxRate) override {
        node_.record(fmt::format("vf {} rate {} {}", vf, minTxRate, maxTxRate));
        at(pf, vf).minTxRate = minTxRate;
        at(pf, vf).maxTxRate = maxTxRate;
    }
    void setVfSpoofCheck(int pf, int vf, bool on) override {
        node_.record(fmt::format("vf {} spoofchk {}", vf, on));
        at(pf, vf).spoofCheck = on;
    }
    void setVfTrust(int pf, int vf, bool on) override {
        node_.record(fmt::format("vf {} trust {}", vf, on));
        at(pf, vf).trust = on;
    }
    void setVfLinkState(int pf, int vf, VfLinkState state) override {
        node_.record(fmt::format("vf {} state {}", vf, static_cast<unsigned>(state)));
        at(pf, vf).linkState = state;
    }
    void setVfNodeGuid(int, int, std::uint64_t) override { throw KernelError("operation not supported", EOPNOTSUPP); }
    void setVfPortGuid(int, int, std::uint64_t) override { throw KernelError("operation not supported", EOPNOTSUPP); }

private:
    VfInfo& at(int pf, int vf) {
        auto& all = node_.vfs.at(pf);
        if (vf < 0 || static_cast<std::size_t>(vf) >= all.size())
            throw KernelError("invalid argument", EINVAL);
        return all[static_cast<std::size_t>(vf)];
    }
    FakeSriovNode& node_;
};

class FakeRdmaKernel final : public RdmaKernel {
public:
    FakeRdmaKernel(FakeSriovNode& node, std::string netns) : node_(node), netns_(std::move(netns)) {}

    RdmaNetnsMode netnsMode() override {
        node_.record("rdma sys get in " + netns_);
        return node_.mode;
    }
    void setNetnsMode(RdmaNetnsMode mode) override { node_.mode = mode; }
    std::vector<RdmaDevice> devices() override {
        node_.record("rdma dump in " + netns_);
        std::vector<RdmaDevice> out;
        for (const auto& device : node_.rdma)
            if (node_.mode == RdmaNetnsMode::shared || device.netns == netns_)
                out.push_back(device.device);
        return out;
    }
    std::vector<RdmaPort> ports(std::uint32_t) override { return {}; }
    void renameDevice(std::uint32_t, const std::string&) override { throw KernelError("operation not supported", EOPNOTSUPP); }
    void moveDevice(std::uint32_t index, Kernel& target) override {
        const std::string& to = dynamic_cast<FakeSriovKernel&>(target).netns();
        node_.record(fmt::format("rdma set {} from {} to {}", index, netns_, to));
        for (auto& device : node_.rdma)
            if (device.device.index == index && device.netns == netns_) {
                device.netns = to;
                return;
            }
        throw KernelError("invalid argument", EINVAL);
    }
    std::optional<RdmaCharDevice> charDevice(const std::string&, std::optional<std::uint32_t>) override { return std::nullopt; }

private:
    FakeSriovNode& node_;
    std::string netns_;
};

} // namespace rdmalab::plugin::testing
