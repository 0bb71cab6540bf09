#include "fakekernel/supervised.h"

#include "util/syscall.h"

#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>
#include <stdexcept>

namespace rdmalab::fakekernel {

namespace {

union OneDescriptor {
    cmsghdr header;
    char bytes[CMSG_SPACE(sizeof(int))];
};

// The listener, or -1 with errno.
int installFilter(const sock_fprog& program) noexcept {
    // Without WAIT_KILLABLE_RECV (5.19) a signal makes the caller forget a call that is being carried out, and repeat it.
    for (const unsigned long flags :
         {SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, SECCOMP_FILTER_FLAG_NEW_LISTENER}) {
        const auto listener = ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
        if (listener >= 0 || errno != EINVAL)
            return static_cast<int>(listener);
    }
    return -1;
}

} // namespace

SupervisedLaunch::SupervisedLaunch(const Handler& handler) {
    Filter filter;
    handler.trap(filter);
    program_ = filter.program();
    int ends[2];
    // A socket rather than pidfd_getfd: works whatever namespaces and credentials the child has taken on.
    checked("socketpair", ::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends));
    parentEnd_.reset(ends[0]);
    childEnd_.reset(ends[1]);
}

int SupervisedLaunch::installInChild() noexcept {
    const sock_fprog program{static_cast<unsigned short>(program_.size()), program_.data()};
    int listener = installFilter(program);
    if (listener < 0 && errno == EACCES) {
        if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
            return errno;
        listener = installFilter(program);
    }
    if (listener < 0)
        return errno;
    char byte = 0;
    iovec data{&byte, 1};
    OneDescriptor control;
    std::memset(&control, 0, sizeof control);
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = &control;
    message.msg_controllen = sizeof control;
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(&control.header), &listener, sizeof listener);
    int error = 0;
    while (::sendmsg(childEnd_.get(), &message, MSG_NOSIGNAL) < 0)
        if (errno != EINTR) {
            error = errno;
            break;
        }
    // A copy in the tree itself would keep its own end from ever being seen.
    ::close(listener);
    childEnd_.reset();
    // Closed by exec; by number it might be something else by now, where the launcher has closed everything before.
    parentEnd_.release();
    return error;
}

UniqueFd SupervisedLaunch::takeListener() {
    childEnd_.reset(); // else the child's death would go unnoticed
    char byte;
    iovec data{&byte, 1};
    OneDescriptor control;
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = &control;
    message.msg_controllen = sizeof control;
    ssize_t got;
    do
        got = ::recvmsg(parentEnd_.get(), &message, MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    checked("receive the seccomp listener", got);
    parentEnd_.reset();
    const cmsghdr* const header = got > 0 ? CMSG_FIRSTHDR(&message) : nullptr;
    if (header == nullptr || header->cmsg_type != SCM_RIGHTS)
        throw std::runtime_error("the process ended before it was under the supervisor");
    int listener;
    std::memcpy(&listener, CMSG_DATA(header), sizeof listener);
    return UniqueFd(listener);
}

Supervisor::TreeId SupervisedLaunch::takeInParent(Supervisor& supervisor, std::shared_ptr<Handler> handler) {
    return supervisor.add(takeListener(), std::move(handler));
}

} // namespace rdmalab::fakekernel
