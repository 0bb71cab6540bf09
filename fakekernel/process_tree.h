// A seccomp listener: the processes under one filter, and their waiting calls.
#pragma once

#include "fakekernel/answer.h"
#include "fakekernel/call_view.h"
#include "util/unique_fd.h"

#include <linux/seccomp.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <shared_mutex>

namespace rdmalab::fakekernel {

class Handler;

class ProcessTree {
public:
    ProcessTree(UniqueFd listener, std::shared_ptr<Handler> handler, std::shared_ptr<const UniqueFd> procFs);
    ProcessTree(const ProcessTree&) = delete;
    ProcessTree& operator=(const ProcessTree&) = delete;

    Handler& handler() const noexcept { return *handler_; }
    const UniqueFd& procFs() const noexcept { return *procFs_; }
    int fd() const noexcept { return listener_.get(); } // for epoll; not while close() may run

    struct Notification {
        std::uint64_t id;
        Call call;
    };
    // Nothing when the caller has gone in the meantime.
    std::optional<Notification> receive();
    bool valid(std::uint64_t id) const;
    // Whether it arrived. The caller being gone is no error. What the kernel refuses of an answer (a descriptor that the caller
    // cannot hold) becomes the caller's errno.
    bool send(std::uint64_t id, const Answer& answer);
    // SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (6.6): the caller and the one who answers share a processor.
    bool setSynchronousWake(bool on);
    // Waiting calls and later ones get ENOSYS.
    void close();

private:
    // EBADF when closed.
    int ioctl(unsigned long request, void* argument) const;
    bool respond(std::uint64_t id, std::int64_t value, int error, unsigned flags);
    bool sendDescriptor(std::uint64_t id, const Answer& answer);

    mutable std::shared_mutex closing_;
    UniqueFd listener_;
    const std::shared_ptr<Handler> handler_;
    const std::shared_ptr<const UniqueFd> procFs_;
};

} // namespace rdmalab::fakekernel
