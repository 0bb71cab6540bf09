#include "harness/sandbox/pod_sandbox.h"

#include "util/syscall.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

namespace rdmalab::harness {

PodSandbox::PodSandbox(const UniqueFd& network, const std::string& hostname) {
    int ready[2];
    checked("pipe", ::pipe2(ready, O_CLOEXEC));
    UniqueFd readEnd(ready[0]), writeEnd(ready[1]);
    pause_ = ChildProcess::fork(
        [&] {
            ::prctl(PR_SET_NAME, "pause");
            ::signal(SIGCHLD, SIG_IGN); // orphans of the pod are reaped by the kernel
            checked("setns net", ::setns(network.get(), CLONE_NEWNET));
            checked("unshare uts, ipc", ::unshare(CLONE_NEWUTS | CLONE_NEWIPC));
            checked("sethostname", ::sethostname(hostname.data(), std::min<std::size_t>(hostname.size(), 63)));
            checked("write", ::write(writeEnd.get(), "r", 1));
            ::close_range(0, ~0U, 0); // nothing of the lab's may be kept open from here
            for (;;)
                ::pause();
            return 0;
        },
        true);
    writeEnd.reset();
    char byte;
    if (::read(readEnd.get(), &byte, 1) != 1)
        throw SystemError("start the pause process of " + hostname, ECHILD);
    namespaces_ = namespacesOf(pause_.pid());
    namespaces_.mnt.reset();
}

} // namespace rdmalab::harness
