// The two gRPC servers of a kubelet: Registration on device-plugins/kubelet.sock, PodResourcesLister on
// pod-resources/kubelet.sock.
#pragma once

#include "harness/kubelet/kubelet_services.h"
#include "harness/kubelet/loop_gate.h"

#include <memory>
#include <string>

namespace rdmalab::harness {

class KubeletServer {
public:
    // Listens at once; requests are answered on the loop behind `gate`. Throws std::runtime_error when a socket cannot be bound.
    KubeletServer(const std::string& registrationSocket, const std::string& podResourcesSocket, std::shared_ptr<LoopGate> gate,
                  cluster::NodeHost::RegistrationHandler handler, PodResourcesProvider podResources);
    KubeletServer(const KubeletServer&) = delete;
    KubeletServer& operator=(const KubeletServer&) = delete;
    ~KubeletServer(); // open calls end with UNAVAILABLE; the sockets are removed

private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

} // namespace rdmalab::harness
