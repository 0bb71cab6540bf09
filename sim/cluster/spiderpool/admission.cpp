#include "sim/cluster/spiderpool/admission.h"

#include "sim/cluster/object_meta.h"
#include "sim/cluster/spiderpool/crd_schemas.h"
#include "sim/cluster/spiderpool/webhooks.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>

namespace rdmalab::cluster {
namespace {

struct Hooks {
    const char* kind;
    void (*mutate)(Json&, const WebhookContext&);
    std::vector<FieldError> (*validate)(const Json&, const Json*, const WebhookContext&);
};
constexpr std::array<Hooks, 5> hooks = {{{"SpiderIPPool", mutateIpPool, validateIpPool},
                                         {"SpiderSubnet", mutateSubnet, validateSubnet},
                                         {"SpiderReservedIP", mutateReservedIp, validateReservedIp},
                                         {"SpiderCoordinator", mutateCoordinator, validateCoordinator},
                                         {"SpiderMultusConfig", mutateMultusConfig, validateMultusConfig}}};

std::string lower(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return text;
}

std::string webhookName(const std::string& kind) {
    return lower(kind) + ".spiderpool.spidernet.io";
}

plugin::KubeError invalidObject(const std::string& kind, const Json& object, const std::vector<FieldError>& errors) {
    return invalid(std::string(spiderpoolApiVersion), kind, nameOf(object), errors);
}

void ensureSpec(Json& object) {
    if (!object.contains("spec"))
        object["spec"] = Json::object();
}

class KindAdmission {
public:
    KindAdmission(const Hooks* hooksOfKind, std::string kind, const Schema& schema, const Store& store,
                  std::shared_ptr<const SpiderpoolAdmissionOptions> options, std::shared_ptr<std::vector<PrunedField>> pruned)
        : hooks_(hooksOfKind), kind_(std::move(kind)), schema_(schema), options_(std::move(options)), pruned_(std::move(pruned)) {
        context_.store = &store;
        context_.profile = options_->profile;
        context_.enableIPv4 = options_->enableIPv4;
        context_.enableIPv6 = options_->enableIPv6;
        context_.enableSpiderSubnet = options_->enableSpiderSubnet;
        context_.validateDeletion = options_->validateDeletion;
    }

    void mutate(AdmissionRequest& request) const {
        for (const std::string& path : schema_.prune(request.object))
            pruned_->push_back({kind_, namespaceOf(request.object), nameOf(request.object), path});
        schema_.applyDefaults(request.object);
        if (const auto errors = schema_.checkTypes(request.object); !errors.empty())
            throw invalidObject(kind_, request.object, errors);
        // A status subresource is empty at first.
        if (request.operation == Operation::create && kind_ != "SpiderEndpoint")
            request.object.erase("status");
        if (!hooks_)
            return;
        ensureSpec(request.object);
        mustServe("mutate");
        hooks_->mutate(request.object, context_);
    }

    void validate(AdmissionRequest& request) const {
        if (request.operation == Operation::remove) {
            validateRemoval(request.object);
            return;
        }
        if (const auto errors = schema_.validate(request.object); !errors.empty())
            throw invalidObject(kind_, request.object, errors);
        if (!hooks_)
            return;
        mustServe("validate");
        if (isTerminating(request.object) && refusesTerminating(request.object))
            return;
        const auto errors = hooks_->validate(request.object, request.old, context_);
        if (errors.empty())
            return;
        // Since v1.0 an object that exists is told apart from a bad one.
        const bool exists = options_->profile != SpiderpoolProfile::v0_8 &&
                            std::any_of(errors.begin(), errors.end(),
                                        [](auto& error) { return error.text.find("AlreadyExists") != std::string::npos; });
        if (exists)
            throw webhookDenied(webhookName(kind_), 409, "AlreadyExists",
                                fmt::format("{}.spiderpool.spidernet.io \"{}\" already exists", kind_, nameOf(request.object)));
        throw webhookDenied(webhookName(kind_), 422, "Invalid", invalidObject(kind_, request.object, errors).what());
    }

private:
    // True: nothing more to check.
    bool refusesTerminating(const Json& object) const {
        if (kind_ != "SpiderIPPool" && kind_ != "SpiderSubnet" && kind_ != "SpiderReservedIP" && kind_ != "SpiderCoordinator")
            return false;
        if (!hasFinalizer(object, spiderpoolFinalizer))
            return true;
        const std::string_view word = kind_ == "SpiderIPPool"       ? "IPPool"
                                      : kind_ == "SpiderSubnet"     ? "Subnet"
                                      : kind_ == "SpiderReservedIP" ? "ReservedIP"
                                                                    : "Coordinator";
        throw webhookDenied(webhookName(kind_), 403, "Forbidden", fmt::format("forbidden: cannot update a terminating {}", word));
    }

    void validateRemoval(const Json& object) const {
        if (!options_->validateDeletion || options_->profile == SpiderpoolProfile::v0_8)
            return;
        const auto count = intAt(object, {"status", "allocatedIPCount"});
        if (kind_ == "SpiderIPPool" && count > 0)
            throw webhookDenied(
                webhookName(kind_), 403, "Forbidden",
                fmt::format("spiderippools.spiderpool.spidernet.io \"{}\" is forbidden: cannot delete an IPPool with "
                            "allocated IPs({})",
                            nameOf(object), count));
    }

    void mustServe(const char* verb) const {
        if (!options_->serving || options_->serving())
            return;
        const std::string host = fmt::format("spiderpool-controller.{}.svc", options_->serviceNamespace);
        throw plugin::KubeError(
            500, "InternalError",
            fmt::format("Internal error occurred: failed calling webhook \"{}\": failed to call webhook: Post "
                        "\"https://{}:5722/{}-spiderpool-spidernet-io-v2beta1-{}?timeout=10s\": no endpoints "
                        "available for service \"spiderpool-controller\"",
                        webhookName(kind_), host, verb, lower(kind_)));
    }

    const Hooks* hooks_;
    std::string kind_;
    const Schema& schema_;
    std::shared_ptr<const SpiderpoolAdmissionOptions> options_;
    std::shared_ptr<std::vector<PrunedField>> pruned_;
    WebhookContext context_;
};

const Hooks* hooksOf(const std::string& kind) {
    const auto it = std::find_if(hooks.begin(), hooks.end(), [&](const Hooks& entry) { return kind == entry.kind; });
    return it == hooks.end() ? nullptr : &*it;
}

} // namespace

std::shared_ptr<const std::vector<PrunedField>> installSpiderpoolAdmission(Store& store, SpiderpoolAdmissionOptions options) {
    const auto shared = std::make_shared<const SpiderpoolAdmissionOptions>(std::move(options));
    const auto pruned = std::make_shared<std::vector<PrunedField>>();
    for (const plugin::ResourceType& type : store.types()) {
        const Schema* schema = spiderpoolSchema(type.kind, shared->profile);
        if (!schema)
            continue;
        const auto admission =
            std::make_shared<const KindAdmission>(hooksOf(type.kind), type.kind, *schema, store, shared, pruned);
        store.addMutation(type.kind, [admission](AdmissionRequest& request) { admission->mutate(request); });
        store.addValidation(type.kind, [admission](AdmissionRequest& request) { admission->validate(request); });
    }
    return pruned;
}

std::vector<AdmissionProblem> validateManifest(const Json& object, SpiderpoolProfile profile) {
    const std::string& kind = kindOf(object);
    const Schema* schema = spiderpoolSchema(kind, profile);
    if (!schema || stringAt(object, {"apiVersion"}) != spiderpoolApiVersion)
        return {};
    std::vector<AdmissionProblem> problems;
    Json copy = object;
    for (const std::string& path : schema->prune(copy))
        problems.push_back(
            {path, fmt::format("unknown field \"{}\" is dropped by Spiderpool {}", path, toString(profile)), true});
    schema->applyDefaults(copy);
    const auto add = [&](const std::vector<FieldError>& errors) {
        for (const FieldError& error : errors)
            problems.push_back({error.field, error.text, false});
    };
    if (const auto errors = schema->checkTypes(copy); !errors.empty()) {
        add(errors);
        return problems;
    }
    const Hooks* webhooks = hooksOf(kind);
    WebhookContext context;
    context.profile = profile;
    if (webhooks) {
        ensureSpec(copy);
        webhooks->mutate(copy, context);
    }
    if (const auto errors = schema->validate(copy); !errors.empty())
        add(errors);
    else if (webhooks)
        add(webhooks->validate(copy, nullptr, context));
    return problems;
}

Json withSpiderpoolDefaults(Json object, SpiderpoolProfile profile) {
    const Schema* schema = spiderpoolSchema(kindOf(object), profile);
    if (!schema)
        return object;
    schema->prune(object);
    schema->applyDefaults(object);
    if (const Hooks* webhooks = hooksOf(kindOf(object)); webhooks && schema->checkTypes(object).empty()) {
        WebhookContext context;
        context.profile = profile;
        ensureSpec(object);
        webhooks->mutate(object, context);
    }
    return object;
}

} // namespace rdmalab::cluster
