#include "fakesysfs/fuse/session.h"

#include "fakesysfs/fuse/libfuse.h"
#include "fakesysfs/fuse/quiet_thread.h"
#include "fakesysfs/fuse/requests.h"
#include "util/syscall.h"

#include <fmt/format.h>

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <system_error>

namespace rdmalab::fakesysfs {

Session::Session(MountPoint& point, MountedTree& tree, WorkerPool& writers, Viewers& viewers)
    : point_(point), tree_(tree), writers_(writers), viewers_(viewers) {
    UniqueFd owned(point.releaseDevice());
    stop_ = UniqueFd(checked("eventfd", eventfd(0, EFD_CLOEXEC)));
    char program[] = "rdmalab";
    char* arguments[] = {program, nullptr};
    fuse_args args{1, arguments, 0};
    session_ = fuse_session_new(&args, &requestHandlers(), sizeof(fuse_lowlevel_ops), this);
    fuse_opt_free_args(&args); // has become a copy
    if (!session_)
        throw SystemError("fuse_session_new", ENOMEM);
    if (fuse_session_mount(session_, fmt::format("/dev/fd/{}", owned.get()).c_str()) != 0) {
        fuse_session_destroy(session_);
        throw SystemError("fuse_session_mount", EINVAL);
    }
    owned.release(); // the session's now
    try {
        thread_ = quietThread("fakesysfs", [this] { serve(); });
    } catch (...) {
        fuse_session_destroy(session_);
        throw;
    }
}

Session::~Session() {
    stopWriting();
    leaving_ = true;
    point_.provoke(); // answered by the thread, which then looks up
    const std::uint64_t one = 1;
    (void)!::write(stop_.get(), &one, sizeof(one));
    thread_.join();
    fuse_session_destroy(session_);
}

void Session::serve() {
    fuse_buf buffer{};
    // A plain blocking read: to poll before it costs as much as the rest of a request.
    bool alive = true;
    while (alive && !leaving_)
        alive = serveOne(buffer);
    // The request that made this thread look up need not be the one that the destructor waits for: on until told to stop.
    const int device = fuse_session_fd(session_);
    (void)fcntl(device, F_SETFL, fcntl(device, F_GETFL) | O_NONBLOCK);
    pollfd waiting[2] = {{device, POLLIN, 0}, {stop_.get(), POLLIN, 0}};
    while (alive && poll(waiting, 2, -1) >= 0 && !waiting[1].revents)
        alive = serveOne(buffer);
    std::free(buffer.mem);
}

bool Session::serveOne(fuse_buf& buffer) {
    const int received = fuse_session_receive_buf(session_, &buffer);
    if (received > 0)
        fuse_session_process_buf(session_, &buffer);
    return received > 0 || received == -EINTR || received == -EAGAIN; // 0: the file system is unmounted or aborted
}

void Session::send(const Stale& stale) {
    // Failures are those of things that the kernel has forgotten already.
    for (const Stale::Name& name : stale.names)
        (void)fuse_lowlevel_notify_inval_entry(session_, name.parent, name.name.c_str(), name.name.size());
    for (const std::uint64_t number : stale.listings)
        (void)fuse_lowlevel_notify_inval_inode(session_, number, 0, 0);
    for (const std::uint64_t number : stale.attributes)
        (void)fuse_lowlevel_notify_inval_inode(session_, number, -1, 0);
}

bool Session::write(std::function<void()> task) {
    {
        const std::lock_guard lock(mutex_);
        if (stopped_)
            return false;
        ++writing_;
    }
    const auto over = [this] {
        const std::lock_guard lock(mutex_);
        --writing_;
        written_.notify_all();
    };
    try {
        writers_.run([task = std::move(task), over] {
            task();
            over();
        });
    } catch (const std::system_error&) {
        over();
        return false;
    }
    return true;
}

void Session::stopWriting() {
    std::unique_lock lock(mutex_);
    stopped_ = true;
    written_.wait(lock, [this] { return writing_ == 0; });
}

} // namespace rdmalab::fakesysfs
