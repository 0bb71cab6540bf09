// A host's files and links in memory, for tests of the device plugins: only what they ask for is answered.
#pragma once

#include "plugins/kernel/files.h"
#include "plugins/kernel/kernel.h"
#include "util/syscall.h"

#include <map>
#include <set>
#include <string>

namespace rdmalab::plugin::testing {

class FakeFiles final : public Files {
public:
    // A path's parents come with it. A link is kept with its target's text.
    void file(const std::string& path, const std::string& content) { put(path, {FileKind::regular, content}); }
    void directory(const std::string& path) { put(path, {FileKind::directory, {}}); }
    void link(const std::string& path, const std::string& target) { put(path, {FileKind::symlink, target}); }
    void device(const std::string& path) { put(path, {FileKind::characterDevice, {}}); }
    void removeTree(const std::string& path) {
        std::erase_if(nodes_, [&](const auto& node) { return node.first == path || node.first.starts_with(path + "/"); });
    }

    std::string read(const std::string& path) override {
        const Node& node = at("open", path);
        if (node.kind == FileKind::directory)
            throw SystemError("read " + path, EISDIR);
        return node.content;
    }
    std::vector<DirectoryEntry> list(const std::string& path) override {
        at("open", path);
        std::vector<DirectoryEntry> entries;
        const std::string prefix = path + "/";
        for (auto node = nodes_.lower_bound(prefix); node != nodes_.end() && node->first.starts_with(prefix); ++node)
            if (node->first.find('/', prefix.size()) == std::string::npos)
                entries.push_back({node->first.substr(prefix.size()), node->second.kind});
        return entries;
    }
    std::string readLink(const std::string& path) override { return at("readlink", path).content; }
    FileStatus status(const std::string& path) override { return linkStatus(path); }
    FileStatus linkStatus(const std::string& path) override {
        const auto node = nodes_.find(path);
        return node == nodes_.end() ? FileStatus{} : FileStatus{.kind = node->second.kind};
    }
    // Only below /var/run: plugins do not write anywhere else.
    void write(const std::string& path, const std::string& content, unsigned mode) override {
        if (!path.starts_with("/var/run/"))
            refuse(path);
        file(path, content);
        modes[path] = mode;
    }
    void writeInPlace(const std::string& path, const std::string&) override { refuse(path); }
    void makeDirectories(const std::string& path, unsigned) override {
        if (!path.starts_with("/var/run/"))
            refuse(path);
        directory(path);
    }
    void remove(const std::string& path) override {
        if (!path.starts_with("/var/run/"))
            refuse(path);
        removeTree(path);
    }
    std::map<std::string, unsigned> modes; // of files that were written

private:
    struct Node {
        FileKind kind;
        std::string content;
    };
    void put(const std::string& path, Node node) {
        for (auto slash = path.find('/', 1); slash != std::string::npos; slash = path.find('/', slash + 1))
            nodes_.try_emplace(path.substr(0, slash), Node{FileKind::directory, {}});
        nodes_[path] = std::move(node);
    }
    const Node& at(const char* what, const std::string& path) const {
        const auto node = nodes_.find(path);
        if (node == nodes_.end())
            throw SystemError(std::string(what) + " " + path, ENOENT);
        return node->second;
    }
    [[noreturn]] static void refuse(const std::string& path) { throw SystemError("write " + path, EROFS); }

    std::map<std::string, Node> nodes_;
};

class FakeKernel final : public Kernel {
public:
    int addLink(const std::string& name, const std::string& encap, bool up) {
        Link link;
        link.index = static_cast<int>(links_.size()) + 1;
        link.name = name;
        link.encap = encap;
        link.up = up;
        links_.push_back(link);
        return link.index;
    }
    bool refuseLinkChanges = false;

    std::vector<Link> links() override { return links_; }
    std::optional<Link> linkByName(const std::string& name) override {
        for (const Link& link : links_)
            if (link.name == name)
                return link;
        return std::nullopt;
    }
    std::optional<Link> linkByIndex(int index) override { return links_.at(static_cast<std::size_t>(index) - 1); }
    void setLinkUp(int index, bool up) override {
        if (refuseLinkChanges)
            throw KernelError("operation not permitted", EPERM);
        links_.at(static_cast<std::size_t>(index) - 1).up = up;
    }

    std::unique_ptr<Kernel> openNetns(const std::string&) override { unused(); }
    bool sameNetns(const Kernel& other) const override { return this == &other; }
    void addMacvlan(const MacvlanSpec&, Kernel&) override { unused(); }
    void addVeth(const VethSpec&, Kernel&) override { unused(); }
    void deleteLink(int) override { unused(); }
    void renameLink(int, const std::string&) override { unused(); }
    void setLinkMac(int, const std::string&) override { unused(); }
    void setLinkMtu(int, int) override { unused(); }
    void setLinkTxQueueLength(int, int) override { unused(); }
    void moveLink(int, Kernel&) override { unused(); }
    std::vector<Address> addresses(int) override { unused(); }
    void addAddress(int, const Cidr&) override { unused(); }
    std::vector<Route> routes(int) override { unused(); }
    void addRoute(const Route&) override { unused(); }
    void deleteRoute(const Route&) override { unused(); }
    std::vector<Rule> rules() override { unused(); }
    void addRule(const Rule&) override { unused(); }
    void deleteRule(const Rule&) override { unused(); }
    void setNeighbour(const Neighbour&) override { unused(); }
    std::vector<Neighbour> neighbours() override { unused(); }
    std::string sysctl(const std::string&) override { unused(); }
    void setSysctl(const std::string&, const std::string&) override { unused(); }
    void ensureIptablesRules(const std::vector<IptablesRule>&, int) override { unused(); }
    std::vector<IptablesRule> iptablesRules(const std::string&, int) override { unused(); }

private:
    [[noreturn]] static void unused() { throw KernelError("operation not supported", EOPNOTSUPP); }
    std::vector<Link> links_;
};

// A host in shared RDMA mode without NICs.
struct FakeHost {
    FakeHost() {
        files.file("/sys/module/ib_core/parameters/netns_mode", "Y\n");
        files.directory("/sys/bus/pci/devices");
        files.device("/dev/infiniband/rdma_cm");
    }

    static std::string pci(const std::string& address) { return "/sys/bus/pci/devices/" + address; }

    // A PCI function with a modalias and a driver; classCode "0200" is Ethernet.
    void function(const std::string& address, const std::string& vendor, const std::string& device, const std::string& classCode,
                  const std::string& driver) {
        files.file(pci(address) + "/modalias", "pci:v0000" + vendor + "d0000" + device + "sv000015B3sd00000007bc" +
                                                   classCode.substr(0, 2) + "sc" + classCode.substr(2) + "i00\n");
        if (!driver.empty())
            files.link(pci(address) + "/driver", "../../../../bus/pci/drivers/" + driver);
    }
    void netdev(const std::string& address, const std::string& name, const std::string& encap = "ether", bool up = true) {
        files.directory(pci(address) + "/net/" + name);
        kernel.addLink(name, encap, up);
    }
    // A RDMA device with character devices umad<n>, uverbs<n> and, if wanted, issm<n>.
    void rdma(const std::string& address, const std::string& name, int n, bool issm = true) {
        files.directory(pci(address) + "/infiniband/" + name);
        const std::string number = std::to_string(n);
        if (issm)
            files.file("/sys/class/infiniband_mad/issm" + number + "/ibdev", name + "\n");
        files.file("/sys/class/infiniband_mad/umad" + number + "/ibdev", name + "\n");
        files.file("/sys/class/infiniband_verbs/uverbs" + number + "/ibdev", name + "\n");
    }
    // A ConnectX-5 port with everything.
    void connectX5(const std::string& address, const std::string& netdevName, const std::string& rdmaName, int n,
                   bool issm = true) {
        function(address, "15B3", "1017", "0200", "mlx5_core");
        netdev(address, netdevName);
        rdma(address, rdmaName, n, issm);
    }

    FakeFiles files;
    FakeKernel kernel;
};

} // namespace rdmalab::plugin::testing
