// Namespaces as descriptors: they live as long as somebody holds one, no process needed.
#pragma once

#include "util/unique_fd.h"

#include <sys/types.h>

#include <functional>
#include <string>

namespace rdmalab::harness {

// The namespaces that a process can be placed in. An invalid descriptor means "the caller's own".
struct Namespaces {
    UniqueFd net, mnt, uts, ipc;
    UniqueFd pid; // the pid namespace of future children
};

// The namespaces of a running process. Throws SystemError.
Namespaces namespacesOf(pid_t pid);
// A second set of descriptors for the same namespaces.
Namespaces duplicate(const Namespaces& namespaces);

// Runs `work` on a thread of its own, so that namespaces it enters or leaves are not the caller's, and waits for it.
// Exceptions pass through.
void onOwnThread(const std::function<void()>& work);
// The same, after entering `namespaces` (net, mnt, uts, ipc).
void inNamespaces(const Namespaces& namespaces, const std::function<void()>& work);
// Enters net, mnt, uts, ipc for the calling thread, which must not share its file system attributes when mnt is entered.
void enter(const Namespaces& namespaces);

UniqueFd newNetworkNamespace();
// The calling thread's own namespace of a kind ("net", "mnt").
UniqueFd currentNamespace(const std::string& kind);
// Binds a namespace to a path, as `ip netns add` does. Runs in the caller's mount namespace.
void bindNamespace(const UniqueFd& ns, const std::string& path);

} // namespace rdmalab::harness
