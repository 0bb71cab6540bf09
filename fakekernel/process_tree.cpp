#include "fakekernel/process_tree.h"

#include "util/syscall.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <mutex>
#include <vector>

#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS // Linux 6.6
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (1UL << 0)
#endif

namespace rdmalab::fakekernel {

namespace {

// A newer kernel's structures may be longer than those of our headers.
const seccomp_notif_sizes& kernelSizes() {
    static const seccomp_notif_sizes sizes = [] {
        seccomp_notif_sizes found{};
        checked("seccomp get notification sizes", ::syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &found));
        return found;
    }();
    return sizes;
}

template <typename T>
class Sized {
public:
    explicit Sized(std::size_t kernelSize)
        : words_((std::max(kernelSize, sizeof(T)) + sizeof(std::uint64_t) - 1) / sizeof(std::uint64_t)) {}
    T* operator->() { return reinterpret_cast<T*>(words_.data()); }
    void* get() { return words_.data(); }

private:
    static_assert(alignof(T) <= alignof(std::uint64_t));
    std::vector<std::uint64_t> words_; // the kernel wants zeros, all of them
};

} // namespace

ProcessTree::ProcessTree(UniqueFd listener, std::shared_ptr<Handler> handler, std::shared_ptr<const UniqueFd> procFs)
    : listener_(std::move(listener)), handler_(std::move(handler)), procFs_(std::move(procFs)) {
    kernelSizes();
}

int ProcessTree::ioctl(unsigned long request, void* argument) const {
    const std::shared_lock lock(closing_);
    if (!listener_.valid()) {
        errno = EBADF;
        return -1;
    }
    int result;
    do // a sanitizer or debugger may signal even a thread that blocks all signals
        result = ::ioctl(listener_.get(), request, argument);
    while (result < 0 && errno == EINTR && request != SECCOMP_IOCTL_NOTIF_ADDFD);
    return result;
}

std::optional<ProcessTree::Notification> ProcessTree::receive() {
    Sized<seccomp_notif> notification(kernelSizes().seccomp_notif);
    if (ioctl(SECCOMP_IOCTL_NOTIF_RECV, notification.get()) < 0) {
        if (errno == ENOENT || errno == ENOTCONN || errno == EBADF)
            return std::nullopt;
        throw SystemError("receive a seccomp notification", errno);
    }
    Notification result{notification->id, {}};
    result.call.number = notification->data.nr;
    std::copy(std::begin(notification->data.args), std::end(notification->data.args), result.call.arguments.begin());
    result.call.thread = static_cast<pid_t>(notification->pid);
    return result;
}

bool ProcessTree::valid(std::uint64_t id) const {
    return ioctl(SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0;
}

bool ProcessTree::respond(std::uint64_t id, std::int64_t value, int error, unsigned flags) {
    Sized<seccomp_notif_resp> response(kernelSizes().seccomp_notif_resp);
    response->id = id;
    response->val = value;
    response->error = -error;
    response->flags = flags;
    if (ioctl(SECCOMP_IOCTL_NOTIF_SEND, response.get()) == 0)
        return true;
    if (errno == ENOENT || errno == EINPROGRESS || errno == EBADF)
        return false;
    throw SystemError("answer a seccomp notification", errno);
}

bool ProcessTree::sendDescriptor(std::uint64_t id, const Answer& answer) {
    seccomp_notif_addfd add{};
    add.id = id;
    add.srcfd = static_cast<__u32>(answer.file().get());
    add.newfd_flags = answer.closeOnExec() ? O_CLOEXEC : 0;
    if (answer.number()) {
        add.flags = SECCOMP_ADDFD_FLAG_SETFD;
        add.newfd = static_cast<__u32>(*answer.number());
    }
    add.flags |= SECCOMP_ADDFD_FLAG_SEND; // the descriptor and its number in one step (5.14)
    int number = ioctl(SECCOMP_IOCTL_NOTIF_ADDFD, &add);
    if (number >= 0)
        return true;
    if (errno == EINVAL) {
        add.flags &= ~static_cast<__u32>(SECCOMP_ADDFD_FLAG_SEND);
        number = ioctl(SECCOMP_IOCTL_NOTIF_ADDFD, &add);
        if (number >= 0)
            return respond(id, number, 0, 0);
    }
    if (errno == ENOENT || errno == EINPROGRESS)
        return false;
    return respond(id, 0, errno, 0); // EMFILE, EBADF: as the system call itself would fail
}

bool ProcessTree::send(std::uint64_t id, const Answer& answer) {
    switch (answer.kind()) {
    case Answer::Kind::value:
        return respond(id, answer.result(), 0, 0);
    case Answer::Kind::error:
        return respond(id, 0, static_cast<int>(answer.result()), 0);
    case Answer::Kind::proceed:
        return respond(id, 0, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
    case Answer::Kind::descriptor:
        return sendDescriptor(id, answer);
    case Answer::Kind::parked:
        break;
    }
    return true;
}

bool ProcessTree::setSynchronousWake(bool on) {
    // Takes the flags themselves, not a pointer.
    return ioctl(SECCOMP_IOCTL_NOTIF_SET_FLAGS,
                 reinterpret_cast<void*>(on ? SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP : 0ul)) == 0; // NOLINT
}

void ProcessTree::close() {
    const std::unique_lock lock(closing_);
    listener_.reset();
}

} // namespace rdmalab::fakekernel
