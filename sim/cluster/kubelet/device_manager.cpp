#include "sim/cluster/kubelet/device_manager.h"

#include "plugins/kernel/files.h"
#include "sim/cluster/kubelet/device_state.h"
#include "sim/cluster/name_rules.h"
#include "sim/cluster/object_meta.h"

#include <fmt/format.h>

#include <algorithm>

namespace rdmalab::cluster {

bool isExtendedResourceName(const std::string& name) {
    const auto slash = name.find('/');
    if (slash == std::string::npos || name.starts_with("requests."))
        return false;
    const std::string domain = name.substr(0, slash);
    if (domain == "kubernetes.io" || domain.ends_with(".kubernetes.io"))
        return false;
    // The quota key is `requests.<name>`, so that has to be a qualified name too.
    return !qualifiedNameProblem("requests." + name);
}

bool naturalLess(const std::string& a, const std::string& b) {
    std::size_t i = 0, j = 0;
    const auto isDigit = [](char c) { return c >= '0' && c <= '9'; };
    while (i < a.size() && j < b.size()) {
        if (isDigit(a[i]) && isDigit(b[j])) {
            const auto endOf = [&](const std::string& s, std::size_t at) {
                while (at < s.size() && isDigit(s[at]))
                    ++at;
                return at;
            };
            const auto skipZeros = [](const std::string& s, std::size_t from, std::size_t to) {
                while (from + 1 < to && s[from] == '0')
                    ++from;
                return from;
            };
            const auto endA = endOf(a, i), endB = endOf(b, j);
            const std::string_view numberA = std::string_view(a).substr(skipZeros(a, i, endA), endA - skipZeros(a, i, endA));
            const std::string_view numberB = std::string_view(b).substr(skipZeros(b, j, endB), endB - skipZeros(b, j, endB));
            if (numberA.size() != numberB.size())
                return numberA.size() < numberB.size();
            if (numberA != numberB)
                return numberA < numberB;
            i = endA;
            j = endB;
        } else {
            if (a[i] != b[j])
                return a[i] < b[j];
            ++i;
            ++j;
        }
    }
    if (a.size() - i != b.size() - j)
        return a.size() - i < b.size() - j;
    return a < b; // "01" and "1": a strict order all the same
}

struct DeviceManager::Impl : DeviceState {
    // One connected plugin. Several may serve one resource; `endpoints` says which one Allocate goes to.
    struct Client {
        std::string resource;
        std::shared_ptr<DevicePluginConnection> connection;
        DevicePluginOptions options;
    };
    struct Endpoint {
        std::shared_ptr<Client> client; // null after a kubelet restart
        std::optional<clock::TimePoint> stopped;
        clock::EventLoop::TimerId graceTimer;
    };

    clock::EventLoop& loop;
    NodeHost& host;
    Timings timings;
    bool quirk;
    Hooks hooks;
    std::map<std::string, Endpoint> endpoints;
    std::vector<std::shared_ptr<Client>> clients;
    std::set<std::string> dropped;
    std::weak_ptr<Impl> self;

    Impl(clock::EventLoop& eventLoop, NodeHost& nodeHost, Timings t, bool secondEndpointQuirk, Hooks h)
        : loop(eventLoop), host(nodeHost), timings(t), quirk(secondEndpointQuirk), hooks(std::move(h)) {}
    ~Impl() {
        for (auto& [name, endpoint] : endpoints)
            loop.cancel(endpoint.graceTimer);
    }

    void log(const std::string& line) const {
        if (hooks.log)
            hooks.log(line);
    }
    void changed() const {
        if (hooks.changed)
            hooks.changed();
    }

    void stopEndpoint(const std::string& resource) {
        Endpoint& endpoint = endpoints[resource];
        endpoint.stopped = loop.now();
        loop.cancel(endpoint.graceTimer);
        endpoint.graceTimer = loop.after(timings(timings.endpointStopGrace), [weak = self, resource] {
            if (const auto impl = weak.lock())
                impl->dropResource(resource);
        });
    }

    void dropResource(const std::string& resource) {
        endpoints.erase(resource);
        devices.erase(resource);
        dropped.insert(resource);
        save();
        changed();
    }

    void save() {
        try {
            host.files().makeDirectories("/var/lib/kubelet/device-plugins", 0750);
            host.files().write(deviceCheckpointPath, encodeCheckpoint(checkpoint()), 0600);
        } catch (const std::exception& error) {
            log(fmt::format("Failed to write checkpoint file: {}", error.what()));
        }
    }

    void listReceived(const std::shared_ptr<Client>& client, std::vector<PluginDevice> list) {
        ResourceDevices& known = devices[client->resource];
        known.healthy.clear();
        known.unhealthy.clear();
        known.all.clear();
        for (auto& device : list) {
            (device.health == "Healthy" ? known.healthy : known.unhealthy).insert(device.id);
            known.all[device.id] = std::move(device.numaNodes);
        }
        dropped.erase(client->resource);
        save();
        changed();
    }

    void clientEnded(const std::shared_ptr<Client>& client, const std::string& why) {
        const std::string resource = client->resource;
        if (std::erase(clients, client) == 0)
            return;
        log(fmt::format("ListAndWatch of device plugin {} ended: {}", resource, why));
        const auto endpoint = endpoints.find(resource);
        const bool current = endpoint != endpoints.end() && endpoint->second.client == client;
        // The stream must not be destroyed in its own callback.
        loop.post([keep = client] {});
        if (endpoint == endpoints.end() || (!current && !quirk))
            return;
        ResourceDevices& known = devices[resource];
        known.unhealthy.insert(known.healthy.begin(), known.healthy.end());
        known.healthy.clear();
        stopEndpoint(resource);
        changed();
    }

    void connected(const std::string& resource, std::shared_ptr<DevicePluginConnection> connection, DevicePluginOptions options,
                   const Callback<Done>& reply) {
        auto client = std::make_shared<Client>(Client{resource, std::move(connection), options});
        clients.push_back(client);
        Endpoint& endpoint = endpoints[resource];
        loop.cancel(endpoint.graceTimer);
        endpoint = {client, std::nullopt, {}};
        reply(Result<Done>::success({}));
        client->connection->listAndWatch(
            [weak = self, weakClient = std::weak_ptr(client)](std::vector<PluginDevice> list) {
                const auto impl = weak.lock();
                const auto from = weakClient.lock();
                if (impl && from)
                    impl->listReceived(from, std::move(list));
            },
            [weak = self, weakClient = std::weak_ptr(client)](const std::string& why) {
                const auto impl = weak.lock();
                const auto from = weakClient.lock();
                if (impl && from)
                    impl->clientEnded(from, why);
            });
    }

    // One pod's allocation: (container, resource) steps, one after the other because each may wait for the plugin.
    struct Run {
        struct Step {
            std::string container, resource;
            std::int64_t count;
        };
        struct Container {
            std::string name;
            bool init, sidecar;
            std::vector<Step> steps;
        };
        std::string podUid;
        std::vector<Container> containers;
        std::size_t container = 0, step = 0;
        bool released = false;
        std::map<std::string, std::set<std::string>> reusable;
        Callback<Done> reply;
    };

    void finish(const std::shared_ptr<Run>& run, Result<Done> result) {
        loop.post([weak = self, run, result = std::move(result)] {
            if (weak.lock())
                run->reply(result);
        });
    }
    void fail(const std::shared_ptr<Run>& run, const std::string& error) { finish(run, Result<Done>::failure(error)); }

    void proceed(const std::shared_ptr<Run>& run) {
        while (run->container < run->containers.size()) {
            const Run::Container& container = run->containers[run->container];
            if (run->step == 0)
                run->released = false;
            if (run->step == container.steps.size()) {
                settleReuse(*run, container);
                ++run->container;
                run->step = 0;
                continue;
            }
            const Run::Step& step = container.steps[run->step++];
            if (!startStep(run, step))
                return;
        }
        finish(run, Result<Done>::success({}));
    }

    // Devices of a finished init container are there for the next ones; a sidecar and an app container keep theirs.
    void settleReuse(Run& run, const Run::Container& container) {
        for (const auto& entry : entries) {
            if (entry.podUid != run.podUid || entry.container != container.name)
                continue;
            for (const auto& [node, ids] : entry.ids)
                for (const auto& id : ids) {
                    if (container.init && !container.sidecar)
                        run.reusable[entry.resource].insert(id);
                    else
                        run.reusable[entry.resource].erase(id);
                }
        }
    }

    // True: go on with the next step at once. False: a callback or a failure will.
    bool startStep(const std::shared_ptr<Run>& run, const Run::Step& step) {
        const auto known = devices.find(step.resource);
        if (known == devices.end() && !anyAllocated(step.resource))
            return true; // nobody here deals with this resource
        if (!run->released) {
            release(hooks.activePods(), run->podUid);
            run->released = true;
        }
        const auto held = idsOf(run->podUid, step.container, step.resource);
        if (!held.empty() && static_cast<std::int64_t>(held.size()) != step.count) {
            fail(run, fmt::format("pod \"{}\" container \"{}\" changed request for resource \"{}\" from {} to {}", run->podUid,
                                  step.container, step.resource, held.size(), step.count));
            return false;
        }
        if (known == devices.end()) {
            fail(run, "cannot allocate unregistered device " + step.resource);
            return false;
        }
        const ResourceDevices& resource = known->second;
        if (resource.healthy.empty()) {
            fail(run, "no healthy devices present; cannot allocate unhealthy devices " + step.resource);
            return false;
        }
        if (!std::includes(resource.healthy.begin(), resource.healthy.end(), held.begin(), held.end(), NaturalLess())) {
            fail(run, "previously allocated devices are no longer healthy; cannot allocate unhealthy devices " + step.resource);
            return false;
        }
        if (!held.empty() || step.count == 0)
            return true;
        choose(run, step, resource);
        return false;
    }

    void choose(const std::shared_ptr<Run>& run, const Run::Step& step, const ResourceDevices& resource) {
        IdSet taken;
        const auto wanted = static_cast<std::size_t>(step.count);
        IdSet reusable;
        for (const auto& id : run->reusable[step.resource])
            if (resource.healthy.contains(id))
                reusable.insert(id);
        for (auto id = reusable.begin(); id != reusable.end() && taken.size() < wanted; ++id)
            taken.insert(*id);
        if (taken.size() == wanted)
            return allocateRpc(run, step, taken);
        const IdSet& held = idsInUse(step.resource);
        IdSet available;
        for (const auto& id : resource.healthy)
            if (!held.contains(id))
                available.insert(id);
        if (available.size() < wanted - taken.size())
            return fail(run, fmt::format("requested number of devices unavailable for {}. Requested: {}, Available: {}",
                                         step.resource, wanted - taken.size(), available.size()));
        const auto endpoint = endpoints.find(step.resource);
        if (endpoint == endpoints.end() || !endpoint->second.client ||
            !endpoint->second.client->options.preferredAllocationAvailable)
            return fill(run, step, std::move(taken), available);
        IdSet offered = available;
        offered.insert(taken.begin(), taken.end());
        endpoint->second.client->connection->preferredAllocation(
            {offered.begin(), offered.end()}, {taken.begin(), taken.end()}, static_cast<int>(step.count),
            [weak = self, run, step, taken, available](const Result<std::vector<std::string>>& preferred) mutable {
                const auto impl = weak.lock();
                if (!impl)
                    return;
                if (!preferred)
                    return impl->fail(run, "device plugin GetPreferredAllocation rpc failed with err: " + preferred.error);
                IdSet wishes(preferred.value->begin(), preferred.value->end());
                for (auto id = wishes.begin(); id != wishes.end() && taken.size() < static_cast<std::size_t>(step.count); ++id)
                    if (available.contains(*id))
                        taken.insert(*id);
                impl->fill(run, step, std::move(taken), available);
            });
    }

    void fill(const std::shared_ptr<Run>& run, const Run::Step& step, IdSet taken, const IdSet& available) {
        for (auto id = available.begin(); id != available.end() && taken.size() < static_cast<std::size_t>(step.count); ++id)
            taken.insert(*id);
        allocateRpc(run, step, taken);
    }

    void allocateRpc(const std::shared_ptr<Run>& run, const Run::Step& step, const IdSet& ids) {
        const auto endpoint = endpoints.find(step.resource);
        if (endpoint == endpoints.end())
            return fail(run, "unknown Device Plugin " + step.resource);
        if (!endpoint->second.client || endpoint->second.stopped)
            return fail(run, fmt::format("endpoint {} has been stopped", step.resource));
        endpoint->second.client->connection->allocate(
            {ids.begin(), ids.end()}, [weak = self, run, step, ids](const Result<std::optional<AllocateResponse>>& answer) {
                const auto impl = weak.lock();
                if (!impl)
                    return;
                if (!answer)
                    return impl->fail(run, answer.error);
                if (!*answer.value)
                    return impl->fail(run, fmt::format("no containers return in allocation response &AllocateResponse{{"
                                                       "ContainerResponses:[]*ContainerAllocateResponse{{}},}}"));
                impl->store(run->podUid, step.container, step.resource, ids, **answer.value);
                impl->save();
                impl->proceed(run);
            });
    }
};

DeviceManager::DeviceManager(clock::EventLoop& loop, NodeHost& host, Timings timings, bool secondEndpointQuirk, Hooks hooks)
    : impl_(std::make_shared<Impl>(loop, host, timings, secondEndpointQuirk, std::move(hooks))) {
    impl_->self = impl_;
}

DeviceManager::~DeviceManager() = default;

bool DeviceManager::readCheckpoint() {
    std::optional<std::string> text;
    try {
        text = impl_->host.files().readIfExists(deviceCheckpointPath);
        if (!text)
            return false;
        impl_->load(decodeCheckpoint(*text));
    } catch (const std::exception& error) {
        impl_->log(fmt::format("Continue after failing to read checkpoint file. Device allocation info may NOT be up-to-date: {}",
                               error.what()));
        return text.has_value();
    }
    for (const auto& [resource, known] : impl_->devices)
        impl_->stopEndpoint(resource);
    return true;
}

void DeviceManager::registerPlugin(const RegisterRequest& request, Callback<Done> reply) {
    auto& impl = *impl_;
    const auto refuse = [&](const std::string& error) {
        impl.log("Bad registration request from device plugin: " + error);
        impl.loop.post([reply, error] { reply(Result<Done>::failure(error)); });
    };
    if (request.version != "v1beta1")
        return refuse(fmt::format("requested API version \"{}\" is not supported by kubelet. Supported version is [\"v1beta1\"]",
                                  request.version));
    if (!isExtendedResourceName(request.resourceName))
        return refuse(fmt::format("the ResourceName \"{}\" is invalid", request.resourceName));
    impl.host.connectDevicePlugin(request.endpoint, [weak = impl.self, resource = request.resourceName, reply = std::move(reply)](
                                                        const Result<std::shared_ptr<DevicePluginConnection>>& dialled) {
        if (!weak.lock())
            return reply(Result<Done>::failure("kubelet is stopping"));
        if (!dialled)
            return reply(Result<Done>::failure(dialled.error));
        const auto connection = *dialled.value;
        connection->options([weak, resource, reply, connection](const Result<DevicePluginOptions>& options) {
            const auto manager = weak.lock();
            if (!manager || !options)
                return reply(Result<Done>::failure(manager ? "failed to get device plugin options: " + options.error
                                                           : "kubelet is stopping"));
            manager->connected(resource, connection, *options.value, reply);
        });
    });
}

std::map<std::string, DeviceCapacity> DeviceManager::capacity() {
    std::map<std::string, DeviceCapacity> result;
    for (const auto& [resource, known] : impl_->devices) {
        const auto healthy = static_cast<std::int64_t>(known.healthy.size());
        result[resource] = {healthy + static_cast<std::int64_t>(known.unhealthy.size()), healthy};
    }
    return result;
}

const std::set<std::string>& DeviceManager::droppedResources() const {
    return impl_->dropped;
}

void DeviceManager::allocate(const nlohmann::json& pod, Callback<Done> reply) {
    auto run = std::make_shared<Impl::Run>();
    run->podUid = uidOf(pod);
    run->reply = std::move(reply);
    for (const bool init : {true, false}) {
        const Json& list = at(pod, {"spec", init ? "initContainers" : "containers"});
        if (!list.is_array())
            continue;
        for (const Json& container : list) {
            Impl::Run::Container entry{container.at("name"), init, init && container.value("restartPolicy", "") == "Always", {}};
            if (const Json& limits = at(container, {"resources", "limits"}); limits.is_object())
                for (const auto& [resource, amount] : limits.items())
                    if (const auto count = deviceCount(amount); count && isExtendedResourceName(resource))
                        entry.steps.push_back({entry.name, resource, *count});
            run->containers.push_back(std::move(entry));
        }
    }
    impl_->proceed(run);
}

AllocateResponse DeviceManager::runOptions(const std::string& podUid, const std::string& container) const {
    return impl_->merged(podUid, container, impl_->hooks.log);
}

void DeviceManager::preStart(const std::string& podUid, const std::string& container, Callback<Done> reply) {
    // Usually no plugin wants it: then one event is enough.
    struct Call {
        std::shared_ptr<DevicePluginConnection> connection;
        std::vector<std::string> ids;
    };
    auto calls = std::make_shared<std::vector<Call>>();
    for (const auto& entry : impl_->entries) {
        if (entry.podUid != podUid || entry.container != container)
            continue;
        const auto endpoint = impl_->endpoints.find(entry.resource);
        if (endpoint == impl_->endpoints.end() || !endpoint->second.client || !endpoint->second.client->options.preStartRequired)
            continue;
        const auto ids = impl_->idsOf(podUid, container, entry.resource);
        calls->push_back({endpoint->second.client->connection, {ids.begin(), ids.end()}});
    }
    struct Next {
        static void run(const std::shared_ptr<std::vector<Call>>& list, std::size_t index, const Callback<Done>& done) {
            if (index == list->size())
                return done(Result<Done>::success({}));
            (*list)[index].connection->preStartContainer((*list)[index].ids, [list, index, done](const Result<Done>& result) {
                if (!result)
                    return done(Result<Done>::failure("device plugin PreStartContainer rpc failed with err: " + result.error));
                run(list, index + 1, done);
            });
        }
    };
    if (calls->empty())
        return impl_->loop.post([reply = std::move(reply)] { reply(Result<Done>::success({})); });
    Next::run(calls, 0, reply);
}

void DeviceManager::releaseInactive() {
    impl_->release(impl_->hooks.activePods(), {});
}

std::vector<ContainerDevices> DeviceManager::devicesOf(const std::string& podUid, const std::string& container) const {
    return impl_->grouped(podUid, container);
}

std::vector<ContainerDevices> DeviceManager::healthyDevices() const {
    std::vector<ContainerDevices> result;
    for (const auto& [resource, known] : impl_->devices) {
        std::map<std::vector<std::int64_t>, std::vector<std::string>> groups;
        for (const auto& id : known.healthy)
            groups[known.all.at(id)].push_back(id);
        for (auto& [numa, ids] : groups)
            result.push_back({resource, std::move(ids), numa});
    }
    return result;
}

std::set<std::string> DeviceManager::inUse(const std::string& resource) const {
    const auto ids = impl_->idsInUse(resource);
    return {ids.begin(), ids.end()};
}

std::map<std::string, std::int64_t> DeviceManager::allocatedCounts() const {
    std::map<std::string, std::int64_t> counts;
    for (const auto& entry : impl_->entries)
        if (!counts.contains(entry.resource))
            counts[entry.resource] = static_cast<std::int64_t>(impl_->idsInUse(entry.resource).size());
    return counts;
}

} // namespace rdmalab::cluster
