// Network namespaces: their descriptors, their identity, and running code inside one.
#pragma once

#include "util/unique_fd.h"

#include <functional>
#include <string>

namespace rdmalab::plugin {

// The calling thread's namespace. Throws KernelError.
UniqueFd openCurrentNetns();

// The namespace behind a path. Throws KernelError: `failed to Statfs "P": ...`, `unknown FS magic on "P": <hex>` (EINVAL),
// `open P: ...`. Texts: containernetworking/plugins pkg/ns.
UniqueFd openNetnsPath(const std::string& path);

// A namespace of its own, which lives as long as the descriptor. The calling thread stays where it is.
UniqueFd newNetns();

bool sameNetnsFd(int a, int b);

// Runs `action` with the calling thread in the namespace: directly if it is there already, else on a thread of its own, so
// that no other thread ever sees the switch. Exceptions are passed on. KernelError when the namespace cannot be entered.
void runInNetns(int netnsFd, const std::function<void()>& action);

} // namespace rdmalab::plugin
