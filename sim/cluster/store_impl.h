// The inside of a Store: lists by kind and namespace, the owners' index of the garbage collector, watches.
#pragma once

#include "sim/cluster/event_log.h"
#include "sim/cluster/store.h"

#include <set>
#include <tuple>
#include <unordered_map>

namespace rdmalab::cluster {

struct Store::Impl {
    using Space = std::map<std::string, ObjectPtr, std::less<>>; // by name

    struct WatchState {
        Watcher watcher;
        std::uint64_t since; // writes up to this version were in the first listing
        bool ended = false;
    };

    struct Kind {
        plugin::ResourceType type;
        bool statusSubresource = false;
        std::map<std::string, Space, std::less<>> spaces; // by namespace; "" for cluster scope
        std::vector<Admission> mutations, validations;
        std::vector<std::shared_ptr<WatchState>> watches;
    };

    // Names one object for the garbage collector.
    struct Where {
        Kind* kind;
        std::string ns, name;
        friend bool operator<(const Where& a, const Where& b) {
            return std::tie(a.kind->type.kind, a.ns, a.name) < std::tie(b.kind->type.kind, b.ns, b.name);
        }
    };

    explicit Impl(clock::EventLoop& l) : loop(l) {}

    clock::EventLoop& loop;
    std::uint64_t version = 0, serial = 0, suffixSerial = 0;
    std::unordered_map<std::string, std::unique_ptr<Kind>> kinds;
    std::vector<Kind*> inOrder;
    std::unordered_map<std::string, Where> live;                 // by uid
    std::unordered_map<std::string, std::set<Where>> dependents; // by the owner's uid
    EventLog events;
    std::shared_ptr<int> alive = std::make_shared<int>(); // what is posted does nothing once the store has gone

    // --- look-up -----------------------------------------------------------------------------------------------------

    Kind& kindNamed(const std::string& name) const;
    Kind& kindFor(const Json& object) const;
    static std::string_view spaceOf(const Kind& kind, const std::string& ns);
    ObjectPtr lookUp(const Kind& kind, const std::string& ns, const std::string& name) const;
    ObjectPtr lookUpOrThrow(const Kind& kind, const std::string& ns, const std::string& name) const;
    std::vector<ObjectPtr> listAll(const Kind& kind, const std::string& ns) const;
    static bool isEvent(const Kind& kind) { return kind.type.kind == "Event"; }

    // --- watch -------------------------------------------------------------------------------------------------------

    void post(std::function<void()> action);
    void announce(Kind& kind, WatchEvent event, std::uint64_t at);

    // --- writing -----------------------------------------------------------------------------------------------------

    void admit(const std::vector<Admission>& steps, Operation operation, Json& object, const Json* old) const;
    Where whereIs(Kind& kind, const Json& object) const;
    void index(Kind& kind, const Json& object, const Json* old);
    void dropDependent(const std::string& ownerUid, const Where& where);
    ObjectPtr put(Kind& kind, Json object, const ObjectPtr& old);
    void erase(Kind& kind, const ObjectPtr& object);

    // Background garbage collection of what the owner `uid`, now gone, has left.
    void collect(const std::string& uid);
    ObjectPtr write(Kind& kind, const ObjectPtr& old, Json object, bool statusOnly);

    // --- removal -----------------------------------------------------------------------------------------------------

    // The seconds a pod's processes get; nothing else waits.
    static std::int64_t gracePeriod(const Kind& kind, const Json& object, std::optional<int> asked);
    void removeObject(Kind& kind, const ObjectPtr& object, std::optional<int> graceSeconds);
    void emptyNamespace(const std::string& ns);
    void removeAnything(Kind& kind, const ObjectPtr& object);
    void finishNamespace(const std::string& ns);
};

} // namespace rdmalab::cluster
