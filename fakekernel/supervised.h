// Starting a process under the supervisor. The launcher calls, in this order:
//
//     SupervisedLaunch launch(*handler);                 // before fork
//     pid = fork();
//     child:   launch.installInChild()                   // before exec, and before it gives up CAP_SYS_ADMIN
//     parent:  launch.takeInParent(supervisor, handler)  // before it waits for anything that the child does later
#pragma once

#include "fakekernel/supervisor.h"
#include "util/unique_fd.h"

#include <linux/filter.h>

#include <memory>
#include <vector>

namespace rdmalab::fakekernel {

class SupervisedLaunch {
public:
    // Throws SystemError and what Filter::program() throws.
    explicit SupervisedLaunch(const Handler& handler);

    // Puts the calling thread, which must be the process's only one, and all its descendants under the filter, and hands the
    // listener to the parent. 0 or an errno: EBUSY when the process is under another supervisor already, EINVAL when the kernel
    // has no user notification (5.0). Async-signal-safe. no_new_privs is set only if the kernel insists (no CAP_SYS_ADMIN in
    // the process's own user namespace), as it would break sudo and file capabilities inside. The listener does not stay open in
    // the child.
    int installInChild() noexcept;

    // What the child needs open until installInChild(), for launchers that close all others before.
    int childDescriptor() const noexcept { return childEnd_.get(); }

    // Waits until the child has installed the filter, or has ended, and adds it to `supervisor`. Throws std::runtime_error when
    // the child ended without.
    Supervisor::TreeId takeInParent(Supervisor& supervisor, std::shared_ptr<Handler> handler);
    // The listener alone.
    UniqueFd takeListener();

private:
    std::vector<sock_filter> program_;
    UniqueFd parentEnd_, childEnd_;
};

} // namespace rdmalab::fakekernel
