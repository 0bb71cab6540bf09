// Spiderpool's side of API admission: CRD schemas and webhooks (spec/spiderpool.md, sections 1 and 3).
#pragma once

#include "sim/cluster/spiderpool/profile.h"
#include "sim/cluster/store.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace rdmalab::cluster {

struct SpiderpoolAdmissionOptions {
    SpiderpoolProfile profile = SpiderpoolProfile::v1_2;
    bool enableIPv4 = true, enableIPv6 = true;
    bool enableSpiderSubnet = true;
    bool validateDeletion = false; // enableValidatingResourcesDeletedWebhook
    // Whether spiderpool-controller answers. All webhooks are failurePolicy Fail: while it does not, writes are refused with
    // "failed calling webhook". Empty means it always does.
    std::function<bool()> serving;
    std::string serviceNamespace = "kube-system"; // of the webhook's service, for that text
};

struct PrunedField {
    std::string kind, ns, name;
    std::string path; // "spec.sriov.enableRdma"
};

// Order on write as in an API server: pruning and defaults, mutating webhook, schema, validating webhook. Refusals of a webhook
// read `admission webhook "spiderippool.spiderpool.spidernet.io" denied the request: SpiderIPPool.spiderpool.spidernet.io "x" is
// invalid: ...`. The store keeps the rules; the returned list grows with every write that lost fields.
std::shared_ptr<const std::vector<PrunedField>> installSpiderpoolAdmission(Store& store, SpiderpoolAdmissionOptions options = {});

struct AdmissionProblem {
    std::string jsonPath; // "spec.subnet", "spec.macvlan.vlanID", "metadata.annotations"
    std::string message;
    bool pruned = false; // the field is accepted, but dropped without a word
};

// What admission would say about a manifest on its own: pruned fields, schema, the webhooks' rules that look at no other object.
// Empty for kinds that are not Spiderpool's. Needs no store.
std::vector<AdmissionProblem> validateManifest(const Json& object, SpiderpoolProfile profile);

// The manifest with defaults and the mutating webhook's changes, as far as they need no other object.
Json withSpiderpoolDefaults(Json object, SpiderpoolProfile profile);

} // namespace rdmalab::cluster
