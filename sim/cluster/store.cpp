#include "sim/cluster/store.h"

#include "sim/clock/event_loop.h"
#include "sim/cluster/api_errors.h"
#include "sim/cluster/apply_merge.h"
#include "sim/cluster/builtin_types.h"
#include "sim/cluster/name_rules.h"
#include "sim/cluster/object_meta.h"
#include "sim/cluster/store_impl.h"

#include <algorithm>
#include <tuple>

namespace rdmalab::cluster {

using plugin::ResourceType;

Store::Impl::Kind& Store::Impl::kindNamed(const std::string& name) const {
    const auto it = kinds.find(name);
    if (it == kinds.end())
        throw plugin::KubeError(404, "NotFound", "the server doesn't have a resource type \"" + name + "\"");
    return *it->second;
}

Store::Impl::Kind& Store::Impl::kindFor(const Json& object) const {
    const std::string& name = kindOf(object);
    const std::string apiVersion = stringAt(object, {"apiVersion"});
    if (name.empty() || apiVersion.empty())
        throw badRequest(name.empty() ? "Object 'Kind' is missing" : "Object 'apiVersion' is missing");
    const auto it = kinds.find(name);
    if (it == kinds.end() || it->second->type.apiVersion != apiVersion)
        throw noMatch(apiVersion, name);
    return *it->second;
}

std::string_view Store::Impl::spaceOf(const Kind& kind, const std::string& ns) {
    return !kind.type.namespaced ? std::string_view() : ns.empty() ? std::string_view("default") : std::string_view(ns);
}

ObjectPtr Store::Impl::lookUp(const Kind& kind, const std::string& ns, const std::string& name) const {
    const auto space = kind.spaces.find(spaceOf(kind, ns));
    if (space != kind.spaces.end())
        if (const auto it = space->second.find(name); it != space->second.end())
            return it->second;
    if (isEvent(kind))
        if (const auto index = events.find(std::string(spaceOf(kind, ns)), name))
            return std::make_shared<const Json>(events.render(*index));
    return nullptr;
}

ObjectPtr Store::Impl::lookUpOrThrow(const Kind& kind, const std::string& ns, const std::string& name) const {
    if (auto object = lookUp(kind, ns, name))
        return object;
    throw notFound(kind.type, name);
}

std::vector<ObjectPtr> Store::Impl::listAll(const Kind& kind, const std::string& ns) const {
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

void Store::Impl::post(std::function<void()> action) {
    loop.post([token = std::weak_ptr<int>(alive), action = std::move(action)] {
        if (!token.expired())
            action();
    });
}

void Store::Impl::announce(Kind& kind, WatchEvent event, std::uint64_t at) {
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
    kind = std::make_unique<Impl::Kind>();
    kind->type = type;
    impl_->inOrder.push_back(kind.get());
}

const ResourceType* Store::findType(const std::string& apiVersion, const std::string& kind) const {
    const auto it = impl_->kinds.find(kind);
    return it == impl_->kinds.end() || it->second->type.apiVersion != apiVersion ? nullptr : &it->second->type;
}

const ResourceType* Store::findPlural(const std::string& apiVersion, const std::string& plural) const {
    for (const Impl::Kind* kind : impl_->inOrder)
        if (kind->type.plural == plural && kind->type.apiVersion == apiVersion)
            return &kind->type;
    return nullptr;
}

std::vector<ResourceType> Store::types() const {
    std::vector<ResourceType> all;
    for (const Impl::Kind* kind : impl_->inOrder)
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
    Impl::Kind& kind = impl_->kindFor(object);
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
    Impl::Kind& kind = impl_->kindFor(object);
    const ObjectPtr old = impl_->lookUpOrThrow(kind, namespaceOf(object), nameOf(object));
    return impl_->write(kind, old, std::move(object), false);
}

ObjectPtr Store::updateStatus(Json object) {
    Impl::Kind& kind = impl_->kindFor(object);
    if (!kind.statusSubresource)
        throw plugin::KubeError(404, "NotFound", "the server could not find the requested resource");
    const ObjectPtr old = impl_->lookUpOrThrow(kind, namespaceOf(object), nameOf(object));
    return impl_->write(kind, old, std::move(object), true);
}

ObjectPtr Store::mergePatch(const std::string& kindName, const std::string& ns, const std::string& name, const Json& patch) {
    Impl::Kind& kind = impl_->kindNamed(kindName);
    const ObjectPtr old = impl_->lookUpOrThrow(kind, ns, name);
    Json object = *old;
    object.merge_patch(patch);
    return impl_->write(kind, old, std::move(object), false);
}

ObjectPtr Store::apply(const Json& manifest) {
    Impl::Kind& kind = impl_->kindFor(manifest);
    const ObjectPtr old = impl_->lookUp(kind, namespaceOf(manifest), nameOf(manifest));
    if (!old)
        return create(withLastApplied(manifest));
    return impl_->write(kind, old, applyMerge(*old, manifest), false);
}

void Store::remove(const std::string& kindName, const std::string& ns, const std::string& name, std::optional<int> graceSeconds) {
    Impl::Kind& kind = impl_->kindNamed(kindName);
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
    Impl::Kind& kind = impl_->kindNamed(kindName);
    const auto state = std::make_shared<Impl::WatchState>(Impl::WatchState{std::move(watcher), impl_->version});
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
    Impl::Kind& kind = impl_->kindNamed("Event");
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
