// The Kubernetes REST API over the store, without a socket: who listens hands requests in, on the loop's thread.
// JSON only; watch is not served (whoever runs in this process watches the store).
#pragma once

#include "plugins/http/http.h"

namespace rdmalab::cluster {

class Store;

class ApiServer {
public:
    explicit ApiServer(Store& store) : store_(store) {} // must outlive this

    // get, list (labelSelector; fieldSelector on metadata.name, metadata.namespace, spec.nodeName), create, update, status,
    // patch (merge; a strategic merge patch is treated as one), delete; /version, /healthz, /readyz, /livez.
    // Every refusal is a metav1.Status with the API server's code, reason and text.
    plugin::HttpResponse handle(const plugin::HttpRequest& request);

private:
    Store& store_;
};

} // namespace rdmalab::cluster
