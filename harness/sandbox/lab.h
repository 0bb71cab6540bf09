// A lab is one disposable process tree: process 1 of a pid namespace with its own mount and network namespaces. When it dies,
// however it dies, the kernel takes every process, namespace, mount and interface with it.
#pragma once

#include "harness/sandbox/child_process.h"

#include <functional>
#include <string>

namespace rdmalab::harness {

struct LabPlace {
    std::string base;    // a private tmpfs, short path, empty at the start
    std::string plugins; // inside base: the plugin executables, read-only
};

// Starts `body` inside a new lab and returns at once. The lab dies with the calling process, even on SIGKILL.
// `body` runs in a fork of the caller: it must write its results to descriptors that it inherits.
// Throws SystemError when namespaces cannot be made.
ChildProcess startLab(const std::string& pluginDirectory, const std::function<int(const LabPlace&)>& body);

} // namespace rdmalab::harness
