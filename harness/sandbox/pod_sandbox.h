// A pod's sandbox: the namespaces that its containers share, held by a pause process.
#pragma once

#include "harness/sandbox/child_process.h"
#include "harness/sandbox/namespaces.h"

#include <string>

namespace rdmalab::harness {

class PodSandbox {
public:
    // The pause process is process 1 of the pod's pid namespace (as with shareProcessNamespace: true), so that ending it ends
    // everything in the pod. `network` is the pod's, or the node's for a hostNetwork pod. Throws SystemError.
    PodSandbox(const UniqueFd& network, const std::string& hostname);

    // Ends every process of the pod. The destructor does it too, but then waits for the pause process, which the kernel lets go
    // only after all others are reaped: whoever holds ChildProcess objects of this pod must let go of them first.
    void kill() const { pause_.signal(9); }

    // net, uts, ipc and pid; no mnt: each container has a root of its own.
    const Namespaces& namespaces() const { return namespaces_; }

private:
    ChildProcess pause_;
    Namespaces namespaces_;
};

} // namespace rdmalab::harness
