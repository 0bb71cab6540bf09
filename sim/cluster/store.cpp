#include "sim/cluster/store.h"

#include "sim/clock/event_loop.h"
#include "sim/cluster/api_errors.h"
#include "sim/cluster/apply_merge.h"
#include "sim/cluster/builtin_types.h"
#include "sim/cluster/event_log.h"
#include "sim/cluster/name_rules.h"
#include "sim/cluster/object_meta.h"

#include <algorithm>
#include <set>
#include <tuple>
#include <unordered_map>

namespace rdmalab::cluster {
namespace {

using plugin::ResourceType;
using Space = std::map<std::string, ObjectPtr, std::less<>>; // by name

struct WatchState {
    Watcher watcher;
    std::uint64_t since; // writes up to this version were in the first listing
    bool ended = false;
};

struct Kind {
    ResourceType type;
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

// What only the server writes in metadata; an update cannot change it.
constexpr const char* serverFields[] = {"uid",        "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds",
                                        "generation", "generateName"};

bool sameExceptVersion(const Json& a, const Json& b) {
    if (a.size() != b.size())
        return false;
    for (auto left = a.begin(), right = b.begin(); left != a.end(); ++left, ++right) {
        if (left.key() != right.key())
            return false;
        if (left.key() != "metadata") {
            if (left.value() != right.value())
                return false;
            continue;
        }
        if (left->size() != right->size())
            return false;
        for (auto l = left->begin(), r = right->begin(); l != left->end(); ++l, ++r)
            if (l.key() != r.key() || (l.key() != "resourceVersion" && l.value() != r.value()))
                return false;
    }
    return true;
}

// Whether anything but metadata (and, when it is written apart, status) differs.
bool sameDesiredState(const Json& a, const Json& b, bool statusApart) {
    const auto skipped = [&](const std::string& key) { return key == "metadata" || (statusApart && key == "status"); };
    for (const auto& [key, value] : a.items())
        if (!skipped(key)) {
            const auto other = b.find(key);
            if (other == b.end() || *other != value)
                return false;
        }
    for (const auto& [key, value] : b.items())
        if (!skipped(key) && !a.contains(key))
            return false;
    return true;
}

bool hasFinalizers(const Json& object) {
    const Json& list = at(object, {"metadata", "finalizers"});
    return list.is_array() && !list.empty();
}

} // namespace

struct Store::Impl {
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

    Kind& kindNamed(const std::string& name) const {
        const auto it = kinds.find(name);
        if (it == kinds.end())
            throw plugin::KubeError(404, "NotFound", "the server doesn't have a resource type \"" + name + "\"");
        return *it->second;
    }

    Kind& kindFor(const Json& object) const {
        const std::string& name = kindOf(object);
        const std::string apiVersion = stringAt(object, {"apiVersion"});
        if (name.empty() || apiVersion.empty())
            throw badRequest(name.empty() ? "Object 'Kind' is missing" : "Object 'apiVersion' is missing");
        const auto it = kinds.find(name);
        if (it == kinds.end() || it->second->type.apiVersion != apiVersion)
            throw noMatch(apiVersion, name);
        return *it->second;
    }

    static std::string_view spaceOf(const Kind& kind, const std::string& ns) {
        return !kind.type.namespaced ? std::string_view() : ns.empty() ? std::string_view("default") : std::string_view(ns);
    }

    ObjectPtr lookUp(const Kind& kind, const std::string& ns, const std::string& name) const {
        const auto space = kind.spaces.find(spaceOf(kind, ns));
        if (space != kind.spaces.end())
            if (const auto it = space->second.find(name); it != space->second.end())
                return it->second;
        if (isEvent(kind))
            if (const auto index = events.find(std::string(spaceOf(kind, ns)), name))
                return std::make_shared<const Json>(events.render(*index));
        return nullptr;
    }

    ObjectPtr lookUpOrThrow(const Kind& kind, const std::string& ns, const std::string& name) const {
        if (auto object = lookUp(kind, ns, name))
            return object;
        throw notFound(kind.type, name);
    }

    std::vector<ObjectPtr> listAll(const Kind& kind, const std::string& ns) const {
        std::vector<ObjectPtr> found;
        const auto take = [&](const Space& space) {
            for (const auto& [name, object] : space)
                found.push_back(object);
        };
        if (ns.empty() || !kind.type.namespaced) {
            for (const auto& [name, space] : kind.spaces)
                take(space);
        } else if (const auto space = kind.spaces.find(ns); space != kind.spaces.end()) {
            take(space->second);
        }
        if (isEvent(kind)) {
            for (const EventLog::Index index : events.list(ns))
                found.push_back(std::make_shared<const Json>(events.render(index)));
            std::stable_sort(found.begin(), found.end(), [](const ObjectPtr& a, const ObjectPtr& b) {
                return std::tie(namespaceOf(*a), nameOf(*a)) < std::tie(namespaceOf(*b), nameOf(*b));
            });
        }
        return found;
    }

    static bool isEvent(const Kind& kind) { return kind.type.kind == "Event"; }

    // --- watch -------------------------------------------------------------------------------------------------------

    void post(std::function<void()> action) {
        loop.post([token = std::weak_ptr<int>(alive), action = std::move(action)] {
            if (!token.expired())
                action();
        });
    }

    void announce(Kind& kind, WatchEvent event, std::uint64_t at) {
        if (kind.watches.empty())
            return;
        post([this, &kind, event = std::move(event), at] {
            // A watcher may end itself or others, or start new ones.
            const auto watches = kind.watches;
            for (const auto& watch : watches)
                if (!watch->ended && watch->since < at)
                    watch->watcher(event);
        });
    }

    // --- writing -----------------------------------------------------------------------------------------------------

    void admit(const std::vector<Admission>& steps, Operation operation, Json& object, const Json* old) const {
        AdmissionRequest request{operation, object, old};
        for (const Admission& step : steps)
            step(request);
    }

    Where whereIs(Kind& kind, const Json& object) const {
        return {&kind, std::string(spaceOf(kind, namespaceOf(object))), nameOf(object)};
    }

    void index(Kind& kind, const Json& object, const Json* old) {
        static const Json none;
        const Json& before = old ? at(*old, {"metadata", "ownerReferences"}) : none;
        const Json& now = at(object, {"metadata", "ownerReferences"});
        if (before == now)
            return;
        for (const Json& reference : before)
            dropDependent(stringAt(reference, {"uid"}), whereIs(kind, object));
        for (const Json& reference : now) {
            const std::string uid = stringAt(reference, {"uid"});
            dependents[uid].insert(whereIs(kind, object));
            // An owner that is already gone: the collector finds out and follows it.
            if (!live.contains(uid))
                post([this, uid] { collect(uid); });
        }
    }

    void dropDependent(const std::string& ownerUid, const Where& where) {
        const auto it = dependents.find(ownerUid);
        if (it == dependents.end())
            return;
        it->second.erase(where);
        if (it->second.empty())
            dependents.erase(it);
    }

    ObjectPtr put(Kind& kind, Json object, const ObjectPtr& old) {
        object["metadata"]["resourceVersion"] = std::to_string(++version);
        auto stored = std::make_shared<const Json>(std::move(object));
        const std::string_view ns = spaceOf(kind, namespaceOf(*stored));
        auto space = kind.spaces.find(ns);
        if (space == kind.spaces.end())
            space = kind.spaces.emplace(std::string(ns), Space()).first;
        space->second[nameOf(*stored)] = stored;
        if (!old)
            live.emplace(uidOf(*stored), whereIs(kind, *stored));
        index(kind, *stored, old.get());
        announce(kind, {old ? WatchEvent::Type::modified : WatchEvent::Type::added, stored, old}, version);
        return stored;
    }

    void erase(Kind& kind, const ObjectPtr& object) {
        const Where where = whereIs(kind, *object);
        const auto space = kind.spaces.find(where.ns);
        space->second.erase(where.name);
        if (space->second.empty())
            kind.spaces.erase(space);
        ++version;
        const std::string uid = uidOf(*object);
        live.erase(uid);
        for (const Json& reference : at(*object, {"metadata", "ownerReferences"}))
            dropDependent(stringAt(reference, {"uid"}), where);
        if (dependents.contains(uid))
            post([this, uid] { collect(uid); });
        announce(kind, {WatchEvent::Type::removed, object, object}, version);
        if (kind.type.namespaced)
            finishNamespace(where.ns);
    }

    // Background garbage collection of what the owner `uid`, now gone, has left.
    void collect(const std::string& uid) {
        const auto it = dependents.find(uid);
        if (it == dependents.end() || live.contains(uid))
            return;
        const std::vector<Where> orphans(it->second.begin(), it->second.end());
        for (const Where& where : orphans) {
            const ObjectPtr object = lookUp(*where.kind, where.ns, where.name);
            if (!object || isTerminating(*object))
                continue;
            Json kept = Json::array();
            bool otherOwner = false;
            for (const Json& reference : at(*object, {"metadata", "ownerReferences"})) {
                const std::string owner = stringAt(reference, {"uid"});
                if (owner == uid)
                    continue;
                kept.push_back(reference);
                otherOwner = otherOwner || live.contains(owner);
            }
            if (otherOwner) {
                Json changed = *object;
                changed["metadata"]["ownerReferences"] = std::move(kept);
                put(*where.kind, std::move(changed), object);
                continue;
            }
            try {
                removeObject(*where.kind, object, std::nullopt);
            } catch (const plugin::KubeError&) {
                // Admission refused; the real collector retries for ever, with the same answer.
            }
        }
    }

    ObjectPtr write(Kind& kind, const ObjectPtr& old, Json object, bool statusOnly) {
        Json& meta = object["metadata"];
        const Json& oldMeta = at(*old, {"metadata"});
        if (const std::string given = stringAt(meta, {"resourceVersion"});
            !given.empty() && given != stringAt(oldMeta, {"resourceVersion"}))
            throw modifiedConflict(kind.type, nameOf(*old));
        if (const std::string given = stringAt(meta, {"uid"}); !given.empty() && given != uidOf(*old))
            throw conflict(kind.type, nameOf(*old),
                           "Precondition failed: UID in precondition: " + given + ", UID in object meta: " + uidOf(*old));
        for (const char* field : serverFields) {
            if (const auto it = oldMeta.find(field); it != oldMeta.end())
                meta[field] = *it;
            else
                meta.erase(field);
        }
        if (kind.type.namespaced)
            meta["namespace"] = at(oldMeta, {"namespace"});
        if (isTerminating(*old))
            for (const Json& finalizer : at(object, {"metadata", "finalizers"}))
                if (finalizer.is_string() && !hasFinalizer(*old, finalizer.get_ref<const std::string&>()))
                    throw invalid(
                        kind.type.apiVersion, kind.type.kind, nameOf(*old),
                        {FieldError::forbidden(
                            "metadata.finalizers",
                            "no new finalizers can be added if the object is being deleted, found new finalizers []string{" +
                                finalizer.dump() + "}")});
        if (statusOnly) {
            Json kept = *old;
            kept["metadata"] = std::move(meta);
            if (const auto status = object.find("status"); status != object.end())
                kept["status"] = std::move(*status);
            else
                kept.erase("status");
            object = std::move(kept);
        } else {
            if (kind.statusSubresource) {
                if (const auto status = old->find("status"); status != old->end())
                    object["status"] = *status;
                else
                    object.erase("status");
            }
            admit(kind.mutations, Operation::update, object, old.get());
            if (!sameDesiredState(object, *old, kind.statusSubresource))
                object["metadata"]["generation"] = intAt(*old, {"metadata", "generation"}, 1) + 1;
            admit(kind.validations, Operation::update, object, old.get());
        }
        if (sameExceptVersion(object, *old))
            return old;
        ObjectPtr stored = put(kind, std::move(object), old);
        if (isTerminating(*stored) && !hasFinalizers(*stored) &&
            intAt(*stored, {"metadata", "deletionGracePeriodSeconds"}, 0) == 0)
            erase(kind, stored);
        return stored;
    }

    // --- removal -----------------------------------------------------------------------------------------------------

    // The seconds a pod's processes get; nothing else waits.
    static std::int64_t gracePeriod(const Kind& kind, const Json& object, std::optional<int> asked) {
        if (kind.type.kind != "Pod" || stringAt(object, {"spec", "nodeName"}).empty())
            return 0;
        const std::string phase = stringAt(object, {"status", "phase"});
        if (phase == "Succeeded" || phase == "Failed")
            return 0;
        return asked ? *asked : intAt(object, {"spec", "terminationGracePeriodSeconds"}, 30);
    }

    void removeObject(Kind& kind, const ObjectPtr& object, std::optional<int> graceSeconds) {
        if (!kind.validations.empty()) {
            Json going = *object;
            admit(kind.validations, Operation::remove, going, object.get());
        }
        const std::int64_t grace = gracePeriod(kind, *object, graceSeconds);
        const bool isNamespace = kind.type.kind == "Namespace";
        if (grace == 0 && !hasFinalizers(*object) && !isNamespace) {
            erase(kind, object);
            return;
        }
        if (isTerminating(*object) && grace >= intAt(*object, {"metadata", "deletionGracePeriodSeconds"}, 0))
            return;
        Json going = *object;
        const bool first = !isTerminating(going);
        going["metadata"]["deletionTimestamp"] = formatTimestamp(loop.now() + std::chrono::seconds(grace));
        going["metadata"]["deletionGracePeriodSeconds"] = grace;
        if (first && going["metadata"].contains("generation"))
            going["metadata"]["generation"] = going["metadata"]["generation"].get<std::int64_t>() + 1;
        if (isNamespace)
            going["status"]["phase"] = "Terminating";
        put(kind, std::move(going), object);
        if (isNamespace)
            emptyNamespace(nameOf(*object));
    }

    void emptyNamespace(const std::string& ns) {
        post([this, ns] {
            for (Kind* kind : inOrder)
                if (kind->type.namespaced)
                    for (const ObjectPtr& object : listAll(*kind, ns))
                        if (const ObjectPtr now = lookUp(*kind, ns, nameOf(*object)); now && !isTerminating(*now))
                            removeAnything(*kind, now);
            finishNamespace(ns);
        });
    }

    void removeAnything(Kind& kind, const ObjectPtr& object) {
        if (isEvent(kind) && !kind.spaces.contains(namespaceOf(*object))) {
            if (const auto index = events.find(namespaceOf(*object), nameOf(*object)))
                events.remove(*index);
            return;
        }
        try {
            removeObject(kind, object, std::nullopt);
        } catch (const plugin::KubeError&) {
            // Refused by admission: the namespace stays Terminating, as it would.
        }
    }

    void finishNamespace(const std::string& ns) {
        Kind& kind = kindNamed("Namespace");
        const ObjectPtr object = lookUp(kind, "", ns);
        if (!object || !isTerminating(*object) || hasFinalizers(*object))
            return;
        for (const Kind* other : inOrder)
            if (other->type.namespaced && other->spaces.contains(ns))
                return;
        erase(kind, object);
    }
};

Store::Store(clock::EventLoop& loop) : impl_(std::make_unique<Impl>(loop)) {
    for (const BuiltinType& builtin : builtinTypes()) {
        registerType(builtin.type);
        impl_->kindNamed(builtin.type.kind).statusSubresource = builtin.statusSubresource;
    }
    for (const char* ns : {"default", "kube-node-lease", "kube-public", "kube-system"})
        create({{"apiVersion", "v1"},
                {"kind", "Namespace"},
                {"metadata", {{"name", ns}, {"labels", {{"kubernetes.io/metadata.name", ns}}}}},
                {"status", {{"phase", "Active"}}}});
}

Store::~Store() = default;

void Store::registerType(const ResourceType& type) {
    auto& kind = impl_->kinds[type.kind];
    if (kind) {
        kind->type = type;
        return;
    }
    kind = std::make_unique<Kind>();
    kind->type = type;
    impl_->inOrder.push_back(kind.get());
}

const ResourceType* Store::findType(const std::string& apiVersion, const std::string& kind) const {
    const auto it = impl_->kinds.find(kind);
    return it == impl_->kinds.end() || it->second->type.apiVersion != apiVersion ? nullptr : &it->second->type;
}

const ResourceType* Store::findPlural(const std::string& apiVersion, const std::string& plural) const {
    for (const Kind* kind : impl_->inOrder)
        if (kind->type.plural == plural && kind->type.apiVersion == apiVersion)
            return &kind->type;
    return nullptr;
}

std::vector<ResourceType> Store::types() const {
    std::vector<ResourceType> all;
    for (const Kind* kind : impl_->inOrder)
        all.push_back(kind->type);
    return all;
}

bool Store::hasStatusSubresource(const std::string& kind) const {
    return impl_->kindNamed(kind).statusSubresource;
}

void Store::addMutation(const std::string& kind, Admission mutate) {
    impl_->kindNamed(kind).mutations.push_back(std::move(mutate));
}

void Store::addValidation(const std::string& kind, Admission validate) {
    impl_->kindNamed(kind).validations.push_back(std::move(validate));
}

ObjectPtr Store::create(Json object) {
    Kind& kind = impl_->kindFor(object);
    Json& meta = object["metadata"];
    if (!meta.is_object())
        meta = Json::object();
    if (!kind.type.namespaced)
        meta.erase("namespace");
    else if (namespaceOf(object).empty())
        meta["namespace"] = "default";
    if (nameOf(object).empty()) {
        // The last five of 63 characters are the suffix (apiserver names/generate.go).
        const std::string base = stringAt(meta, {"generateName"}).substr(0, 58);
        if (base.empty())
            throw invalid(kind.type.apiVersion, kind.type.kind, "",
                          {FieldError::required("metadata.name", "name or generateName is required")});
        std::string name;
        do
            name = base + makeSuffix(++impl_->suffixSerial);
        while (impl_->lookUp(kind, namespaceOf(object), name));
        meta["name"] = std::move(name);
    }
    if (!stringAt(meta, {"resourceVersion"}).empty())
        throw badRequest("resourceVersion should not be set on objects to be created");
    if (auto problem = objectNameProblem(kind.type.kind, nameOf(object)))
        throw invalid(kind.type.apiVersion, kind.type.kind, nameOf(object),
                      {FieldError::invalid("metadata.name", Json(nameOf(object)).dump(), *problem)});
    for (const char* field : {"deletionTimestamp", "deletionGracePeriodSeconds", "managedFields", "selfLink"})
        meta.erase(field);
    meta["uid"] = makeUid(++impl_->serial);
    meta["creationTimestamp"] = formatTimestamp(impl_->loop.now());
    if (object.contains("spec"))
        meta["generation"] = 1;
    impl_->admit(kind.mutations, Operation::create, object, nullptr);
    // Admission comes first, as in the API server: a refusal wins over AlreadyExists.
    impl_->admit(kind.validations, Operation::create, object, nullptr);
    if (impl_->lookUp(kind, namespaceOf(object), nameOf(object)))
        throw alreadyExists(kind.type, nameOf(object));
    return impl_->put(kind, std::move(object), nullptr);
}

ObjectPtr Store::update(Json object) {
    Kind& kind = impl_->kindFor(object);
    const ObjectPtr old = impl_->lookUpOrThrow(kind, namespaceOf(object), nameOf(object));
    return impl_->write(kind, old, std::move(object), false);
}

ObjectPtr Store::updateStatus(Json object) {
    Kind& kind = impl_->kindFor(object);
    if (!kind.statusSubresource)
        throw plugin::KubeError(404, "NotFound", "the server could not find the requested resource");
    const ObjectPtr old = impl_->lookUpOrThrow(kind, namespaceOf(object), nameOf(object));
    return impl_->write(kind, old, std::move(object), true);
}

ObjectPtr Store::mergePatch(const std::string& kindName, const std::string& ns, const std::string& name, const Json& patch) {
    Kind& kind = impl_->kindNamed(kindName);
    const ObjectPtr old = impl_->lookUpOrThrow(kind, ns, name);
    Json object = *old;
    object.merge_patch(patch);
    return impl_->write(kind, old, std::move(object), false);
}

ObjectPtr Store::apply(const Json& manifest) {
    Kind& kind = impl_->kindFor(manifest);
    const ObjectPtr old = impl_->lookUp(kind, namespaceOf(manifest), nameOf(manifest));
    if (!old)
        return create(withLastApplied(manifest));
    return impl_->write(kind, old, applyMerge(*old, manifest), false);
}

void Store::remove(const std::string& kindName, const std::string& ns, const std::string& name, std::optional<int> graceSeconds) {
    Kind& kind = impl_->kindNamed(kindName);
    const ObjectPtr object = impl_->lookUpOrThrow(kind, ns, name);
    if (const auto index = Impl::isEvent(kind) ? impl_->events.find(namespaceOf(*object), name) : std::nullopt)
        impl_->events.remove(*index);
    else
        impl_->removeObject(kind, object, graceSeconds);
}

void Store::finalizeRemoval(const std::string& kindName, const std::string& ns, const std::string& name) {
    remove(kindName, ns, name, 0);
}

ObjectPtr Store::find(const std::string& kind, const std::string& ns, const std::string& name) const {
    return impl_->lookUp(impl_->kindNamed(kind), ns, name);
}

ObjectPtr Store::get(const std::string& kind, const std::string& ns, const std::string& name) const {
    return impl_->lookUpOrThrow(impl_->kindNamed(kind), ns, name);
}

std::vector<ObjectPtr> Store::list(const std::string& kind, const std::string& ns) const {
    return impl_->listAll(impl_->kindNamed(kind), ns);
}

Store::Subscription Store::watch(const std::string& kindName, Watcher watcher) {
    Kind& kind = impl_->kindNamed(kindName);
    const auto state = std::make_shared<WatchState>(WatchState{std::move(watcher), impl_->version});
    kind.watches.push_back(state);
    impl_->post([state, present = impl_->listAll(kind, {})] {
        for (const ObjectPtr& object : present) {
            if (state->ended)
                return;
            state->watcher({WatchEvent::Type::added, object, nullptr});
        }
    });
    return {state.get(), [state, &kind, token = std::weak_ptr<int>(impl_->alive)](void*) {
                state->ended = true;
                if (!token.expired())
                    std::erase(kind.watches, state);
            }};
}

void Store::recordEvent(const Json& object, const std::string& type, const std::string& reason, const std::string& message,
                        const std::string& component) {
    const auto noted =
        impl_->events.note(object, type, reason, message, component, impl_->loop.now(), ++impl_->serial, ++impl_->version);
    Kind& kind = impl_->kindNamed("Event");
    if (kind.watches.empty())
        return;
    auto rendered = std::make_shared<const Json>(impl_->events.render(noted.index));
    impl_->announce(
        kind, {noted.isNew ? WatchEvent::Type::added : WatchEvent::Type::modified, rendered, noted.isNew ? nullptr : rendered},
        impl_->version);
}

std::uint64_t Store::resourceVersion() const {
    return impl_->version;
}

std::string Store::timestamp() const {
    return formatTimestamp(impl_->loop.now());
}

} // namespace rdmalab::cluster
