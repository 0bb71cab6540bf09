// What a plugin's test needs of a node, in memory and by the book of the interfaces.
#pragma once

#include "plugins/cni/protocol/go_json.h"
#include "plugins/cni/protocol/plugin.h"
#include "plugins/kernel/files.h"
#include "plugins/kernel/kernel.h"
#include "plugins/kube/kube_client.h"
#include "util/syscall.h"

#include <cerrno>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace rdmalab::plugin::testing {

class FakeFiles final : public Files {
public:
    std::map<std::string, std::string> content;

    std::string read(const std::string& path) override {
        const auto found = content.find(normal(path));
        if (found == content.end())
            throw SystemError("open " + path, ENOENT);
        return found->second;
    }
    std::vector<DirectoryEntry> list(const std::string& path) override {
        std::vector<DirectoryEntry> out;
        const auto prefix = normal(path) + "/";
        for (const auto& [name, text] : content) {
            if (!name.starts_with(prefix))
                continue;
            const auto rest = name.substr(prefix.size());
            const auto slash = rest.find('/');
            const auto entry = rest.substr(0, slash);
            if (out.empty() || out.back().name != entry)
                out.push_back({entry, slash == std::string::npos ? FileKind::regular : FileKind::directory});
        }
        return out;
    }
    std::string readLink(const std::string& path) override { throw SystemError("readlink " + path, EINVAL); }
    FileStatus status(const std::string& path) override {
        if (content.count(normal(path)) != 0)
            return {FileKind::regular, 0644, 0, 0};
        return list(path).empty() ? FileStatus{} : FileStatus{FileKind::directory, 0755, 0, 0};
    }
    FileStatus linkStatus(const std::string& path) override { return status(path); }
    void write(const std::string& path, const std::string& text, unsigned) override { content[normal(path)] = text; }
    void writeInPlace(const std::string& path, const std::string& text) override { content[normal(path)] = text; }
    void makeDirectories(const std::string&, unsigned) override {}
    void remove(const std::string& path) override { content.erase(normal(path)); }

private:
    static std::string normal(std::string path) {
        for (std::size_t i; (i = path.find("//")) != std::string::npos;)
            path.erase(i, 1);
        while (path.size() > 1 && path.ends_with('/'))
            path.pop_back();
        return path;
    }
};

// Plugins by type, found in every directory. What they were called with is kept.
class FakeExec final : public CniExec {
public:
    struct Call {
        std::string type, command;
        CniInvocation invocation;
        nlohmann::json config;
    };
    std::map<std::string, std::function<CniOutcome(const Call&)>> plugins;
    std::vector<Call> calls;

    std::string find(const std::string& type, const std::vector<std::string>& directories) override {
        return plugins.count(type) == 0 ? "" : directories.front() + "/" + type;
    }
    CniOutcome run(const std::string& path, const CniInvocation& invocation) override {
        Call call{path.substr(path.rfind('/') + 1), invocation.environment.at("CNI_COMMAND"), invocation,
                  nlohmann::json::parse(invocation.input, nullptr, false)};
        calls.push_back(call);
        return plugins.at(call.type)(call);
    }
    std::vector<std::string> log() const { // "ADD a"
        std::vector<std::string> out;
        for (const auto& call : calls)
            out.push_back(call.command + " " + call.type);
        return out;
    }
};

inline CniOutcome failure(const std::string& message, int code = 999) {
    return {1, nlohmann::json{{"code", code}, {"msg", message}}.dump(), ""};
}

// A namespace with links and nothing else; every other namespace is another one of these.
class FakeKernel final : public Kernel {
public:
    std::vector<std::string> names; // of the links in any container
    bool missing = false;           // no path leads to a namespace
    std::vector<Route> added;

    std::unique_ptr<Kernel> openNetns(const std::string& path) override {
        if (missing)
            throw KernelError("failed to Statfs " + goQuote(path) + ": no such file or directory", ENOENT);
        auto other = std::make_unique<FakeKernel>();
        other->names = names;
        return other;
    }
    bool sameNetns(const Kernel& other) const override { return this == &other; }
    std::vector<Link> links() override { return {}; }
    std::optional<Link> linkByName(const std::string& name) override {
        for (std::size_t i = 0; i < names.size(); ++i)
            if (names[i] == name) {
                Link link;
                link.index = static_cast<int>(i) + 2;
                link.name = name;
                return link;
            }
        return std::nullopt;
    }
    std::optional<Link> linkByIndex(int) override { return std::nullopt; }
    void addMacvlan(const MacvlanSpec&, Kernel&) override { refuse(); }
    void addVeth(const VethSpec&, Kernel&) override { refuse(); }
    void deleteLink(int) override { refuse(); }
    void renameLink(int, const std::string&) override { refuse(); }
    void setLinkUp(int, bool) override { refuse(); }
    void setLinkMac(int, const std::string&) override { refuse(); }
    void setLinkMtu(int, int) override { refuse(); }
    void setLinkTxQueueLength(int, int) override { refuse(); }
    void moveLink(int, Kernel&) override { refuse(); }
    std::vector<Address> addresses(int) override { return {}; }
    void addAddress(int, const Cidr&) override { refuse(); }
    std::vector<Route> routes(int) override { return {}; }
    void addRoute(const Route& route) override { added.push_back(route); }
    void deleteRoute(const Route&) override { refuse(); }
    std::vector<Rule> rules() override { return {}; }
    void addRule(const Rule&) override { refuse(); }
    void deleteRule(const Rule&) override { refuse(); }
    void setNeighbour(const Neighbour&) override { refuse(); }
    std::vector<Neighbour> neighbours() override { return {}; }
    std::string sysctl(const std::string&) override { refuse(); }
    void setSysctl(const std::string&, const std::string&) override { refuse(); }
    void ensureIptablesRules(const std::vector<IptablesRule>&, int) override { refuse(); }
    std::vector<IptablesRule> iptablesRules(const std::string&, int) override { return {}; }

private:
    [[noreturn]] static void refuse() { throw KernelError("operation not supported", EOPNOTSUPP); }
};

// Objects by "plural/namespace/name".
struct FakeCluster {
    std::map<std::string, nlohmann::json> objects;
    std::vector<nlohmann::json> events;
    int conflicts = 0; // of the next updates
    bool down = false;

    static std::string key(const ResourceType& type, const std::string& ns, const std::string& name) {
        return type.plural + "/" + ns + "/" + name;
    }
};

class FakeKube final : public KubeClient {
public:
    explicit FakeKube(FakeCluster& cluster) : cluster_(cluster) {}

    nlohmann::json get(const ResourceType& type, const std::string& ns, const std::string& name) override {
        if (cluster_.down)
            throw KubeError(0, "", "connection refused");
        const auto found = cluster_.objects.find(FakeCluster::key(type, ns, name));
        if (found == cluster_.objects.end())
            throw KubeError(404, "NotFound", type.plural + " " + goQuote(name) + " not found");
        return found->second;
    }
    nlohmann::json list(const ResourceType&, const std::string&) override { return nlohmann::json::array(); }
    nlohmann::json create(const ResourceType&, const nlohmann::json& object) override {
        cluster_.events.push_back(object);
        return object;
    }
    nlohmann::json update(const ResourceType& type, const nlohmann::json& object) override {
        if (cluster_.conflicts-- > 0)
            throw KubeError(409, "Conflict", "the object has been modified");
        const auto& metadata = object.at("metadata");
        return cluster_.objects[FakeCluster::key(type, metadata.at("namespace"), metadata.at("name"))] = object;
    }
    nlohmann::json updateStatus(const ResourceType& type, const nlohmann::json& object) override { return update(type, object); }
    nlohmann::json mergePatch(const ResourceType&, const std::string&, const std::string&, const nlohmann::json& patch) override {
        return patch;
    }
    void remove(const ResourceType&, const std::string&, const std::string&) override {}

private:
    FakeCluster& cluster_;
};

} // namespace rdmalab::plugin::testing
